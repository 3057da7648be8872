"""Check that the table of benchmarks names existing ones, and computes how many times as long the alternatives take."""

from __future__ import annotations

import re
from pathlib import Path

from tests.bench.table import ROWS, table

BENCHMARKS = "".join(path.read_text() for path in Path(__file__).parent.glob("bench_*.py"))


def test_every_row_names_benchmarks_that_exist() -> None:
    for row in ROWS:
        for name in filter(None, (row.ours, row.alternative)):
            assert re.search(rf"^def {name.partition('[')[0]}\(", BENCHMARKS, re.MULTILINE), name


def test_factors_count_how_often_the_other_would_run() -> None:
    entries = {"test_from_arrays": 0.5, "test_by_pycocotools": 10.0, "test_a_thousand_bootstrap_replicates": 8.0}
    results = {"benchmarks": [{"name": n, "stats": {"median": v}, "extra_info": {}} for n, v in entries.items()]}
    lines = table(results).splitlines()
    assert "| OKS AP of val2017's size, from arrays | 500 ms | under 2 s | pycocotools | 10 s | 20 |" in lines
    assert "| its 1,000 bootstrap replicates | 8 s | under 20 s | 1,000 times pycocotools | 1e+04 s | 1.25e+03 |" in lines
    assert "| PCKh, 4 presets, 1,000 replicates |  |  | nothing does this |  |  |" in lines, "what did not run is empty"


def test_loops_that_ran_in_turns_are_one_row() -> None:
    speeds = {"images per second": {"usual": 20.0, "ours": 30.0}}
    people = {
        "name": "test_a_loop",
        "stats": {"median": 1.0},
        "extra_info": {"people per second": {"usual": 5.0, "ours": 20.0}},
    }
    plain = {"name": "test_batches[small-cached]", "stats": {"median": 0.1}, "extra_info": {"images per second": 960.0}}
    results = {"benchmarks": [plain, {"name": "test_a_step", "stats": {"median": 1.0}, "extra_info": speeds}]}
    assert table(results).splitlines()[-1].endswith("| 30.0 images/s | 1.3 times | the usual loop | 20.0 images/s | 1.5 |")
    evaluation = table({"benchmarks": [people]}).splitlines()[-1]
    assert evaluation.endswith("| 20.0 people/s | 2 times | HRNet's loop, at its best workers | 5.0 people/s | 4 |")
