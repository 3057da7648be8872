"""Tests of the dataset readers, the downloads and Synthetic people."""
