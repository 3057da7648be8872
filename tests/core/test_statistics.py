"""The bootstrap's draws are fixed and its intervals have the width that theory predicts; Kendall's tau corrects for ties."""

from __future__ import annotations

import warnings

import numpy as np
import pytest

from benchmark.core import statistics
from benchmark.core.statistics import SEED, draw_counts, kendall_tau, percentile_interval, resample_sums


def test_a_replicate_draws_as_many_persons_as_there_are():
    counts = draw_counts(sample_size=37, replicates=50)
    assert counts.shape == (50, 37)
    assert (counts.sum(axis=1) == 37).all()


def test_every_person_is_as_likely_as_every_other():
    """Counts are binomial: mean 1, variance 1 - 1/N, and no total is beyond five standard deviations."""
    sample_size, replicates = 100, 20_000
    counts = draw_counts(sample_size, replicates)
    totals = counts.sum(axis=0)
    assert abs(totals - replicates).max() < 5 * replicates**0.5
    assert counts.var() == pytest.approx(1 - 1 / sample_size, rel=0.01)


def test_the_draws_are_fixed_and_follow_the_seed():
    np.testing.assert_array_equal(draw_counts(50), draw_counts(50))
    assert (draw_counts(50) != draw_counts(50, seed=SEED + 1)).any()


def test_sums_are_over_the_drawn_persons():
    values = np.random.default_rng(0).normal(size=(11, 3))
    counts = draw_counts(11, replicates=20).astype(int)
    by_hand = [values[np.repeat(np.arange(11), row)].sum(axis=0) for row in counts]
    np.testing.assert_allclose(resample_sums(values, replicates=20), by_hand, rtol=1e-12, atol=1e-12)


def test_working_in_blocks_changes_nothing(monkeypatch: pytest.MonkeyPatch):
    values = np.arange(60.0).reshape(20, 3)
    whole = resample_sums(values, replicates=33)
    monkeypatch.setattr(statistics, "BLOCK", 100)  # five replicates at a time; the last block holds three
    np.testing.assert_array_equal(resample_sums(values, replicates=33), whole)


def test_the_interval_of_a_proportion_is_as_wide_as_the_binomial_one():
    sample_size, share = 2958, 0.873
    hits = np.arange(sample_size)[:, None] < share * sample_size
    low, high = percentile_interval(resample_sums(hits)[:, 0] / sample_size)
    assert high - low == pytest.approx(2 * 1.96 * (share * (1 - share) / sample_size) ** 0.5, rel=0.1)


def test_intervals_cover_the_truth_about_95_times_in_100():
    generator = np.random.default_rng(7)
    trials, covered = 400, 0
    for _ in range(trials):
        sample = generator.normal(size=(100, 1))
        low, high = percentile_interval(resample_sums(sample)[:, 0] / 100)
        covered += low <= 0 <= high
    # 0.95 minus the bootstrap's known shortfall of about a point at n = 100; three standard errors of 400 trials are 0.033
    assert 0.905 < covered / trials < 0.98


def test_columns_are_paired():
    """A column and its shifted copy differ by the shift in every replicate, however wide either interval is."""
    values = np.random.default_rng(1).normal(size=(200, 1))
    sums = resample_sums(np.concatenate([values, values + 0.5], axis=1)) / 200
    np.testing.assert_allclose(sums[:, 1] - sums[:, 0], 0.5)
    low, high = percentile_interval(sums[:, 0])
    assert high - low > 0.1


def test_undefined_replicates_are_left_out():
    replicates = np.arange(101.0)
    with_gaps = np.concatenate([replicates, [np.nan] * 50])
    assert percentile_interval(with_gaps) == percentile_interval(replicates) == (2.5, 97.5)


def test_kendalls_tau_corrects_for_ties():
    """Kendall (Biometrika 33, 1945): (concordant - discordant) / sqrt((pairs - ties of one) (pairs - ties of the other))."""
    assert kendall_tau([1, 2, 2], [1, 2, 3]) == pytest.approx(2 / (2 * 3) ** 0.5)
    assert kendall_tau([1, 1, 2], [2, 3, 1]) == pytest.approx(-2 / (2 * 3) ** 0.5)


def test_kendalls_tau_is_undefined_without_two_different_values():
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert kendall_tau([], []) is None
        assert kendall_tau([1], [1]) is None
        assert kendall_tau([1, 2], [3, 3]) is None


def test_counts_do_not_depend_on_how_many_are_drawn_at_a_time(monkeypatch: pytest.MonkeyPatch):
    for sample_size, replicates in [(50, 40), (1, 7), (333, 5)]:
        whole = draw_counts(sample_size, replicates)
        for cached in (1, 100, 1000):
            monkeypatch.setattr("benchmark.core.statistics.CACHED", cached)
            np.testing.assert_array_equal(draw_counts(sample_size, replicates), whole)
    assert draw_counts(5, replicates=0).shape == (0, 5)


def test_packed_replicates_come_back_with_as_many_places_as_fit() -> None:
    exact = [10.25, -3.5, np.nan, 11.125]
    packed = statistics.pack_replicates(exact)
    assert packed["center"] == pytest.approx(10.25 * 10 ** packed["places"])
    np.testing.assert_array_equal(statistics.unpack_replicates(packed), exact)
    drawn = 70 + np.random.default_rng(0).normal(size=1000)
    reach = np.abs(drawn - np.median(drawn)).max()
    packed = statistics.pack_replicates(drawn)
    assert packed["places"] == 3  # 10^4 distances of more than 3.3 do not fit into 16 bits
    np.testing.assert_allclose(statistics.unpack_replicates(packed), drawn, atol=0.51e-3, rtol=0)
    assert reach < 2**15 / 1000
    np.testing.assert_array_equal(statistics.unpack_replicates(statistics.pack_replicates([0.5] * 3)), [0.5] * 3)
