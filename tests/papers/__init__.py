"""Tests of the papers' transcribed tables, expressions and consistency checks."""
