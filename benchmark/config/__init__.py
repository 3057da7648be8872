"""Declarations that are read without torch: recipes, protocols, searches, ablations, conventions, record identities."""
