"""Run ablations: jobs, engines, statistics of feature maps."""
