"""Check that DLCM goes from joints to bones to limbs and back, and that each level predicts its parts."""

from __future__ import annotations

import torch

from benchmark.cost.counters import count_cost
from benchmark.cost.trace import count_parameters
from reproductions.baselines.dlcm import DLCM


def test_the_parameters_that_the_paper_prints() -> None:
    with torch.device("meta"):
        trainable = count_parameters(DLCM(num_joints=16))["trainable"]
    assert trainable == 15_495_870
    assert f"{trainable / 1e6:.1f}" == "15.5"


def test_the_gflops_that_hrnets_authors_count() -> None:
    with torch.device("meta"):
        cost = count_cost(DLCM(num_joints=16), 256, 256)["flops"]
    assert f"{cost['hrnet'] / 2**30:.1f}" == "15.6"


def test_bones_and_limbs_carry_their_joints_along() -> None:
    output = DLCM(num_joints=16, features=64).eval()(torch.rand(1, 3, 64, 64))
    assert [heatmaps.shape[1] for heatmaps in output] == [16, 12 + 16, 6 + 16, 12 + 16, 16]


def test_going_down_each_level_reads_its_own_first_prediction() -> None:
    torch.manual_seed(0)
    network = DLCM(num_joints=2, num_bones=2, num_limbs=1, features=16)
    output = network(torch.rand(2, 3, 64, 64))
    (gradient,) = torch.autograd.grad(output.heatmaps.sum(), output.joints, retain_graph=True)
    assert gradient.abs().sum() > 0
    (gradient,) = torch.autograd.grad(output.refined_bones.sum(), output.bones)
    assert gradient.abs().sum() > 0
