"""Batches of network inputs, by three routes that show the same picture.

``direct``: each photograph is read and warped by OpenCV. ``cached``: the bytes of a
:class:`benchmark.pipeline.crop_cache.CropCache` are
warped by OpenCV, the fastest on a CPU. ``resampled``: the same bytes go to the device as they are and all of a batch is
resampled there at once, the fastest on a GPU, where one process then feeds it. Normalising is always done on whole batches.

The last two see what the cache kept: with all pixels kept they differ from ``direct`` by rounding alone.
"""

from __future__ import annotations

from concurrent.futures import Executor
from functools import lru_cache
from typing import Literal, NamedTuple

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from benchmark.core.errors import InputError
from benchmark.data.images import read_image
from benchmark.data.people import People
from benchmark.pipeline.augment import Views, view_joints
from benchmark.pipeline.crop_cache import CropCache
from benchmark.pipeline.crops import invert_transforms, warp_image

BATCHES_VERSION = 1
IMAGENET_MEAN = (0.485, 0.456, 0.406)  # ImageNet's, of RGB in 0 to 1
IMAGENET_STD = (0.229, 0.224, 0.225)

Route = Literal["direct", "cached", "resampled"]


class Batch(NamedTuple):
    """B persons as a network trains on them."""

    images: Tensor  # float32 [B, 3, H, W], normalised
    joints: Tensor  # float32 [B, K, 2] pixels of the input
    visible: Tensor  # uint8 [B, K] as in People


def load_batch(
    people: People,
    names: tuple[str, ...],
    views: Views,
    rows: np.ndarray,
    output_hw: tuple[int, int],
    *,
    cache: CropCache | None = None,
    device: torch.device | str = "cpu",
    route: Route | None = None,
    bgr: bool = False,
    pool: Executor | None = None,
) -> Batch:
    """The persons at ``rows`` in their views.

    Args:
        names: of the joints.
        views: of all persons.
        rows: the persons ``[B]``.
        cache: of all persons; without one the photographs are read.
        route: by default the fastest that is possible on the device.
        bgr: blue first, as some released weights want it.
        pool: threads that share the work of OpenCV; without them the calling thread does it.

    Raises:
        InputError: a photograph cannot be read, or the route needs a cache.
    """
    device = torch.device(device)
    if route is None:
        route = "direct" if cache is None else "resampled" if device.type == "cuda" else "cached"
    chosen = views.select(rows)
    matrices = chosen.matrices(output_hw)
    if route == "direct":
        images = torch.from_numpy(warp_images(people, matrices, rows, output_hw, pool)).to(device)
    elif cache is None:
        raise InputError(f"route {route} needs a cache of crops")
    elif route == "cached":
        images = torch.from_numpy(warp_cached_crops(cache, matrices, rows, output_hw, pool)).to(device)
    else:
        images = resample_cached_crops(cache, matrices, rows, output_hw, device)
    positions, visible = view_joints(people, names, rows, chosen, matrices)
    return Batch(
        normalize(images, bgr=bgr),
        torch.from_numpy(positions.astype(np.float32)).to(device),
        torch.from_numpy(visible).to(device),
    )


def warp_images(
    people: People, matrices: np.ndarray, rows: np.ndarray, output_hw: tuple[int, int], pool: Executor | None = None
) -> np.ndarray:
    """Photographs read and warped: uint8 ``[B, H, W, 3]`` from photograph-to-input maps ``[B, 2, 3]``."""
    images = np.empty((len(rows), *output_hw, 3), np.uint8)

    def one(place: int) -> None:
        warp_image(read_image(people.images[rows[place]]), matrices[place], output_hw, images[place])

    for _ in pool.map(one, range(len(rows))) if pool else map(one, range(len(rows))):
        pass
    return images


def warp_cached_crops(
    cache: CropCache, matrices: np.ndarray, rows: np.ndarray, output_hw: tuple[int, int], pool: Executor | None = None
) -> np.ndarray:
    """Cached crops warped: uint8 ``[B, H, W, 3]`` from photograph-to-input maps ``[B, 2, 3]``."""
    images = np.empty((len(rows), *output_hw, 3), np.uint8)
    relative = cache.relative(matrices, rows)

    def one(place: int) -> None:
        warp_image(cache[rows[place]], relative[place], output_hw, images[place])

    for _ in pool.map(one, range(len(rows))) if pool else map(one, range(len(rows))):
        pass
    return images


def resample_cached_crops(
    cache: CropCache, matrices: np.ndarray, rows: np.ndarray, output_hw: tuple[int, int], device: torch.device
) -> Tensor:
    """Cached crops resampled together on the device: uint8 ``[B, H, W, 3]`` from photograph-to-input maps ``[B, 2, 3]``.

    The crops lie top left on black sheets of one size, so that what is right of or below a crop is as black as what is
    outside of the sheet. Positions are computed without matrix products, whose precision a GPU may cut to 10 bits.
    """
    height, width = np.maximum(cache.shapes[rows].max(0), 2)
    sheets = torch.zeros(len(rows), int(height), int(width), 3, dtype=torch.uint8, pin_memory=device.type == "cuda")
    for sheet, row in zip(sheets.numpy(), rows, strict=True):
        crop = cache[row]
        sheet[: crop.shape[0], : crop.shape[1]] = crop
    sources = sheets.to(device, non_blocking=True).permute(0, 3, 1, 2).float()

    back = torch.from_numpy(invert_transforms(cache.relative(matrices, rows)).astype(np.float32)).to(device)[..., None, None]
    rows_of, columns_of = (torch.arange(side, dtype=torch.float32, device=device) for side in output_hw)
    x = back[:, 0, 0] * columns_of + back[:, 0, 1] * rows_of[:, None] + back[:, 0, 2]
    y = back[:, 1, 0] * columns_of + back[:, 1, 1] * rows_of[:, None] + back[:, 1, 2]
    grid = torch.stack([x * (2 / (float(width) - 1)) - 1, y * (2 / (float(height) - 1)) - 1], -1)
    images = F.grid_sample(sources, grid, mode="bilinear", padding_mode="zeros", align_corners=True)
    return images.round_().to(torch.uint8).permute(0, 2, 3, 1)


def normalize(images: Tensor, *, bgr: bool = False) -> Tensor:
    """``(brightness / 255 - mean) / deviation`` of RGB images, uint8 ``[B, H, W, 3]`` to float32 ``[B, 3, H, W]``.

    The result keeps the colours of a pixel side by side in memory (``torch.channels_last``): no copy, and what convolutions
    want on most devices.

    Args:
        bgr: Blue first. Mean and deviation keep their places, as in the public codes with such an option (HRNet and those
            derived from it): blue is normalised by the numbers for red.
    """
    if bgr:
        images = images.flip(-1)
    batch, height, width, _ = images.shape
    factor, offset = (line.to(images.device) for line in _lines(width))
    # A line of the image at a time: with an inner axis of three colours the processor's vector units would idle.
    lines = images.reshape(batch, height, width * 3).to(torch.float32).mul_(factor).add_(offset)
    return lines.view(batch, height, width, 3).permute(0, 3, 1, 2)


@lru_cache(maxsize=16)
def _lines(width: int) -> tuple[Tensor, Tensor]:
    """Factor and offset of each value in a line of pixels, float32 ``[3 width]``."""
    mean, deviation = (torch.tensor(values, dtype=torch.float64) for values in (IMAGENET_MEAN, IMAGENET_STD))
    return (1 / (255 * deviation)).float().repeat(width), (-mean / deviation).float().repeat(width)
