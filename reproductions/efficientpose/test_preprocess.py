"""Points map from the image to the heatmap and back; margins are black and central."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from reproductions.efficientpose.preprocess import decode, image_to_map, letterbox, map_to_image, preprocess


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
