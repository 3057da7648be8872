"""FasterPose's reconstructed networks: shapes, costs, and the readings of the abstract's 58 %."""

from __future__ import annotations

import subprocess
import sys

import pytest
import torch
import torchvision

from benchmark.core.errors import InputError
from benchmark.cost.counters import count_cost
from benchmark.models.registry import build_model, entries
from reproductions.fasterpose.network import FasterPose
from reproductions.fasterpose.readings import CANDIDATES, Row, compute_reductions


def counted(model: str, joints: int = 17) -> tuple[int, dict[str, int]]:
    with torch.device("meta"):
        cost = count_cost(build_model(model, joints=joints), 256, 192)
    return cost["params"]["trainable"], cost["flops"]


def test_listing_the_entries_does_not_import_torch():
    code = "import sys, reproductions.fasterpose; assert 'torch' not in sys.modules"
    subprocess.run([sys.executable, "-c", code], check=True)


def test_every_entry_calls_itself_a_reconstruction():
    listed = [entry for entry in entries().values() if entry.id.startswith("fasterpose/")]
    assert [entry.id for entry in listed] == ["fasterpose/r50", "fasterpose/r101", "fasterpose/r152"]
    assert {entry.evidence for entry in listed} == {"reconstruction"}


@pytest.mark.parametrize("deconvs", [0, 1, 2, 3])
@pytest.mark.parametrize(("upsampling", "stride"), [("pixel_shuffle", 4), ("nearest", 4), ("none", None)])
def test_heatmaps_have_stride_4_unless_nothing_upsamples(deconvs, upsampling, stride):
    stride = stride or 32 >> deconvs
    with torch.device("meta"):
        network = build_model(f"fasterpose/r50+deconvs={deconvs}+upsampling={upsampling}", joints=16).eval()
        assert network(torch.empty(1, 3, 256, 192)).shape == (1, 16, 256 // stride, 192 // stride)


def test_it_trains_and_runs_on_small_images():
    network = FasterPose(num_joints=3)
    network(torch.randn(2, 3, 64, 64)).square().sum().backward()
    assert all(weight.grad is not None for weight in network.parameters())
    assert network.eval()(torch.randn(1, 3, 64, 64)).isfinite().all()


def test_pixel_shuffle_gives_each_pixel_of_a_cell_its_own_channel_of_its_joint():
    network = FasterPose(num_joints=2)
    marked = torch.zeros(1, 2 * 64, 2, 2)
    joint, dy, dx, row, column = 1, 3, 5, 1, 0
    marked[0, joint * 64 + dy * 8 + dx, row, column] = 1
    peak = network.head[-1](marked)
    assert peak.shape == (1, 2, 16, 16)
    assert peak.nonzero().tolist() == [[0, joint, row * 8 + dy, column * 8 + dx]]


def test_imagenet_weights_fit_by_name():
    with torch.device("meta"):
        trunk = FasterPose(num_joints=3).backbone.state_dict()
        weights = torchvision.models.resnet50().state_dict()
    assert {name: w.shape for name, w in trunk.items()} == {n: w.shape for n, w in weights.items() if not n.startswith("fc")}


def test_with_all_three_deconvolutions_it_is_simple_baseline():
    assert counted("fasterpose/r50+deconvs=3") == counted("baselines/simple_baseline-r50")


def test_what_the_reconstruction_costs():
    params, flops = counted("fasterpose/r50")
    assert params == 25_737_344
    assert round(flops["hrnet"] / 2**30, 2) == 3.83
    assert flops["hrnet"] == flops["macs"]  # no transposed convolution is left to disagree about


def test_unknown_depths_and_switches_are_refused():
    with pytest.raises(InputError, match="34"):
        FasterPose(num_joints=3, depth=34)
    with pytest.raises(InputError, match="deconvs"):
        FasterPose(num_joints=3, deconvs=4)
    with pytest.raises(InputError, match="bilinear"):
        FasterPose(num_joints=3, upsampling="bilinear")  # type: ignore[arg-type]


@pytest.fixture(scope="module")
def rows():
    if missing := [model for model in CANDIDATES if model not in entries()]:
        pytest.skip(f"no entry {missing[0]}")
    variants = [f"fasterpose/r50+{switches}" for switches in ("upsampling=pixel_shuffle", "upsampling=nearest", "deconvs=1")]
    return compute_reductions(variants)


def by_convention(rows: list[Row], reconstruction: str, candidate: str) -> dict[str, Row]:
    return {
        row.convention: row for row in rows if row.reconstruction.endswith(reconstruction) and row.candidate.endswith(candidate)
    }


def test_dropping_all_deconvolutions_saves_58_per_cent_where_they_count_at_output_positions_and_a_quarter_elsewhere(rows):
    for upsampling, at_outputs, true_macs in (("nearest", 58.5, 26.2), ("pixel_shuffle", 57.4, 24.2)):
        saved = by_convention(rows, upsampling, "r50")
        assert round(saved["hrnet"].reduction, 1) == at_outputs
        assert round(saved["macs"].reduction, 1) == true_macs


def test_one_deconvolution_saves_as_much_against_a_deeper_network(rows):
    assert round(by_convention(rows, "deconvs=1", "r101")["hrnet"].reduction, 1) == 57.7


def test_no_pair_saves_58_per_cent_of_true_multiply_accumulates(rows):
    assert not [row for row in rows if row.convention in ("macs", "mmcv", "tf_profiler") and int(row.reduction) == 58]


def test_from_figures_as_papers_print_them_the_trunk_alone_rounds_to_58():
    """SimpleBaseline's table prints 8.9 for R50 at 256x192 (8.99, truncated)."""
    saved = {}
    for upsampling in ("nearest", "pixel_shuffle"):
        gflops = round(counted(f"fasterpose/r50+upsampling={upsampling}")[1]["hrnet"] / 2**30, 1)
        saved[upsampling] = round(100 * (1 - gflops / 8.9))
    assert saved == {"nearest": 58, "pixel_shuffle": 57}
