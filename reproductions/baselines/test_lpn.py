"""Check LPN against its published counts and the definitions of its parts."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from benchmark.core.errors import InputError
from benchmark.cost.counters import count_cost
from reproductions.baselines.lpn import LPN, GlobalContext


@pytest.mark.parametrize(
    ("depth", "params", "gflops"), [(50, 2_911_153, "1.0"), (101, 5_353_458, "1.4"), (152, 7_377_459, "1.8")]
)
def test_published_params_and_gflops(depth: int, params: int, gflops: str) -> None:
    with torch.device("meta"):
        network = LPN(num_joints=17, depth=depth)
    cost = count_cost(network, 256, 192)
    assert cost["params"]["trainable"] == params  # published 2.9, 5.4 and 7.4 M
    assert f"{cost['flops']['hrnet'] / 2**30:.1f}" == gflops


def test_published_gflops_on_mpii() -> None:
    with torch.device("meta"):
        network = LPN(num_joints=16, depth=50)
    assert f"{count_cost(network, 256, 256)['flops']['hrnet'] / 2**30:.1f}" == "1.3"


def test_global_context_adds_one_vector_from_an_attention_weighted_mean() -> None:
    x = torch.rand(2, 32, 5, 4)
    block = GlobalContext(32)
    nn.init.normal_(block.transform[3].weight)
    weights = torch.softmax(block.attention(x).view(2, -1), dim=1).view(2, 1, 5, 4)
    context = (x * weights).sum(dim=(2, 3), keepdim=True)
    torch.testing.assert_close(block(x), x + block.transform(context))
    assert block.transform[0].out_channels == 16  # at least 16, where a sixteenth of 32 is 2


def test_up_sampling_groups_are_the_greatest_common_divisor() -> None:
    deconvs = [m for m in LPN(num_joints=17, depth=50).head.modules() if isinstance(m, nn.ConvTranspose2d)]
    assert [(m.in_channels, m.groups) for m in deconvs] == [(512, 256), (256, 256)]


@pytest.mark.parametrize("size", [(64, 64), (64, 48)])
def test_trains_and_infers(size: tuple[int, int]) -> None:
    network = LPN(num_joints=4, depth=50)
    heatmaps = network(torch.rand(2, 3, *size))
    assert heatmaps.shape == (2, 4, size[0] // 4, size[1] // 4)
    heatmaps.sum().backward()
    assert all(p.grad is not None for p in network.parameters())
    assert network.eval()(torch.rand(1, 3, *size)).isfinite().all()


def test_unknown_depth_is_named() -> None:
    with pytest.raises(InputError, match="depth 34"):
        LPN(num_joints=17, depth=34)
