"""Tests of results that are derived from records."""
