"""Show what published predictions on MPII say of the printed accuracies of their networks."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from decimal import Decimal

from benchmark.config.conventions import PCKH_PRESETS, PCKH_THRESHOLDS, pckh_metric_name
from benchmark.config.identities import predictions_identity
from benchmark.config.predictions import PublishedPredictions, published_on
from benchmark.core.records import Record, record_id
from benchmark.core.text import escape_markdown
from benchmark.ledger.predictions import judge_by_published_predictions
from benchmark.papers.consistency import rounding_bounds
from benchmark.papers.rounding import to_decimal
from benchmark.papers.tables import Cell, Paper
from benchmark.report.markdown import code, grid, page


def predictions_page(papers: Mapping[str, Paper], records: Mapping[str, Record]) -> str:
    """Return ``reports/predictions.md``, from the records of published predictions on MPII."""
    files = [file for file in published_on("mpii") if _record(file, pckh_metric_name(0.5, "hrnet"), records)]
    return page(
        "# Published predictions on MPII validation",
        "Some networks' predicted joints are published as files, so that their accuracy can be computed without images, "
        "weights or a GPU: `python -m benchmark.score --published --dataset mpii --keep`. Files that come from a method's "
        "*authors* and files of an *independent retraining* are two classes of evidence. Every interval is the 95 % interval "
        "over people. A printed value may belong to a network that was tested otherwise (with flipped images, say) or trained "
        "again; neither the rows nor the files say so.",
        "## Files",
        grid(
            ("file", "method", "evidence", "people", "source", "printed mean", "equal"),
            [
                (
                    code(file.id),
                    escape_markdown(file.method),
                    file.evidence,
                    f"{file.dataset} {file.split}",
                    escape_markdown(file.source),
                    *format_reported(file, records),
                )
                for file in files
            ],
        ),
        "## Mean under each convention",
        "Tables rarely say how they average: over all annotated joints of the dataset, or over the averages of the joints. "
        "`mpii_official`, `hrnet` and `mmpose` do the former, `pytorch_pose` the latter.",
        _means(files, records),
        "## Printed values of the same networks",
        "Only cells about the same people are listed: a value that is printed for the test split is not compared with files of "
        "the validation split. *above* means that the printed value, with its rounding, lies above the whole interval.",
        _printed_cells(papers, records),
    )


def format_interval(value: float, interval: tuple[float, float] | Sequence[float] | None, decimals: int = 2) -> str:
    """Format a value with its interval, if it has one."""
    if interval is None:
        return f"{value:.{decimals}f}"
    low, high = interval
    return f"{value:.{decimals}f} [{low:.{decimals}f}, {high:.{decimals}f}]"


def format_reported(file: PublishedPredictions, records: Mapping[str, Record]) -> tuple[str, str]:
    """Return the published mean of a file, and how many of its published values ours round to; empty without any."""
    record = _record(file, file.reported_metric, records)
    if not file.reported or record is None:
        return "", ""
    ours = {**record.samples["parts"], "Mean": record.value}
    equal = sum(_rounds_to(ours[part], printed) for part, printed in file.reported.items())
    return f"{file.reported['Mean']} ({file.reported_metric}; {file.reported_source})", f"{equal} of {len(file.reported)}"


def _rounds_to(value: float, printed: str) -> bool:
    """Return whether a value rounds to a printed one; one exactly half-way may have been rounded up or down."""
    half_unit = Decimal(5).scaleb(-len(printed.partition(".")[2]) - 1)
    return abs(to_decimal(round(value, 9)) - Decimal(printed)) <= half_unit


def _record(file: PublishedPredictions, metric: str, records: Mapping[str, Record]) -> Record | None:
    return records.get(record_id(predictions_identity(file, metric)))


def _means(files: Sequence[PublishedPredictions], records: Mapping[str, Record]) -> str:
    rows = []
    for preset in PCKH_PRESETS:
        for threshold in PCKH_THRESHOLDS:
            metric = pckh_metric_name(threshold, preset)
            found = [_record(file, metric, records) for file in files]
            rows.append((metric, *(format_interval(record.value, record.interval) if record else "" for record in found)))
    return grid(("metric", *(code(file.id) for file in files)), rows)


def _printed_cells(papers: Mapping[str, Paper], records: Mapping[str, Record]) -> str:
    rows = []
    for paper in papers.values():
        for table in paper.tables.values():
            for cell in table.cells():
                judged = judge_by_published_predictions(cell, records)
                if judged:
                    row = (f"{paper.short}, {table.where}", cell.row.id, cell.column.header, cell.printed)
                    rows += [
                        (
                            *row,
                            code(item.file),
                            item.evidence,
                            format_interval(item.value, (item.low, item.high)),
                            _place(cell, item.low, item.high),
                        )
                        for item in judged
                    ]
    header = ("table", "row", "column", "printed", "file", "evidence", "its value", "printed value lies")
    return grid(header, rows) if rows else ""


def _place(cell: Cell, low: float, high: float) -> str:
    """Say where a printed value, which may be anything that rounds to it, lies relative to an interval."""
    printed_low, printed_high = rounding_bounds(cell)
    if printed_low > high:
        return "above"
    return "below" if printed_high < low else "inside"
