"""PCK on LSP agrees with cases worked by hand and with a plain loop."""

from __future__ import annotations

import numpy as np
import pytest

from benchmark.config.conventions import PCK_PRESETS, PCK_THRESHOLDS, pck_metric_name
from benchmark.core.errors import InputError
from benchmark.core.keypoints import LSP_JOINTS
from benchmark.core.statistics import percentile_interval
from benchmark.metrics.pck import bootstrap_pck, observer_order


def pck(
    predictions: np.ndarray, truth: np.ndarray, visible: np.ndarray, threshold: float = 0.2, preset: str = ""
) -> dict[str, float]:
    """Return the PCK of each part and the mean in percent."""
    estimates = bootstrap_pck({"predictions": predictions}, truth, visible, (threshold,), {preset: PCK_PRESETS[preset]})
    return estimates["predictions", preset, threshold].value


def standing(people: int = 3, torso: float = 50.0) -> np.ndarray:
    """Return people whose left shoulder and right hip are ``torso`` pixels apart, with random other joints."""
    truth = np.random.default_rng(0).uniform(0, 150, (people, 14, 2))
    truth[:, LSP_JOINTS.index("left_shoulder")] = (60, 40)
    truth[:, LSP_JOINTS.index("right_hip")] = (60, 40 + torso)
    return truth


def all_visible(people: int) -> np.ndarray:
    return np.full((people, 14), 2, np.uint8)


def test_a_joint_counts_up_to_the_fraction_of_the_torso_and_not_beyond() -> None:
    truth, visible = np.full((1, 14, 2), (60.0, 40.0)), all_visible(1)
    truth[:, LSP_JOINTS.index("right_hip")] = (60, 90)
    away = np.array([10.0, 0.0])  # 0.2 x 50
    assert pck(truth, truth, visible)["Mean"] == 100
    assert pck(truth + away, truth, visible)["Mean"] == 100
    assert pck(truth + away * 1.001, truth, visible)["Mean"] == 0
    assert pck(truth + away, truth, visible, 0.1)["Mean"] == 0


def test_one_wrong_wrist_of_two_halves_the_wrists() -> None:
    truth, visible = standing(1), all_visible(1)
    moved = truth.copy()
    moved[0, LSP_JOINTS.index("left_wrist")] += 100
    scores = pck(moved, truth, visible)
    assert scores["Wrist"] == 50
    assert scores["Elbow"] == scores["Head"] == 100
    assert scores["Mean"] == pytest.approx(100 * 13 / 14)


def test_the_mean_counts_all_fourteen_joints_and_leaves_out_what_is_not_annotated() -> None:
    generator = np.random.default_rng(1)
    truth, visible = standing(40), generator.integers(0, 3, (40, 14))
    visible[:, [LSP_JOINTS.index(end) for end in ("left_shoulder", "right_hip")]] = 1
    predictions = truth + generator.normal(0, 8, truth.shape)
    for threshold in PCK_THRESHOLDS:
        hits, counted = 0, 0
        for person in range(40):
            for joint in range(14):
                if visible[person, joint]:
                    counted += 1
                    distance = np.hypot(*(predictions[person, joint] - truth[person, joint]))
                    hits += distance <= threshold * 50
        assert pck(predictions, truth, visible, threshold)["Mean"] == pytest.approx(100 * hits / counted)


def test_replicates_are_paired() -> None:
    truth, visible = standing(50), all_visible(50)
    worse = truth + np.random.default_rng(2).normal(0, 9, truth.shape)
    estimates = bootstrap_pck({"a": worse, "b": worse}, truth, visible)
    for threshold in PCK_THRESHOLDS:
        a, b = estimates["a", "", threshold], estimates["b", "", threshold]
        assert np.array_equal(a.replicates["Mean"], b.replicates["Mean"])
        low, high = percentile_interval(a.replicates["Mean"])
        assert low < a.value["Mean"] < high


def test_what_cannot_be_scored_is_refused_by_name() -> None:
    truth, visible = standing(), all_visible(3)
    unknown, flat, hidden = truth.copy(), truth.copy(), visible.copy()
    unknown[1, LSP_JOINTS.index("right_knee"), 1] = np.nan
    flat[2] = 1
    hidden[0, LSP_JOINTS.index("left_shoulder")] = 0
    with pytest.raises(InputError, match="person 1: right_knee is not finite"):
        pck(unknown, truth, visible)
    with pytest.raises(InputError, match="shape"):
        pck(truth[:2], truth, visible)
    with pytest.raises(InputError, match="person 2: the torso has no length"):
        pck(truth, flat, visible)
    with pytest.raises(InputError, match="person 0: left shoulder or right hip is missing"):
        pck(truth, truth, hidden)
    with pytest.raises(InputError, match="no joint is visible"):
        pck(truth, truth, np.ones((3, 14)), preset="not occluded")


@pytest.mark.parametrize("preset", list(PCK_PRESETS))
def test_every_definition_against_a_plain_loop(preset: str) -> None:
    generator = np.random.default_rng(3)
    truth, visible = generator.uniform(0, 150, (60, 14, 2)), generator.integers(1, 3, (60, 14))
    predictions = truth + generator.normal(0, 12, truth.shape)
    expected = pck(predictions, truth, visible, preset=preset)["Mean"]
    hits, counted = 0, 0
    for person in range(60):
        if "observer" in preset:
            truth[person] = truth[person][observer_order(truth[person : person + 1])[0]]
            predictions[person] = predictions[person][observer_order(predictions[person : person + 1])[0]]
        at = {name: truth[person, joint] for joint, name in enumerate(LSP_JOINTS)}
        torso = np.hypot(*(at["left_shoulder"] - at["right_hip"]))
        if "longer torso" in preset:
            torso = max(torso, np.hypot(*(at["right_shoulder"] - at["left_hip"])))
        for joint in range(14):
            if "not occluded" in preset and visible[person, joint] == 1:
                continue
            origin = 1.0 if preset == "from one" else 0.0
            distance = np.hypot(*(predictions[person, joint] - (truth[person, joint] - origin)))
            counted += 1
            hits += distance <= 0.2 * torso
    assert expected == pytest.approx(100 * hits / counted)


def test_definitions_differ_in_what_they_name() -> None:
    """Accept more joints with the longer torso; predictions counted from one only match annotations counted from one."""
    truth, visible = standing(30), all_visible(30)
    predictions = truth + np.random.default_rng(4).normal(0, 8, truth.shape)
    assert pck(predictions, truth, visible, preset="longer torso")["Mean"] > pck(predictions, truth, visible)["Mean"]
    assert pck(truth - 1, truth, visible, 1e-9, "from one")["Mean"] == 100
    assert pck(truth, truth, visible, 1e-9, "from one")["Mean"] == 0
    visible[:, LSP_JOINTS.index("left_wrist")] = 1
    truth[:, LSP_JOINTS.index("left_wrist")] += 1000
    wrists = {preset: pck(predictions, truth, visible, 1.0, preset)["Wrist"] for preset in ("", "not occluded")}
    assert wrists["not occluded"] > wrists[""]
    assert len({pck_metric_name(t, preset) for preset in PCK_PRESETS for t in PCK_THRESHOLDS}) == 3 * len(PCK_PRESETS)


def test_sides_are_those_that_an_observer_sees_whichever_way_the_body_lies() -> None:
    names = list(LSP_JOINTS)
    upright = np.zeros((14, 2))
    for name, position in {
        "right_shoulder": (-0.2, 0.0),
        "left_shoulder": (0.2, 0.0),
        "right_hip": (-0.1, 0.5),
        "left_hip": (0.1, 0.5),
    }.items():
        upright[names.index(name)] = position  # seen from the front: the person's right is on the left of the image
    lying = upright[:, ::-1]  # the torso points to the right of the image, and the person's right is its upper side
    narrow = np.where(np.isin(names, ["right_hip", "left_hip"])[:, None], [0.0, 0.5], upright)
    unchanged = np.arange(14)
    orders = observer_order(np.stack([upright, upright * [-1, 1], lying, lying * [1, -1], narrow]))
    swapped = [names.index(name.replace("right", "?").replace("left", "right").replace("?", "left")) for name in names]
    front, back = orders[0], orders[1]
    assert sorted([tuple(front), tuple(back)]) == sorted([tuple(unchanged), tuple(swapped)])
    np.testing.assert_array_equal(orders[2], back)  # mirrored once by the exchange of axes
    np.testing.assert_array_equal(orders[3], front)
    legs = [names.index(name) for name in ("right_ankle", "right_knee", "right_hip", "left_hip", "left_knee", "left_ankle")]
    np.testing.assert_array_equal(orders[4][legs], legs)  # hips at one place do not change
