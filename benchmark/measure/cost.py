"""The command that counts parameters and operations."""

from __future__ import annotations

import json
import sys
from dataclasses import dataclass
from typing import Annotated, Any

import tyro

from benchmark.config.conventions import FLOPS, PARAMS
from benchmark.core.errors import InputError
from benchmark.core.input_size import parse_size
from benchmark.core.keypoints import JOINT_COUNTS
from benchmark.core.records import append_record
from benchmark.cost.records import cost_record, measure_cost, measure_external_cost
from benchmark.models.external import MODEL_SPECS_ONNX, ExternalModel, resolve_model
from benchmark.models.registry import find_entry


@dataclass
class CostCommand:
    """Count parameters and operations of one image under every convention.

    Example: python -m benchmark.measure cost efficientpose_nas/A --input 256x192 --joints 17
    """

    models: Annotated[tuple[str, ...], tyro.conf.Positional, tyro.conf.arg(help=f"Networks, each {MODEL_SPECS_ONNX}.")] = ()
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
        for external in map(resolve_model, self.models):
            model = external.model or external.name
            if model in counts:
                raise InputError(f"{model} is given twice")
            if external.model:
                counts[model] = measure_cost(model, self.joints, height, width)
            else:
                counts[model] = count_external(external, self.joints, (height, width))
            if self.keep and external.model:
                append_record(cost_record(model, dataset, self.input, counts[model]))
            elif self.keep:
                print(f"{model}: not recorded; only the costs of ids and architecture files are", file=sys.stderr)
        print(
            json.dumps(cost_report(self.input, self.joints, counts))
            if self.json
            else format_cost(self.input, self.joints, counts)
        )


def count_external(external: ExternalModel, joints: int, input_hw: tuple[int, int]) -> dict[str, Any]:
    """Count a network that is not this project's; say so on stderr where an exported one hides some counts.

    Raises:
        InputError: the network cannot be read or built, or does not run on images of this size.
    """
    if not external.onnx:
        return measure_external_cost(external, joints, *input_hw)[0]
    from benchmark.cost.onnx import count_onnx  # needs torch

    counts, missing_reason = count_onnx(external.onnx, input_hw)
    print(f"{external.name}: empty cells were not counted: {missing_reason}", file=sys.stderr)
    return {"params": {}, "flops": {}, "scopes": {}} | counts


def cost_report(size: str, joints: int, counts: dict[str, dict[str, Any]]) -> dict[str, Any]:
    """What ``--json`` prints; see schemas/cost.schema.json."""
    rows = [{"model": model, "evidence": _evidence(model), **found} for model, found in counts.items()]
    return {"schema": 1, "input": size, "joints": joints, "models": rows}


def _evidence(model: str) -> str | None:
    """Return the kind of source that a model was built from; None for a network that is not this project's."""
    try:
        entry = find_entry(model)
    except InputError:
        return None
    return entry.evidence if entry.version else None


def format_cost(size: str, joints: int, counts: dict[str, dict[str, Any]]) -> str:
    """A table for people: parameters in millions, operations in each convention's own G."""
    lines = [
        f"{size}, {joints} joints",
        f"{'':40}" + "".join(f"{name + ' M':>13}" for name in PARAMS) + "".join(f"{c:>13}" for c in FLOPS),
    ]
    for model, found in counts.items():
        cells = [_cell(found["params"].get(name), 1e6, 3) for name in PARAMS]
        cells += [_cell(found["flops"].get(name), convention.giga, 4) for name, convention in FLOPS.items()]
        lines.append(f"{model:40}{''.join(cells)}".rstrip())
    return "\n".join(lines)


def _cell(count: int | None, unit: float, places: int) -> str:
    return f"{'':13}" if count is None else f"{count / unit:13.{places}f}"
