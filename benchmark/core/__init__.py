"""Errors, records, files, keypoint names and statistics: what every other package builds on."""
