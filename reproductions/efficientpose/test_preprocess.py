"""Points map from the image to the heatmap and back; margins are black and central.

The functions are the released code's way from an image to EfficientPose's input and from its heatmaps back to the image, with
which the tests of this package compare the benchmark. Points are ``[..., 2]`` as (x, y) in pixels, where pixel (0, 0) is the
*centre* of the top-left pixel: an image of width W reaches from -0.5 to W - 0.5.
"""

from __future__ import annotations

import numpy as np
import pytest
import torch
from scipy.ndimage import gaussian_filter, zoom
from torch import Tensor

MEAN = np.array([0.485, 0.456, 0.406])  # ImageNet's, of RGB in 0 to 1
DEVIATION = np.array([0.229, 0.224, 0.225])


def resize(image: np.ndarray, resolution: int) -> np.ndarray:
    """Scale an image so that its longer side is ``resolution``; smaller images are enlarged.

    Linear interpolation between pixel centres, after a Gaussian of (1 / factor - 1) / 2 pixels where the image shrinks, as
    scikit-image's ``rescale``.

    Args:
        image: ``uint8 [H, W, 3]``.

    Returns:
        ``float64 [h, w, 3]`` in 0 to 1.
    """
    scale = resolution / max(image.shape[:2])
    factors = [max(round(side * scale), 1) / side for side in image.shape[:2]]  # they differ by rounding to whole pixels
    values = gaussian_filter(image / 255.0, [max((1 / factor - 1) / 2, 0) for factor in factors] + [0], mode="mirror")
    return zoom(values, (*factors, 1), order=1, mode="mirror", grid_mode=True)


def letterbox(image: np.ndarray, resolution: int) -> np.ndarray:
    """Resize an image and centre it on black; if the margins differ, the one below or right is a pixel wider.

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
    """Convert an RGB image ``uint8 [H, W, 3]`` to the network's input ``float32 [1, 3, resolution, resolution]``."""
    normalised = (letterbox(image, resolution) / 255.0 - MEAN) / DEVIATION
    return torch.from_numpy(normalised.astype(np.float32).transpose(2, 0, 1)).unsqueeze(0).contiguous()


def image_to_map(points: np.ndarray, height: int, width: int, map_size: int) -> np.ndarray:
    """Map an image's points to the square heatmap of its letterbox; the inverse of :func:`map_to_image`.

    Args:
        points: Pixels of the image ``[..., 2]``.
        height: Height of the image.
        width: Width of the image.
        map_size: Height and width of the heatmap.

    Returns:
        Pixels of the heatmap ``[..., 2]``.
    """
    side = max(height, width)
    offset = np.array([side - width, side - height]) / 2
    return (points + 0.5 + offset) * (map_size / side) - 0.5


def map_to_image(points: np.ndarray, height: int, width: int, map_size: int) -> np.ndarray:
    """Map a heatmap's points to the image.

    As in the released code the margins are assumed to be exactly equal, although :func:`letterbox` rounds them to pixels.

    Args:
        points: Pixels of the heatmap ``[..., 2]``.
        height: Height of the image.
        width: Width of the image.
        map_size: Height and width of the heatmap.

    Returns:
        Pixels of the image ``[..., 2]``.
    """
    side = max(height, width)
    offset = np.array([side - width, side - height]) / 2
    return (points + 0.5) * (side / map_size) - offset - 0.5


def decode(heatmaps: Tensor, height: int, width: int, *, real_time: bool = False) -> tuple[np.ndarray, np.ndarray]:
    """Locate the highest pixel of each keypoint's heatmap in the image that :func:`preprocess` was given.

    The heatmap is smoothed by a Gaussian of one pixel first, which ``real_time`` skips. A point on the margin is moved to the
    image's border.

    Args:
        heatmaps: The square heatmaps of one image, ``[K, R, R]``.
        height: Height of the image.
        width: Width of the image.
        real_time: Decode as the released real-time mode, without smoothing.

    Returns:
        Points ``[K, 2]`` in pixels of the image, and the heatmaps' values there ``[K]``.
    """
    values = heatmaps.detach().float().cpu().numpy()
    if not real_time:
        values = np.stack([gaussian_filter(heatmap, sigma=1.0) for heatmap in values])
    rows, columns = np.unravel_index(values.reshape(len(values), -1).argmax(1), values.shape[1:])
    points = map_to_image(np.stack([columns, rows], 1).astype(float), height, width, values.shape[-1])
    border = np.array([width, height]) - 0.5
    return np.clip(points, -0.5, border), values.reshape(len(values), -1).max(1)


@pytest.mark.parametrize(("height", "width"), [(720, 1280), (169, 95), (300, 300)])
def test_image_to_map_and_back(height: int, width: int) -> None:
    points = np.array([[0.0, 0.0], [width - 1, height - 1], [12.25, 40.5]])
    there = image_to_map(points, height, width, 256)
    np.testing.assert_allclose(map_to_image(there, height, width, 256), points, atol=1e-9)


def test_a_pictures_corners_lie_on_the_border_between_picture_and_margin() -> None:
    corners = np.array([[-0.5, -0.5], [199.5, 99.5]])  # an image of 100 x 200 fills the middle half of a 64 x 64 heatmap
    np.testing.assert_allclose(image_to_map(corners, 100, 200, 64), [[-0.5, 15.5], [63.5, 47.5]])


@pytest.mark.parametrize(("height", "width"), [(100, 200), (61, 40), (500, 333)])
def test_a_bright_spot_is_found_where_it_was(height: int, width: int) -> None:
    image = np.zeros((height, width, 3), np.uint8)
    spot = np.array([0.3 * width, 0.6 * height]).round()
    pixels = 3 * max(height, width) // 128
    y, x = np.mgrid[:height, :width]
    image[(abs(x - spot[0]) <= pixels) & (abs(y - spot[1]) <= pixels)] = 255
    heatmap = torch.from_numpy(letterbox(image, 128)[..., 0].astype(np.float32))
    points, _ = decode(heatmap[None], height, width)
    assert (
        np.abs(points - spot).max() <= 1.5 * max(height, width) / 128
    )  # a pixel of the heatmap, and half a pixel for uneven margins


def test_margins_are_black_and_central() -> None:
    square = letterbox(np.full((100, 51, 3), 255, np.uint8), 50)
    filled = np.flatnonzero(square[25, :, 0])
    assert (filled.min(), filled.max(), len(filled)) == (12, 37, 26)
    assert square[:, filled].min() >= 254  # rounded down


def test_input_is_normalised_rgb() -> None:
    image = np.zeros((8, 8, 3), np.uint8)
    image[..., 0] = 255
    pixel = preprocess(image, 8)[0, :, 4, 4]
    expected = [(1 - 0.485) / 0.229, -0.456 / 0.224, -0.406 / 0.225]
    np.testing.assert_allclose(pixel, expected, rtol=1e-6)


def test_real_time_skips_the_smoothing() -> None:
    heatmap = torch.zeros(1, 32, 32)
    heatmap[0, 4, 4] = 1.0  # a lone pixel, and a lower but broader peak
    heatmap[0, 19:22, 19:22] = 0.8
    smooth, _ = decode(heatmap, 32, 32)
    sharp, value = decode(heatmap, 32, 32, real_time=True)
    assert smooth.tolist() == [[20, 20]]
    assert sharp.tolist() == [[4, 4]]
    assert value.tolist() == [1.0]
