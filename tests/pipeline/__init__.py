"""Tests of the way from images to inputs and targets, and from heatmaps back to joints."""
