"""Tests of the comparison of a user's network with the papers'."""
