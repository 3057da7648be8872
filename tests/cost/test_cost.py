"""The cost counters agree with arithmetic by hand, with fvcore and with torch's own counter."""

from __future__ import annotations

import copy
import json
import logging
from math import prod

import pytest
import torch
from fvcore.nn import FlopCountAnalysis
from pydantic import TypeAdapter
from torch import nn
from torch.nn import functional as F
from torch.utils.flop_counter import FlopCounterMode
from torchvision.ops import SqueezeExcitation

from benchmark.config.conventions import FLOPS, PARAMS
from benchmark.core.input_size import parse_size
from benchmark.cost import trace
from benchmark.cost.counters import count_operations, load_counters
from benchmark.cost.trace import count_parameters, trace_network
from benchmark.ledger.verdicts import required_costs
from benchmark.measure.cost import CostCommand, CostReport
from benchmark.models.registry import build_model, build_on_meta, find_entry
from benchmark.papers.tables import load_papers
from reproductions.network_checks import SIBLINGS, SLOW_TO_TRACE, with_slow


def count(network: nn.Module, height: int, width: int, channels: int = 3) -> dict[str, int]:
    return count_operations(trace_network(network, height, width, channels=channels).ops)


# --- by hand ----------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("layer", "macs"),
    [
        pytest.param(nn.Conv2d(8, 12, 3, padding=1, bias=False), 8 * 6 * 12 * 8 * 9, id="plain"),
        pytest.param(nn.Conv2d(8, 12, 3, stride=2, padding=1, bias=False), 4 * 3 * 12 * 8 * 9, id="stride 2"),
        pytest.param(nn.Conv2d(8, 12, 3, padding=1, groups=4, bias=False), 8 * 6 * 12 * 2 * 9, id="grouped"),
        pytest.param(nn.Conv2d(8, 8, 5, padding=2, groups=8, bias=False), 8 * 6 * 8 * 25, id="depthwise"),
        pytest.param(nn.Conv2d(8, 12, 3, padding=2, dilation=2, bias=False), 8 * 6 * 12 * 8 * 9, id="dilated"),
        pytest.param(nn.ConvTranspose2d(8, 12, 4, 2, 1, bias=False), 8 * 6 * 8 * 12 * 16, id="transposed"),
        pytest.param(nn.ConvTranspose2d(8, 8, 4, 2, 1, groups=8, bias=False), 8 * 6 * 8 * 16, id="transposed depthwise"),
        pytest.param(SqueezeExcitation(8, 2), 8 * 2 + 2 * 8, id="squeeze and excitation"),
    ],
)
def test_true_macs_are_those_of_a_hand_count(layer: nn.Module, macs: int) -> None:
    assert count(layer, 8, 6, channels=8)["macs"] == macs


def test_attention_is_two_products_and_its_projections() -> None:
    class Attention(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.project = nn.Linear(16, 48)

        def forward(self, x: torch.Tensor) -> torch.Tensor:
            tokens = x.flatten(2).transpose(1, 2)  # [1, 48, 16]
            query, key, value = self.project(tokens).chunk(3, dim=-1)
            return F.scaled_dot_product_attention(query, key, value)

    n, d = 8 * 6, 16
    assert count(Attention(), 8, 6, channels=16)["macs"] == n * d * 3 * d + 2 * n * n * d


def test_hrnet_counts_a_transposed_convolution_at_its_output_positions() -> None:
    layer = nn.ConvTranspose2d(8, 12, 4, 2, 1, bias=False)
    assert count(layer, 8, 6, channels=8)["hrnet"] == 16 * 12 * 8 * 12 * 16
    assert count(layer, 8, 6, channels=8)["hrnet"] == 4 * count(layer, 8, 6, channels=8)["macs"]


def test_mmcv_adds_biases_norms_relu_and_pooling() -> None:
    network = nn.Sequential(
        nn.Conv2d(3, 4, 3, padding=1), nn.BatchNorm2d(4), nn.ReLU(), nn.MaxPool2d(2), nn.ConvTranspose2d(4, 4, 4, 2, 1)
    )
    full, half = 8 * 6, 4 * 3
    expected = full * 4 * 27 + full * 4 + 2 * full * 4 + full * 4 + full * 4 + half * 4 * 4 * 16 + full * 4
    assert count(network, 8, 6)["mmcv"] == expected


def test_a_norm_without_factors_counts_half_of_one_with_them() -> None:
    for convention in ("mmcv", "torchstat"):
        counts = [count(nn.Sequential(nn.BatchNorm2d(3, affine=affine)), 8, 6)[convention] for affine in (True, False)]
        assert counts == [2 * 3 * 8 * 6, 3 * 8 * 6]


def test_torchstat_counts_layers_alone_each_once_and_by_its_own_rules() -> None:
    class Network(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.conv, self.norm, self.act = nn.Conv2d(3, 4, 3, padding=1), nn.BatchNorm2d(4, affine=False), nn.LeakyReLU()
            self.pool, self.up = nn.MaxPool2d(2), nn.Upsample(scale_factor=2)
            self.squeeze, self.grid = nn.AdaptiveAvgPool2d(1), nn.AdaptiveMaxPool2d((3, 2))
            self.linear, self.other = nn.Linear(4, 5), nn.Sequential(nn.SiLU(), nn.LayerNorm([4, 8, 6]))

        def forward(self, x: torch.Tensor) -> torch.Tensor:
            x = self.act(self.act(self.norm(self.conv(x))))  # one layer, called twice
            x = self.other(F.relu(x)) + F.adaptive_avg_pool2d(x, 1)  # no layer that it knows
            self.grid(x)
            x = self.up(self.pool(x))
            return self.linear(self.squeeze(x).flatten(1))

    full, half = 8 * 6, 4 * 3
    conv, norm, act, pool = full * 4 * 27 + full * 4, full * 4, full * 4, half * 4 * 4
    up = full  # an image of one channel, whatever the channels
    squeeze = 4 * (8 + 1) * (6 + 1)
    grid = 4 * ((3 + 1) + (4 + 1) + (3 + 1)) * ((3 + 1) + (3 + 1))  # windows of 3, 4 and 3 rows and of 3 and 3 columns
    assert count(Network(), 8, 6)["torchstat"] == conv + norm + act + pool + up + squeeze + grid + 4 * 5


def test_exact_counts_every_product_that_touches_a_pixel() -> None:
    for layer in (
        nn.Conv2d(2, 4, 3, stride=2, padding=1, bias=False),
        nn.Conv2d(2, 4, 3, padding=3, dilation=3, bias=False),
        nn.Conv2d(2, 4, 5, padding=2, groups=2, bias=False),
        nn.ConvTranspose2d(2, 4, 4, 2, 1, bias=False),
        nn.ConvTranspose2d(2, 4, 3, 2, 1, output_padding=1, groups=2, bias=False),
    ):
        # With weights and image all ones, each output is the number of products that it sums.
        ones = copy.deepcopy(layer)
        nn.init.ones_(ones.weight)
        products = int(ones(torch.ones(1, 2, 8, 6)).sum())
        assert count(layer, 8, 6, channels=2)["exact"] == products


def test_a_transposed_convolution_of_8x6_needs_0859_of_its_usual_count() -> None:
    counts = count(nn.ConvTranspose2d(8, 12, 4, 2, 1, bias=False), 8, 6, channels=8)
    assert counts["exact"] / counts["macs"] == pytest.approx(0.859, abs=5e-4)


def test_stored_parameters_include_statistics_and_frozen_weights() -> None:
    network = nn.Sequential(nn.Conv2d(3, 4, 1), nn.BatchNorm2d(4))
    network[0].weight.requires_grad_(False)
    assert count_parameters(network) == {"trainable": 4 + 8, "stored": 12 + 4 + 8 + 8, "weights": 12}


# --- against other counters ---------------------------------------------------------------------------------------------------


def built_models() -> list[str]:
    return sorted({model for model, *_ in required_costs(load_papers())})


@pytest.mark.parametrize("model", with_slow(built_models(), SIBLINGS | SLOW_TO_TRACE))
def test_true_macs_agree_with_torch(model: str) -> None:
    network, (height, width) = _network(model)
    with FlopCounterMode(display=False) as counter, torch.no_grad():
        network(torch.empty(1, 3, height, width, device="meta"))
    assert 2 * count(network, height, width)["macs"] == counter.get_total_flops()


# fvcore fails on modules that pass dictionaries to each other; torch's counter does not.
UNSUPPORTED_BY_FVCORE = {"autopose/searched"}


@pytest.mark.slow
@pytest.mark.parametrize("model", [model for model in built_models() if model not in UNSUPPORTED_BY_FVCORE])
def test_true_macs_agree_with_fvcore(model: str) -> None:
    _check_fvcore(model)


@pytest.mark.parametrize("model", ["efficientpose_nas/A", "baselines/simple_baseline-r50"])
def test_true_macs_agree_with_fvcore_on_two(model: str) -> None:
    _check_fvcore(model)


def _network(model: str, device: str = "meta") -> tuple[nn.Module, tuple[int, int]]:
    network = build_on_meta(model, joints=16) if device == "meta" else build_model(model, joints=16)
    return network.eval(), parse_size(find_entry(model).inputs[0])


def _check_fvcore(model: str) -> None:
    """Compare with fvcore, except for norms and pooling. It traces with TorchScript, which needs real tensors."""
    network, (height, width) = _network(model, "cpu")
    logging.getLogger("fvcore").setLevel(logging.ERROR)
    analysis = FlopCountAnalysis(network, torch.zeros(1, 3, height, width))
    analysis.unsupported_ops_warnings(False).uncalled_modules_warnings(False).tracer_warnings("none")
    operators = analysis.by_operator()
    fvcore_macs = sum(operators.get(name, 0) for name in ("conv", "linear", "matmul", "bmm", "addmm", "einsum"))
    assert count(network, height, width)["macs"] == fvcore_macs


# --- sensitivity of the counters ----------------------------------------------------------------------------------------------


def test_counting_at_input_positions_would_lose_the_printed_gflops(monkeypatch: pytest.MonkeyPatch) -> None:
    """Reach the 12.0 GFLOPs printed for SimpleBaseline-R50 only by counting at output positions."""
    network = build_on_meta("baselines/simple_baseline-r50", joints=16)
    assert f"{count(network, 256, 256)['hrnet'] / 2**30:.1f}" == "12.0"
    monkeypatch.setitem(load_counters(), "hrnet", load_counters()["macs"])  # broken on purpose
    assert f"{count(network, 256, 256)['hrnet'] / 2**30:.1f}" != "12.0"


@pytest.mark.parametrize("model", ["efficientpose/RT", "baselines/lite_hrnet-18", "heatmap_weighting/mobilenet_v3"])
def test_shapes_that_are_not_asked_for_are_the_right_ones(model: str, monkeypatch: pytest.MonkeyPatch) -> None:
    fast_ops = trace_network(build_on_meta(model, joints=16), 128, 128).ops
    monkeypatch.setattr(trace, "_result_by_shape", lambda name, args: None)
    assert trace_network(build_on_meta(model, joints=16), 128, 128).ops == fast_ops


def test_scopes_divide_a_network_without_rest() -> None:
    network = nn.Sequential()
    network.add_module("backbone", nn.Sequential(nn.Conv2d(3, 4, 3, padding=1), nn.ReLU()))
    network.add_module("head", nn.Conv2d(4, 2, 1))
    network.add_module("head2", nn.Conv2d(2, 2, 1))  # its name begins with another one's
    network_trace = trace_network(network, 8, 6)
    parts = [count_operations(network_trace.within([name]))["macs"] for name in ("backbone", "head", "head2")]
    assert parts == [8 * 6 * prod((4, 3, 3, 3)), 8 * 6 * 8, 8 * 6 * 4]
    assert sum(parts) == count_operations(network_trace.ops)["macs"]


# --- the command --------------------------------------------------------------------------------------------------------------


def test_the_json_of_the_command_has_the_declared_type(capsys: pytest.CaptureFixture[str]) -> None:
    CostCommand(models=("efficientpose_nas/A", "efficientpose/RT"), input="128x96", json=True)()
    printed = json.loads(capsys.readouterr().out)
    assert TypeAdapter(CostReport).validate_python(printed, strict=True) == printed  # and holds no other keys
    for model in printed["models"]:
        assert all(counts["params"].keys() == PARAMS.keys() for counts in (model, *model["scopes"].values()))
        assert all(counts["flops"].keys() == FLOPS.keys() for counts in (model, *model["scopes"].values()))
