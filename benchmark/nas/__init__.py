"""Architecture search: the plan of its steps, random search, lookup tables and their records."""
