"""Start a network from ImageNet weights if its backbone is one of torchvision's networks without the classifier."""

from __future__ import annotations

from typing import Any

import torch
from torch import nn

from benchmark.core.errors import InputError
from reproductions.pretrained import TRUNKS, imagenet_backbone


def from_imagenet(network: nn.Module, *, url: str | None = None) -> None:
    """Load torchvision's checkpoint of the same backbone into ``network.backbone``, in place; download it where needed.

    Args:
        url: Address of a mirror.

    Raises:
        InputError: The backbone is none of those in :data:`reproductions.pretrained.TRUNKS`, or its checkpoint cannot be read
            (see :func:`reproductions.pretrained.imagenet_backbone`).
    """
    backbone: Any = getattr(network, "backbone", nn.Module())
    shapes = {name: tensor.shape for name, tensor in backbone.state_dict().items()}
    for name, (build, _) in TRUNKS.items():
        with torch.device("meta"):
            trunk = build()
        if shapes == {key: tensor.shape for key, tensor in trunk.state_dict().items()}:
            backbone.load_state_dict(imagenet_backbone(name, url=url).state_dict())
            return
    raise InputError(
        f"no ImageNet weights fit the backbone of {type(network).__name__}; there are weights for {', '.join(TRUNKS)}; "
        "start from scratch or from a weight file"
    )
