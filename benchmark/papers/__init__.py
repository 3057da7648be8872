"""Printed tables of the papers as data, expressions over their cells, and consistency checks."""
