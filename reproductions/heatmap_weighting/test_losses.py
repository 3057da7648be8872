"""The heatmap-weighting loss against values computed by hand."""

from __future__ import annotations

import math

import pytest
import torch
from torch.nn import functional

from benchmark.core.errors import InputError
from reproductions.heatmap_weighting.losses import WEIGHTINGS, heatmap_weighting_loss

# One image, one joint, two pixels: targets 1 and 1/2, errors 1 and 2, so squared errors 1 and 4.
TARGETS = torch.tensor([1.0, 0.5]).view(1, 1, 1, 2)
HEATMAPS = torch.tensor([2.0, 2.5]).view(1, 1, 1, 2)
VISIBLE = torch.ones(1, 1)


@pytest.mark.parametrize(
    ("weighting", "expected"),
    [
        ("none", (1 * 1 + 1 * 4) / 2),
        ("x", (2 * 1 + 1.5 * 4) / 2),
        ("2x", (3 * 1 + 2 * 4) / 2),
        ("x^2", (2 * 1 + 1.25 * 4) / 2),
        ("e^x", ((math.e + 1) * 1 + (math.exp(0.5) + 1) * 4) / 2),
    ],
)
def test_two_pixels_by_hand(weighting: str, expected: float) -> None:
    assert heatmap_weighting_loss(HEATMAPS, TARGETS, VISIBLE, weighting=weighting).item() == pytest.approx(expected)


def test_without_weighting_it_is_the_mean_squared_error() -> None:
    heatmaps, targets = torch.rand(3, 5, 8, 6), torch.rand(3, 5, 8, 6)
    loss = heatmap_weighting_loss(heatmaps, targets, torch.ones(3, 5), weighting="none")
    torch.testing.assert_close(loss, functional.mse_loss(heatmaps, targets))


@pytest.mark.parametrize("weighting", [name for name in WEIGHTINGS if name != "e^x"])
def test_an_empty_target_weighs_nothing_extra(weighting: str) -> None:
    heatmaps, targets = torch.rand(2, 3, 4, 4), torch.zeros(2, 3, 4, 4)
    loss = heatmap_weighting_loss(heatmaps, targets, torch.ones(2, 3), weighting=weighting)
    torch.testing.assert_close(loss, functional.mse_loss(heatmaps, targets))


def test_a_joints_weight_scales_the_error_by_its_square_and_not_the_pixel_weights() -> None:
    # Half weight: squared errors 1/4 and 1; pixel weights stay 2 and 1.5. If F took the weighted target, they would be 1.5 and
    # 1.25, and the loss 0.8125.
    loss = heatmap_weighting_loss(HEATMAPS, TARGETS, torch.full((1, 1), 0.5), weighting="x")
    assert loss.item() == pytest.approx((2 * 0.25 + 1.5 * 1) / 2)


def test_an_unannotated_joint_gives_no_loss_and_no_gradient_but_still_counts_in_the_mean() -> None:
    heatmaps = HEATMAPS.repeat(1, 2, 1, 1).requires_grad_()
    loss = heatmap_weighting_loss(heatmaps, TARGETS.repeat(1, 2, 1, 1), torch.tensor([[1.0, 0.0]]))
    loss.backward()
    assert loss.item() == pytest.approx(4.0 / 2)  # one joint alone gives 4
    assert heatmaps.grad is not None
    assert heatmaps.grad[0, 0].abs().min() > 0
    assert heatmaps.grad[0, 1].abs().max() == 0


def test_mistakes_are_named() -> None:
    with pytest.raises(InputError, match=r"no weighting 'x\^3'"):
        heatmap_weighting_loss(HEATMAPS, TARGETS, VISIBLE, weighting="x^3")
    with pytest.raises(InputError, match=r"\[1, 2\]"):
        heatmap_weighting_loss(HEATMAPS, TARGETS, torch.ones(1, 2))
