"""Tests of files, records, statistics and errors."""
