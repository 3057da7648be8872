"""Agreement of the routes: its records, its JSON and its page, and that it reacts to a route that is wrong."""

from __future__ import annotations

import json
from collections.abc import Iterable
from pathlib import Path

import numpy as np
import pytest
from pydantic import TypeAdapter

from benchmark.core.records import append_record, load_records
from benchmark.pipeline import agreement
from benchmark.pipeline.agreement import (
    DENSITIES,
    Agreement,
    AgreementReport,
    agreement_records,
    agreement_report,
    format_agreement,
    measure_agreement,
)
from benchmark.pipeline.batches import warp_cached_crops
from benchmark.report.pipeline import pipeline_page


@pytest.fixture(scope="module")
def agreements() -> list[Agreement]:
    """Agreements on a few people instead of all, to be quick."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(agreement, "PEOPLE", 6)
        return list(measure_agreement())


def test_each_route_and_density_once(agreements: list[Agreement]) -> None:
    pairs = [(agreement.route, agreement.density) for agreement in agreements]
    assert len(set(pairs)) == len(pairs) == 1 + 2 * len(DENSITIES)
    assert pairs[0] == ("direct", None)


def test_more_cached_pixels_come_closer_and_targets_do_not_move(agreements: list[Agreement]) -> None:
    for route in ("cached", "resampled"):
        single, double, whole = (agreement.psnr for agreement in agreements if agreement.route == route)
        assert single + 3 < double < whole - 20
        assert whole > 65
    assert max(agreement.target for agreement in agreements) < 1e-3


def test_a_route_that_moved_the_picture_would_be_noticed(monkeypatch: pytest.MonkeyPatch, agreements: list[Agreement]) -> None:
    monkeypatch.setattr(agreement, "PEOPLE", 6)
    cached = warp_cached_crops
    monkeypatch.setattr(agreement, "warp_cached_crops", lambda *arguments: np.roll(cached(*arguments), 1, axis=2))

    def cached_psnr(measured: Iterable[Agreement]) -> float:
        return next(agreement.psnr for agreement in measured if agreement.route == "cached" and agreement.density == 2.0)

    assert cached_psnr(measure_agreement()) < cached_psnr(agreements) - 3


def test_the_figures_fit_the_schemas_and_stand_on_the_page(tmp_path: Path, agreements: list[Agreement]) -> None:
    printed = json.loads(json.dumps(agreement_report(agreements)))
    assert TypeAdapter(AgreementReport).validate_python(printed, strict=True) == printed
    assert all(route["rms"] >= 0 and route["target"] >= 0 for route in printed["routes"])
    for record in agreement_records(agreements):
        assert append_record(record, tmp_path)
        assert not append_record(record, tmp_path)
    page = pipeline_page(load_records(tmp_path))
    lines = [line.split(" | ") for line in page.splitlines() if line.startswith("| `")]
    assert len(lines) == len(agreements)
    assert {line[2] for line in lines} == {f"{row.psnr:.1f}" if row.route != "direct" else "" for row in agreements}
    assert f"{agreements[1].psnr:10.2f}" in format_agreement(agreements)


def test_the_committed_figures_are_those_of_the_present_code() -> None:
    committed = load_records()
    for density in DENSITIES:
        agreement = Agreement(route="cached", density=density, rms=1.0, target=1.0)
        assert all(record.id in committed for record in agreement_records([agreement]))
