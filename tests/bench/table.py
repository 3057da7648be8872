"""Format the results of all benchmarks as one table, each beside the usual alternative: the last step of ``make bench``.

    python -m tests.bench.table out/bench.json

The file is written by pytest-benchmark. Values are medians of one run on one machine, and hold only for that machine.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any, NamedTuple

from benchmark.report.markdown import grid

MODELS = ("efficientpose_nas/C", "baselines/simple_baseline-r152", "efficientpose/IV")
COCO_LIBRARIES = {"pycocotools": "pycocotools", "faster_coco_eval": "faster-coco-eval", "hotcoco": "hotcoco"}
IMAGES = {"photographs": "96 images of 1280x720", "small": "96 small images"}


class Row(NamedTuple):
    """One row of the table.

    Attributes:
        task: The task in words.
        ours: The name of our benchmark.
        alternative: The name of the alternative's benchmark, if there is one.
        alternative_name: The alternative in words.
        runs: How often the alternative has to run for the same result.
        promised: Our upper limit in seconds.
    """

    task: str
    ours: str
    alternative: str = ""
    alternative_name: str = "nothing does this"
    runs: int = 1
    promised: float | None = None


ROWS = (
    *(
        Row(f"cost of {model}, every convention", f"test_trace[{model}]", f"test_trace_by_fvcore[{model}]", "fvcore", 1, 1)
        for model in MODELS
    ),
    Row("the whole report, from records", "test_report_from_stored_records", promised=5),
    Row("every cost, and the report", "test_every_cost_and_the_report_from_nothing", promised=60),
    Row("PCKh, 4 presets, 1,000 replicates", "test_pckh"),
    Row("OKS AP of val2017's size, from arrays", "test_from_arrays", "test_by_pycocotools", "pycocotools", promised=2),
    Row("OKS AP of val2017's size, from arrays", "test_from_arrays", "test_by_faster_coco_eval", "faster-coco-eval"),
    Row("OKS AP of val2017's size, from arrays", "test_from_arrays", "test_by_hotcoco", "hotcoco"),
    Row(
        "its 1,000 bootstrap replicates", "test_a_thousand_bootstrap_replicates", "test_by_pycocotools", "pycocotools", 1000, 20
    ),
    *(
        Row("the same, from files to metrics", "test_from_files[none]", f"test_from_files_by_{name}", label, promised=1.5)
        for name, label in COCO_LIBRARIES.items()
    ),
    Row(
        "with 1,000 bootstrap replicates",
        "test_from_files[bootstrap]",
        "test_from_files_by_pycocotools",
        "pycocotools",
        1000,
        4,
    ),
    *(
        Row(task, f"test_batches[{kind}-cached]", f"test_one_image_after_another[{kind}]", "one image after another")
        for kind, task in IMAGES.items()
    ),
    Row("an empty timed call", "test_an_empty_timed_call", "test_the_clock_alone", "the clock alone"),
)

# Benchmarks in which the loops alternate, by the unit of their speeds: the task, the promised factor, and the alternative.
ALTERNATING = {
    "images per second": ("training EfficientPose-A at 128x128", "1.3 times", "the usual loop"),
    "people per second": ("evaluating EfficientPose-A on MPII-sized images", "2 times", "HRNet's loop, at its best workers"),
}


def table(results: dict[str, Any]) -> str:
    """Format the content of pytest-benchmark's file as Markdown; a benchmark that did not run leaves its cells empty."""
    medians = {entry["name"]: entry["stats"]["median"] for entry in results["benchmarks"]}
    rows = []
    for row in ROWS:
        ours, once = medians.get(row.ours), medians.get(row.alternative)
        alternative = None if once is None else row.runs * once
        factor = "" if ours is None or alternative is None else f"{alternative / ours:.3g}"
        promised = "" if row.promised is None else f"under {row.promised:g} s"
        name = f"{row.runs:,} times {row.alternative_name}" if row.runs > 1 else row.alternative_name
        rows.append((row.task, _seconds(ours), promised, name, _seconds(alternative), factor))
    for entry in results["benchmarks"]:  # both loops alternate within one benchmark
        for unit, (task, promised, alternative) in ALTERNATING.items():
            speeds = entry["extra_info"].get(unit)
            if isinstance(speeds, dict) and {"usual", "ours"} == set(speeds):
                ours, usual = speeds["ours"], speeds["usual"]
                counted = unit.replace(" per second", "/s")
                rows.append((task, f"{ours} {counted}", promised, alternative, f"{usual} {counted}", f"{ours / usual:.3g}"))
    return grid(("task", "ours", "promised", "alternative", "takes", "times as long"), rows)


def _seconds(value: float | None) -> str:
    if value is None:
        return ""
    for unit, scale in (("s", 1.0), ("ms", 1e3), ("µs", 1e6)):
        if value * scale >= 1:
            return f"{value * scale:.3g} {unit}"
    return f"{value * 1e9:.3g} ns"


if __name__ == "__main__":
    print(table(json.loads(Path(sys.argv[1]).read_text())))
