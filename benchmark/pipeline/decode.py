"""From heatmaps to joints, and what is done to heatmaps at test time; each option of the public codes has a name.

Heatmaps are torch tensors ``[N, K, h, w]``, points ``[..., 2]`` are pixels (x, y), (0, 0) being the centre of the top-left
pixel. Nothing here loops over persons or joints.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Literal, NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor

from benchmark.core.errors import InputError

DECODE_VERSION = 1

# How a pixel of the heatmap lies in the input. "corner": x_input = stride x, as HRNet, SimpleBaseline and mmpose have it; the
# two grids share the centre of their first pixel, so that mirroring an input moves its map by a part of a pixel as well.
# "center": x_input + 1/2 = stride (x + 1/2); the grids share their borders, as resizing has it, and mirroring commutes.
MapConvention = Literal["corner", "center"]


class Peaks(NamedTuple):
    """Where each map is highest, and how high."""

    points: Tensor  # float32 [N, K, 2] pixels of the heatmap
    scores: Tensor  # float32 [N, K]


def map_to_input(points: Tensor, stride: float, convention: MapConvention) -> Tensor:
    """Pixels of the heatmap as pixels of the input, ``[..., 2]``; ``stride`` is input pixels per heatmap pixel."""
    return points * stride if convention == "corner" else (points + 0.5) * stride - 0.5


def input_to_map(points: Tensor, stride: float, convention: MapConvention) -> Tensor:
    """Pixels of the input as pixels of the heatmap, ``[..., 2]``: the inverse of :func:`to_input`."""
    return points / stride if convention == "corner" else (points + 0.5) / stride - 0.5


def decode_argmax(heatmaps: Tensor) -> Peaks:
    """The highest pixel of each map, the first of equals. A map without a positive value gives (0, 0), as in HRNet's code."""
    scores, place = heatmaps.flatten(2).float().max(-1)
    width = heatmaps.shape[-1]
    points = torch.stack([place % width, place // width], -1).float()
    return Peaks(points * (scores > 0)[..., None], scores)


def decode_quarter_shift(heatmaps: Tensor) -> Peaks:
    """The highest pixel, moved a quarter of a pixel towards its higher neighbour along each axis.

    As in HRNet's code, peaks in the first two and the last row or column stay.
    """
    peaks = decode_argmax(heatmaps)
    maps, columns, rows = _places(heatmaps, peaks)
    height, width = heatmaps.shape[-2:]
    inside = (columns > 1) & (columns < width - 1) & (rows > 1) & (rows < height - 1)

    def at(dx: int, dy: int) -> Tensor:
        return _at(maps, (columns + dx).clamp(0, width - 1), (rows + dy).clamp(0, height - 1), width)

    slope = torch.stack([at(1, 0) - at(-1, 0), at(0, 1) - at(0, -1)], -1)
    return Peaks(peaks.points + 0.25 * torch.sign(slope) * inside[..., None], peaks.scores)


def decode_smoothed(heatmaps: Tensor, sigma: float = 1.0) -> Peaks:
    """The highest pixel after a Gaussian filter, and its filtered height: EfficientPose's released code, but in real time."""
    return decode_argmax(smooth_maps(heatmaps, sigma))


def decode_dark(heatmaps: Tensor, kernel: int = 11) -> Peaks:
    """The vertex of the parabola that fits the logarithm of the smoothed map at its peak (DARK: Zhang et al., CVPR 2020).

    The peak is that of the map as it is; it is smoothed by an OpenCV kernel of ``kernel`` pixels (11 for a sigma of 2, 17
    for 3) with zeros outside and raised to its old maximum. Peaks within two pixels of the border stay.
    """
    peaks = decode_argmax(heatmaps)
    sigma = 0.3 * ((kernel - 1) * 0.5 - 1) + 0.8  # what OpenCV takes for a kernel of that size
    smooth = _separable(heatmaps.float(), _weights(sigma, kernel // 2, heatmaps.device), zeros=True)
    smooth = smooth * (_highest(heatmaps.float()) / _highest(smooth).clamp(min=1e-12))
    maps, columns, rows = _places(smooth.clamp(min=1e-10).log(), peaks)
    height, width = heatmaps.shape[-2:]
    inside = (columns > 1) & (columns < width - 2) & (rows > 1) & (rows < height - 2)

    def at(dx: int, dy: int) -> Tensor:
        return _at(maps, (columns + dx).clamp(0, width - 1), (rows + dy).clamp(0, height - 1), width)

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
    """Joints in pixels of the input, by one of :data:`METHODS`; undo the crop with
    :func:`benchmark.pipeline.crops.invert_transforms`.

    Raises:
        InputError: an unknown method.
    """
    if method not in DECODERS:
        raise InputError(f"no decoding {method!r}; known: {', '.join(DECODERS)}")
    peaks = DECODERS[method](heatmaps)
    return Peaks(map_to_input(peaks.points, stride, convention), peaks.scores)


def flip_back(heatmaps: Tensor, mirrored: Sequence[int], *, shift: bool) -> Tensor:
    """Heatmaps of mirrored images, as if the images had not been mirrored.

    Args:
        mirrored: for each joint, where its mirror image stands; see :func:`benchmark.core.keypoints.mirrored_indices`.
        shift: move them a pixel to the right, the first column staying. In the "corner" convention they lie
            1 - 1 / stride pixels too far left, so that 1 / stride too far right remains.
    """
    back = heatmaps.flip(-1)[:, list(mirrored)]
    return torch.cat([back[..., :1], back[..., :-1]], -1) if shift else back


def flip_test(forward: Callable[[Tensor], Tensor], images: Tensor, mirrored: Sequence[int], *, shift: bool) -> Tensor:
    """The mean of the heatmaps of images ``[N, 3, H, W]`` and of the mirrored images."""
    return (forward(images) + flip_back(forward(images.flip(-1)), mirrored, shift=shift)) / 2


def multi_scale(forward: Callable[[Tensor], Tensor], images: Tensor, scales: Sequence[float]) -> Tensor:
    """The mean of the heatmaps of images that are enlarged or shrunk by each of ``scales`` about their centre.

    Zeros surround what shrinks and the maps of what grew. EfficientPose's authors pad or crop by |1 - s| of the side in later
    public code before they resize, so that what they call scale s is an enlargement by 1 / (2 - s).
    """
    return torch.stack([zoom_maps(forward(zoom_maps(images, scale)), 1 / scale) for scale in scales]).mean(0)


def zoom_maps(maps: Tensor, factor: float) -> Tensor:
    """Images or maps ``[N, C, H, W]`` enlarged by ``factor`` about their centre, on a canvas of the same size."""
    if factor == 1:
        return maps
    theta = torch.tensor([[1 / factor, 0, 0], [0, 1 / factor, 0]], dtype=maps.dtype, device=maps.device)
    grid = F.affine_grid(theta.expand(len(maps), 2, 3), list(maps.shape), align_corners=False)
    return F.grid_sample(maps, grid, mode="bilinear", padding_mode="zeros", align_corners=False)


def smooth_maps(maps: Tensor, sigma: float) -> Tensor:
    """Maps ``[N, K, h, w]`` smoothed as ``scipy.ndimage.gaussian_filter`` does: mirrored at the border, cut at 4 sigma."""
    return _separable(maps.float(), _weights(sigma, int(4 * sigma + 0.5), maps.device), zeros=False)


def _weights(sigma: float, radius: int, device: torch.device) -> Tensor:
    distance = torch.arange(-radius, radius + 1, dtype=torch.float64, device=device)
    weights = torch.exp(-0.5 * (distance / sigma) ** 2)
    return (weights / weights.sum()).float()


def _separable(maps: Tensor, weights: Tensor, *, zeros: bool) -> Tensor:
    """Weigh rows, then columns, with zeros outside or with the map mirrored about its borders; ``weights`` are symmetric.

    Sums of moved maps: five times as fast on a CPU as convolutions of one channel, most of all where a person's fit the cache.
    """
    groups = maps.split(1 if maps.device.type == "cpu" else max(len(maps), 1))
    return torch.cat([_weighed(_weighed(group, weights, -2, zeros), weights, -1, zeros) for group in groups])


def _weighed(maps: Tensor, weights: Tensor, axis: int, zeros: bool) -> Tensor:
    size, radius = maps.shape[axis], len(weights) // 2
    if zeros:
        padded = F.pad(maps, (0, 0, radius, radius) if axis == -2 else (radius, radius))
    else:
        padded = maps.index_select(axis, _mirror(size, radius, maps.device))
    total = padded.narrow(axis, radius, size) * weights[radius]
    for step, weight in enumerate(weights[:radius].tolist()):
        total.add_(padded.narrow(axis, step, size) + padded.narrow(axis, 2 * radius - step, size), alpha=weight)
    return total


def _mirror(size: int, radius: int, device: torch.device) -> Tensor:
    """Positions -radius to size + radius, reflected into 0 to size - 1 with the border pixel repeated."""
    place = torch.arange(-radius, size + radius, device=device) % (2 * size)
    return torch.minimum(place, 2 * size - 1 - place)


def _highest(maps: Tensor) -> Tensor:
    return maps.amax((-2, -1), keepdim=True)


def _places(maps: Tensor, peaks: Peaks) -> tuple[Tensor, Tensor, Tensor]:
    """Flattened maps, and column and row of each peak as whole numbers."""
    whole = peaks.points.long()
    return maps.flatten(2).float(), whole[..., 0], whole[..., 1]


def _at(maps: Tensor, columns: Tensor, rows: Tensor, width: int) -> Tensor:
    return maps.gather(2, (rows * width + columns)[..., None])[..., 0]
