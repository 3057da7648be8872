"""Records of published prediction files, scored here, for tests of the findings that rest on them."""

from __future__ import annotations

from collections.abc import Mapping
from itertools import combinations
from pathlib import Path

import pytest

from benchmark.core.records import Record
from benchmark.core.versions import versions_of
from benchmark.metrics.score_files import ScoreArguments, score_mpii

FILES = ("hourglass_s2_b1.mat", "hourglass_s8_b1.mat", "hourglass_s8_newell.h5", "hourglass_s8_authors_demo.h5")


def score_published_predictions(folder: Path) -> dict[str, Record]:
    """Return records of all published files on MPII's validation people, and of the paired differences between them."""
    records = {}
    for name in FILES:
        for path in (folder / "mpii/gt_valid.mat", folder / "mpii/predictions" / name):
            if not path.is_file():
                pytest.skip(f"{path} does not exist")
    for name, other in [*((name, "") for name in FILES), *combinations(FILES, 2)]:
        scores = score_mpii(
            ScoreArguments(
                annotations=folder / "mpii/gt_valid.mat",
                predictions=folder / "mpii/predictions" / name,
                against=folder / "mpii/predictions" / other if other else None,
                preset=("hrnet", "mmpose"),
            )
        )
        for preset, by_threshold in (scores["against"] if other else scores["presets"]).items():
            for threshold, score in by_threshold.items():
                metric = f"pckh@{threshold} ({preset})"
                value = score["difference"] if other else score["mean"]
                record = prediction_record(name, metric, value, score["ci95"], over=other, people=scores["n"])
                records[record.id] = record
    return records


def prediction_record(
    file: str, metric: str, value: float, interval: tuple[float, float], *, over: str = "", people: int = 2958
) -> Record:
    """Return a record of a metric of a prediction file; ``over``: the file whose value is subtracted."""
    setting: Mapping[str, str] = {"file": file, "evidence": "retraining", "sides": "person", "over": over}
    return Record(
        kind="predictions",
        subject="baselines/hourglass-8",
        dataset="mpii",
        split="val",
        metric=metric,
        setting=setting,
        versions=versions_of("pckh"),
        value=value,
        n=people,
        interval=interval,
        command="python -m benchmark.score",
    )
