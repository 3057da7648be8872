"""The papers as data: printed tables, expressions over their cells, consistency checks."""
