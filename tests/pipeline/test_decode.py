"""Each decoding method finds the peak by its rule, and test-time processing puts heatmaps where they belong."""

from __future__ import annotations

import cv2
import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import ndimage

from benchmark.core.errors import InputError
from benchmark.core.keypoints import MPII_JOINTS, mirrored_indices
from benchmark.pipeline.decode import (
    MapConvention,
    decode_argmax,
    decode_dark,
    decode_heatmaps,
    decode_quarter_shift,
    decode_smoothed,
    flip_back,
    input_to_map,
    map_to_input,
    smooth_maps,
    zoom_maps,
)
from benchmark.pipeline.targets import TARGET_STYLES, draw_gaussians

CONVENTIONS = ("corner", "center")


def bump(x: float, y: float, height: int = 48, width: int = 40, sigma: float = 2.0) -> torch.Tensor:
    """Draw a Gaussian with its centre anywhere, ``[1, 1, h, w]``."""
    rows, columns = torch.arange(height)[:, None], torch.arange(width)
    return torch.exp(-((columns - x) ** 2 + (rows - y) ** 2) / (2 * sigma**2))[None, None]


def test_argmax_finds_each_maps_own_peak_and_height() -> None:
    heatmaps = torch.zeros(2, 2, 6, 9)
    heatmaps[0, 0, 4, 7], heatmaps[0, 1, 0, 3], heatmaps[1, 0, 5, 8] = 0.5, 2.0, 0.25
    heatmaps[1, 1] = -1.0
    peaks = decode_argmax(heatmaps)
    assert peaks.points.tolist() == [[[7, 4], [3, 0]], [[8, 5], [0, 0]]]
    assert peaks.scores.tolist() == [[0.5, 2.0], [0.25, -1.0]]


@pytest.mark.parametrize(
    ("x", "y", "expected"), [(20.3, 15.4, (20.25, 15.25)), (19.8, 15.4, (19.75, 15.25)), (20, 15, (20, 15))]
)
def test_the_quarter_shift_goes_towards_the_higher_neighbour(x: float, y: float, expected: tuple[float, float]) -> None:
    assert decode_quarter_shift(bump(x, y)).points[0, 0].tolist() == pytest.approx(expected)


@pytest.mark.parametrize(("x", "y", "moves"), [(1.2, 20.2, False), (2.2, 20.2, True), (37.8, 20.2, True), (39, 20.2, False)])
def test_the_quarter_shift_leaves_peaks_at_the_border_alone(x: float, y: float, moves: bool) -> None:
    moved = decode_quarter_shift(bump(x, y)).points[0, 0] != decode_argmax(bump(x, y)).points[0, 0]
    assert moved.tolist() == [moves, moves]


@settings(deadline=None)
@given(st.floats(8, 32), st.floats(8, 40))
def test_dark_recovers_the_centre_of_an_exact_gaussian(x: float, y: float) -> None:
    point = decode_dark(bump(x, y)).points[0, 0]
    assert point.tolist() == pytest.approx([x, y], abs=0.02)
    assert torch.dist(decode_argmax(bump(x, y)).points[0, 0], torch.tensor([x, y])) <= 0.71


def test_dark_on_uneven_maps_is_what_its_equations_say() -> None:
    """Check the steps one heatmap at a time: OpenCV's blur on a padded heatmap, the old maximum, logarithm, a Newton step."""
    heatmaps = torch.rand(3, 4, 30, 26, generator=torch.Generator().manual_seed(0)) + bump(12.3, 14.2, 30, 26) * 2
    peaks = decode_dark(heatmaps)
    for person in range(3):
        for joint in range(4):
            heatmap = heatmaps[person, joint].numpy().astype(np.float64)
            row, column = np.unravel_index(heatmap.argmax(), heatmap.shape)
            smooth = cv2.GaussianBlur(np.pad(heatmap, 5), (11, 11), 0)[5:-5, 5:-5]
            log = np.log(np.maximum(smooth * heatmap.max() / smooth.max(), 1e-10))
            point = np.array([column, row], float)
            if 1 < column < 24 and 1 < row < 28:
                near = log[row - 2 : row + 3, column - 2 : column + 3]
                slope = np.array([near[2, 3] - near[2, 1], near[3, 2] - near[1, 2]]) / 2
                xy = (near[3, 3] - near[1, 3] - near[3, 1] + near[1, 1]) / 4
                xx, yy = near[2, 4] - 2 * near[2, 2] + near[2, 0], near[4, 2] - 2 * near[2, 2] + near[0, 2]
                point -= np.linalg.solve(np.array([[xx / 4, xy], [xy, yy / 4]]), slope)
            np.testing.assert_allclose(peaks.points[person, joint], point, rtol=1e-3, atol=1e-3)
            assert float(peaks.scores[person, joint]) == pytest.approx(heatmap.max())


def test_the_gaussian_filter_is_scipys() -> None:
    heatmaps = torch.rand(2, 3, 17, 11, generator=torch.Generator().manual_seed(0))
    for sigma in (1.0, 2.5):
        expected = ndimage.gaussian_filter(heatmaps.double().numpy(), (0, 0, sigma, sigma))
        np.testing.assert_allclose(smooth_maps(heatmaps, sigma), expected, atol=1e-6)
    tiny = torch.rand(1, 1, 3, 2)
    np.testing.assert_allclose(smooth_maps(tiny, 1.0), ndimage.gaussian_filter(tiny.double().numpy(), (0, 0, 1, 1)), atol=1e-6)


def test_filtering_prefers_a_broad_peak_to_a_single_high_pixel() -> None:
    heatmaps = bump(20, 15) * 0.8
    heatmaps[0, 0, 40, 5] = 1.0
    assert decode_argmax(heatmaps).points[0, 0].tolist() == [5, 40]
    peaks = decode_smoothed(heatmaps)
    assert peaks.points[0, 0].tolist() == [20, 15]
    assert 0.5 < peaks.scores[0, 0] < 0.8


@pytest.mark.parametrize("convention", CONVENTIONS)
def test_pixels_of_the_input_and_of_the_heatmap_there_and_back(convention: MapConvention) -> None:
    points = torch.rand(4, 5, 2, dtype=torch.float64) * 300 - 20
    on_heatmap = input_to_map(points, 4.0, convention)
    torch.testing.assert_close(map_to_input(on_heatmap, 4.0, convention), points)


def test_the_conventions_share_first_centres_or_borders() -> None:
    first, border = torch.zeros(2), torch.full((2,), -0.5)
    assert map_to_input(first, 4.0, "corner").tolist() == [0, 0]
    assert map_to_input(first, 4.0, "center").tolist() == [1.5, 1.5]
    assert map_to_input(border, 4.0, "center").tolist() == [-0.5, -0.5]


@pytest.mark.parametrize(
    ("style", "method", "tolerance"),
    [("hrnet", "argmax", 2.0), ("unbiased", "quarter", 1.0), ("unbiased", "dark", 0.1), ("efficientpose", "argmax", 2.0)],
)
def test_decoding_a_target_returns_the_joint(style: str, method: str, tolerance: float) -> None:
    """Within half a pixel of the heatmap, a quarter with the shift, and a fraction of an input pixel by DARK."""
    joints = 40 + torch.rand(4, 16, 2, generator=torch.Generator().manual_seed(0)) * 170
    heatmaps, _ = draw_gaussians(joints, torch.ones(4, 16), heatmap_hw=(64, 64), stride=4.0, style=style)
    decoded = decode_heatmaps(heatmaps, method, 4.0, TARGET_STYLES[style].convention).points
    assert (decoded - joints).abs().max() <= tolerance + 1e-4
    with pytest.raises(InputError, match="no decoding method 'guess'"):
        decode_heatmaps(heatmaps, "guess", 4.0)


# ------------------------------------------------------------------------------------------------------------ test time

MIRRORED = mirrored_indices(MPII_JOINTS)


def perfect(convention: MapConvention, joints: torch.Tensor, stride: float = 4.0):
    """Act as a network that sees the joints exactly: a mirrored image gives mirrored joints, left and right exchanged."""
    width = 256

    def forward(images: torch.Tensor) -> torch.Tensor:
        points = joints
        if images[0, 0, 0, 0] != 1:  # the mark is at the left unless the image was mirrored
            points = joints[:, list(MIRRORED)].clone()
            points[..., 0] = width - 1 - points[..., 0]
        centers = input_to_map(points, stride, convention)
        rows, columns = torch.arange(64)[:, None], torch.arange(64)
        squared = (columns - centers[..., 0, None, None]) ** 2 + (rows - centers[..., 1, None, None]) ** 2
        return torch.exp(-squared / 8)

    image = torch.zeros(len(joints), 3, 256, width)
    image[:, :, 0, 0] = 1
    return forward, image


@pytest.mark.parametrize(
    ("convention", "shift", "error"), [("center", False, 0.0), ("corner", False, -0.75), ("corner", True, 0.25)]
)
def test_where_the_maps_of_mirrored_images_lie(convention: MapConvention, shift: bool, error: float) -> None:
    """Check pixels of the heatmap: HRNet shifts because 3/4 of a pixel of error then becomes 1/4."""
    joints = 60 + torch.rand(2, 16, 2, generator=torch.Generator().manual_seed(0)) * 130
    forward, images = perfect(convention, joints)
    unmirrored = flip_back(forward(images.flip(-1)), MIRRORED, shift=shift)
    moved = decode_dark(unmirrored).points - decode_dark(forward(images)).points
    assert moved[..., 0].numpy() == pytest.approx(np.full((2, 16), error), abs=0.02)
    assert moved[..., 1].numpy() == pytest.approx(np.zeros((2, 16)), abs=0.02)


def test_shifting_equals_moving_the_mirrored_map_by_one_pixel() -> None:
    heatmaps = torch.rand(2, 16, 8, 10)
    plain, shifted = (flip_back(heatmaps, MIRRORED, shift=shift) for shift in (False, True))
    assert torch.equal(shifted[..., 1:], plain[..., :-1])
    assert torch.equal(shifted[..., 0], plain[..., 0])
    assert torch.equal(flip_back(plain, MIRRORED, shift=False), heatmaps)
    left, right = MPII_JOINTS.index("left_knee"), MPII_JOINTS.index("right_knee")
    assert torch.equal(plain[:, left], heatmaps[:, right].flip(-1))


def test_zooming_there_and_back_keeps_what_stayed_on_the_canvas() -> None:
    heatmaps = bump(24.0, 22.0, 48, 40, sigma=4)
    for scale in (0.8, 1.25):
        torch.testing.assert_close(zoom_maps(zoom_maps(heatmaps, scale), 1 / scale), heatmaps, atol=0.05, rtol=0)
    larger = decode_dark(zoom_maps(bump(24.0, 22.0), 1.5)).points[0, 0]
    assert larger.tolist() == pytest.approx([19.5 + 1.5 * 4.5, 23.5 - 1.5 * 1.5], abs=0.05)
