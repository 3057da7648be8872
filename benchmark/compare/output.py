"""A comparison as text for a terminal, and as what ``--json`` prints."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from benchmark.compare.accuracy import Accuracy, Estimate
from benchmark.compare.cost import Candidate
from benchmark.compare.table_row import NewRow, format_rows
from benchmark.config.conventions import FLOPS, PARAMS
from benchmark.latency.timer import timing_ratio


@dataclass(kw_only=True)
class Comparison:
    """All that was found out. ``rows`` are those of the whole table, the new one last."""

    yours: Candidate
    others: list[Candidate]
    joints: int
    row: NewRow | None = None
    rows: Sequence[Sequence[str]] = ()
    accuracy: Accuracy | None = None
    files: list[Path] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)

    @property
    def all(self) -> list[Candidate]:
        """The new network, then the baselines."""
        return [self.yours, *self.others]


def format_comparison(found: Comparison) -> str:
    """Everything for reading; what was not measured is left empty, with its reason."""
    yours = found.yours
    head = f"{yours.name} ({yours.subject.name})" if yours.name != yours.subject.name else yours.name
    blocks = [f"{head}: {found.joints} joints, {yours.input}"]
    if found.row:
        table = found.row.table
        where = ", ".join(x for x in (table.dataset, table.split, table.input) if x)
        title = f"{table.paper}, {table.where}: {table.title} ({where}); rows as printed, the last one measured"
        blocks.append(f"{title}\n{format_rows(table, found.rows)}")
    blocks.append("\n".join(_cost_lines(found.all)))
    if yours.timing:
        blocks.append("\n".join(_latency_lines(found)))
    if found.accuracy:
        blocks.append("\n".join(_accuracy_lines(found.accuracy, found.row)))
    if found.notes:
        blocks.append("\n".join(f"- {note}" for note in found.notes))
    if found.files:
        blocks.append("wrote " + " ".join(map(str, found.files)))
    return "\n\n".join(blocks)


def _cost_lines(contenders: Sequence[Candidate]) -> Iterator[str]:
    width = max(len(c.name) for c in contenders) + 2
    yield "one image: parameters in millions, operations in each convention's own G"
    columns = [f"{name + ' M':>13}" for name in PARAMS] + [f"{name:>12}" for name in FLOPS]
    yield f"   {'':{width}}{'input':9}{''.join(columns)}"
    for contender in contenders:
        params, flops = (contender.counts.get(kind, {}) for kind in ("params", "flops"))
        cells = [f"{params[name] / 1e6:13.3f}" if name in params else f"{'':13}" for name in PARAMS]
        cells += [f"{flops[name] / c.giga:12.4f}" if name in flops else f"{'':12}" for name, c in FLOPS.items()]
        yield f"   {contender.name:{width}}{contender.input:9}{''.join(cells)}".rstrip()


def _latency_lines(found: Comparison) -> Iterator[str]:
    timing = found.yours.timing
    assert timing is not None
    cell = timing.setting
    width = max(len(c.name) for c in found.all) + 2
    threads = f"{cell.threads} thread" + "s" * (cell.threads > 1)
    yield f"latency on {timing.device or cell.device}, {threads}, batch {cell.batch}, {cell.backend}; networks took turns"
    yield f"   {'':{width}}{'input':9}{'median ms':>10}   10 % to 90 %        times as long as {found.yours.name}"
    for contender in found.all:
        own = contender.timing
        assert own is not None
        spread = f"{own.p10 * 1e3:.2f} to {own.p90 * 1e3:.2f}"
        line = f"   {contender.name:{width}}{contender.input:9}{own.median * 1e3:10.2f}   {spread:20}"
        if contender is not found.yours:
            value, (low, high) = timing_ratio(own, timing)
            line += f"{value:.2f}  [{low:.2f}, {high:.2f}]"
        yield line.rstrip() + ("  noisy" if own.unstable else "")


def _accuracy_lines(accuracy: Accuracy, row: NewRow | None) -> Iterator[str]:
    coco = accuracy.dataset.endswith("coco")
    places, unit = (4, "fractions, 95 % intervals over images") if coco else (2, "percent, 95 % intervals over persons")
    yield f"accuracy on {accuracy.dataset} {accuracy.split}: {accuracy.how}; n = {accuracy.n}; {unit}"
    for metric, estimate in accuracy.figures.items():
        yield f"   {metric:28}{_estimate(estimate, places)}"
    for name, figures in accuracy.over.items():
        yield f"minus {name}, paired"
        for metric, estimate in figures.items():
            yield f"   {metric:28}{_estimate(estimate, places, '+')}"


def _estimate(estimate: Estimate, places: int, sign: str = "") -> str:
    interval = "[{:{s}.{p}f}, {:{s}.{p}f}]".format(*estimate.ci95, s=sign, p=places) if estimate.ci95 else ""
    return f"{estimate.value:{sign}{places + 5}.{places}f}  {interval}".rstrip()


def comparison_report(found: Comparison) -> dict[str, Any]:
    """What ``--json`` prints; see schemas/compare.schema.json."""
    yours = found.yours
    return {
        "schema": 1,
        "name": yours.name,
        "subject": yours.subject.name,
        "joints": found.joints,
        "networks": [_network(contender, yours) for contender in found.all],
        "accuracy": _accuracy(found.accuracy) if found.accuracy else None,
        "table": _table(found.row) if found.row else None,
        "files": [str(path) for path in found.files],
        "notes": found.notes,
    }


def _network(contender: Candidate, yours: Candidate) -> dict[str, Any]:
    timing = contender.timing
    timed = None
    if timing:
        value, interval = timing_ratio(timing, yours.timing) if yours.timing and contender is not yours else (1.0, None)
        timed = {
            "device": timing.device,
            "threads": timing.setting.threads,
            "backend": timing.setting.backend,
            "median_ms": timing.median * 1e3,
            "p10_ms": timing.p10 * 1e3,
            "p90_ms": timing.p90 * 1e3,
            "noisy": bool(timing.unstable),
            "ratio": value,
            "ratio_ci95": list(interval) if interval else None,
        }
    counts = contender.counts
    return {
        "name": contender.name,
        "input": contender.input,
        "params": counts.get("params", {}),
        "flops": counts.get("flops", {}),
        "not_counted": contender.why,
        "latency": timed,
    }


def _accuracy(accuracy: Accuracy) -> dict[str, Any]:
    return {
        "dataset": accuracy.dataset,
        "split": accuracy.split,
        "n": accuracy.n,
        "how": accuracy.how,
        "figures": _figures(accuracy.figures),
        "over": {name: _figures(figures) for name, figures in accuracy.over.items()},
    }


def _figures(figures: Mapping[str, Estimate]) -> dict[str, Any]:
    return {
        metric: {"value": e.value, "ci95": list(e.ci95) if e.ci95 else None, "parts": dict(e.parts)}
        for metric, e in figures.items()
    }


def _table(row: NewRow) -> dict[str, Any]:
    columns = [
        {
            "name": column.name,
            "header": column.header,
            "unit": column.unit,
            "convention": column.convention,
            "cell": row.cells[column.name],
            "why_empty": row.why.get(column.name, ""),
        }
        for column in row.table.columns.values()
    ]
    return {"table": f"{row.table.paper}/{row.table.id}", "columns": columns}
