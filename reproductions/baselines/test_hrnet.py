"""Check HRNet against its printed counts, and value by value against timm's independent implementation."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from benchmark.core.errors import InputError
from benchmark.cost.counters import count_cost
from reproductions.baselines.hrnet import Exchange, hrnet


def cost_of(variant: str, height: int, width: int) -> dict:
    with torch.device("meta"):
        network = hrnet(num_joints=17, variant=variant)
    return count_cost(network, height, width)


@pytest.mark.parametrize(
    ("variant", "params", "height", "width", "printed"),
    [
        ("w32", 28_536_113, 256, 192, "7.1"),
        ("w32", 28_536_113, 384, 288, "16.0"),
        ("w32", 28_536_113, 256, 256, "9.5"),
        ("w48", 63_595_745, 256, 192, "14.6"),
        ("w48", 63_595_745, 384, 288, "32.9"),
    ],
)
def test_published_params_and_gflops(variant: str, params: int, height: int, width: int, printed: str) -> None:
    cost = cost_of(variant, height, width)
    assert cost["params"]["trainable"] == params  # printed 28.5 M and 63.6 M
    assert f"{cost['flops']['hrnet'] / 2**30:.1f}" == printed


@pytest.mark.parametrize(
    ("variant", "height", "width", "listed"),
    [("w32", 256, 192, 7.7), ("w32", 384, 288, 17.33), ("w48", 256, 192, 15.77), ("w48", 384, 288, 35.48)],
)
def test_gflops_that_mmpose_lists(variant: str, height: int, width: int, listed: float) -> None:
    assert round(cost_of(variant, height, width)["flops"]["mmcv"] / 1e9, 2) == listed


def test_small_w16_meets_its_printed_parameters() -> None:
    cost = cost_of("w16_small", 256, 192)
    assert f"{cost['params']['trainable'] / 1e6:.1f}" == "1.3"
    assert cost["flops"]["macs"] / 1e9 == pytest.approx(0.571, abs=5e-4)


@pytest.mark.parametrize(
    ("variant", "timm_name"), [("w32", "hrnet_w32"), ("w48", "hrnet_w48"), ("w16_small", "hrnet_w18_small")]
)
def test_trunk_equals_timms_with_timms_weights(variant: str, timm_name: str) -> None:
    timm = pytest.importorskip("timm", reason="timm is not installed (extra: peers)")
    trunk = ("conv1", "bn1", "conv2", "bn2", "layer1", "transition", "stage")
    peer = timm.create_model(timm_name, pretrained=False).eval()
    last = f"stage4.{len(peer.stage4) - 1}.fuse_layers."
    weights = {
        name: tensor
        for name, tensor in peer.state_dict().items()
        if name.startswith(trunk) and not name.startswith(tuple(f"{last}{scale}." for scale in (1, 2, 3)))
    }
    network = hrnet(num_joints=17, variant=variant).eval()
    network.final = nn.Identity()
    assert len(weights) == len(network.state_dict())
    network.load_state_dict(dict(zip(network.state_dict(), weights.values(), strict=True)))

    images = torch.rand(1, 3, 64, 64)
    with torch.no_grad():
        stem = peer.act2(peer.bn2(peer.conv2(peer.act1(peer.bn1(peer.conv1(images))))))
        expected = peer.stages(stem)[0]
        torch.testing.assert_close(network(images), expected, rtol=1e-4, atol=1e-4 * expected.abs().max().item())


def test_exchange_sums_all_scales_at_each_scale() -> None:
    exchange = Exchange([2, 4], blocks=0, outputs=2).eval()
    fine, coarse = torch.rand(1, 2, 8, 8), torch.rand(1, 4, 4, 4)
    up = exchange.fuse[0][1].convs(coarse).repeat_interleave(2, dim=2).repeat_interleave(2, dim=3)
    down = exchange.fuse[1][0].convs(fine)
    torch.testing.assert_close(exchange([fine, coarse])[0], (fine + up).relu())
    torch.testing.assert_close(exchange([fine, coarse])[1], (coarse + down).relu())


@pytest.mark.parametrize("size", [(64, 64), (64, 48), (72, 56)])
def test_trains_and_infers_at_small_and_odd_sizes(size: tuple[int, int]) -> None:
    network = hrnet(num_joints=4, variant="w16_small")
    heatmaps = network(torch.rand(2, 3, *size))
    assert heatmaps.shape == (2, 4, size[0] // 4, size[1] // 4)
    heatmaps.sum().backward()
    assert all(p.grad is not None for p in network.parameters())
    assert network.eval()(torch.rand(1, 3, *size)).isfinite().all()


def test_unknown_variant_is_named() -> None:
    with pytest.raises(InputError, match="'w64'"):
        hrnet(num_joints=17, variant="w64")
