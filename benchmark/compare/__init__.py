"""Compare your own network with the papers': cost, latency and accuracy, each measured as the printed table measures it."""
