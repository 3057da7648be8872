"""Measure cost, latency, and the agreement of training-image routes: the command's parts."""
