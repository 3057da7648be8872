"""Tests of evaluation: weights, batched inference, scoring, records and submissions."""
