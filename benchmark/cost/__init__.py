"""Count parameters and operations from one traced forward pass."""
