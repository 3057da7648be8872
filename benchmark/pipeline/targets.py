"""Training targets: Gaussian heatmaps of joints and, for EfficientPose, part affinity fields.

Joints are pixels of the network's input, targets are in pixels of the heatmap. The conversion between them is part of a target
style; see :mod:`benchmark.pipeline.decode` for the named conventions. Each function is one tensor operation over the whole
batch, on the device of the joints.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

import torch
from torch import Tensor

from benchmark.core.errors import InputError
from benchmark.pipeline.decode import MapConvention, input_to_map


@dataclass(frozen=True, kw_only=True)
class TargetStyle:
    """The choices that differ between public codes when they draw ``exp(-d^2 / (factor sigma^2))``, whose peak is 1.

    Attributes:
        factor: of sigma squared, as above.
        convention: how pixels of the input are converted to pixels of the heatmap.
        center: ``exact``, or ``round`` to the nearest whole pixel (halves up).
        window: the distance from the centre, in sigmas, at which the drawn square ends; None draws the whole heatmap.
        masked: give weight 0 to joints that are not annotated or lie more than 3 sigma outside. Otherwise all joints have
            weight 1, and the target of such a joint is an empty heatmap.
        source: the public code or paper that uses the style.
    """

    factor: float = 2.0
    convention: MapConvention = "corner"
    center: Literal["round", "exact"] = "round"
    window: float | None = 3.0
    masked: bool = True
    source: str


TARGET_STYLES: Mapping[str, TargetStyle] = {
    "hrnet": TargetStyle(source="HRNet, SimpleBaseline, mmpose 0.x: a patch of 13 x 13 for a sigma of 2"),
    "unbiased": TargetStyle(center="exact", window=None, source="DARK (Zhang et al., CVPR 2020), mmpose's unbiased encoding"),
    # The formula is the paper's Eq. 4; the pixel that contains the joint and the missing mask follow the authors' later code.
    "efficientpose": TargetStyle(factor=1.0, convention="center", window=None, masked=False, source="EfficientPose, Eq. 4"),
}


def draw_gaussians(
    joints: Tensor,
    visible: Tensor,
    *,
    heatmap_hw: tuple[int, int],
    stride: float,
    sigma: float = 2.0,
    style: str = "hrnet",
) -> tuple[Tensor, Tensor]:
    """Draw target heatmaps and the weights of their joints.

    Args:
        joints: pixels of the input, float ``[N, K, 2]``.
        visible: 0 where a joint is not annotated, ``[N, K]``.
        stride: pixels of the input per pixel of the heatmap.
        sigma: pixels of the heatmap.
        style: a name in :data:`TARGET_STYLES`.

    Returns:
        Heatmaps, float32 ``[N, K, h, w]``, and weights, 0 or 1, float32 ``[N, K]``.

    Raises:
        InputError: the style is unknown, or sigma is not positive.
    """
    if style not in TARGET_STYLES:
        raise InputError(f"no target style {style!r}; known: {', '.join(TARGET_STYLES)}")
    if not sigma > 0:
        raise InputError(f"sigma must be positive, not {sigma:g}")
    target_style = TARGET_STYLES[style]
    height, width = heatmap_hw
    centers = input_to_map(joints, stride, target_style.convention)
    if target_style.center == "round":
        centers = _round(centers, target_style.convention)
    near_x, near_y = (_near(centers[..., axis], size, 3 * sigma) for axis, size in ((0, width), (1, height)))
    drawn = (visible > 0) & near_x & near_y
    if not target_style.masked:  # in EfficientPose a joint outside the heatmap has no Gaussian
        inside = (centers > -0.5) & (centers < torch.tensor([width, height], device=joints.device) - 0.5)
        drawn = drawn & inside.all(-1)

    def profile(axis: int, size: int) -> Tensor:
        distance = torch.arange(size, dtype=torch.float32, device=joints.device) - centers[..., axis, None].float()
        values = torch.exp(distance.square() * (-1 / (target_style.factor * sigma**2)))
        return values if target_style.window is None else values * (distance.abs() <= target_style.window * sigma)

    # The exponential of a sum is a product, so two profiles give the heatmap: h + w exponentials instead of h x w.
    x, y = profile(0, width) * drawn[..., None], profile(1, height)
    weights = drawn.float() if target_style.masked else torch.ones_like(drawn, dtype=torch.float32)
    return y[..., :, None] * x[..., None, :], weights


def _round(centers: Tensor, convention: MapConvention) -> Tensor:
    """Round to whole pixels; HRNet adds a half and drops the decimals, so that numbers from -1.5 to 0.5 become 0."""
    return torch.trunc(centers + 0.5) if convention == "corner" else torch.floor(centers + 0.5)


def _near(center: Tensor, size: int, radius: float) -> Tensor:
    """Check that the patch overlaps the heatmap; as in HRNet's code, a patch that ends just left of it counts too."""
    return (center - radius < size) & (center + radius + 1 >= 0)


def draw_part_affinity_fields(
    joints: Tensor,
    visible: Tensor,
    segments: Sequence[tuple[int, int]],
    *,
    heatmap_hw: tuple[int, int],
    stride: float,
    half_width: float,
) -> Tensor:
    """Draw unit vectors along body segments: the segment's direction in the rectangle around it, and zero elsewhere.

    As in the later public code of EfficientPose's authors, joints are moved to the pixel that contains them, and a segment
    without both joints on the heatmap is empty.

    Args:
        joints: pixels of the input, float ``[N, K, 2]``.
        visible: 0 where a joint is not annotated, ``[N, K]``.
        segments: P pairs of joints, from and to.
        stride: pixels of the input per pixel of the heatmap.
        half_width: half the width of the rectangle around a segment, in pixels of the heatmap.

    Returns:
        float32 ``[N, 2 P, h, w]``: x and y of the first segment, x and y of the second, and so on.
    """
    height, width = heatmap_hw
    centers = _round(input_to_map(joints, stride, "center"), "center").float()
    inside = (centers >= 0) & (centers < torch.tensor([width, height], device=joints.device))
    drawable = (visible > 0) & inside.all(-1)
    start, end = (list(side) for side in zip(*segments, strict=True))
    vector = centers[:, end] - centers[:, start]  # [N, P, 2]
    length = vector.norm(dim=-1)
    unit = vector / length.clamp(min=1e-9)[..., None]
    x = (torch.arange(width, device=joints.device) - centers[:, start, 0, None])[:, :, None, :]
    y = (torch.arange(height, device=joints.device) - centers[:, start, 1, None])[:, :, :, None]
    unit_x, unit_y = unit[..., 0, None, None], unit[..., 1, None, None]
    along, across = x * unit_x + y * unit_y, x * unit_y - y * unit_x
    slack = 1e-4  # so that rounding does not exclude the end of the segment
    within = (along >= -slack) & (along <= length[..., None, None] + slack) & (across.abs() <= half_width + slack)
    within &= (drawable[:, start] & drawable[:, end])[..., None, None]
    return (within[:, :, None] * unit[..., None, None]).flatten(1, 2)
