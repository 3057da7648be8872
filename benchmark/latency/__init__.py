"""Time networks: one process per network, interleaved rounds, raw samples."""
