"""The routes' agreement: what the command prints, keeps and shows, and that it means what it says."""

from __future__ import annotations

import json
from pathlib import Path

import jsonschema
import numpy as np
import pytest

from benchmark.core.records import append_record, load_records
from benchmark.pipeline import agreement
from benchmark.pipeline.agreement import (
    DENSITIES,
    Agreement,
    agreement_records,
    agreement_report,
    format_agreement,
    measure_agreement,
)
from benchmark.pipeline.batches import warp_cached_crops
from benchmark.report.pipeline import pipeline_page


@pytest.fixture(scope="module")
def found() -> list[Agreement]:
    """A few persons instead of all, to be quick."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(agreement, "PERSONS", 6)
        return list(measure_agreement())


def test_each_route_and_density_once(found: list[Agreement]) -> None:
    pairs = [(one.route, one.density) for one in found]
    assert len(set(pairs)) == len(pairs) == 1 + 2 * len(DENSITIES)
    assert pairs[0] == ("direct", None)


def test_more_cached_pixels_come_closer_and_targets_do_not_move(found: list[Agreement]) -> None:
    for route in ("cached", "resampled"):
        one, two, whole = (one.psnr for one in found if one.route == route)
        assert one + 3 < two < whole - 20
        assert whole > 65
    assert max(one.target for one in found) < 1e-3


def test_a_route_that_moved_the_picture_would_be_noticed(monkeypatch: pytest.MonkeyPatch, found: list[Agreement]) -> None:
    monkeypatch.setattr(agreement, "PERSONS", 6)
    cached = warp_cached_crops
    monkeypatch.setattr(agreement, "warp_cached_crops", lambda *given: np.roll(cached(*given), 1, axis=2))
    moved = next(one for one in measure_agreement() if one.route == "cached" and one.density == 2.0)
    assert moved.psnr < next(one.psnr for one in found if one.route == "cached" and one.density == 2.0) - 3


def test_the_figures_fit_the_schemas_and_stand_on_the_page(tmp_path: Path, found: list[Agreement]) -> None:
    schemas = Path(__file__).parents[2] / "benchmark" / "schemas"
    jsonschema.validate(
        json.loads(json.dumps(agreement_report(found))), json.loads((schemas / "routes.schema.json").read_text())
    )
    for record in agreement_records(found):
        assert append_record(record, tmp_path)
        assert not append_record(record, tmp_path)
    page = pipeline_page(load_records(tmp_path))
    lines = [line.split(" | ") for line in page.splitlines() if line.startswith("| `")]
    assert len(lines) == len(found)
    assert {line[2] for line in lines} == {f"{one.psnr:.1f}" if one.route != "direct" else "" for one in found}
    assert f"{found[1].psnr:10.2f}" in format_agreement(found)


def test_the_committed_figures_are_those_of_the_present_code() -> None:
    kept = load_records()
    for density in DENSITIES:
        assert all(r.id in kept for r in agreement_records([Agreement(route="cached", density=density, rms=1.0, target=1.0)]))
