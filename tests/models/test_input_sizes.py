"""Test that the declared input sizes are exactly those that a network takes; ``-k hrnet-w32`` tests one network."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from torch import nn

from benchmark.core.errors import InputError
from benchmark.core.input_size import parse_size
from benchmark.cost.records import measure_cost
from benchmark.evaluation.backends import load_backend
from benchmark.ledger.verdicts import required_costs
from benchmark.measure.missing import measure_missing
from benchmark.models.registry import build_on_meta, check_input_size, entries, find_entry
from benchmark.papers.tables import load_papers
from reproductions import network_checks

# These take any image: the heatmaps of the first reach from the first pixel to the last, those of the second have a fixed size.
ANY = ("baselines/g_rmi-r101", "baselines/mask_rcnn-r50_fpn")
# Switches that change how heatmaps are computed from features, or features from an image.
SWITCHED = (
    *("baselines/hourglass-1+stem=256", "autopose/searched+branches=single"),
    *("efficientpose/I+low_level=off", "efficientpose/I+skeleton=off", "efficientpose/I+upscaling=off"),
    *("efficientpose_nas/A+sic=off", "efficientpose_nas/A+tconv=mbv2", "efficientpose_nas/A+depth=printed"),
    *("fasterpose/r50+deconvs=0", "fasterpose/r50+upsampling=nearest", "fasterpose/r50+upsampling=none"),
    *("heatmap_weighting/mobilenet_v3+attention=none", "heatmap_weighting/mobilenet_v3+attention=cbam"),
)


def strides(network: nn.Module, height: int, width: int) -> list[int] | None:
    """Return the stride of each map in pixels; None if the network fails, or if a map does not cover the image evenly."""
    try:
        maps = network_checks.flatten_outputs(network(torch.empty(1, 3, height, width, device="meta")))
    except RuntimeError:
        return None
    sizes = [tuple(heatmaps.shape[2:]) for heatmaps in maps]
    even = all(height % h == width % w == 0 and height // h == width // w for h, w in sizes)
    return [height // h for h, _ in sizes] if even else None


TESTED = [*(model for model in entries() if model not in ANY), *SWITCHED, "baselines/pyranet+rounding=ceil"]


@pytest.mark.parametrize("model", network_checks.with_slow(TESTED, network_checks.SIBLINGS | network_checks.SLOW_TO_TRACE))
def test_sizes_that_fit_are_all_that_the_network_covers_evenly(model: str) -> None:
    entry = find_entry(model)
    step, least = entry.multiple, max(entry.multiple, entry.smallest)
    network = build_on_meta(model, joints=16).eval()
    smallest, portrait = (least, least), (least + 3 * step, least + step)
    check_input_size(model, smallest)
    check_input_size(model, portrait)
    smallest_strides = strides(network, *smallest)
    assert smallest_strides is not None
    assert smallest_strides == strides(network, *portrait)
    assert strides(network, least + step // 2, least) is None
    with pytest.raises(InputError, match=f"{least + 1}x{least} image: .*multiples of {step}.* as in {least}x{least} or"):
        check_input_size(model, (least + 1, least))
    if least > step:
        assert strides(network, least - step, least - step) is None
        with pytest.raises(InputError, match=f"at least {least} pixels, as in {least}x{least}$"):
            check_input_size(model, (least - step, least - step))


def test_two_networks_take_any_size() -> None:
    for model in ANY:
        check_input_size(model, (1, 1))
        network = build_on_meta(model, joints=16).eval()
        for height, width in ((353, 257), (100, 61), (1, 1)):
            maps = network_checks.flatten_outputs(network(torch.empty(1, 3, height, width, device="meta")))[-1]
            expected = (-(-height // 8), -(-width // 8)) if model == ANY[0] else (56, 56)
            assert tuple(maps.shape[2:]) == expected


def test_every_size_that_a_table_or_an_entry_names_fits() -> None:
    cells = [cell for paper in load_papers().values() for table in paper.tables.values() for cell in table.cells()]
    named = {(cell.row.model, cell.input) for cell in cells if cell.row.model and cell.input}
    named |= {(model, size) for model, _, size in required_costs(load_papers())}
    named |= {(model, size) for model, entry in entries().items() for size in entry.inputs}
    assert len(named) > 100
    for model, size in named:
        check_input_size(model, parse_size(size))


def test_sizes_are_refused_wherever_they_enter_before_a_network_is_built(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    for module in ("benchmark.cost.records.build_on_meta", "benchmark.evaluation.backends.build_model"):
        monkeypatch.setattr(module, lambda *_, **__: pytest.fail("built"))
    model = "baselines/simple_baseline-r50"
    message = "260x256 image: sides must be multiples of 32 pixels, as in 256x256 or 288x256"
    with pytest.raises(InputError, match=message):
        measure_cost(model, 16, 260, 256)
    with pytest.raises(InputError, match=message):
        load_backend(model, tmp_path / "w.safetensors", input_hw=(260, 256))
    monkeypatch.setattr("benchmark.measure.missing.required_costs", lambda known: iter([(model, "mpii", "260x256")]))
    with pytest.raises(InputError, match=message):
        measure_missing()
