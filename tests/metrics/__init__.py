"""Tests of the accuracy metrics and of the files that they read."""
