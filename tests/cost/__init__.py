"""Tests of the cost counters."""
