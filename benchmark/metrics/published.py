"""Score the published files of predicted joints that the project lists, and write the scores as records."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import combinations
from pathlib import Path
from typing import Any, Literal

import numpy as np
from typing_extensions import TypedDict  # typing.TypedDict cannot be validated by pydantic before Python 3.12

from benchmark.config.conventions import (
    PCK_PRESETS,
    PCK_THRESHOLDS,
    PCKH_PRESETS,
    pck_metric_name,
    pckh_metric_name,
)
from benchmark.config.identities import predictions_identity
from benchmark.config.predictions import PublishedPredictions, published_on
from benchmark.core.errors import InputError
from benchmark.core.files import data_root, sha256_of_file
from benchmark.core.records import Record, provenance
from benchmark.core.statistics import percentile_interval
from benchmark.data.lsp import read_lsp_test
from benchmark.metrics.array_files import default_origin
from benchmark.metrics.mpii_files import read_mpii_annotations, read_mpii_predictions
from benchmark.metrics.pck import bootstrap_pck
from benchmark.metrics.pckh import MEAN_COLUMN, PckhEstimate, bootstrap_pckh
from benchmark.metrics.point_files import read_points

# The metric of which paired differences between files are kept.
COMPARED = {"mpii": pckh_metric_name(0.5, "hrnet"), "lsp": pck_metric_name(0.2)}
Estimates = Mapping[str, Mapping[str, PckhEstimate]]  # by file and metric


def find_published(dataset: str) -> tuple[list[PublishedPredictions], list[PublishedPredictions]]:
    """Return the published files of a dataset that are below the data root, and those that are not.

    Raises:
        InputError: none is there, or one has another content than the published file.
    """
    listed = published_on(dataset)
    present = [published for published in listed if (data_root() / published.file).is_file()]
    absent = [published for published in listed if published not in present]
    if not present:
        raise InputError(f"{data_root()}: none of the {len(absent)} published files on {dataset}; {fetch_command(dataset)}")
    for published in present:
        path = data_root() / published.file
        if (digest := sha256_of_file(path)) != published.sha256:
            raise InputError(f"{path}: not the published file: its SHA-256 begins {digest[:8]}, not {published.sha256[:8]}")
    return present, absent


def fetch_command(dataset: str) -> str:
    """Return the command that downloads a dataset's published files."""
    return f"python -m benchmark.data fetch predictions/{dataset}"


def score_published(dataset: Literal["mpii", "lsp"], annotations: Path) -> tuple[list[Record], list[PublishedPredictions]]:
    """Score all published files of a dataset that are below the data root, under every preset and threshold.

    Returns:
        One record per file and metric, then one per pair of files of a split with their paired difference; and the files that
        are absent.

    Raises:
        InputError: see :func:`find_published`; or a file does not fit the annotations.
    """
    present, absent = find_published(dataset)
    people, estimates = (_score_mpii if dataset == "mpii" else _score_lsp)(present, annotations)
    return list(_records(present, estimates, people, dataset)), absent


def _score_mpii(files: Sequence[PublishedPredictions], annotations: Path) -> tuple[int, Estimates]:
    truth = read_mpii_annotations(annotations)
    people = len(truth.joints)
    predictions = {}
    for published in files:
        path = data_root() / published.file
        predictions[published.id] = read_mpii_predictions(path, people), default_origin(path)
    estimates = bootstrap_pckh(predictions, *truth, PCKH_PRESETS)
    by_file: dict[str, dict[str, PckhEstimate]] = {published.id: {} for published in files}
    for (file, preset, threshold), estimate in estimates.items():
        by_file[file][pckh_metric_name(threshold, preset)] = estimate
    return people, by_file


def _score_lsp(files: Sequence[PublishedPredictions], annotations: Path) -> tuple[int, Estimates]:
    joints, visible = read_lsp_test(annotations)
    by_file: dict[str, dict[str, PckhEstimate]] = {}
    for published in files:
        points = {published.id: read_points(data_root() / published.file, len(joints), "lsp")}
        presets = {name: preset for name, preset in PCK_PRESETS.items() if published.sides in ("person", preset.sides)}
        estimates = bootstrap_pck(points, joints, visible, PCK_THRESHOLDS, presets, sides=published.sides, allow_missing=True)
        by_file[published.id] = {
            pck_metric_name(threshold, name): estimate for (_, name, threshold), estimate in estimates.items()
        }
    return len(joints), by_file


def _records(files: Sequence[PublishedPredictions], estimates: Estimates, people: int, dataset: str) -> Iterator[Record]:
    origin = provenance()
    for published in files:
        for metric, estimate in estimates[published.id].items():
            parts = {part: value for part, value in estimate.value.items() if part != MEAN_COLUMN}
            samples = {
                "sha256": published.sha256,
                "parts": parts,
                "parts_ci95": {part: percentile_interval(estimate.replicates[part]) for part in parts},
            }
            yield _record(
                published, metric, "", estimate.value[MEAN_COLUMN], estimate.replicates[MEAN_COLUMN], people, samples, origin
            )
    metric = COMPARED[dataset]
    for second, first in combinations(files, 2):
        if first.split == second.split and first.sides == second.sides:
            a, b = estimates[first.id][metric], estimates[second.id][metric]
            difference = a.value[MEAN_COLUMN] - b.value[MEAN_COLUMN]
            replicates = a.replicates[MEAN_COLUMN] - b.replicates[MEAN_COLUMN]
            samples = {"sha256": first.sha256, "reference_sha256": second.sha256}
            yield _record(first, metric, second.id, difference, replicates, people, samples, origin)


def _record(
    published: PublishedPredictions,
    metric: str,
    over: str,
    value: float,
    replicates: np.ndarray,
    people: int,
    samples: dict[str, Any],
    origin: dict[str, Any],
) -> Record:
    return Record(
        **predictions_identity(published, metric, over),
        value=value,
        n=people,
        interval=percentile_interval(replicates),
        samples=samples,
        **origin,
    )


class PublishedReport(TypedDict):
    """One record of ``python -m benchmark.score --published --json``.

    Attributes:
        over: The file whose value is subtracted; empty for the metric itself.
        ci95: The 95 % interval over people.
        record: The record's id.
    """

    file: str
    subject: str
    evidence: str
    metric: str
    over: str
    value: float
    ci95: list[float]
    parts: dict[str, float]
    record: str


def published_report(records: Iterable[Record]) -> list[PublishedReport]:
    """Return the content of ``--published --json``."""
    return [
        {
            "file": record.setting["file"],
            "subject": record.subject,
            "evidence": record.setting["evidence"],
            "metric": record.metric,
            "over": record.setting["over"],
            "value": record.value,
            "ci95": list(record.interval or ()),
            "parts": record.samples.get("parts", {}),
            "record": record.id,
        }
        for record in records
    ]


def format_published(records: Sequence[Record], absent: Sequence[PublishedPredictions]) -> str:
    """Format records as text, one line each, and name the files that are absent."""
    first = records[0]
    lines = [f"{first.dataset} {first.split}: {first.n} people, percent, 95 % intervals over people"]
    for record in records:
        low, high = record.interval or (np.nan, np.nan)
        over, sign = (f" minus {record.setting['over']}", "+") if record.setting["over"] else ("", "")
        parts = "  ".join(f"{part} {value:.1f}" for part, value in record.samples.get("parts", {}).items())
        name = f"{record.setting['file']}{over} ({record.setting['evidence']})"
        value = f"{record.value:{sign}.2f}  [{low:{sign}.2f}, {high:{sign}.2f}]"
        lines.append(f"{record.id}  {name:72} {record.metric:36} {value}  {parts}".rstrip())
    lines += [f"absent: {published.file}; {fetch_command(published.dataset)}" for published in absent]
    return "\n".join(lines)
