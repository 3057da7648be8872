"""What heatmaps are trained towards: Gaussians about joints and, for EfficientPose, part affinity fields.

Joints come in pixels of the network's input, maps are in pixels of the heatmap; how one becomes the other is part of a
style, see :mod:`benchmark.pipeline.decode` for the named conversions. Everything is one tensor operation over the whole
batch, on the
device that the joints are on.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

import torch
from torch import Tensor

from benchmark.core.errors import InputError
from benchmark.pipeline.decode import MapConvention, input_to_map

TARGETS_VERSION = 1


@dataclass(frozen=True, kw_only=True)
class TargetStyle:
    """In what public codes differ when they draw ``exp(-d^2 / (factor sigma^2))``.

    ``convention``: how a pixel of the input becomes one of the heatmap. ``center``: ``exact``, or moved to a whole pixel by
    ``round`` (halves up). ``window``: how many sigmas from the centre the drawn square ends; None draws the whole map.
    ``masked``: whether joints that are not annotated, or farther than 3 sigma outside, weigh 0; otherwise all weigh 1, and
    the map of such a joint is to be empty. A Gaussian is not normalised: its peak is 1.
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
    # Eq. 4 of the paper for the formula; the pixel that contains the joint, and no mask, by the authors' later public code.
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
    """Target heatmaps and the weights of their joints.

    Args:
        joints: pixels of the input, float ``[N, K, 2]``.
        visible: 0 where a joint is not annotated, ``[N, K]``.
        stride: pixels of the input per pixel of the heatmap.
        sigma: pixels of the heatmap.
        style: one of :data:`STYLES`.

    Returns:
        Heatmaps, float32 ``[N, K, h, w]``, and weights, 0 or 1, float32 ``[N, K]``.

    Raises:
        InputError: an unknown style, or a sigma that is not positive.
    """
    if style not in TARGET_STYLES:
        raise InputError(f"no target style {style!r}; known: {', '.join(TARGET_STYLES)}")
    if not sigma > 0:
        raise InputError(f"sigma is positive, not {sigma:g}")
    found = TARGET_STYLES[style]
    height, width = heatmap_hw
    centers = input_to_map(joints, stride, found.convention)
    if found.center == "round":
        centers = _round(centers, found.convention)
    near_x, near_y = (_near(centers[..., axis], size, 3 * sigma) for axis, size in ((0, width), (1, height)))
    drawn = (visible > 0) & near_x & near_y
    if not found.masked:  # EfficientPose loses a joint as soon as it leaves the map
        inside = (centers > -0.5) & (centers < torch.tensor([width, height], device=joints.device) - 0.5)
        drawn = drawn & inside.all(-1)

    def profile(axis: int, size: int) -> Tensor:
        distance = torch.arange(size, dtype=torch.float32, device=joints.device) - centers[..., axis, None].float()
        values = torch.exp(distance.square() * (-1 / (found.factor * sigma**2)))
        return values if found.window is None else values * (distance.abs() <= found.window * sigma)

    # The exponential of a sum is a product, so two profiles make the map: h + w exponentials instead of h x w.
    x, y = profile(0, width) * drawn[..., None], profile(1, height)
    weights = drawn.float() if found.masked else torch.ones_like(drawn, dtype=torch.float32)
    return y[..., :, None] * x[..., None, :], weights


def _round(centers: Tensor, convention: MapConvention) -> Tensor:
    """To whole pixels. HRNet adds a half and cuts the decimals off, so that numbers from -1.5 to 0.5 become 0."""
    return torch.trunc(centers + 0.5) if convention == "corner" else torch.floor(centers + 0.5)


def _near(center: Tensor, size: int, radius: float) -> Tensor:
    """Whether any pixel of the patch is on the map; as in HRNet's code a patch that ends just left of it counts, too."""
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
    """Unit vectors along body segments: inside the rectangle around a segment its direction, elsewhere zero.

    As EfficientPose's authors draw them in later public code: joints move to the pixel that contains them, a segment without
    both joints on the map is empty.

    Args:
        joints: pixels of the input, float ``[N, K, 2]``.
        visible: 0 where a joint is not annotated, ``[N, K]``.
        segments: P pairs of joints, from and to.
        stride: pixels of the input per pixel of the map.
        half_width: how far from the segment its rectangle reaches, pixels of the map.

    Returns:
        float32 ``[N, 2 P, h, w]``: x and y of the first segment, x and y of the second...
    """
    height, width = heatmap_hw
    centers = _round(input_to_map(joints, stride, "center"), "center").float()
    inside = (centers >= 0) & (centers < torch.tensor([width, height], device=joints.device))
    seen = (visible > 0) & inside.all(-1)
    start, end = (list(side) for side in zip(*segments, strict=True))
    vector = centers[:, end] - centers[:, start]  # [N, P, 2]
    length = vector.norm(dim=-1)
    unit = vector / length.clamp(min=1e-9)[..., None]
    x = (torch.arange(width, device=joints.device) - centers[:, start, 0, None])[:, :, None, :]
    y = (torch.arange(height, device=joints.device) - centers[:, start, 1, None])[:, :, :, None]
    unit_x, unit_y = unit[..., 0, None, None], unit[..., 1, None, None]
    along, across = x * unit_x + y * unit_y, x * unit_y - y * unit_x
    slack = 1e-4  # the far end itself lies on the segment, whatever the rounding
    within = (along >= -slack) & (along <= length[..., None, None] + slack) & (across.abs() <= half_width + slack)
    within &= (seen[:, start] & seen[:, end])[..., None, None]
    return (within[:, :, None] * unit[..., None, None]).flatten(1, 2)
