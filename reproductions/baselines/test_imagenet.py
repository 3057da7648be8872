"""Check that torchvision's backbones, and no others, start from ImageNet weights, which this machine serves."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch
import torchvision.models

from benchmark.core.errors import InputError
from benchmark.models.registry import build_model
from reproductions.baselines.imagenet import from_imagenet
from reproductions.network_checks import publish


@pytest.mark.parametrize(
    ("model", "name", "prefix"),
    [
        ("baselines/simple_baseline-r50", "resnet50", ""),
        ("baselines/mspn-1", "resnet50", ""),
        ("fasterpose/r50", "resnet50", ""),
        ("baselines/simple_baseline-mobilenet_v2", "mobilenet_v2", "features."),
        ("baselines/simple_baseline-shufflenet_v2", "shufflenet_v2_x1_0", ""),
    ],
)
def test_the_backbone_is_recognised_and_filled(model: str, name: str, prefix: str, server: tuple[str, Path]) -> None:
    weights = torchvision.models.get_model(name, weights=None).state_dict()
    network: Any = build_model(model, joints=16)
    head = {key: tensor.clone() for key, tensor in network.state_dict().items() if not key.startswith("backbone.")}
    from_imagenet(network, url=f"{server[0]}/{publish(server[1], name, weights)}")
    for key, tensor in network.backbone.state_dict().items():
        assert torch.equal(tensor, weights[prefix + key])
    assert head
    assert all(torch.equal(network.state_dict()[key], tensor) for key, tensor in head.items())


@pytest.mark.parametrize("model", ["baselines/hrnet-w16_small", "baselines/simple_baseline-mobilenet_v3"])
def test_another_backbone_is_refused(model: str) -> None:
    with pytest.raises(InputError, match=r"no ImageNet weights fit the backbone of .*; there are weights for resnet50, "):
        from_imagenet(build_model(model, joints=16))
