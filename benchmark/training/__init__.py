"""Train networks by recipes: loop, batches, losses, checkpoints, validation, records."""
