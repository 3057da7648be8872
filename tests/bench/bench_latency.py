"""What the timer of latencies costs, beside reading the clock alone: ``make bench``."""

from __future__ import annotations

import time
from collections.abc import Iterator

from benchmark.latency.clocks import time_on_cpu, timer_overhead


def nothing() -> Iterator[str]:
    yield "nothing"


def test_the_clock_alone(benchmark) -> None:
    """Two readings, between which nothing happens."""
    benchmark(lambda: (time.perf_counter(), time.perf_counter()))


def test_an_empty_timed_call(benchmark) -> None:
    benchmark(lambda: time_on_cpu(nothing))


def test_the_timer_adds_less_than_a_thousandth_of_a_millisecond_call(benchmark) -> None:
    """What it finds where nothing is done, under a microsecond: a thousandth of the quickest network's time."""
    found = benchmark.pedantic(timer_overhead, rounds=5)
    benchmark.extra_info["seconds"] = found
    assert 0 < found < 1e-6
