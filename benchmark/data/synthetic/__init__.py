"""Synthetic people: drawn images with exact annotations."""
