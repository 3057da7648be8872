"""Time the instruments beside the usual alternatives."""
