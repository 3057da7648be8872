"""The report: every table of the papers beside our figures, written from tables and records alone."""
