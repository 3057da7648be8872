"""Made-up records of latency, for tests of what is said about them."""

from __future__ import annotations

from typing import Any

from benchmark.config.identities import latency_identity
from benchmark.config.latency import ESTIMATORS, Setting
from benchmark.core.records import Record


def timed(
    milliseconds: dict[str, float], device: str = "cuda", *, runs: int = 5, scatter: float = 0.01, **conditions: Any
) -> list[Record]:
    """Return made-up runs, minutes apart, of networks whose times differ by ``scatter`` from one to the next."""
    return [
        Record(
            **latency_identity(
                Setting(model=model, device=device, **conditions), f"a {device}", together=[*milliseconds], run=run
            ),
            value=time,
            samples={"estimates": dict.fromkeys(ESTIMATORS, time * (1 + scatter * run * (model == list(milliseconds)[-1])))},
            command="a command",
            time=f"2026-01-01T00:{5 * run:02d}:00+00:00",
        )
        for run in range(1, runs + 1)
        for model, time in milliseconds.items()
    ]
