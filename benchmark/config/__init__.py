"""Declarations without engines: recipes, protocols, searches, ablations, conventions, record identities."""
