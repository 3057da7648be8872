"""Targets have the values that each paper's formula gives, pixel by pixel."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch

from benchmark.core.errors import InputError
from benchmark.core.keypoints import MPII_JOINTS
from benchmark.pipeline.targets import TARGET_STYLES, draw_gaussians, draw_part_affinity_fields
from reproductions.efficientpose.targets import segment_indices

SEEN = torch.ones(1, 1, dtype=torch.uint8)


def draw_joint(x: float, y: float, **options) -> tuple[torch.Tensor, float]:
    """Return the heatmap and weight of a single joint at (x, y) of an input of 256 x 192 with a stride of 4."""
    options = {"heatmap_hw": (64, 48), "stride": 4.0} | options
    heatmaps, weights = draw_gaussians(torch.tensor([[[x, y]]], dtype=torch.float64), SEEN, **options)
    return heatmaps[0, 0], float(weights[0, 0])


def drawn_by_hand(x: float, y: float, sigma: int = 2) -> np.ndarray:
    """HRNet's target as in its code: a patch of 6 sigma + 1 pixels, pasted about the rounded joint and cut at the border."""
    radius = 3 * sigma
    column, row = int(x / 4 + 0.5), int(y / 4 + 0.5)
    canvas = np.zeros((64 + 4 * radius, 48 + 4 * radius))
    distance = np.arange(2 * radius + 1) - radius
    patch = np.exp(-(distance[:, None] ** 2 + distance**2) / (2 * sigma**2))
    canvas[row + radius : row + 3 * radius + 1, column + radius : column + 3 * radius + 1] = patch
    return canvas[2 * radius : 2 * radius + 64, 2 * radius : 2 * radius + 48]


def test_hrnets_gaussian_at_known_pixels() -> None:
    heatmap, weight = draw_joint(81.9, 122.0)  # pixel 20.475 rounds to 20, 30.5 to 31
    assert weight == 1
    assert heatmap[31, 20] == 1
    assert heatmap[31, 22] == pytest.approx(math.exp(-0.5))
    assert heatmap[33, 22] == pytest.approx(math.exp(-1))
    assert heatmap[31, 26] == pytest.approx(math.exp(-36 / 8))
    assert heatmap[31, 27] == 0
    assert (heatmap > 0).sum() == 13 * 13


@pytest.mark.parametrize("sigma", [2, 3])
def test_hrnets_gaussian_equals_the_pasted_patch_also_at_the_border(sigma: int) -> None:
    generator = np.random.default_rng(0)
    for x, y in [(0.0, 0.0), (191.9, 255.9), (-20.0, 100.0), (-1.0, -2.1), *generator.uniform(-20, 200, (20, 2))]:
        np.testing.assert_allclose(draw_joint(x, y, sigma=sigma)[0], drawn_by_hand(x, y, sigma), atol=1e-6)


def test_a_joint_weighs_nothing_when_its_patch_is_outside_or_it_is_not_annotated() -> None:
    for x, weight in ((191.0, 1), (213.0, 1), (214.0, 0), (-26.0, 1), (-29.0, 1), (-34.0, 0)):  # at 53.5 the patch begins at 48
        heatmap, drawn_weight = draw_joint(x, 100.0)
        assert drawn_weight == weight, x
        assert weight or not heatmap.any()
    heatmaps, weights = draw_gaussians(
        torch.full((1, 2, 2), 50.0), torch.tensor([[0, 1]], dtype=torch.uint8), heatmap_hw=(64, 48), stride=4.0
    )
    assert weights.tolist() == [[0.0, 1.0]]
    assert not heatmaps[0, 0].any()
    assert heatmaps[0, 1].max() == 1


def test_the_unbiased_gaussian_is_centred_on_the_joint_itself_and_has_no_window() -> None:
    heatmap, _ = draw_joint(82.0, 121.0, style="unbiased")  # 20.5, 30.25
    assert heatmap[30, 20] == heatmap[30, 21] == pytest.approx(math.exp(-(0.25 + 0.0625) / 8))
    assert heatmap[0, 20] == pytest.approx(math.exp(-(0.25 + 30.25**2) / 8), abs=1e-9)
    assert heatmap[60, 20] == pytest.approx(math.exp(-(0.25 + 29.75**2) / 8), abs=1e-9)
    assert heatmap[37, 20] > 0


def test_efficientposes_gaussian_lacks_the_factor_two_and_sits_in_the_pixel_of_the_joint() -> None:
    heatmap, weight = draw_joint(87.4, 99.6, heatmap_hw=(46, 46), stride=8.0, sigma=2.5, style="efficientpose")
    assert weight == 1
    assert heatmap[12, 10] == 1  # 87.4 + 0.5 is in the eleventh eight, 99.6 + 0.5 in the thirteenth
    assert heatmap[12, 13] == pytest.approx(math.exp(-9 / 6.25))
    assert heatmap[14, 13] == pytest.approx(math.exp(-13 / 6.25))
    half = draw_joint(87.4, 99.6, heatmap_hw=(46, 46), stride=8.0, sigma=2.5, style="hrnet")[0]
    assert half[12, 14] == pytest.approx(math.exp(-9 / 12.5))  # with it, and rounded in the other convention: 10.925 to 11


def test_efficientpose_trains_missing_joints_towards_empty_maps() -> None:
    outside, weight = draw_joint(368.0, 100.0, heatmap_hw=(46, 46), stride=8.0, style="efficientpose")
    assert weight == 1
    assert not outside.any()
    last, _ = draw_joint(367.4, 100.0, heatmap_hw=(46, 46), stride=8.0, style="efficientpose")
    assert last[12, 45] == 1


def test_batches_are_drawn_as_their_persons_alone() -> None:
    generator = torch.Generator().manual_seed(0)
    joints = torch.rand(5, 16, 2, generator=generator) * 300 - 30
    visible = torch.randint(0, 3, (5, 16), generator=generator)
    for style in TARGET_STYLES:
        heatmaps, weights = draw_gaussians(joints, visible, heatmap_hw=(64, 64), stride=4.0, style=style)
        for person in range(5):
            alone = draw_gaussians(
                joints[person : person + 1], visible[person : person + 1], heatmap_hw=(64, 64), stride=4.0, style=style
            )
            assert torch.equal(heatmaps[person], alone[0][0])
            assert torch.equal(weights[person], alone[1][0])


def test_a_horizontal_segment_has_a_field_of_its_own_width() -> None:
    joints = torch.tensor([[[5 * 8.0, 10 * 8.0], [12 * 8.0, 10 * 8.0], [5 * 8.0, 17 * 8.0]]])
    field = draw_part_affinity_fields(
        joints, torch.ones(1, 3), [(0, 1), (2, 0)], heatmap_hw=(28, 28), stride=8.0, half_width=1.5
    )
    assert field.shape == (1, 4, 28, 28)
    expected = torch.zeros(28, 28)
    expected[9:12, 5:13] = 1
    assert torch.equal(field[0, 0], expected)
    assert not field[0, 1].any()
    upwards = torch.zeros(28, 28)
    upwards[10:18, 4:7] = -1
    assert torch.equal(field[0, 3], upwards)


def test_a_slanted_segment_has_unit_vectors_within_its_rectangle_only() -> None:
    joints = torch.tensor([[[10.0, 12.0], [60.0, 95.0]]])
    field = draw_part_affinity_fields(joints, torch.ones(1, 2), [(0, 1)], heatmap_hw=(32, 32), stride=4.0, half_width=1.2)[0]
    start, end = np.array([2, 3]), np.array([15, 23])  # the pixels that contain the joints
    unit = (end - start) / np.linalg.norm(end - start)
    for row in range(32):
        for column in range(32):
            along = (np.array([column, row]) - start) @ unit
            across = (np.array([column, row]) - start) @ [unit[1], -unit[0]]
            inside = -1e-6 <= along <= np.linalg.norm(end - start) + 1e-6 and abs(across) <= 1.2
            np.testing.assert_allclose(field[:, row, column], unit * inside, atol=1e-6)


def test_segments_without_both_joints_on_the_map_are_empty() -> None:
    joints = torch.tensor([[[10.0, 12.0], [60.0, 95.0], [300.0, 20.0], [10.0, 12.0]]])
    visible = torch.tensor([[1, 0, 1, 2]])
    field = draw_part_affinity_fields(
        joints, visible, [(0, 1), (0, 2), (0, 3)], heatmap_hw=(32, 32), stride=4.0, half_width=1.2
    )
    assert not field.any()  # unannotated, outside, and of no length


def test_efficientpose_has_fourteen_segments() -> None:
    assert len(segment_indices(MPII_JOINTS)) == 14


def test_unknown_styles_and_impossible_sigmas_are_refused() -> None:
    with pytest.raises(InputError, match="no target style 'flat'"):
        draw_joint(0, 0, style="flat")
    with pytest.raises(InputError, match="sigma must be positive, not 0"):
        draw_joint(0, 0, sigma=0.0)
