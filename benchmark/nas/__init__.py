"""Architecture search: the loop, random search, lookup tables and their records."""
