"""The rounding of the released TFLite files, for comparing a network with them."""

from __future__ import annotations

import torch
from torch import nn


@torch.no_grad()
def round_to_half(network: nn.Module) -> None:
    """Move each batch norm into the convolution before it and round every weight to half precision, in place.

    The network then has the outputs of the released TFLite files, in single precision. The batch norms remain, with unit scale
    and variance, zero mean and the rounded bias.
    """
    for module in network.modules():
        if isinstance(module, nn.Sequential) and len(module) > 1 and isinstance(module[1], nn.BatchNorm2d):
            conv, norm = module[0], module[1]
            assert isinstance(conv, nn.Conv2d)
            assert norm.running_mean is not None
            assert norm.running_var is not None
            scale = norm.weight * torch.rsqrt(norm.running_var + norm.eps)
            conv.weight.mul_(scale[:, None, None, None])
            norm.bias.sub_(norm.running_mean * scale)
            make_neutral(norm)
    for parameter in network.parameters():
        parameter.copy_(parameter.half().float())


def make_neutral(norm: nn.BatchNorm2d) -> None:
    """Make a batch norm add its bias and do nothing else, in place."""
    assert norm.running_mean is not None
    assert norm.running_var is not None
    with torch.no_grad():
        norm.weight.fill_(1)
        norm.running_mean.zero_()
        norm.running_var.fill_(1 - norm.eps)
