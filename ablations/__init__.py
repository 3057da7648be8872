"""The ablations that are planned: one file each, which says what is compared, what the paper claims and what it costs."""
