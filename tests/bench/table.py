"""All performance figures of the project in one table, each beside what one would use instead: the end of ``make bench``.

    python -m tests.bench_table out/bench.json

The file is pytest-benchmark's. Medians of one run on one machine: for the next machine, run it there.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any, NamedTuple

from benchmark.report.markdown import grid

MODELS = ("efficientpose_nas/C", "baselines/simple_baseline-r152", "efficientpose/IV")
IMAGES = {"photographs": "96 photographs of 1280x720", "small": "96 small photographs"}


class Row(NamedTuple):
    """A figure: the benchmark of ours, of what stands beside it, what that is, and the seconds that are promised."""

    what: str
    ours: str
    other: str = ""
    instead: str = "nothing does this"
    times: int = 1  # how often the other has to run for the same
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
        Row(told, f"test_batches[{kind}-cached]", f"test_one_image_after_another[{kind}]", "one image after another")
        for kind, told in IMAGES.items()
    ),
    Row("an empty timed call", "test_an_empty_timed_call", "test_the_clock_alone", "the clock alone"),
)


def table(found: dict[str, Any]) -> str:
    """Markdown, from what pytest-benchmark wrote; a benchmark that did not run leaves its cells empty."""
    medians = {entry["name"]: entry["stats"]["median"] for entry in found["benchmarks"]}
    rows = []
    for row in ROWS:
        ours, other = medians.get(row.ours), medians.get(row.other)
        beside = None if other is None else row.times * other
        factor = "" if ours is None or beside is None else f"{beside / ours:.3g}"
        promised = "" if row.promised is None else f"under {row.promised:g} s"
        told = f"{row.times:,} times {row.instead}" if row.times > 1 else row.instead
        rows.append((row.what, _seconds(ours), promised, told, _seconds(beside), factor))
    for entry in found["benchmarks"]:  # both loops in one benchmark, in turns
        speeds = entry["extra_info"].get("images per second")
        if isinstance(speeds, dict) and {"usual", "ours"} == set(speeds):
            ours, usual = speeds["ours"], speeds["usual"]
            told = (f"{ours} images/s", "1.3 times", "the usual loop", f"{usual} images/s", f"{ours / usual:.3g}")
            rows.append(("training EfficientPose-A at 128x128", *told))
    return grid(("what", "ours", "promised", "instead", "takes", "times as long"), rows)


def _seconds(value: float | None) -> str:
    if value is None:
        return ""
    for unit, scale in (("s", 1.0), ("ms", 1e3), ("µs", 1e6)):
        if value * scale >= 1:
            return f"{value * scale:.3g} {unit}"
    return f"{value * 1e9:.3g} ns"


if __name__ == "__main__":
    print(table(json.loads(Path(sys.argv[1]).read_text())))
