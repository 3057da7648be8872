"""Tests of the registry of models and the models that users bring."""
