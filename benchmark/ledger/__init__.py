"""Derive a verdict for each printed number from records, without torch."""
