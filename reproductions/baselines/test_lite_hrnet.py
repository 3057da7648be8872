"""Check Lite-HRNet against its printed counts, and its fusion against the in-place sum of the released code."""

from __future__ import annotations

from typing import Literal

import pytest
import torch
from torch import nn

from benchmark.core.errors import InputError
from benchmark.cost.counters import count_cost, count_torchstat
from benchmark.cost.trace import trace_network
from reproductions.baselines.lite_hrnet import CrossResolutionWeighting, Exchange, LiteHRNet, shuffle


@pytest.mark.parametrize(("depth", "params", "printed"), [(18, 1_130_769, "1.1"), (30, 1_763_717, "1.8")])
def test_printed_parameters(depth: int, params: int, printed: str) -> None:
    network = LiteHRNet(num_joints=17, depth=depth)
    assert sum(p.numel() for p in network.parameters()) == params
    assert f"{params / 1e6:.1f}" == printed


@pytest.mark.parametrize(("depth", "macs"), [(18, 0.1986), (30, 0.3095)])
def test_true_macs(depth: int, macs: float) -> None:
    with torch.device("meta"):
        network = LiteHRNet(num_joints=17, depth=depth)
    assert count_cost(network, 256, 192)["flops"]["macs"] / 1e9 == pytest.approx(macs, abs=5e-5)


@pytest.mark.parametrize(
    ("depth", "joints", "height", "width", "stated"),
    [
        (18, 17, 256, 192, "205.2"),
        (18, 17, 384, 288, "461.6"),
        (18, 16, 256, 256, "273.4"),
        (30, 17, 256, 192, "319.2"),
        (30, 17, 384, 288, "717.8"),
        (30, 16, 256, 256, "425.3"),
    ],
)
def test_torchstat_gives_the_counts_of_the_authors_readme_in_units_of_2_to_the_20(
    depth: Literal[18, 30], joints: int, height: int, width: int, stated: str
) -> None:
    with torch.device("meta"):
        network = LiteHRNet(num_joints=joints, depth=depth)
    assert f"{count_torchstat(trace_network(network, height, width).ops) / 2**20:.1f}" == stated


def test_torchstat_gives_what_the_authors_tool_gives_on_their_network() -> None:
    # Run once with the tool and the network of their repository, at 256x192 with 17 joints.
    with torch.device("meta"):
        network = LiteHRNet(num_joints=17, depth=18)
    assert count_torchstat(trace_network(network, 256, 192).ops) == 215_202_112


@pytest.mark.parametrize("widths", [(40, 80), (40, 80, 160), (40, 80, 160, 320)])
def test_fusion_equals_the_in_place_sum_of_the_released_code(widths: tuple[int, ...]) -> None:
    exchange = Exchange(widths).eval()
    for parameter in exchange.parameters():
        nn.init.normal_(parameter, std=0.3)
    features = [torch.rand(1, width, 16 >> i, 16 >> i) for i, width in enumerate(widths)]
    with torch.no_grad():
        outputs = exchange(features)
        out = [x.clone() for x in exchange.blocks(features)]
        sizes = [x.shape[-2:] for x in out]
        expected = []
        for i in range(len(widths)):
            y = out[0] if i == 0 else exchange.fuse[i][0](out[0], sizes[i])
            for j in range(len(widths)):
                y += out[j] if i == j else exchange.fuse[i][j](out[j], sizes[i])
            expected.append(y.relu())
    for output, released in zip(outputs, expected, strict=True):
        torch.testing.assert_close(output, released)


def test_shuffle_interleaves_channels() -> None:
    first, second = torch.tensor([1.0, 2.0]).view(1, 2, 1, 1), torch.tensor([3.0, 4.0]).view(1, 2, 1, 1)
    assert shuffle(first, second).flatten().tolist() == [1, 3, 2, 4]


def test_cross_resolution_weights_lie_in_0_to_1_and_see_every_branch() -> None:
    weighting = CrossResolutionWeighting([16, 16]).eval()
    features = [torch.ones(1, 16, 8, 8), torch.ones(1, 16, 4, 4)]
    before = weighting(features)
    assert all(((x > 0) & (x < 1)).all() for x in before)
    for parameter in weighting.parameters():
        nn.init.normal_(parameter)
    before = weighting(features)
    features[1] = 3 * features[1]
    assert not torch.equal(before[0], weighting(features)[0])


@pytest.mark.parametrize("size", [(64, 64), (64, 48), (72, 56)])
def test_trains_and_infers_at_small_and_odd_sizes(size: tuple[int, int]) -> None:
    network = LiteHRNet(num_joints=4, depth=18)
    heatmaps = network(torch.rand(2, 3, *size))
    assert heatmaps.shape == (2, 4, size[0] // 4, size[1] // 4)
    heatmaps.sum().backward()
    assert all(p.grad is not None for p in network.parameters())
    assert network.eval()(torch.rand(1, 3, *size)).isfinite().all()


def test_unknown_depth_is_named() -> None:
    with pytest.raises(InputError, match="depth 50"):
        LiteHRNet(num_joints=17, depth=50)
