"""PCKh under each public convention: published values, cases worked by hand, and changes that must not matter."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Literal

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from benchmark.config.conventions import PCKH_PRESETS, PCKH_THRESHOLDS, PckhPreset
from benchmark.core.errors import InputError
from benchmark.core.keypoints import MPII_JOINTS, compute_head_sizes, joint_indices
from benchmark.metrics.mpii_files import MpiiAnnotations, read_mpii_annotations, read_mpii_predictions
from benchmark.metrics.pckh import MEAN_COLUMN, bootstrap_pckh

# pytorch-pose README, the 2-stack Hourglass of these predictions
PUBLISHED = {
    "Head": "95.80",
    "Shoulder": "94.57",
    "Elbow": "88.12",
    "Wrist": "83.31",
    "Hip": "86.24",
    "Knee": "80.88",
    "Ankle": "77.44",
    MEAN_COLUMN: "86.76",
}
every_preset = pytest.mark.parametrize("preset", PCKH_PRESETS.values(), ids=PCKH_PRESETS)


def pckh(
    predictions: np.ndarray,
    truth: np.ndarray,
    head_size: np.ndarray,
    visible: np.ndarray,
    preset: PckhPreset,
    threshold: float = 0.5,
    origin: Literal[0, 1] = 1,
) -> dict[str, float]:
    """Return the PCKh of each part and the mean in percent."""
    files = {"predictions": (predictions, origin)}
    estimates = bootstrap_pckh(files, truth, head_size, visible, {"preset": preset}, (threshold,))
    return estimates["predictions", "preset", threshold].value


def printed(scores: Mapping[str, float]) -> dict[str, str]:
    return {part: f"{percent:.2f}" for part, percent in scores.items()}


@pytest.fixture(scope="module")
def annotations(pose_data: Path) -> MpiiAnnotations:
    return read_mpii_annotations(present(pose_data / "mpii/gt_valid.mat"))


@pytest.fixture(scope="module")
def hourglass(pose_data: Path, annotations: MpiiAnnotations) -> np.ndarray:
    return read_mpii_predictions(present(pose_data / "mpii/predictions/hourglass_s2_b1.mat"), len(annotations.joints))


def present(path: Path) -> Path:
    if not path.is_file():
        pytest.skip(f"{path} does not exist")
    return path


class TestPublished:
    """The published row is reproduced to the printed digit, and any wrong part of the convention changes it."""

    def test_all_eight_figures(self, hourglass: np.ndarray, annotations: MpiiAnnotations):
        assert printed(pckh(hourglass, *annotations, PCKH_PRESETS["pytorch_pose"])) == PUBLISHED

    def test_parts_are_the_same_under_hrnet_and_mmpose_but_not_the_mean(self, hourglass, annotations):
        for name in ("hrnet", "mmpose"):
            scores = printed(pckh(hourglass, *annotations, PCKH_PRESETS[name]))
            assert {part for part in PUBLISHED if scores[part] != PUBLISHED[part]} == {MEAN_COLUMN}

    def test_the_official_head_is_another_one(self, hourglass, annotations):
        scores = printed(pckh(hourglass, *annotations, PCKH_PRESETS["mpii_official"]))
        assert {part for part in PUBLISHED if scores[part] != PUBLISHED[part]} == {"Head", MEAN_COLUMN}

    def test_a_one_pixel_offset_shows_in_every_mean(self, hourglass, annotations):
        preset = PCKH_PRESETS["pytorch_pose"]
        moved = pckh(hourglass, *annotations, preset, origin=0)
        assert printed(moved)[MEAN_COLUMN] != PUBLISHED[MEAN_COLUMN]
        for shift in (-1, 1):
            tight = pckh(hourglass, *annotations, preset, 0.1)[MEAN_COLUMN]
            assert 3 < abs(pckh(hourglass + shift, *annotations, preset, 0.1)[MEAN_COLUMN] - tight) < 5

    def test_a_head_size_without_its_factor_shows_in_every_figure(self, hourglass, annotations):
        wrong = annotations._replace(head_size=annotations.head_size / 0.6)
        scores = printed(pckh(hourglass, *wrong, PCKH_PRESETS["pytorch_pose"]))
        assert all(scores[part] != PUBLISHED[part] for part in PUBLISHED)

    @pytest.mark.parametrize("change", [{"mean": "visible"}, {"mean": "parts"}, {"joints": tuple(range(16))}], ids=str)
    def test_another_mean_shows(self, hourglass, annotations, change: dict):
        scores = pckh(hourglass, *annotations, replace(PCKH_PRESETS["pytorch_pose"], **change))
        assert printed(scores)[MEAN_COLUMN] != PUBLISHED[MEAN_COLUMN]

    def test_left_and_right_swapped_shows(self, hourglass, annotations):
        mirrored = joint_indices(MPII_JOINTS, [swap_side(name) for name in MPII_JOINTS])
        scores = printed(pckh(hourglass[:, mirrored], *annotations, PCKH_PRESETS["pytorch_pose"]))
        assert [part for part in PUBLISHED if scores[part] == PUBLISHED[part]] == ["Head"]

    def test_the_comparison_makes_no_difference_here(self, hourglass, annotations):
        for name, comparison in (("hrnet", "<"), ("pytorch_pose", "<=")):
            changed = replace(PCKH_PRESETS[name], comparison=comparison)
            for threshold in PCKH_THRESHOLDS:
                scores = pckh(hourglass, *annotations, PCKH_PRESETS[name], threshold)
                assert scores == pckh(hourglass, *annotations, changed, threshold)

    def test_hrnets_eleven_hundredths_are_worth_four_points(self, hourglass, annotations):
        gain = (
            pckh(hourglass, *annotations, PCKH_PRESETS["hrnet"], 0.1)[MEAN_COLUMN]
            - pckh(hourglass, *annotations, PCKH_PRESETS["mmpose"], 0.1)[MEAN_COLUMN]
        )
        assert 3.8 < gain < 4.4


def swap_side(name: str) -> str:
    side, _, rest = name.partition("_")
    return {"left": f"right_{rest}", "right": f"left_{rest}"}.get(side, name)


def people(count: int, head: float = 10.0) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return joints, head sizes and visibilities of people whose joints are all annotated."""
    truth = np.arange(count * 32, dtype=float).reshape(count, 16, 2)
    return truth, np.full(count, head), np.ones((count, 16), dtype=bool)


def test_mean_rules_by_hand():
    """Miss one joint of both people, where the second has no other joint annotated: 13 of 15 annotated joints are hit."""
    truth, head, visible = people(2)
    visible[1, 1:] = False
    predictions = truth.copy()
    predictions[:, 0] += 1000  # the right ankle
    rules = {rule: replace(PCKH_PRESETS["hrnet"], mean=rule) for rule in ("visible", "joints", "parts")}
    means = {rule: pckh(predictions, truth, head, visible, preset)[MEAN_COLUMN] for rule, preset in rules.items()}
    assert means == pytest.approx({"visible": 100 * 13 / 15, "joints": 100 * 13 / 14, "parts": (6 * 100 + 50) / 7})


@every_preset
def test_pelvis_and_thorax_count_nowhere(preset: PckhPreset):
    truth, head, visible = people(3)
    predictions = truth.copy()
    predictions[:, [6, 7]] += 1000
    assert set(pckh(predictions, truth, head, visible, preset).values()) == {100.0}


@pytest.mark.parametrize("joint", [joint for joint in range(16) if joint not in (6, 7)], ids=MPII_JOINTS.__getitem__)
@every_preset
def test_every_other_joint_counts(preset: PckhPreset, joint: int):
    truth, head, visible = people(3)
    predictions = truth.copy()
    predictions[:, joint] += 1000
    assert pckh(predictions, truth, head, visible, preset)[MEAN_COLUMN] == pytest.approx(100 * 13 / 14)


def test_the_official_head_is_neck_and_head_top():
    truth, head, visible = people(1)
    predictions = truth.copy()
    predictions[:, MPII_JOINTS.index("upper_neck")] += 1000
    heads = {name: pckh(predictions, truth, head, visible, preset)["Head"] for name, preset in PCKH_PRESETS.items()}
    assert heads == {"mpii_official": 50.0, "hrnet": 100.0, "mmpose": 100.0, "pytorch_pose": 100.0}


def test_at_the_threshold_itself():
    """Move every joint by exactly half a head size, in a 3-4-5 triangle."""
    truth, head, visible = people(2, head=10.0)
    means = {
        name: pckh(truth + np.array([3.0, 4.0]), truth, head, visible, preset)[MEAN_COLUMN]
        for name, preset in PCKH_PRESETS.items()
    }
    assert means == {"mpii_official": 100.0, "hrnet": 100.0, "mmpose": 100.0, "pytorch_pose": 0.0}


def test_hrnet_prints_a_tenth_and_means_eleven_hundredths():
    truth, head, visible = people(2, head=100.0)
    predictions = truth + np.array([10.5, 0.0])
    means = {name: pckh(predictions, truth, head, visible, preset, 0.1)[MEAN_COLUMN] for name, preset in PCKH_PRESETS.items()}
    assert means == {"mpii_official": 0.0, "hrnet": 100.0, "mmpose": 0.0, "pytorch_pose": 0.0}
    assert pckh(truth + np.array([11.5, 0.0]), truth, head, visible, PCKH_PRESETS["hrnet"], 0.1)[MEAN_COLUMN] == 0.0
    assert PCKH_PRESETS["hrnet"].effective(0.5) == 0.5


@every_preset
def test_predictions_counted_from_zero_are_moved_by_one_pixel(preset: PckhPreset):
    truth, head, visible = people(2, head=1.0)
    assert pckh(truth - 1, truth, head, visible, preset, origin=0)[MEAN_COLUMN] == 100.0
    assert pckh(truth - 1, truth, head, visible, preset, origin=1)[MEAN_COLUMN] == 0.0
    assert pckh(truth - 1, truth, head, visible, replace(preset, offset=0.0), origin=0)[MEAN_COLUMN] == 0.0


def test_head_size_is_six_tenths_of_the_diagonal():
    boxes = np.array([[[10.0, 20.0], [13.0, 24.0]], [[5.0, 0.0], [-3.0, 6.0]]])
    np.testing.assert_allclose(compute_head_sizes(boxes), [3.0, 6.0])


# ---- properties for generated joints: integers, so that moving and doubling them is exact ----

coordinates = st.integers(-1000, 1000).map(float)


@st.composite
def cases(draw: st.DrawFn) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    count = draw(st.integers(1, 5))
    truth = draw(arrays(float, (count, 16, 2), elements=coordinates))
    errors = draw(arrays(float, (count, 16, 2), elements=st.integers(-30, 30).map(float)))
    head = draw(arrays(float, count, elements=st.integers(5, 60).map(float)))
    visible = draw(arrays(bool, (count, 16)))
    visible[0] = True  # every joint is defined
    return truth + errors, truth, head, visible


presets = st.sampled_from(list(PCKH_PRESETS.values()))
thresholds = st.sampled_from([0.05, 0.1, 0.2, 0.5, 1.0])


@settings(deadline=None)
@given(cases(), presets, thresholds)
def test_agrees_with_counting_one_joint_at_a_time(case, preset: PckhPreset, threshold: float):
    predictions, truth, head, visible = case
    limit = 0.11 if preset is PCKH_PRESETS["hrnet"] and threshold == 0.1 else threshold
    hits, seen = [0] * 16, [0] * 16
    for person in range(len(truth)):
        for joint in range(16):
            if visible[person, joint]:
                (x, y), (u, v) = predictions[person, joint], truth[person, joint]
                distance = ((x - u) ** 2 + (y - v) ** 2) ** 0.5 / head[person]
                hits[joint] += distance <= limit if preset.comparison == "<=" else distance < limit
                seen[joint] += 1
    percent = [100 * hit / count for hit, count in zip(hits, seen, strict=True)]
    scores = pckh(predictions, truth, head, visible, preset, threshold)
    scored = [joint for joint in range(16) if joint not in (6, 7)]
    if preset.mean == "joints":
        assert scores[MEAN_COLUMN] == pytest.approx(sum(percent[joint] for joint in scored) / 14)
    else:
        assert scores[MEAN_COLUMN] == pytest.approx(100 * sum(hits[j] for j in scored) / sum(seen[j] for j in scored))
    assert scores["Wrist"] == pytest.approx((percent[10] + percent[15]) / 2)
    assert scores["Knee"] == pytest.approx((percent[1] + percent[4]) / 2)


@settings(deadline=None)
@given(cases(), presets, thresholds, st.tuples(coordinates, coordinates), st.sampled_from([0.25, 0.5, 2.0, 8.0]))
def test_moving_and_scaling_the_image_changes_nothing(case, preset: PckhPreset, threshold: float, move, scale: float):
    predictions, truth, head, visible = case
    moved = (predictions * scale + move, truth * scale + move, head * scale, visible)
    assert pckh(*moved, preset, threshold) == pckh(*case, preset, threshold)


@settings(deadline=None)
@given(cases(), presets, st.tuples(st.floats(0.01, 2), st.floats(0.01, 2)))
def test_a_wider_threshold_never_lowers_it(case, preset: PckhPreset, pair):
    narrow, wide = sorted(pair)
    preset = replace(preset, thresholds={})
    low, high = pckh(*case, preset, narrow), pckh(*case, preset, wide)
    assert all(low[part] <= high[part] for part in low)


@settings(deadline=None)
@given(cases(), presets, thresholds, st.randoms())
def test_the_order_of_persons_does_not_matter(case, preset: PckhPreset, threshold: float, random):
    order = list(range(len(case[0])))
    random.shuffle(order)
    shuffled = tuple(array[order] for array in case)
    assert pckh(*shuffled, preset, threshold) == pckh(*case, preset, threshold)


@settings(deadline=None)
@given(cases(), presets, thresholds, coordinates)
def test_joints_that_are_not_annotated_never_count(case, preset: PckhPreset, threshold: float, elsewhere: float):
    predictions, truth, head, visible = case
    hidden = ~visible[..., None]
    changed = (np.where(hidden, elsewhere, predictions), np.where(hidden, np.nan, truth), head, visible)
    assert pckh(*changed, preset, threshold) == pckh(*case, preset, threshold)


@settings(deadline=None, max_examples=20)
@given(cases())
def test_estimates_are_the_single_figures_with_replicates_around_them(case):
    predictions, *rest = case
    estimates = bootstrap_pckh({"file": (predictions, 1)}, *rest, PCKH_PRESETS)
    assert set(estimates) == {("file", name, threshold) for name in PCKH_PRESETS for threshold in PCKH_THRESHOLDS}
    for (_, name, threshold), estimate in estimates.items():
        assert estimate.value == pckh(predictions, *rest, PCKH_PRESETS[name], threshold)
        assert all(samples.shape == (1000,) for samples in estimate.replicates.values())
        assert np.nanmin(estimate.replicates[MEAN_COLUMN]) <= estimate.value[MEAN_COLUMN] + 1e-9
        assert np.nanmax(estimate.replicates[MEAN_COLUMN]) >= estimate.value[MEAN_COLUMN] - 1e-9


def test_differences_of_estimates_are_paired():
    """Draw a difference only together with the one person whose predictions differ between the two files."""
    truth, head, visible = people(40)
    spoiled = truth.copy()
    spoiled[7] += 1000
    estimates = bootstrap_pckh({"good": (truth, 1), "spoiled": (spoiled, 1)}, truth, head, visible, PCKH_PRESETS)
    difference = (
        estimates["good", "hrnet", 0.5].replicates[MEAN_COLUMN] - estimates["spoiled", "hrnet", 0.5].replicates[MEAN_COLUMN]
    )
    steps = difference / (100 / 40)  # how often that person was drawn
    np.testing.assert_allclose(steps, steps.round(), atol=1e-9)
    assert steps.min() == 0
    assert steps.mean() == pytest.approx(1, abs=0.1)


@pytest.mark.parametrize(
    ("spoil", "message"),
    [
        (lambda p, t, h, v: (p[:, :15], t, h, v), r"predictions: shape \(3, 15, 2\)"),
        (lambda p, t, h, v: (p[:2], t, h, v), r"predictions: shape \(2, 16, 2\)"),
        (lambda p, t, h, v: (p, t, h[:2], v), r"head sizes have shape \(2,\)"),
        (lambda p, t, h, v: (p, t, h, v[:, :4]), r"visibilities \(3, 4\)"),
        (lambda p, t, h, v: (put(p, (1, 9, 0), np.nan), t, h, v), r"person 1, joint 9 \(head_top\): x is nan"),
        (lambda p, t, h, v: (put(p, (2, 6, 1), -np.inf), t, h, v), r"person 2, joint 6 \(pelvis\): y is -inf"),
        (lambda p, t, h, v: (p, put(t, (0, 3, 1), np.nan), h, v), r"annotations: person 0, joint 3 \(left_hip\): y is nan"),
        (lambda p, t, h, v: (p, t, put(h, 1, 0.0), v), r"person 1: head size is 0, must be positive"),
        (lambda p, t, h, v: (p, t, put(h, 2, -3.0), v), r"person 2: head size is -3"),
        (lambda p, t, h, v: (p, t, put(h, 2, np.nan), v), r"person 2: head size is nan"),
        (lambda p, t, h, v: (p, t, h, put(v, (slice(None), 11), False)), r"joint right_elbow is never annotated"),
        (lambda p, t, h, v: (p[:0], t[:0], h[:0], v[:0]), r"shape \(0, 16, 2\)"),
    ],
)
def test_impossible_values_are_refused_by_name(spoil, message: str):
    truth, head, visible = people(3)
    with pytest.raises(InputError, match=message):
        pckh(*spoil(truth.copy(), truth, head, visible), PCKH_PRESETS["hrnet"])


def put(array: np.ndarray, index, value: float) -> np.ndarray:
    changed = array.copy()
    changed[index] = value
    return changed
