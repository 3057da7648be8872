"""Rescoring and suppression agree with a plain version that compares one pair at a time."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from benchmark.core.errors import InputError
from benchmark.metrics.oks import OKS_SIGMAS
from benchmark.metrics.oks_nms import keep_distinct, keypoint_similarity, rescore_people, suppress_duplicates


def similarity_by_hand(left: np.ndarray, right: np.ndarray, area: float) -> float:
    total = 0.0
    for (x, y), (u, v), sigma in zip(left, right, OKS_SIGMAS, strict=True):
        total += math.exp(-((x - u) ** 2 + (y - v) ** 2) / (8 * sigma**2 * area))
    return total / 17


def suppressed_by_hand(joints: np.ndarray, areas: np.ndarray, scores: np.ndarray, threshold: float) -> list[int]:
    """Take the best person, drop everyone similar to it, and repeat."""
    candidates, remaining = sorted(range(len(scores)), key=lambda person: -scores[person]), []
    while candidates:
        best = candidates.pop(0)
        remaining.append(best)
        candidates = [
            person
            for person in candidates
            if similarity_by_hand(joints[best], joints[person], (areas[best] + areas[person]) / 2) <= threshold
        ]
    return remaining


@settings(deadline=None)
@given(
    seed=st.integers(0, 2**32 - 1),
    count=st.integers(0, 12),
    spread=st.sampled_from([0.0, 1.0, 5.0, 30.0]),
    threshold=st.sampled_from([0.05, 0.5, 0.9, 1.0]),
    levels=st.sampled_from([2, 1000]),  # few levels make ties
)
def test_suppression_is_the_greedy_one(seed: int, count: int, spread: float, threshold: float, levels: int) -> None:
    generator = np.random.default_rng(seed)
    people = generator.uniform(0, 100, (3, 17, 2))[generator.integers(0, 3, count)]  # three people, detected repeatedly
    joints = people + spread * generator.standard_normal((count, 17, 2))
    areas, scores = generator.uniform(100, 9000, count), generator.integers(0, levels, count) / levels
    remaining = keep_distinct(joints, areas, scores, threshold)
    assert remaining.tolist() == suppressed_by_hand(joints, areas, scores, threshold)


def test_images_are_suppressed_apart_and_the_order_stays() -> None:
    joints = np.tile(np.arange(34.0).reshape(17, 2), (5, 1, 1))
    joints[3] += 500
    remaining = suppress_duplicates(
        np.array([7, 3, 7, 7, 3]), joints, np.full(5, 900.0), np.array([0.2, 0.9, 0.8, 0.1, 0.3]), threshold=0.9
    )
    assert remaining.tolist() == [1, 2, 3]  # 0 duplicates 2, 4 duplicates 1, 3 is somewhere else
    assert suppress_duplicates(np.zeros(0, int), np.zeros((0, 17, 2)), np.zeros(0), np.zeros(0)).tolist() == []


def test_a_score_is_the_boxes_times_the_mean_of_the_joints_above_the_threshold() -> None:
    scores = rescore_people(np.array([0.5, 0.8, 1.0]), np.array([[0.4, 0.8, 0.1], [0.2, 0.1, 0.0], [0.21, 0.2, 0.2]]))
    np.testing.assert_allclose(scores, [0.5 * 0.6, 0.0, 0.21])


def test_similarity_is_one_with_itself_and_falls_with_distance() -> None:
    joints = np.zeros((2, 17, 2))
    joints[1, :, 0] = 10.0
    similar = keypoint_similarity(joints, np.array([1000.0, 3000.0]))
    np.testing.assert_allclose(np.diag(similar), 1.0)
    assert similar[0, 1] == similar[1, 0] == pytest.approx(similarity_by_hand(joints[0], joints[1], 2000.0))


def test_what_is_not_finite_or_of_another_length_is_refused() -> None:
    joints, areas, scores = np.zeros((2, 17, 2)), np.ones(2), np.ones(2)
    with pytest.raises(InputError, match="scores of person 1 in image 8 are not finite"):
        suppress_duplicates(np.array([5, 8]), joints, areas, np.array([1.0, np.nan]))
    with pytest.raises(InputError, match="2 joints for 3 people"):
        suppress_duplicates(np.array([5, 8, 9]), joints, areas, scores)
