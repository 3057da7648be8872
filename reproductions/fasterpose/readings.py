"""Against which network, and counted how, is FasterPose 58 % cheaper? The abstract names neither.

``python -m reproductions.fasterpose.readings`` counts every reconstruction against every network that was dominant then,
under every convention, at 256x192 with 17 joints, and marks what comes to the printed figure, rounded or cut off. It takes
about half a minute.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from itertools import groupby
from typing import Any

import torch

from benchmark.config.conventions import FLOPS
from benchmark.cost.counters import count_cost
from benchmark.models.registry import build_model

PRINTED = 58  # per cent, in the abstract
CANDIDATES = (
    "baselines/simple_baseline-r50",
    "baselines/simple_baseline-r101",
    "baselines/simple_baseline-r152",
    "baselines/hrnet-w32",
)
RECONSTRUCTIONS = tuple(
    f"fasterpose/r{depth}+deconvs={deconvs}+upsampling={upsampling}"
    for depth in (50, 101, 152)
    for deconvs, upsampling in ((0, "pixel_shuffle"), (0, "nearest"), (1, "pixel_shuffle"), (2, "pixel_shuffle"))
)


@dataclass(frozen=True)
class Row:
    """By how many per cent ``reconstruction`` takes fewer operations than ``candidate``; negative if it takes more."""

    reconstruction: str
    candidate: str
    convention: str
    reduction: float

    @property
    def agreement(self) -> str:
        """How the reduction comes to the printed figure: ``rounds``, ``cuts off`` (58.51 as 58), or not at all."""
        if round(self.reduction) == PRINTED:
            return "rounds"
        return "cuts off" if int(self.reduction) == PRINTED else ""


def reductions(
    reconstructions: Iterable[str] = RECONSTRUCTIONS,
    candidates: Iterable[str] = CANDIDATES,
    *,
    height: int = 256,
    width: int = 192,
    joints: int = 17,
) -> list[Row]:
    """One row for each reconstruction, candidate and convention; sizes in pixels.

    Raises:
        InputError: an unknown model id.
    """
    reconstructions, candidates = list(reconstructions), list(candidates)
    counts = {model: _counts(model, height, width, joints) for model in dict.fromkeys([*reconstructions, *candidates])}
    return [
        Row(ours, theirs, convention, 100 * (1 - counts[ours][convention] / count))
        for ours in reconstructions
        for theirs in candidates
        for convention, count in counts[theirs].items()
    ]


def _counts(model: str, height: int, width: int, joints: int) -> dict[str, int]:
    with torch.device("meta"):
        network = build_model(model, joints=joints)
    return count_cost(network, height, width)["flops"]


def read_saving(table: str) -> dict[str, list[dict[str, Any]]]:
    """Return what the abstract's saving comes to under each reading: it says neither against what, nor counted how."""
    if table != "abstract":
        return {}
    return {
        "fasterpose/flops_saving": [
            {
                "reading": f"{row.reconstruction} against {row.candidate}",
                "network": row.reconstruction,
                "against": row.candidate,
                "convention": row.convention,
                "value": row.reduction,
            }
            for row in reductions()
        ]
    }


if __name__ == "__main__":
    print(f"{'per cent saved; = rounds to the printed one, ~ cut off':82s}" + "".join(f"{name:>12s}" for name in FLOPS))
    for (ours, theirs), rows in groupby(reductions(), lambda row: (row.reconstruction, row.candidate)):
        marks = {"rounds": "=", "cuts off": "~", "": " "}
        print(f"{ours:50s}{theirs:32s}" + "".join(f"{row.reduction:11.2f}{marks[row.agreement]}" for row in rows))
