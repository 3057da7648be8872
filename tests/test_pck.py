"""PCK on LSP, by hand and against a plain loop."""

from __future__ import annotations

import numpy as np
import pytest

from benchmark import bootstrap, pck
from benchmark.errors import InputError
from benchmark.joints import LSP_JOINTS


def standing(persons: int = 3, torso: float = 50.0) -> np.ndarray:
    """Persons whose left shoulder and right hip are ``torso`` pixels apart, everything else somewhere."""
    truth = np.random.default_rng(0).uniform(0, 150, (persons, 14, 2))
    truth[:, LSP_JOINTS.index("left_shoulder")] = (60, 40)
    truth[:, LSP_JOINTS.index("right_hip")] = (60, 40 + torso)
    return truth


def test_a_joint_counts_up_to_the_fraction_of_the_torso_and_not_beyond() -> None:
    truth, visible = np.full((1, 14, 2), (60.0, 40.0)), np.ones((1, 14), bool)
    truth[:, LSP_JOINTS.index("right_hip")] = (60, 90)
    away = np.array([10.0, 0.0])  # 0.2 x 50
    assert pck.pck(truth, truth, visible)["Mean"] == 100
    assert pck.pck(truth + away, truth, visible)["Mean"] == 100
    assert pck.pck(truth + away * 1.001, truth, visible)["Mean"] == 0
    assert pck.pck(truth + away, truth, visible, 0.1)["Mean"] == 0


def test_one_wrong_wrist_of_two_halves_the_wrists() -> None:
    truth, visible = standing(1), np.ones((1, 14), bool)
    moved = truth.copy()
    moved[0, LSP_JOINTS.index("left_wrist")] += 100
    found = pck.pck(moved, truth, visible)
    assert found["Wrist"] == 50
    assert found["Elbow"] == found["Head"] == 100
    assert found["Mean"] == pytest.approx(100 * 13 / 14)


def test_the_mean_counts_all_fourteen_joints_and_leaves_out_what_is_not_annotated() -> None:
    generator = np.random.default_rng(1)
    truth, visible = standing(40), generator.random((40, 14)) > 0.2
    visible[:, pck.TORSO] = True
    predictions = truth + generator.normal(0, 8, truth.shape)
    for threshold in pck.THRESHOLDS:
        hits, seen = 0, 0
        for person in range(40):
            for joint in range(14):
                if visible[person, joint]:
                    seen += 1
                    distance = np.hypot(*(predictions[person, joint] - truth[person, joint]))
                    hits += distance <= threshold * 50
        assert pck.pck(predictions, truth, visible, threshold)["Mean"] == pytest.approx(100 * hits / seen)


def test_replicates_are_paired() -> None:
    truth, visible = standing(50), np.ones((50, 14), bool)
    worse = truth + np.random.default_rng(2).normal(0, 9, truth.shape)
    found = pck.bootstrapped({"a": worse, "b": worse}, truth, visible)
    for threshold in pck.THRESHOLDS:
        a, b = found["a", threshold], found["b", threshold]
        assert np.array_equal(a.replicates["Mean"], b.replicates["Mean"])
        low, high = bootstrap.interval(a.replicates["Mean"])
        assert low < a.value["Mean"] < high


def test_what_cannot_be_scored_is_refused_by_name() -> None:
    truth, visible = standing(), np.ones((3, 14), bool)
    unknown, flat, hidden = truth.copy(), truth.copy(), visible.copy()
    unknown[1, LSP_JOINTS.index("right_knee"), 1] = np.nan
    flat[2] = 1
    hidden[0, pck.TORSO[0]] = False
    with pytest.raises(InputError, match="person 1: right_knee is not finite"):
        pck.pck(unknown, truth, visible)
    with pytest.raises(InputError, match="shape"):
        pck.pck(truth[:2], truth, visible)
    with pytest.raises(InputError, match="person 2: the torso has no length"):
        pck.pck(truth, flat, visible)
    with pytest.raises(InputError, match="person 0: left shoulder or right hip is missing"):
        pck.pck(truth, truth, hidden)
