"""From a picture to EfficientPose's input and from its heatmaps back to the picture, as the authors' released code does it.

Points are ``[..., 2]`` as (x, y) in pixels, where pixel (0, 0) is the *centre* of the top-left pixel: a picture of width W
reaches from -0.5 to W - 0.5.
"""

from __future__ import annotations

import numpy as np
import torch
from scipy.ndimage import gaussian_filter, zoom
from torch import Tensor

MEAN = np.array([0.485, 0.456, 0.406])  # ImageNet's, of RGB in 0 to 1
DEVIATION = np.array([0.229, 0.224, 0.225])
CONFIDENCE = 0.3  # below it, the released real-time display shows no keypoint


def resize(image: np.ndarray, resolution: int) -> np.ndarray:
    """Scale a picture so that its longer side is ``resolution``; smaller pictures grow.

    Linear interpolation between pixel centres, after a Gaussian of (1 / factor - 1) / 2 pixels where the picture shrinks:
    what scikit-image's ``rescale`` does.

    Args:
        image: ``uint8 [H, W, 3]``.

    Returns:
        ``float64 [h, w, 3]`` in 0 to 1.
    """
    scale = resolution / max(image.shape[:2])
    factors = [max(round(side * scale), 1) / side for side in image.shape[:2]]  # apart by rounding to whole pixels
    values = gaussian_filter(image / 255.0, [max((1 / factor - 1) / 2, 0) for factor in factors] + [0], mode="mirror")
    return zoom(values, (*factors, 1), order=1, mode="mirror", grid_mode=True)


def letterbox(image: np.ndarray, resolution: int) -> np.ndarray:
    """Resize a picture and centre it on black; where the margins differ, the one below or right is a pixel wider.

    Args:
        image: RGB, ``uint8 [H, W, 3]``.

    Returns:
        RGB, ``uint8 [resolution, resolution, 3]``, brightness rounded down.
    """
    resized = resize(image, resolution)
    height, width = resized.shape[:2]
    top, left = (resolution - height) // 2, (resolution - width) // 2
    square = np.zeros((resolution, resolution, 3), np.uint8)
    square[top : top + height, left : left + width] = (255 * resized).astype(np.uint8)
    return square


def preprocess(image: np.ndarray, resolution: int) -> Tensor:
    """RGB picture ``uint8 [H, W, 3]`` to the network's input ``float32 [1, 3, resolution, resolution]``."""
    normalised = (letterbox(image, resolution) / 255.0 - MEAN) / DEVIATION
    return torch.from_numpy(normalised.astype(np.float32).transpose(2, 0, 1)).unsqueeze(0).contiguous()


def image_to_map(points: np.ndarray, height: int, width: int, map_size: int) -> np.ndarray:
    """Where a picture's points lie on the square map of its letterbox; see :func:`map_to_image` for the convention.

    Args:
        points: pixels of the picture ``[..., 2]``.
        height, width: of the picture.
        map_size: height and width of the map.

    Returns:
        Pixels of the map ``[..., 2]``.
    """
    side = max(height, width)
    offset = np.array([side - width, side - height]) / 2
    return (points + 0.5 + offset) * (map_size / side) - 0.5


def map_to_image(points: np.ndarray, height: int, width: int, map_size: int) -> np.ndarray:
    """The inverse of :func:`image_to_map`.

    As in the released code the margins are taken as exactly equal, although :func:`letterbox` rounds them to pixels.

    Args:
        points: pixels of the map ``[..., 2]``.
        height, width: of the picture.
        map_size: height and width of the map.

    Returns:
        Pixels of the picture ``[..., 2]``.
    """
    side = max(height, width)
    offset = np.array([side - width, side - height]) / 2
    return (points + 0.5) * (side / map_size) - offset - 0.5


def decode(heatmaps: Tensor, height: int, width: int, *, real_time: bool = False) -> tuple[np.ndarray, np.ndarray]:
    """The highest place of each keypoint's map, on the picture that :func:`preprocess` was given.

    The map is smoothed by a Gaussian of one pixel first, which ``real_time`` skips. A place on the margin is moved to the
    picture's border.

    Args:
        heatmaps: of one picture, square, ``[K, R, R]``.
        height, width: of the picture.

    Returns:
        Points ``[K, 2]`` in pixels of the picture, and the map's value there ``[K]``.
    """
    maps = heatmaps.detach().float().cpu().numpy()
    if not real_time:
        maps = np.stack([gaussian_filter(one, sigma=1.0) for one in maps])
    rows, columns = np.unravel_index(maps.reshape(len(maps), -1).argmax(1), maps.shape[1:])
    points = map_to_image(np.stack([columns, rows], 1).astype(float), height, width, maps.shape[-1])
    border = np.array([width, height]) - 0.5
    return np.clip(points, -0.5, border), maps.reshape(len(maps), -1).max(1)
