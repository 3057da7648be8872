"""List models, and measure costs, latencies, and the agreement of the routes to training images."""
