"""Derive a verdict for each printed figure from records. No torch."""
