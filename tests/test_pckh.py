"""PCKh under each public convention: published figures, cases worked by hand, and what must not change it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from benchmark.errors import InputError
from benchmark.joints import MPII_JOINTS, indices
from benchmark.pckh import MEAN, PRESETS, THRESHOLDS, Preset, bootstrapped, head_sizes, pckh
from benchmark.predictions import Annotations, read_annotations, read_predictions

# pytorch-pose README, the 2-stack Hourglass of these predictions
PUBLISHED = {
    "Head": "95.80",
    "Shoulder": "94.57",
    "Elbow": "88.12",
    "Wrist": "83.31",
    "Hip": "86.24",
    "Knee": "80.88",
    "Ankle": "77.44",
    MEAN: "86.76",
}
every_preset = pytest.mark.parametrize("preset", PRESETS.values(), ids=PRESETS)


def printed(scores: Mapping[str, float]) -> dict[str, str]:
    return {part: f"{percent:.2f}" for part, percent in scores.items()}


@pytest.fixture(scope="module")
def annotations(pose_data: Path) -> Annotations:
    return read_annotations(present(pose_data / "mpii/gt_valid.mat"))


@pytest.fixture(scope="module")
def hourglass(pose_data: Path, annotations: Annotations) -> np.ndarray:
    return read_predictions(present(pose_data / "mpii/predictions/hourglass_s2_b1.mat"), len(annotations.joints))


def present(path: Path) -> Path:
    if not path.is_file():
        pytest.skip(f"{path} is not there")
    return path


class TestPublished:
    """The published row comes out to the printed digit, and would not if any part of the convention were wrong."""

    def test_all_eight_figures(self, hourglass: np.ndarray, annotations: Annotations):
        assert printed(pckh(hourglass, *annotations, PRESETS["pytorch_pose"])) == PUBLISHED

    def test_parts_are_the_same_under_hrnet_and_mmpose_but_not_the_mean(self, hourglass, annotations):
        for name in ("hrnet", "mmpose"):
            scores = printed(pckh(hourglass, *annotations, PRESETS[name]))
            assert {part for part in PUBLISHED if scores[part] != PUBLISHED[part]} == {MEAN}

    def test_the_official_head_is_another_one(self, hourglass, annotations):
        scores = printed(pckh(hourglass, *annotations, PRESETS["mpii_official"]))
        assert {part for part in PUBLISHED if scores[part] != PUBLISHED[part]} == {"Head", MEAN}

    def test_a_one_pixel_offset_shows_in_every_mean(self, hourglass, annotations):
        preset = PRESETS["pytorch_pose"]
        moved = pckh(hourglass, *annotations, preset, origin=0)
        assert printed(moved)[MEAN] != PUBLISHED[MEAN]
        for shift in (-1, 1):
            tight = pckh(hourglass, *annotations, preset, 0.1)[MEAN]
            assert 3 < abs(pckh(hourglass + shift, *annotations, preset, 0.1)[MEAN] - tight) < 5

    def test_a_head_size_without_its_factor_shows_in_every_figure(self, hourglass, annotations):
        wrong = annotations._replace(head_size=annotations.head_size / 0.6)
        scores = printed(pckh(hourglass, *wrong, PRESETS["pytorch_pose"]))
        assert all(scores[part] != PUBLISHED[part] for part in PUBLISHED)

    @pytest.mark.parametrize("change", [{"mean": "visible"}, {"mean": "parts"}, {"joints": tuple(range(16))}], ids=str)
    def test_another_mean_shows(self, hourglass, annotations, change: dict):
        scores = pckh(hourglass, *annotations, replace(PRESETS["pytorch_pose"], **change))
        assert printed(scores)[MEAN] != PUBLISHED[MEAN]

    def test_left_and_right_swapped_shows(self, hourglass, annotations):
        mirrored = indices(MPII_JOINTS, [swap_side(name) for name in MPII_JOINTS])
        scores = printed(pckh(hourglass[:, mirrored], *annotations, PRESETS["pytorch_pose"]))
        assert [part for part in PUBLISHED if scores[part] == PUBLISHED[part]] == ["Head"]

    def test_the_comparison_makes_no_difference_here(self, hourglass, annotations):
        for name, other in (("hrnet", "<"), ("pytorch_pose", "<=")):
            for threshold in THRESHOLDS:
                theirs = pckh(hourglass, *annotations, PRESETS[name], threshold)
                assert theirs == pckh(hourglass, *annotations, replace(PRESETS[name], comparison=other), threshold)

    def test_hrnets_eleven_hundredths_are_worth_four_points(self, hourglass, annotations):
        gain = (
            pckh(hourglass, *annotations, PRESETS["hrnet"], 0.1)[MEAN]
            - pckh(hourglass, *annotations, PRESETS["mmpose"], 0.1)[MEAN]
        )
        assert 3.8 < gain < 4.4


def swap_side(name: str) -> str:
    side, _, rest = name.partition("_")
    return {"left": f"right_{rest}", "right": f"left_{rest}"}.get(side, name)


def persons(count: int, head: float = 10.0) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Truth, head sizes and visibilities of persons whose joints all show."""
    truth = np.arange(count * 32, dtype=float).reshape(count, 16, 2)
    return truth, np.full(count, head), np.ones((count, 16), dtype=bool)


def test_mean_rules_by_hand():
    """One joint is missed in both persons, and the second person shows no other: 13 of 15 annotated joints are hit."""
    truth, head, visible = persons(2)
    visible[1, 1:] = False
    predictions = truth.copy()
    predictions[:, 0] += 1000  # the right ankle
    rules = {rule: replace(PRESETS["hrnet"], mean=rule) for rule in ("visible", "joints", "parts")}
    means = {rule: pckh(predictions, truth, head, visible, preset)[MEAN] for rule, preset in rules.items()}
    assert means == pytest.approx({"visible": 100 * 13 / 15, "joints": 100 * 13 / 14, "parts": (6 * 100 + 50) / 7})


@every_preset
def test_pelvis_and_thorax_count_nowhere(preset: Preset):
    truth, head, visible = persons(3)
    predictions = truth.copy()
    predictions[:, [6, 7]] += 1000
    assert set(pckh(predictions, truth, head, visible, preset).values()) == {100.0}


@pytest.mark.parametrize("joint", [joint for joint in range(16) if joint not in (6, 7)], ids=MPII_JOINTS.__getitem__)
@every_preset
def test_every_other_joint_counts(preset: Preset, joint: int):
    truth, head, visible = persons(3)
    predictions = truth.copy()
    predictions[:, joint] += 1000
    assert pckh(predictions, truth, head, visible, preset)[MEAN] == pytest.approx(100 * 13 / 14)


def test_the_official_head_is_neck_and_head_top():
    truth, head, visible = persons(1)
    predictions = truth.copy()
    predictions[:, MPII_JOINTS.index("upper_neck")] += 1000
    heads = {name: pckh(predictions, truth, head, visible, preset)["Head"] for name, preset in PRESETS.items()}
    assert heads == {"mpii_official": 50.0, "hrnet": 100.0, "mmpose": 100.0, "pytorch_pose": 100.0}


def test_at_the_threshold_itself():
    """A 3-4-5 triangle: every joint is off by exactly half a head."""
    truth, head, visible = persons(2, head=10.0)
    means = {name: pckh(truth + np.array([3.0, 4.0]), truth, head, visible, preset)[MEAN] for name, preset in PRESETS.items()}
    assert means == {"mpii_official": 100.0, "hrnet": 100.0, "mmpose": 100.0, "pytorch_pose": 0.0}


def test_hrnet_prints_a_tenth_and_means_eleven_hundredths():
    truth, head, visible = persons(2, head=100.0)
    predictions = truth + np.array([10.5, 0.0])
    means = {name: pckh(predictions, truth, head, visible, preset, 0.1)[MEAN] for name, preset in PRESETS.items()}
    assert means == {"mpii_official": 0.0, "hrnet": 100.0, "mmpose": 0.0, "pytorch_pose": 0.0}
    assert pckh(truth + np.array([11.5, 0.0]), truth, head, visible, PRESETS["hrnet"], 0.1)[MEAN] == 0.0
    assert PRESETS["hrnet"].effective(0.5) == 0.5


@every_preset
def test_predictions_counted_from_zero_are_moved_by_one_pixel(preset: Preset):
    truth, head, visible = persons(2, head=1.0)
    assert pckh(truth - 1, truth, head, visible, preset, origin=0)[MEAN] == 100.0
    assert pckh(truth - 1, truth, head, visible, preset, origin=1)[MEAN] == 0.0
    assert pckh(truth - 1, truth, head, visible, replace(preset, offset=0.0), origin=0)[MEAN] == 0.0


def test_head_size_is_six_tenths_of_the_diagonal():
    boxes = np.array([[[10.0, 20.0], [13.0, 24.0]], [[5.0, 0.0], [-3.0, 6.0]]])
    np.testing.assert_allclose(head_sizes(boxes), [3.0, 6.0])


# ---- whatever the joints are: integers, so that moving and doubling them is exact ----

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


presets = st.sampled_from(list(PRESETS.values()))
thresholds = st.sampled_from([0.05, 0.1, 0.2, 0.5, 1.0])


@settings(deadline=None)
@given(cases(), presets, thresholds)
def test_agrees_with_counting_one_joint_at_a_time(case, preset: Preset, threshold: float):
    predictions, truth, head, visible = case
    limit = 0.11 if preset is PRESETS["hrnet"] and threshold == 0.1 else threshold
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
        assert scores[MEAN] == pytest.approx(sum(percent[joint] for joint in scored) / 14)
    else:
        assert scores[MEAN] == pytest.approx(100 * sum(hits[j] for j in scored) / sum(seen[j] for j in scored))
    assert scores["Wrist"] == pytest.approx((percent[10] + percent[15]) / 2)
    assert scores["Knee"] == pytest.approx((percent[1] + percent[4]) / 2)


@settings(deadline=None)
@given(cases(), presets, thresholds, st.tuples(coordinates, coordinates), st.sampled_from([0.25, 0.5, 2.0, 8.0]))
def test_moving_and_scaling_the_image_changes_nothing(case, preset: Preset, threshold: float, move, scale: float):
    predictions, truth, head, visible = case
    moved = (predictions * scale + move, truth * scale + move, head * scale, visible)
    assert pckh(*moved, preset, threshold) == pckh(*case, preset, threshold)


@settings(deadline=None)
@given(cases(), presets, st.tuples(st.floats(0.01, 2), st.floats(0.01, 2)))
def test_a_wider_threshold_never_lowers_it(case, preset: Preset, pair):
    narrow, wide = sorted(pair)
    preset = replace(preset, thresholds={})
    low, high = pckh(*case, preset, narrow), pckh(*case, preset, wide)
    assert all(low[part] <= high[part] for part in low)


@settings(deadline=None)
@given(cases(), presets, thresholds, st.randoms())
def test_the_order_of_persons_does_not_matter(case, preset: Preset, threshold: float, random):
    order = list(range(len(case[0])))
    random.shuffle(order)
    shuffled = tuple(array[order] for array in case)
    assert pckh(*shuffled, preset, threshold) == pckh(*case, preset, threshold)


@settings(deadline=None)
@given(cases(), presets, thresholds, coordinates)
def test_joints_that_are_not_annotated_never_count(case, preset: Preset, threshold: float, elsewhere: float):
    predictions, truth, head, visible = case
    hidden = ~visible[..., None]
    changed = (np.where(hidden, elsewhere, predictions), np.where(hidden, np.nan, truth), head, visible)
    assert pckh(*changed, preset, threshold) == pckh(*case, preset, threshold)


@settings(deadline=None, max_examples=20)
@given(cases())
def test_estimates_are_the_single_figures_with_replicates_around_them(case):
    predictions, *rest = case
    estimates = bootstrapped({"file": (predictions, 1)}, *rest, PRESETS)
    assert set(estimates) == {("file", name, threshold) for name in PRESETS for threshold in THRESHOLDS}
    for (_, name, threshold), estimate in estimates.items():
        assert estimate.value == pckh(predictions, *rest, PRESETS[name], threshold)
        assert all(samples.shape == (1000,) for samples in estimate.replicates.values())
        assert np.nanmin(estimate.replicates[MEAN]) <= estimate.value[MEAN] + 1e-9
        assert np.nanmax(estimate.replicates[MEAN]) >= estimate.value[MEAN] - 1e-9


def test_differences_of_estimates_are_paired():
    """The second file is the first with one person spoiled: the difference is drawn with that person, and only with him."""
    truth, head, visible = persons(40)
    spoiled = truth.copy()
    spoiled[7] += 1000
    estimates = bootstrapped({"good": (truth, 1), "spoiled": (spoiled, 1)}, truth, head, visible, PRESETS)
    difference = estimates["good", "hrnet", 0.5].replicates[MEAN] - estimates["spoiled", "hrnet", 0.5].replicates[MEAN]
    steps = difference / (100 / 40)  # how often that person was drawn
    np.testing.assert_allclose(steps, steps.round(), atol=1e-9)
    assert steps.min() == 0
    assert steps.mean() == pytest.approx(1, abs=0.1)


@pytest.mark.parametrize(
    ("spoil", "message"),
    [
        (lambda p, t, h, v: (p[:, :15], t, h, v), r"predictions: shape \(3, 15, 2\)"),
        (lambda p, t, h, v: (p[:2], t, h, v), r"predictions: shape \(2, 16, 2\)"),
        (lambda p, t, h, v: (p, t, h[:2], v), r"head sizes \(2,\)"),
        (lambda p, t, h, v: (p, t, h, v[:, :4]), r"visibilities \(3, 4\)"),
        (lambda p, t, h, v: (put(p, (1, 9, 0), np.nan), t, h, v), r"person 1, joint 9 \(head_top\): x is nan"),
        (lambda p, t, h, v: (put(p, (2, 6, 1), -np.inf), t, h, v), r"person 2, joint 6 \(pelvis\): y is -inf"),
        (lambda p, t, h, v: (p, put(t, (0, 3, 1), np.nan), h, v), r"annotations: person 0, joint 3 \(left_hip\): y is nan"),
        (lambda p, t, h, v: (p, t, put(h, 1, 0.0), v), r"person 1: head size 0, must be positive"),
        (lambda p, t, h, v: (p, t, put(h, 2, -3.0), v), r"person 2: head size -3"),
        (lambda p, t, h, v: (p, t, put(h, 2, np.nan), v), r"person 2: head size nan"),
        (lambda p, t, h, v: (p, t, h, put(v, (slice(None), 11), False)), r"no person shows joint right_elbow"),
        (lambda p, t, h, v: (p[:0], t[:0], h[:0], v[:0]), r"shape \(0, 16, 2\)"),
    ],
)
def test_impossible_values_are_refused_by_name(spoil, message: str):
    truth, head, visible = persons(3)
    with pytest.raises(InputError, match=message):
        pckh(*spoil(truth.copy(), truth, head, visible), PRESETS["hrnet"])


def put(array: np.ndarray, where, value: float) -> np.ndarray:
    changed = array.copy()
    changed[where] = value
    return changed
