"""Test architecture search, its lookup tables and its random baseline."""
