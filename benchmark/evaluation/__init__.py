"""Run networks on annotated people and score the predictions."""
