"""Tests of latency: warm-up, interleaved rounds, workers, records and the command."""
