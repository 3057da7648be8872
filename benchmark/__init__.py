"""Instruments of the benchmark: data, models, cost, latency, training, evaluation, verdicts and reports; see the README."""
