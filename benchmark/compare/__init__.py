"""One's own network beside the papers': cost, latency and accuracy, each counted as the table counted."""
