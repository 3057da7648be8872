"""The page of trainings shows the latest figures of each run, and says so where there is none."""

from __future__ import annotations

from dataclasses import replace

from benchmark.core.records import LARGEST_RATE, MEAN_POSE, Record
from benchmark.report.training import training_figure, training_page

TOLD = "trained by lsp 1 from scratch"


def record(kind: str, metric: str, value: float, **given: object) -> Record:
    settings = {"subject": "paper/net", "dataset": "lsp", "split": "test", "protocol": TOLD, "version": 1, "seed": 0}
    return Record(kind=kind, metric=metric, value=value, command="", n=10, **settings | given)  # type: ignore[arg-type]


def page_of(*records: Record) -> str:
    return training_page({r.id: r for r in records})


SAMPLES = {"loss": [0.3, 0.1], "figures": [[2, {"pck@0.2": 50.0}]], "images per second": 46.0, "seconds": 1500}
CURVE = record("training", "loss", 0.1, samples=SAMPLES)


def test_without_records_the_page_says_so() -> None:
    assert "Nothing yet." in page_of()


def test_a_run_stands_beside_the_mean_pose_of_its_data() -> None:
    page = page_of(
        CURVE,
        record("accuracy", "pck@0.2", 50.0, interval=(48.0, 52.0)),
        record("accuracy", "pck@0.2 (longer torso)", 55.0, interval=(53.0, 57.0)),
        record("accuracy", "pck@0.2", 12.0, subject=MEAN_POSE, protocol="of 10 persons", seed=None, interval=(11.0, 13.0)),
    )
    assert "| `paper/net` | lsp 1 from scratch | 0 | 50.00 [48.00, 52.00] | 46, ? threads | 25 min |" in page
    assert "| mean pose | of 10 persons |  | 12.00 [11.00, 13.00] |  |  |" in page
    assert "longer torso" not in page


def test_what_was_trained_for_an_ablation_stands_elsewhere() -> None:
    runs = [CURVE, record("accuracy", "pck@0.2", 50.0, interval=(48.0, 52.0))]
    short = [replace(r, protocol="trained by lsp-short 1 from scratch", subject="paper/variant") for r in runs]
    page = page_of(*runs, *short)
    assert "paper/net" in page
    assert "paper/variant" not in page


def test_of_two_versions_the_latest_is_shown() -> None:
    old = record("accuracy", "pck@0.2", 40.0, interval=(39.0, 41.0))
    new = record("accuracy", "pck@0.2", 50.0, interval=(48.0, 52.0), version=2)
    page = page_of(CURVE, old, new)
    assert "50.00" in page
    assert "40.00" not in page


def test_rates_that_were_tried_are_listed() -> None:
    tried = [{"rate": 2.0, "diverges": True}, {"rate": 1.0, "diverges": False}]
    page = page_of(CURVE, record("accuracy", "pck@0.2", 50.0), record("training", LARGEST_RATE, 1.0, samples={"tried": tried}))
    assert "| `paper/net` | trained by lsp 1 from scratch | 1 | 2 lost, 1 kept |" in page


def test_the_figure_is_the_same_bytes_twice() -> None:
    records = {CURVE.id: CURVE}
    assert training_figure(records) == training_figure(records)
