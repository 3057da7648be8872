"""Tests of the declarations: recipes, protocols, schedules and record identities."""
