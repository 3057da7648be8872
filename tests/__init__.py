"""Tests, one package per package of ``benchmark/``."""
