"""The command that counts parameters and operations."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Annotated, Any

import tyro

from benchmark.config.conventions import FLOPS, PARAMS
from benchmark.core.errors import InputError
from benchmark.core.input_size import parse_size
from benchmark.core.keypoints import JOINT_COUNTS
from benchmark.core.records import append_record
from benchmark.cost.records import cost_record, measure_cost
from benchmark.models.registry import find_entry


@dataclass
class CostCommand:
    """Count parameters and operations of one image under every convention.

    Example: python -m benchmark.measure cost efficientpose_nas/A --input 256x192 --joints 17
    """

    models: Annotated[tuple[str, ...], tyro.conf.Positional] = ()
    """Model ids, as in efficientpose_nas/A+sic=off, or architecture files."""
    input: str = "256x256"
    """Height x width of the image in pixels."""
    joints: int = 16
    """Keypoints of the head: 16 for MPII, 17 for COCO."""
    all: bool = False
    """Measure what the papers' tables need and is not on record yet, and keep it."""
    keep: bool = False
    """Keep the figures as records under reports/records."""
    json: bool = False
    """Print JSON."""

    def __call__(self) -> None:
        if bool(self.models) == self.all:
            raise InputError("give model ids, or --all")
        if self.joints < 1:
            raise InputError(f"--joints {self.joints}: at least one keypoint is needed")
        if self.all:
            from benchmark.measure.missing import measure_missing

            measure_missing()
            return
        height, width = parse_size(self.input)
        dataset = {v: k for k, v in JOINT_COUNTS.items()}.get(self.joints, f"{self.joints} joints")
        counts = {}
        for model in (find_entry(name).id for name in self.models):
            counts[model] = measure_cost(model, self.joints, height, width)
            if self.keep:
                append_record(cost_record(model, dataset, self.input, counts[model]))
        print(
            json.dumps(cost_report(self.input, self.joints, counts))
            if self.json
            else format_cost(self.input, self.joints, counts)
        )


def cost_report(size: str, joints: int, counts: dict[str, dict[str, Any]]) -> dict[str, Any]:
    """What ``--json`` prints; see schemas/cost.schema.json."""
    rows = [{"model": model, "evidence": find_entry(model).evidence, **found} for model, found in counts.items()]
    return {"schema": 1, "input": size, "joints": joints, "models": rows}


def format_cost(size: str, joints: int, counts: dict[str, dict[str, Any]]) -> str:
    """A table for people: parameters in millions, operations in each convention's own G."""
    lines = [
        f"{size}, {joints} joints",
        f"{'':40}" + "".join(f"{name + ' M':>13}" for name in PARAMS) + "".join(f"{c:>13}" for c in FLOPS),
    ]
    for model, found in counts.items():
        params = "".join(f"{found['params'][name] / 1e6:13.3f}" for name in PARAMS)
        flops = "".join(f"{found['flops'][name] / convention.giga:13.4f}" for name, convention in FLOPS.items())
        lines.append(f"{model:40}{params}{flops}")
    return "\n".join(lines)
