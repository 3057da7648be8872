"""Batches of network inputs, by three routes that show the same views.

``direct``: each image is read and warped by OpenCV. ``cached``: the crops in a
:class:`benchmark.pipeline.crop_cache.CropCache` are warped by OpenCV, which is the fastest on a CPU. ``resampled``: the same
crops are copied to the device and all of a batch is resampled there at once, which is the fastest on a GPU: one process can
then keep it busy. Normalisation always works on whole batches.

The last two routes see the pixels that the cache kept: with all pixels kept they differ from ``direct`` by rounding alone.
"""

from __future__ import annotations

from collections.abc import Callable
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

IMAGENET_MEAN = (0.485, 0.456, 0.406)  # of RGB in 0 to 1
IMAGENET_STD = (0.229, 0.224, 0.225)

Route = Literal["direct", "cached", "resampled"]


class Batch(NamedTuple):
    """B people as a network trains on them."""

    images: Tensor  # float32 [B, 3, H, W], normalised
    joints: Tensor  # float32 [B, K, 2] pixels of the input
    visible: Tensor  # uint8 [B, K] as in People


def load_batch(
    people: People,
    joint_names: tuple[str, ...],
    views: Views,
    rows: np.ndarray,
    output_hw: tuple[int, int],
    *,
    cache: CropCache | None = None,
    device: torch.device | str = "cpu",
    route: Route | None = None,
    bgr: bool = False,
) -> Batch:
    """Load the people at ``rows`` in their views, as a batch on the device.

    Args:
        joint_names: in the order of ``people.joints``.
        views: of all people.
        rows: of the people in the batch, ``[B]``.
        cache: crops of all people; without it the images are read.
        route: by default the fastest that is possible on the device.
        bgr: order the colours blue, green, red, as some released weights need.

    Raises:
        InputError: an image cannot be read, or the route needs a cache.
    """
    device = torch.device(device)
    if route is None:
        route = "direct" if cache is None else "resampled" if device.type == "cuda" else "cached"
    batch_views = views.select(rows)
    transforms = batch_views.transforms(output_hw)
    if route == "direct":
        images = torch.from_numpy(warp_images(people, transforms, rows, output_hw)).to(device)
    elif cache is None:
        raise InputError(f"route {route} needs a cache of crops")
    elif route == "cached":
        images = torch.from_numpy(warp_cached_crops(cache, transforms, rows, output_hw)).to(device)
    else:
        images = resample_cached_crops(cache, transforms, rows, output_hw, device)
    positions, visible = view_joints(people, joint_names, rows, batch_views, transforms)
    return Batch(
        normalize(images, bgr=bgr),
        torch.from_numpy(positions.astype(np.float32)).to(device),
        torch.from_numpy(visible).to(device),
    )


def warp_images(people: People, transforms: np.ndarray, rows: np.ndarray, output_hw: tuple[int, int]) -> np.ndarray:
    """Read and warp the images of the people at ``rows``, uint8 ``[B, H, W, 3]``.

    Args:
        transforms: from image to input, ``[B, 2, 3]``.
    """
    return _warp_all(lambda index: read_image(people.images[rows[index]]), transforms, output_hw)


def warp_cached_crops(cache: CropCache, transforms: np.ndarray, rows: np.ndarray, output_hw: tuple[int, int]) -> np.ndarray:
    """Warp the cached crops at ``rows``, uint8 ``[B, H, W, 3]``.

    Args:
        transforms: from image to input, ``[B, 2, 3]``.
    """
    return _warp_all(lambda index: cache[rows[index]], cache.crop_to_input(transforms, rows), output_hw)


def _warp_all(load: Callable[[int], np.ndarray], transforms: np.ndarray, output_hw: tuple[int, int]) -> np.ndarray:
    inputs = np.empty((len(transforms), *output_hw, 3), np.uint8)
    for index, transform in enumerate(transforms):
        warp_image(load(index), transform, output_hw, inputs[index])
    return inputs


def resample_cached_crops(
    cache: CropCache, transforms: np.ndarray, rows: np.ndarray, output_hw: tuple[int, int], device: torch.device
) -> Tensor:
    """Resample the cached crops at ``rows`` together on the device, uint8 ``[B, H, W, 3]``.

    Args:
        transforms: from image to input, ``[B, 2, 3]``.
    """
    # The crops lie in the top-left corner of black images of one size, so that everything outside a crop is black.
    height, width = np.maximum(cache.shapes[rows].max(0), 2)
    padded = torch.zeros(len(rows), int(height), int(width), 3, dtype=torch.uint8, pin_memory=device.type == "cuda")
    for image, row in zip(padded.numpy(), rows, strict=True):
        crop = cache[row]
        image[: crop.shape[0], : crop.shape[1]] = crop
    sources = padded.to(device, non_blocking=True).permute(0, 3, 1, 2).float()

    # The position in the crop of each pixel of the input, without matrix products: a GPU may cut their precision to 10 bits.
    input_to_crop = invert_transforms(cache.crop_to_input(transforms, rows)).astype(np.float32)
    inverse = torch.from_numpy(input_to_crop).to(device)[..., None, None]
    ys, xs = (torch.arange(side, dtype=torch.float32, device=device) for side in output_hw)
    x = inverse[:, 0, 0] * xs + inverse[:, 0, 1] * ys[:, None] + inverse[:, 0, 2]
    y = inverse[:, 1, 0] * xs + inverse[:, 1, 1] * ys[:, None] + inverse[:, 1, 2]
    grid = torch.stack([x * (2 / (float(width) - 1)) - 1, y * (2 / (float(height) - 1)) - 1], -1)
    images = F.grid_sample(sources, grid, mode="bilinear", padding_mode="zeros", align_corners=True)
    return images.round_().to(torch.uint8).permute(0, 2, 3, 1)


def normalize(images: Tensor, *, bgr: bool = False) -> Tensor:
    """Normalise RGB images, uint8 ``[B, H, W, 3]``, to ``(value / 255 - mean) / deviation``, float32 ``[B, 3, H, W]``.

    The result keeps the colours of a pixel together in memory (``torch.channels_last``): this needs no copy and is the layout
    that convolutions prefer on most devices.

    Args:
        bgr: Blue first. Mean and deviation keep their places, as in the public codes with such an option (HRNet and those
            derived from it): blue is normalised by the numbers for red.
    """
    if bgr:
        images = images.flip(-1)
    batch, height, width, _ = images.shape
    factor, offset = (line.to(images.device) for line in _normalization_lines(width))
    # A line of the image at a time: with an inner axis of three colours the processor's vector units would be idle.
    lines = images.reshape(batch, height, width * 3).to(torch.float32).mul_(factor).add_(offset)
    return lines.view(batch, height, width, 3).permute(0, 3, 1, 2)


@lru_cache(maxsize=16)
def _normalization_lines(width: int) -> tuple[Tensor, Tensor]:
    """Return factor and offset of each value in a line of pixels, float32 ``[3 width]``."""
    mean, deviation = (torch.tensor(values, dtype=torch.float64) for values in (IMAGENET_MEAN, IMAGENET_STD))
    return (1 / (255 * deviation)).float().repeat(width), (-mean / deviation).float().repeat(width)
