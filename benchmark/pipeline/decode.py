"""From heatmaps to joints, and the test-time processing of heatmaps; each option of the public codes has a name.

Heatmaps are torch tensors ``[N, K, h, w]``, points ``[..., 2]`` are pixels (x, y), and (0, 0) is the centre of the top-left
pixel. Nothing here loops over people or joints.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Literal, NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor

from benchmark.core.errors import InputError

# Where a pixel of the heatmap lies in the input. "corner": x_input = stride x, as in HRNet, SimpleBaseline and mmpose; the two
# grids share the centre of their first pixel, so that mirroring the input also shifts its heatmap by a part of a pixel.
# "center": x_input + 1/2 = stride (x + 1/2); the grids share their borders, as in resizing, and mirroring shifts nothing.
MapConvention = Literal["corner", "center"]


class Peaks(NamedTuple):
    """The position and the height of each heatmap's peak."""

    points: Tensor  # float32 [N, K, 2] pixels of the heatmap
    scores: Tensor  # float32 [N, K]


def map_to_input(points: Tensor, stride: float, convention: MapConvention) -> Tensor:
    """Convert pixels of the heatmap to pixels of the input, ``[..., 2]``; ``stride`` is input pixels per heatmap pixel."""
    return points * stride if convention == "corner" else (points + 0.5) * stride - 0.5


def input_to_map(points: Tensor, stride: float, convention: MapConvention) -> Tensor:
    """Convert pixels of the input to pixels of the heatmap, ``[..., 2]``: the inverse of :func:`map_to_input`."""
    return points / stride if convention == "corner" else (points + 0.5) / stride - 0.5


def decode_argmax(heatmaps: Tensor) -> Peaks:
    """Return the highest pixel of each heatmap, the first if several are equal.

    As in HRNet's code, a heatmap without a positive value gives (0, 0).
    """
    scores, indices = heatmaps.flatten(2).float().max(-1)
    width = heatmaps.shape[-1]
    points = torch.stack([indices % width, indices // width], -1).float()
    return Peaks(points * (scores > 0)[..., None], scores)


def decode_quarter_shift(heatmaps: Tensor) -> Peaks:
    """Return the highest pixel, shifted by a quarter of a pixel towards its higher neighbour along each axis.

    As in HRNet's code, peaks in the first two and the last row or column are not shifted.
    """
    peaks = decode_argmax(heatmaps)
    height, width = heatmaps.shape[-2:]
    columns, rows = _peak_pixels(peaks)
    at = _value_near_peak(heatmaps.float(), columns, rows)
    inside = (columns > 1) & (columns < width - 1) & (rows > 1) & (rows < height - 1)
    slope = torch.stack([at(1, 0) - at(-1, 0), at(0, 1) - at(0, -1)], -1)
    return Peaks(peaks.points + 0.25 * torch.sign(slope) * inside[..., None], peaks.scores)


def decode_smoothed(heatmaps: Tensor, sigma: float = 1.0) -> Peaks:
    """Return the highest pixel after a Gaussian filter, and its filtered height, as EfficientPose's released code does."""
    return decode_argmax(smooth_maps(heatmaps, sigma))


def decode_dark(heatmaps: Tensor, kernel: int = 11) -> Peaks:
    """Return the vertex of a parabola fitted to the logarithm of the smoothed heatmap at its peak.

    The method is DARK (Zhang et al., CVPR 2020). The peak is taken from the heatmap before smoothing. The heatmap is smoothed
    by OpenCV's Gaussian kernel of ``kernel`` pixels (11 for a sigma of 2, 17 for 3) with zeros outside, and scaled to its
    previous maximum. Peaks within two pixels of the border are not shifted.
    """
    peaks = decode_argmax(heatmaps)
    sigma = 0.3 * ((kernel - 1) * 0.5 - 1) + 0.8  # OpenCV's default for a kernel of that size
    smooth = _filter_separable(heatmaps.float(), _gaussian_weights(sigma, kernel // 2, heatmaps.device), zeros=True)
    smooth = smooth * (_maximum(heatmaps.float()) / _maximum(smooth).clamp(min=1e-12))
    height, width = heatmaps.shape[-2:]
    columns, rows = _peak_pixels(peaks)
    at = _value_near_peak(smooth.clamp(min=1e-10).log(), columns, rows)
    inside = (columns > 1) & (columns < width - 2) & (rows > 1) & (rows < height - 2)

    # One Newton step: first and second derivatives by finite differences, then the inverse of the 2 x 2 Hessian.
    slope_x, slope_y = (at(1, 0) - at(-1, 0)) / 2, (at(0, 1) - at(0, -1)) / 2
    xx, yy = ((at(2, 0) - 2 * at(0, 0) + at(-2, 0)) / 4, (at(0, 2) - 2 * at(0, 0) + at(0, -2)) / 4)
    xy = (at(1, 1) - at(1, -1) - at(-1, 1) + at(-1, -1)) / 4
    determinant = xx * yy - xy * xy
    solvable = inside & (determinant != 0)
    offset = torch.stack([xy * slope_y - yy * slope_x, xy * slope_x - xx * slope_y], -1)
    offset = offset / torch.where(solvable, determinant, 1.0)[..., None]
    return Peaks(peaks.points + offset * solvable[..., None], peaks.scores)


DECODERS: Mapping[str, Callable[[Tensor], Peaks]] = {
    "argmax": decode_argmax,
    "quarter": decode_quarter_shift,
    "filtered": decode_smoothed,
    "dark": decode_dark,
}


def decode_heatmaps(heatmaps: Tensor, method: str, stride: float, convention: MapConvention = "corner") -> Peaks:
    """Decode heatmaps to joints in pixels of the input.

    To get pixels of the image, undo the crop with :func:`benchmark.pipeline.crops.invert_transforms`.

    Args:
        method: a name in :data:`DECODERS`.
        stride: pixels of the input per pixel of the heatmap.

    Raises:
        InputError: the method is unknown.
    """
    if method not in DECODERS:
        raise InputError(f"no decoding method {method!r}; known: {', '.join(DECODERS)}")
    peaks = DECODERS[method](heatmaps)
    return Peaks(map_to_input(peaks.points, stride, convention), peaks.scores)


def flip_back(heatmaps: Tensor, mirrored: Sequence[int], *, shift: bool) -> Tensor:
    """Return heatmaps of mirrored images as if the images had not been mirrored, ``[N, K, h, w]``.

    Args:
        mirrored: for each joint, the index of its mirror image; see :func:`benchmark.core.keypoints.mirrored_indices`.
        shift: shift the heatmaps a pixel to the right and repeat the first column. In the "corner" convention they lie
            1 - 1 / stride pixels too far left, so that an error of 1 / stride pixels to the right remains.
    """
    unmirrored = heatmaps.flip(-1)[:, list(mirrored)]
    return torch.cat([unmirrored[..., :1], unmirrored[..., :-1]], -1) if shift else unmirrored


def zoom_maps(maps: Tensor, factor: float) -> Tensor:
    """Enlarge images or heatmaps by ``factor`` about their centre without changing their shape, ``[N, C, H, W]``.

    The border of maps that shrink is filled with zeros.
    """
    if factor == 1:
        return maps
    theta = torch.tensor([[1 / factor, 0, 0], [0, 1 / factor, 0]], dtype=maps.dtype, device=maps.device)
    grid = F.affine_grid(theta.expand(len(maps), 2, 3), list(maps.shape), align_corners=False)
    return F.grid_sample(maps, grid, mode="bilinear", padding_mode="zeros", align_corners=False)


def smooth_maps(heatmaps: Tensor, sigma: float) -> Tensor:
    """Smooth heatmaps as ``scipy.ndimage.gaussian_filter`` does, ``[N, K, h, w]``.

    The heatmaps are mirrored at their borders, and the Gaussian is cut off at 4 sigma.
    """
    weights = _gaussian_weights(sigma, int(4 * sigma + 0.5), heatmaps.device)
    return _filter_separable(heatmaps.float(), weights, zeros=False)


def _gaussian_weights(sigma: float, radius: int, device: torch.device) -> Tensor:
    distance = torch.arange(-radius, radius + 1, dtype=torch.float64, device=device)
    weights = torch.exp(-0.5 * (distance / sigma) ** 2)
    return (weights / weights.sum()).float()


def _filter_separable(heatmaps: Tensor, weights: Tensor, *, zeros: bool) -> Tensor:
    """Filter columns, then rows, by symmetric weights, with zeros outside or with the heatmaps mirrored at their borders.

    The filter is a sum of shifted heatmaps. On a CPU this is five times as fast as convolutions of one channel, above all with
    one person at a time, whose heatmaps fit into the cache.
    """
    groups = heatmaps.split(1 if heatmaps.device.type == "cpu" else max(len(heatmaps), 1))
    return torch.cat([_filter_axis(_filter_axis(group, weights, -2, zeros), weights, -1, zeros) for group in groups])


def _filter_axis(heatmaps: Tensor, weights: Tensor, axis: int, zeros: bool) -> Tensor:
    size, radius = heatmaps.shape[axis], len(weights) // 2
    if zeros:
        padded = F.pad(heatmaps, (0, 0, radius, radius) if axis == -2 else (radius, radius))
    else:
        padded = heatmaps.index_select(axis, _mirrored_positions(size, radius, heatmaps.device))
    total = padded.narrow(axis, radius, size) * weights[radius]
    for start, weight in enumerate(weights[:radius].tolist()):
        total.add_(padded.narrow(axis, start, size) + padded.narrow(axis, 2 * radius - start, size), alpha=weight)
    return total


def _mirrored_positions(size: int, radius: int, device: torch.device) -> Tensor:
    """Return positions -radius to size + radius, reflected into 0 to size - 1 with the border pixel repeated."""
    positions = torch.arange(-radius, size + radius, device=device) % (2 * size)
    return torch.minimum(positions, 2 * size - 1 - positions)


def _maximum(heatmaps: Tensor) -> Tensor:
    return heatmaps.amax((-2, -1), keepdim=True)


def _peak_pixels(peaks: Peaks) -> tuple[Tensor, Tensor]:
    """Return column and row of each peak as integers, ``[N, K]`` each."""
    pixels = peaks.points.long()
    return pixels[..., 0], pixels[..., 1]


def _value_near_peak(heatmaps: Tensor, columns: Tensor, rows: Tensor) -> Callable[[int, int], Tensor]:
    """Return a function of (dx, dy) that reads each heatmap at this offset from its peak, ``[N, K]``."""
    height, width = heatmaps.shape[-2:]
    flat = heatmaps.flatten(2)

    def value(dx: int, dy: int) -> Tensor:
        indices = (rows + dy).clamp(0, height - 1) * width + (columns + dx).clamp(0, width - 1)
        return flat.gather(2, indices[..., None])[..., 0]

    return value
