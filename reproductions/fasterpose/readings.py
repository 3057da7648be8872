"""Compute the operations that FasterPose's reconstruction saves against networks that were dominant at the time.

The abstract prints 58 %, and names neither the network that it compares with nor the way in which operations are counted. No
reading of the sentence is singled out, so none is compared with the printed number: this is a table for orientation.
``python -m reproductions.fasterpose.readings`` prints it, at 256x192 with 17 joints, in about ten seconds.
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

CANDIDATES = (
    "baselines/simple_baseline-r50",
    "baselines/simple_baseline-r101",
    "baselines/simple_baseline-r152",
    "baselines/hrnet-w32",
)
RECONSTRUCTIONS = tuple(
    f"fasterpose/r50+deconvs={deconvs}+upsampling={upsampling}"
    for deconvs, upsampling in ((0, "pixel_shuffle"), (0, "nearest"), (1, "pixel_shuffle"), (2, "pixel_shuffle"))
)


@dataclass(frozen=True)
class Row:
    """The operations that a reconstruction saves against one candidate for the network the abstract compares with.

    Attributes:
        reconstruction: Model id of the reconstruction.
        candidate: Model id of the network it is compared with.
        convention: Name of the convention that operations are counted by.
        reduction: Operations saved, in percent; negative if the reconstruction takes more.
    """

    reconstruction: str
    candidate: str
    convention: str
    reduction: float


def compute_reductions(
    reconstructions: Iterable[str] = RECONSTRUCTIONS,
    candidates: Iterable[str] = CANDIDATES,
    *,
    height: int = 256,
    width: int = 192,
    joints: int = 17,
) -> list[Row]:
    """Compute one row for each reconstruction, candidate and convention, for images of ``height`` x ``width`` pixels.

    Raises:
        InputError: A model id is unknown.
    """
    reconstructions, candidates = list(reconstructions), list(candidates)
    models = dict.fromkeys([*reconstructions, *candidates])
    counts = {model: _count_operations(model, height, width, joints) for model in models}
    return [
        Row(reconstruction, candidate, convention, 100 * (1 - counts[reconstruction][convention] / count))
        for reconstruction in reconstructions
        for candidate in candidates
        for convention, count in counts[candidate].items()
    ]


def _count_operations(model: str, height: int, width: int, joints: int) -> dict[str, int]:
    with torch.device("meta"):
        network = build_model(model, joints=joints)
    return count_cost(network, height, width)["flops"]


def read_saving(table: str) -> dict[str, list[dict[str, Any]]]:
    """Return the abstract's saving, in percent, under each reading: the network it is compared with, and the convention."""
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
            for row in compute_reductions()
        ]
    }


if __name__ == "__main__":
    print(f"{'percent saved':82s}" + "".join(f"{name:>12s}" for name in FLOPS))
    for (reconstruction, candidate), rows in groupby(compute_reductions(), lambda row: (row.reconstruction, row.candidate)):
        print(f"{reconstruction:50s}{candidate:32s}" + "".join(f"{row.reduction:12.2f}" for row in rows))
