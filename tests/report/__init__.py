"""Check the pages of the report."""
