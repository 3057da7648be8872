"""Derive results from records without torch: differences with intervals, orders, repeatability."""
