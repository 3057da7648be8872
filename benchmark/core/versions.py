"""Versions of the instruments.

Raise an instrument's version when it may give another value than before for the same input. Each record names the instruments
that it depends on with their versions at the time, so raising a version retires exactly the records that depend on it.
"""

from __future__ import annotations

from collections.abc import Mapping

VERSIONS: Mapping[str, int] = {
    # counting and timing
    "cost": 2,
    "latency": 1,  # one timed call, and the warm-up
    "latency_runs": 1,  # interleaved rounds, and the estimators of a run
    "lookup_table": 1,
    # from images to network inputs and targets
    "synthetic_people": 1,
    "crops": 1,
    "crop_cache": 1,
    "augmentation": 1,
    "batches": 1,
    "targets": 1,
    # from heatmaps to metrics
    "protocols": 1,
    "inference": 1,
    "decoding": 1,
    "scoring": 1,
    "pck": 1,
    "pckh": 1,
    "oks": 1,
    "oks_nms": 1,
    "prediction_files": 1,
    # what is run
    "training": 1,
    "search": 1,
    "feature_maps": 1,
    "agreement": 1,
}


def versions_of(*instruments: str) -> dict[str, int]:
    """Return the versions of these instruments by name.

    Raises:
        KeyError: An instrument is unknown.
    """
    return {instrument: VERSIONS[instrument] for instrument in instruments}
