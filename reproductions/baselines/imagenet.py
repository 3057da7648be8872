"""Starting a network from ImageNet, whose backbone is one of torchvision's below its classifier."""

from __future__ import annotations

from typing import Any

import torch
from torch import nn

from benchmark.core.errors import InputError
from reproductions.pretrained import TRUNKS, imagenet_backbone


def from_imagenet(network: nn.Module, *, url: str | None = None) -> None:
    """Fill ``network.backbone`` in place from torchvision's checkpoint of the same network, downloaded unless it is there.

    Args:
        url: of a mirror.

    Raises:
        InputError: the backbone is none of those in :data:`reproductions.pretrained.TRUNKS`, or see
            :func:`reproductions.pretrained.imagenet_backbone`.
    """
    backbone: Any = getattr(network, "backbone", nn.Module())
    shapes = {name: tensor.shape for name, tensor in backbone.state_dict().items()}
    for name, (build, _) in TRUNKS.items():
        with torch.device("meta"):
            outline = build()
        if shapes == {key: tensor.shape for key, tensor in outline.state_dict().items()}:
            backbone.load_state_dict(imagenet_backbone(name, url=url).state_dict())
            return
    raise InputError(f"the backbone of {type(network).__name__} is none of {', '.join(TRUNKS)}")
