"""Test the measures of feature maps: checkerboards, and the height and width of peaks."""

from __future__ import annotations

import numpy as np
import pytest

from benchmark.ablation.feature_maps import checkerboard, encode_images, peak_height, peak_sigma
from benchmark.config.ablations import GREY_LEVELS, HEATMAPS


def gaussians(sigma: float, side: int = 32, peak: float = 1.0) -> np.ndarray:
    grid = np.arange(side) - side / 2
    heatmap = peak * np.exp(-(grid[:, None] ** 2 + grid[None] ** 2) / (2 * sigma**2))
    return heatmap[None, None]


def test_a_checkerboard_has_all_its_energy_at_half_a_cycle() -> None:
    rows, columns = np.indices((24, 24))
    for pattern in (rows % 2, columns % 2, (rows + columns) % 2):
        assert checkerboard(pattern[None, None].astype(float)) == pytest.approx(100)
    assert checkerboard(((rows // 2) % 2)[None, None].astype(float)) == pytest.approx(0, abs=1e-9)


def test_of_white_noise_the_share_is_that_of_the_frequencies() -> None:
    noise = np.random.default_rng(0).normal(size=(50, 32, 24, 24))
    assert checkerboard(noise).mean() == pytest.approx(100 * (24 + 24 - 1) / (24 * 24 - 1), rel=0.02)


def test_a_smooth_map_has_none_and_gains_it_with_the_pattern() -> None:
    smooth = gaussians(3.0, 24)
    rows, columns = np.indices((24, 24))
    marked = smooth * (1 + 0.5 * (-1.0) ** (rows + columns))
    assert checkerboard(smooth) < 0.01
    assert checkerboard(marked) > 1


def test_energies_of_channels_add_up_and_constant_maps_have_no_share() -> None:
    rows, _ = np.indices((24, 24))
    strong, flat = 10.0 * (rows % 2), np.ones((24, 24))
    assert checkerboard(np.stack([strong, flat])[None]) == pytest.approx(100)
    assert np.isnan(checkerboard(flat[None, None]))


@pytest.mark.parametrize("sigma", [2.0, 3.0, 5.0])
def test_the_width_of_a_gaussian_is_its_sigma_whatever_its_height(sigma: float) -> None:
    for peak in (0.2, 1.0):
        assert peak_sigma(gaussians(sigma, peak=peak)) == pytest.approx(sigma, rel=0.1)  # pixels are whole
        assert peak_height(gaussians(sigma, peak=peak)) == pytest.approx(peak)


def test_pictures_are_hexadecimal_rows_from_black_to_white() -> None:
    ramp = np.linspace(-2, 3, 16)[None, None, None].repeat(4, 2)  # [1, 1, 4, 16]
    (image,) = encode_images(ramp, "head.deconvs")
    assert image == ["0123456789abcdef"] * 4
    (heatmaps,) = encode_images(np.concatenate([ramp, 0 * ramp], 1), HEATMAPS)
    assert heatmaps[0][0] == "0"
    assert heatmaps[0][-1] == f"{GREY_LEVELS - 1:x}", "what is above 1 is white"
