"""Test the training of networks."""
