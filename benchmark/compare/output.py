"""Format a comparison as text, or as the report that ``--json`` prints."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated, Literal

from pydantic import Field
from typing_extensions import TypedDict  # typing.TypedDict cannot be validated by pydantic before Python 3.12

from benchmark.compare.accuracy import Accuracy, Dataset, Estimate
from benchmark.compare.cost import Candidate
from benchmark.compare.table_row import NewRow, format_rows
from benchmark.config.conventions import FLOPS, PARAMS
from benchmark.config.latency import BackendName
from benchmark.core.text import printable
from benchmark.cost.records import CountedOn
from benchmark.latency.timer import Timing
from benchmark.papers.tables import Size


@dataclass(kw_only=True)
class Comparison:
    """Everything that was measured.

    Attributes:
        new_network: The user's network.
        baselines: The networks that it is compared with.
        joints: Number of joints that they predict.
        row: The network's row of the printed table, if one was given.
        rows: Cells of the whole table, the new row last.
        accuracy: Of the new network, with differences to the baselines.
        files: Files that were written.
        notes: Remarks for the reader, such as why something was not measured.
    """

    new_network: Candidate
    baselines: list[Candidate]
    joints: int
    row: NewRow | None = None
    rows: Sequence[Sequence[str]] = ()
    accuracy: Accuracy | None = None
    files: list[Path] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)

    @property
    def networks(self) -> list[Candidate]:
        """The new network, then the baselines."""
        return [self.new_network, *self.baselines]


def format_comparison(comparison: Comparison) -> str:
    """Format a comparison as text; a value that was not measured is left empty, and a note gives the reason."""
    network = comparison.new_network
    spec_name = network.external.name
    heading = network.name if network.name == spec_name else f"{network.name} ({spec_name})"
    blocks = [f"{heading}: {comparison.joints} joints, {network.input}"]
    if comparison.row:
        table = comparison.row.table
        setting = ", ".join(filter(None, (table.dataset, table.split, table.input)))
        title = f"{table.paper}, {table.where}: {table.title} ({setting}); rows as printed, the last one measured"
        blocks.append(f"{title}\n{format_rows(table, comparison.rows)}")
    blocks.append("\n".join(_cost_lines(comparison.networks)))
    if any(candidate.timing for candidate in comparison.networks):
        blocks.append("\n".join(_latency_lines(comparison)))
    if comparison.accuracy:
        blocks.append("\n".join(_accuracy_lines(comparison.accuracy)))
    if comparison.notes:
        blocks.append("\n".join(f"- {printable(note)}" for note in comparison.notes))
    if comparison.files:
        blocks.append("wrote " + " ".join(map(printable, comparison.files)))
    return "\n\n".join(blocks)


def _cost_lines(candidates: Sequence[Candidate]) -> Iterator[str]:
    width = max(len(candidate.name) for candidate in candidates) + 2
    yield "one image: parameters in millions, operations in each convention's own G; run without values where no note differs"
    columns = [f"{name + ' M':>13}" for name in PARAMS] + [f"{name:>12}" for name in FLOPS]
    yield f"   {'':{width}}{'input':9}{''.join(columns)}"
    for candidate in candidates:
        params, flops = (candidate.counts.get(kind, {}) for kind in ("params", "flops"))
        cells = [f"{params[name] / 1e6:13.3f}" if name in params else f"{'':13}" for name in PARAMS]
        cells += [f"{flops[name] / c.giga:12.4f}" if name in flops else f"{'':12}" for name, c in FLOPS.items()]
        yield f"   {candidate.name:{width}}{candidate.input:9}{''.join(cells)}".rstrip()


def _latency_lines(comparison: Comparison) -> Iterator[str]:
    timings = {candidate.name: candidate.timing for candidate in comparison.networks if candidate.timing}
    first, reference = next(iter(timings.items()))
    setting = reference.setting
    width = max(map(len, timings)) + 2
    threads = f"{setting.threads} thread" + "s" * (setting.threads > 1)
    device = reference.device or setting.device
    conditions = f"{threads}, batch {setting.batch}, {setting.backend}"
    yield f"latency on {device}, {conditions}; {setting.estimator} of the calls of one run, so without intervals"
    yield f"   {'':{width}}{'input':9}{'ms':>10}   10 % to 90 %        times as long as {first}"
    for name, timing in timings.items():
        low, high = timing.percentiles
        spread = f"{low * 1e3:.2f} to {high * 1e3:.2f}"
        line = f"   {name:{width}}{timing.setting.input:9}{timing.seconds * 1e3:10.2f}   {spread:20}"
        if name != first:
            line += f"{timing.seconds / reference.seconds:.2f}"
        yield line.rstrip()


def _accuracy_lines(accuracy: Accuracy) -> Iterator[str]:
    coco = accuracy.dataset.endswith("coco")
    decimals, unit = (4, "fractions, 95 % intervals over images") if coco else (2, "percent, 95 % intervals over people")
    yield f"accuracy on {accuracy.dataset} {accuracy.split}: {accuracy.how}; n = {accuracy.n}; {unit}"
    for metric, estimate in accuracy.estimates.items():
        yield f"   {metric:28}{_format_estimate(estimate, decimals)}"
    for name, differences in accuracy.differences.items():
        yield f"minus {name}, paired"
        for metric, estimate in differences.items():
            yield f"   {metric:28}{_format_estimate(estimate, decimals, '+')}"


def _format_estimate(estimate: Estimate, decimals: int, sign: str = "") -> str:
    interval = "[{:{s}.{d}f}, {:{s}.{d}f}]".format(*estimate.ci95, s=sign, d=decimals) if estimate.ci95 else ""
    return f"{estimate.value:{sign}{decimals + 5}.{decimals}f}  {interval}".rstrip()


# --- output of python -m benchmark.compare --json ----------------------------------------------------------------------------

Count = Annotated[int, Field(ge=0)]
Positive = Annotated[float, Field(gt=0)]


class NetworkLatencyReport(TypedDict):
    """Latency of a network.

    Attributes:
        estimator: How the time of a run is computed from its calls.
        ms: The time. One run has no interval: the rounds of a run share the state of the machine.
        p10_ms: 10th percentile of all calls, and ``p90_ms`` the 90th.
        ratio: Time relative to the new network's; null if that was not timed.
    """

    device: str
    threads: Annotated[int, Field(ge=1)]
    backend: BackendName
    estimator: str
    ms: Positive
    p10_ms: Positive
    p90_ms: Positive
    ratio: Positive | None


class NetworkReport(TypedDict):
    """Cost and latency of a network.

    Attributes:
        params: Parameters by convention.
        flops: Operations of one image by convention.
        counted_on: ``meta``, a run without values; ``cpu``, a run on the processor; ``file``, the nodes of an ONNX file.
        not_counted: Why a convention is missing, and which operators the counts leave out; empty if there is neither.
        latency: Null if the network was not timed.
        not_timed: Why it could not be timed; empty if it was, or should not be.
    """

    name: str
    input: Size
    params: dict[str, Count]
    flops: dict[str, Count]
    counted_on: CountedOn
    not_counted: str
    latency: NetworkLatencyReport | None
    not_timed: str


class EstimateReport(TypedDict):
    """A metric in percent, or as a fraction for COCO; ``parts`` are those of MPII."""

    value: float
    ci95: tuple[float, float] | None
    parts: dict[str, float]


class AccuracyReport(TypedDict):
    """Accuracy of the new network.

    Attributes:
        n: Number of people, or of images for COCO's predictions.
        how: Files, input size and protocol, in words.
        figures: Values by metric.
        over: By baseline and metric, the paired difference: the new network's value minus the baseline's.
    """

    dataset: Dataset
    split: str
    n: Annotated[int, Field(ge=1)]
    how: str
    figures: dict[str, EstimateReport]
    over: dict[str, dict[str, EstimateReport]]


class ColumnReport(TypedDict):
    """Cell of the new row in one column; ``cell`` is empty if nothing was measured, and ``why_empty`` gives the reason."""

    name: str
    header: str
    unit: str
    convention: str
    cell: str
    why_empty: str


class NewRowReport(TypedDict):
    """New row of a printed table, given as ``paper/table``."""

    table: Annotated[str, Field(pattern=r"^[a-z0-9_]+/[a-z0-9_]+$")]
    columns: Annotated[list[ColumnReport], Field(min_length=1)]


class ComparisonReport(TypedDict):
    """Output of ``python -m benchmark.compare --json``.

    Attributes:
        name: Name of the new network in tables and plots.
        subject: The new network as it was given.
        networks: The new network, then the baselines.
        accuracy: Null if no accuracy was measured.
        table: Null if no table was given.
        files: Files that were written.
        notes: Remarks for the reader.
    """

    schema: Literal[3]
    name: str
    subject: str
    joints: Annotated[int, Field(ge=1)]
    networks: Annotated[list[NetworkReport], Field(min_length=1)]
    accuracy: AccuracyReport | None
    table: NewRowReport | None
    files: list[str]
    notes: list[str]


def comparison_report(comparison: Comparison) -> ComparisonReport:
    """Return the report that ``--json`` prints."""
    network = comparison.new_network
    return {
        "schema": 3,
        "name": network.name,
        "subject": network.external.name,
        "joints": comparison.joints,
        "networks": [_network_report(candidate, network) for candidate in comparison.networks],
        "accuracy": _accuracy_report(comparison.accuracy) if comparison.accuracy else None,
        "table": _new_row_report(comparison.row) if comparison.row else None,
        "files": [str(path) for path in comparison.files],
        "notes": comparison.notes,
    }


def _network_report(candidate: Candidate, reference: Candidate) -> NetworkReport:
    return {
        "name": candidate.name,
        "input": candidate.input,
        "params": candidate.counts.get("params", {}),
        "flops": candidate.counts.get("flops", {}),
        "counted_on": candidate.counted_on,
        "not_counted": "; ".join(filter(None, (candidate.missing_reason, candidate.not_counted))),
        "latency": _latency_report(candidate.timing, reference.timing) if candidate.timing else None,
        "not_timed": candidate.not_timed_reason,
    }


def _latency_report(timing: Timing, reference: Timing | None) -> NetworkLatencyReport:
    low, high = timing.percentiles
    return {
        "device": timing.device,
        "threads": timing.setting.threads,
        "backend": timing.setting.backend,
        "estimator": timing.setting.estimator,
        "ms": timing.seconds * 1e3,
        "p10_ms": low * 1e3,
        "p90_ms": high * 1e3,
        "ratio": timing.seconds / reference.seconds if reference else None,
    }


def _accuracy_report(accuracy: Accuracy) -> AccuracyReport:
    return {
        "dataset": accuracy.dataset,
        "split": accuracy.split,
        "n": accuracy.n,
        "how": accuracy.how,
        "figures": _estimates_report(accuracy.estimates),
        "over": {name: _estimates_report(differences) for name, differences in accuracy.differences.items()},
    }


def _estimates_report(estimates: Mapping[str, Estimate]) -> dict[str, EstimateReport]:
    return {
        metric: {"value": estimate.value, "ci95": estimate.ci95, "parts": dict(estimate.parts)}
        for metric, estimate in estimates.items()
    }


def _new_row_report(row: NewRow) -> NewRowReport:
    columns: list[ColumnReport] = [
        {
            "name": column.name,
            "header": column.header,
            "unit": column.unit,
            "convention": column.convention,
            "cell": row.cells[column.name],
            "why_empty": row.missing_reasons.get(column.name, ""),
        }
        for column in row.table.columns.values()
    ]
    return {"table": f"{row.table.paper}/{row.table.id}", "columns": columns}
