"""Test the ablations: jobs, engines, feature maps."""
