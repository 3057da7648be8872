"""Tests that CONTRIBUTING.md works as written."""
