"""Compare published methods with the networks evaluated here, on the photographs of Leeds Sports Pose."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import product

from benchmark.config.conventions import PCK_PRESETS, PCK_THRESHOLDS, pck_metric_name
from benchmark.config.identities import predictions_identity
from benchmark.config.packages import default_protocol, find_protocol
from benchmark.config.predictions import PublishedPredictions, published_on
from benchmark.core.keypoints import LSP_PARTS
from benchmark.core.records import Record, record_id, select
from benchmark.core.text import escape_markdown
from benchmark.models.registry import is_known
from benchmark.report.markdown import code, grid, page
from benchmark.report.predictions import format_interval, format_reported

MAIN = pck_metric_name(PCK_THRESHOLDS[0])
METRICS = (
    *(pck_metric_name(threshold, preset) for preset in ("", "from one") for threshold in PCK_THRESHOLDS),
    pck_metric_name(PCK_THRESHOLDS[0], "observer-centric"),
)
NOT_STATED = "not stated with the file"
Results = Mapping[str, Record]  # by metric


def lsp_page(records: Mapping[str, Record]) -> str:
    """Return ``reports/lsp.md``, from the records of published predictions and of evaluations."""
    published = [(file, results) for file in published_on("lsp") if (results := _published_results(file, records))]
    evaluated = _evaluated_networks(records)
    return page(
        "# Leeds Sports Pose: published methods and released weights",
        "The 1,000 test images of Leeds Sports Pose are photographs on which other methods' predictions are published. All "
        "rows are scored by the same instrument on the same people, and every interval is the 95 % interval over people. Rows "
        "are in the order of their years, or of their names: **this is no ranking**, because the methods were trained on "
        "different data and were told different things about where the person is.",
        _conventions(),
        "## Published predictions",
        "These values come from the methods' own files, by `python -m benchmark.score --published --dataset lsp --keep`. The "
        f"last columns are the {MAIN} that the collection of these files prints, and how many of its printed values, mean and "
        "body parts, ours round to.",
        grid(
            ("method", "trained on", *METRICS, "printed", "equal"),
            [
                (
                    escape_markdown(file.method),
                    file.training or NOT_STATED,
                    *_values(results),
                    *format_reported(file, records),
                )
                for file, results in published
            ],
        ),
        "## Networks evaluated here from released weights",
        "These networks see a crop around the box of the annotated joints, which tells them where the person is and how large.",
        grid(
            ("network", "trained on", "protocol", *METRICS),
            [
                (code(model), NOT_STATED, _protocol(model, protocol), *_values(results))
                for model, protocol, results in evaluated
            ],
        ),
        f"## Body parts, {MAIN}",
        grid(
            ("method", *LSP_PARTS),
            [
                *((escape_markdown(file.method), *_parts(results)) for file, results in published),
                *((code(model), *_parts(results)) for model, _, results in evaluated),
            ],
        ),
        f"## Paired differences of the published methods, {MAIN}",
        "Row minus column. Both were tested on the same people, so differences are known more precisely than the values "
        "themselves; a difference is **bold** if its interval excludes zero. What the evaluated networks predicted is not on "
        "record, so for them only the intervals above can be compared, which is less precise.",
        _differences([file for file, _ in published], records),
    )


def _conventions() -> str:
    default, observer = PCK_PRESETS[""], PCK_PRESETS["observer-centric"]
    return "\n".join(
        [
            f"* A joint counts as found within the given fraction of the torso: {default.description}, occluded ones included. "
            "A joint without a prediction is missed.",
            "* Where the annotations count pixels from is not stated. By default all coordinates are used as they are; *from "
            "one* takes the annotations, but not the predictions, to begin at (1, 1). A method whose predictions were learnt "
            "from these annotations, or written by MATLAB, counts as they do, and loses *from one*; a network evaluated here "
            "counts from (0, 0), and gains. Its values *from one* correspond to the published methods' default ones; the "
            "smaller the threshold, the more this matters.",
            "* *Person-centric*: left and right are the person's own, as in the dataset's annotations. All files and networks "
            "below predict them.",
            f"* *Observer-centric*: {observer.description}, once the body is thought upright. Annotations and predictions "
            "are converted by the same rule (Eichner and Ferrari, ACCV 2012), each by its own shoulders and hips; a method "
            "that was trained for this convention may do better than one that is converted. The two conventions are two "
            "metrics: a value of one says nothing beside a value of the other.",
        ]
    )


def _published_results(file: PublishedPredictions, records: Mapping[str, Record]) -> Results:
    found = {metric: records.get(record_id(predictions_identity(file, metric))) for metric in METRICS}
    return {metric: record for metric, record in found.items() if record}


def _evaluated_networks(records: Mapping[str, Record]) -> list[tuple[str, str, Results]]:
    """Return model, protocol and records of each network tested with its published weights under its default protocol."""
    networks: dict[tuple[str, str], dict[str, Record]] = {}
    options = {"over": "", "input": "", "weights": "", "boxes": ""}
    for record in select(records, kind="evaluation", dataset="lsp", split="test", **options):
        if record.metric not in METRICS or not is_known(record.subject):
            continue
        if record.protocol == default_protocol(record.subject, "lsp"):
            networks.setdefault((record.subject, record.protocol), {})[record.metric] = record
    order = sorted(networks.items(), key=lambda network: network[0])
    return [(model, protocol, results) for (model, protocol), results in order if MAIN in results]


def _values(results: Results) -> list[str]:
    return [format_interval(results[metric].value, results[metric].interval) if metric in results else "" for metric in METRICS]


def _parts(results: Results) -> list[str]:
    samples = results[MAIN].samples
    return [format_interval(samples["parts"][part], samples.get("parts_ci95", {}).get(part), 1) for part in LSP_PARTS]


def _protocol(model: str, protocol: str) -> str:
    return f"{code(protocol)}: {find_protocol(model, protocol).description}"


def _differences(files: Sequence[PublishedPredictions], records: Mapping[str, Record]) -> str:
    cells: dict[tuple[str, str], str] = {}
    for first, second in product(files, files):
        record = records.get(record_id(predictions_identity(first, MAIN, second.id)))
        if record and record.interval:
            low, high = record.interval
            value = f"{record.value:+.2f}"
            cells[first.id, second.id] = f"{f'**{value}**' if low > 0 or high < 0 else value} [{low:+.2f}, {high:+.2f}]"
    rows = [(first.id, *(cells.get((first.id, second.id), "") for second in files[:-1])) for first in files[1:]]
    return grid(("file", *(file.id for file in files[:-1])), rows) if cells else ""
