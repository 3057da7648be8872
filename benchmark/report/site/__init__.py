"""The report as a static site, which opens from disk and needs no network."""
