"""Write the report from paper tables and records: the papers' tables beside our values, and one page per instrument."""
