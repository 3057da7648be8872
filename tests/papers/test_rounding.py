"""Numbers are rounded as printed decimals, whatever their binary fractions."""

from __future__ import annotations

from fractions import Fraction

import pytest

from benchmark.papers.rounding import round_half_up, round_twice, to_decimal, truncate


@pytest.mark.parametrize(
    ("value", "decimals", "rounded", "truncated"),
    [
        (2.675, 2, "2.68", "2.67"),  # in binary a little less than the half
        (0.5, 0, "1", "0"),
        (-2.5, 0, "-3", "-2"),
        (-0.04, 1, "0.0", "0.0"),
        (7, 1, "7.0", "7.0"),
        (1234.5678, 3, "1234.568", "1234.567"),
        (Fraction(1, 8), 2, "0.13", "0.12"),
        (Fraction(2, 3), 4, "0.6667", "0.6666"),
        (1e300, 1, f"{10**300}.0", f"{10**300}.0"),
    ],
)
def test_halves_go_up_and_truncation_goes_towards_zero(value: float, decimals: int, rounded: str, truncated: str) -> None:
    assert round_half_up(value, decimals) == rounded
    assert truncate(value, decimals) == truncated


def test_rounding_twice_may_carry_further() -> None:
    assert (round_half_up(1.945, 1), round_twice(1.945, 1)) == ("1.9", "2.0")
    assert round_twice(1.944, 1) == "1.9"


def test_a_fraction_has_28_digits() -> None:
    assert str(to_decimal(Fraction(1, 3))) == "0." + "3" * 28
