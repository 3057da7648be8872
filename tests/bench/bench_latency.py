"""Time the timer of latencies beside reading the clock alone: ``make bench``."""

from __future__ import annotations

import time
from collections.abc import Iterator

from benchmark.latency.clocks import time_on_cpu, timer_overhead


def empty_call() -> Iterator[str]:
    yield "nothing"


def test_the_clock_alone(benchmark) -> None:
    """Read the clock twice, with nothing in between."""
    benchmark(lambda: (time.perf_counter(), time.perf_counter()))


def test_an_empty_timed_call(benchmark) -> None:
    benchmark(lambda: time_on_cpu(empty_call))


def test_the_timer_adds_less_than_a_thousandth_of_a_millisecond_call(benchmark) -> None:
    """Require an overhead below one microsecond, a thousandth of the fastest network's time."""
    overhead = benchmark.pedantic(timer_overhead, rounds=5)
    benchmark.extra_info["seconds"] = overhead
    assert 0 < overhead < 1e-6
