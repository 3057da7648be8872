"""The papers' tables and claims as data: one folder of TOML files for each paper."""
