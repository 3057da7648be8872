"""Look for findings, one function per rule: what it finds, how strong each is, and the values that it states."""
