"""The reconstructed regressive cross-entropy against its definition, its gradient and its limits."""

from __future__ import annotations

import pytest
import torch
import torch.nn.functional as F

from benchmark.core.errors import InputError
from reproductions.fasterpose.losses import rce

SHAPE = (2, 3, 8, 6)


@pytest.fixture
def logits():
    generator = torch.Generator().manual_seed(0)
    return (3 * torch.randn(SHAPE, generator=generator, dtype=torch.float64)).requires_grad_()


@pytest.fixture
def target():
    return torch.rand(SHAPE, generator=torch.Generator().manual_seed(1), dtype=torch.float64)


def test_it_is_the_cross_entropy_of_its_definition(logits, target):
    s = torch.sigmoid(logits)
    by_hand = -(target * s.log() + (1 - target) * (1 - s).log()).mean()
    torch.testing.assert_close(rce(logits, target), by_hand)


def test_for_binary_targets_it_is_ordinary_cross_entropy(logits, target):
    binary = target.round()
    assert set(binary.unique().tolist()) == {0.0, 1.0}
    torch.testing.assert_close(rce(logits, binary), F.binary_cross_entropy(torch.sigmoid(logits), binary))


def test_its_gradient_is_the_sigmoid_minus_the_target_over_the_count(logits, target):
    (gradient,) = torch.autograd.grad(rce(logits, target), logits)
    torch.testing.assert_close(gradient, (torch.sigmoid(logits) - target).detach() / logits.numel())


@pytest.mark.parametrize("gamma", [0.0, 1.0, 2.0])
def test_its_gradient_is_right_for_every_gamma(logits, target, gamma):
    assert torch.autograd.gradcheck(lambda z: rce(z, target, gamma=gamma), (logits,))


@pytest.mark.parametrize("gamma", [0.0, 2.0])
def test_it_is_least_where_the_heatmap_is_the_target(target, gamma):
    inner = 0.05 + 0.9 * target
    best = torch.logit(inner).requires_grad_()
    loss = rce(best, inner, gamma=gamma)
    torch.testing.assert_close(torch.sigmoid(best), inner)
    (gradient,) = torch.autograd.grad(loss, best)
    assert gradient.abs().max() < 1e-9
    for step in (-0.5, 0.5):
        assert rce(best + step, inner, gamma=gamma) > loss


def test_gamma_turns_the_loss_down_where_the_heatmap_is_near_the_target():
    logits, target = torch.tensor([[[[0.0]]]]), torch.tensor([[[[0.75]]]])
    torch.testing.assert_close(rce(logits, target, gamma=2.0), rce(logits, target) * 0.25**2)


@pytest.mark.parametrize("gamma", [0.0, 2.0])
@pytest.mark.parametrize("y", [0.0, 0.3, 1.0])
@pytest.mark.parametrize("z", [-1e4, -200.0, 0.0, 200.0, 1e4])
def test_it_and_its_gradient_are_right_for_logits_of_any_size(z, y, gamma):
    logits = torch.full(SHAPE, z, requires_grad=True)
    loss = rce(logits, torch.full(SHAPE, y), gamma=gamma)
    if z:  # log(sigmoid) is 0 or the logit itself
        s = float(z > 0)
        assert loss.item() == pytest.approx(abs(z) * abs(y - s) * abs(y - s) ** gamma, rel=1e-5)
    loss.backward()
    assert logits.grad.isfinite().all()


def test_it_keeps_a_gradient_where_a_squared_error_of_sigmoids_has_none():
    logits = torch.full((1, 1, 1, 1), -50.0, requires_grad=True)  # a missed joint, confidently
    target = torch.ones(1, 1, 1, 1)
    assert torch.autograd.grad(rce(logits, target), logits)[0].item() == pytest.approx(-1)
    assert torch.autograd.grad(F.mse_loss(torch.sigmoid(logits), target), logits)[0].abs().item() < 1e-15


def test_joints_of_weight_zero_do_not_count(logits, target):
    weight = torch.tensor([[1.0, 0.0, 1.0], [0.0, 1.0, 1.0]], dtype=torch.float64)
    (gradient,) = torch.autograd.grad(rce(logits, target, weight), logits)
    assert gradient[weight == 0].eq(0).all()
    assert gradient[weight == 1].ne(0).all()
    torch.testing.assert_close(rce(logits, target, torch.ones_like(weight)), rce(logits, target))


def test_wrong_shapes_and_exponents_are_refused(logits, target):
    with pytest.raises(InputError, match="target"):
        rce(logits, target[:, :1])
    with pytest.raises(InputError, match="weight"):
        rce(logits, target, torch.ones(2, 3, 1))
    for gamma in (-1.0, 0.5, float("nan")):
        with pytest.raises(InputError, match="gamma"):
            rce(logits, target, gamma=gamma)
