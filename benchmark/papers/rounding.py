"""Round numbers exactly in decimal arithmetic, so that verdicts do not depend on binary fractions."""

from __future__ import annotations

from decimal import ROUND_DOWN, ROUND_HALF_UP, Context, Decimal
from fractions import Fraction

EXACT = Context(prec=700)  # digits: more than any float has before and after its point together


def to_decimal(value: float | int | Fraction) -> Decimal:
    """Convert a number to a decimal: fractions to 28 digits, floats by their shortest representation."""
    if isinstance(value, Fraction):
        return Decimal(value.numerator) / Decimal(value.denominator)
    return Decimal(repr(value))


def round_half_up(value: float | int | Fraction, decimals: int) -> str:
    """Round ``value`` half up to ``decimals`` places, and format it."""
    return _format(to_decimal(value).quantize(Decimal(1).scaleb(-decimals), ROUND_HALF_UP, EXACT))


def truncate(value: float | int | Fraction, decimals: int) -> str:
    """Truncate ``value`` after ``decimals`` places, and format it."""
    return _format(to_decimal(value).quantize(Decimal(1).scaleb(-decimals), ROUND_DOWN, EXACT))


def round_twice(value: float | int | Fraction, decimals: int) -> str:
    """Round ``value`` to one more place first, then to ``decimals`` places, and format it: 1.945 -> 1.95 -> 2.0."""
    return round_half_up(Fraction(round_half_up(value, decimals + 1)), decimals)


def _format(value: Decimal) -> str:
    return f"{abs(value) if value == 0 else value:f}"  # a negative zero is a zero
