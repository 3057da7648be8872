"""Measure what a model costs, how long it takes, or how far the routes of training images agree.

Examples:
    python -m benchmark.measure cost efficientpose_nas/A --input 256x256 --joints 16
    python -m benchmark.measure cost baselines/simple_baseline-r50 efficientpose_nas/C --json
    python -m benchmark.measure cost --all
    python -m benchmark.measure latency efficientpose_nas/A baselines/hrnet-w32 --input 256x192 --joints 17
    python -m benchmark.measure routes
"""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass
from typing import Annotated, Any

import tyro

from benchmark import ledger, models, records
from benchmark.conventions import FLOPS, PARAMS, VERSION
from benchmark.errors import InputError, run
from benchmark.measure_latency import Latency


@dataclass
class Cost:
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
            from benchmark.fill import fill

            fill()
            return
        height, width = models.parse_size(self.input)
        dataset = {v: k for k, v in models.JOINTS.items()}.get(self.joints, f"{self.joints} joints")
        counts = {}
        for model in (models.find(name).id for name in self.models):
            counts[model] = measure_cost(model, self.joints, height, width)
            if self.keep:
                records.append(cost_record(model, dataset, self.input, counts[model]))
        print(json.dumps(report(self.input, self.joints, counts)) if self.json else text(self.input, self.joints, counts))


@dataclass
class Routes:
    """Compare the three routes from photographs to training images, on Synthetic people: pictures, and where targets lie.

    Example: python -m benchmark.measure routes --keep
    """

    keep: bool = False
    """Keep the figures as records under reports/records."""
    json: bool = False
    """Print JSON."""

    def __call__(self) -> None:
        from benchmark import routes  # needs torch

        found = list(routes.measure())
        if self.keep:
            for record in routes.to_records(found):
                records.append(record)
        print(json.dumps(routes.report(found)) if self.json else routes.text(found))


def measure_cost(model: str, joints: int, height: int, width: int) -> dict[str, Any]:
    """Whole-number counts of a model and of its named parts (``scopes``).

    Raises:
        InputError: unknown model, or a size that the network refuses.
    """
    from torch import nn  # a usage error needs no torch

    from benchmark import cost

    models.check_size(model, (height, width))
    entry = models.find(model)
    network = models.outline(model, joints=joints)
    try:
        trace = cost.trace(network, height, width)
    except RuntimeError as problem:
        raise InputError(f"{model} takes no {height}x{width} image: {str(problem).splitlines()[0]}") from None
    scopes = {
        name: {
            "params": cost.parameters(nn.ModuleList(network.get_submodule(part) for part in parts)),
            "flops": cost.counts(trace.within(parts)),
        }
        for name, parts in entry.scopes.items()
    }
    return {"params": trace.params, "flops": cost.counts(trace.ops), "scopes": scopes}


def cost_record(model: str, dataset: str, size: str, counts: dict[str, Any]) -> records.Record:
    """The record of one model's cost at one size with one dataset's head."""
    joints = models.JOINTS.get(dataset) or int(dataset.split()[0])
    return records.Record(
        kind="cost",
        subject=model,
        dataset=dataset,
        split=ledger.NONE,
        protocol=size,
        metric="counts",
        value=counts,
        version=100 * VERSION + models.find(model).version,
        **records.provenance(f"python -m benchmark.measure cost {model} --input {size} --joints {joints}"),
    )


def report(size: str, joints: int, counts: dict[str, dict[str, Any]]) -> dict[str, Any]:
    """What ``--json`` prints; see schemas/cost.schema.json."""
    rows = [{"model": model, "evidence": models.find(model).evidence, **found} for model, found in counts.items()]
    return {"schema": 1, "input": size, "joints": joints, "models": rows}


def text(size: str, joints: int, counts: dict[str, dict[str, Any]]) -> str:
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


def main() -> None:
    """Entry point."""
    commands: dict[str, Callable[..., Any]] = {"cost": Cost, "latency": Latency, "routes": Routes}
    command = tyro.extras.subcommand_cli_from_dict(commands, prog="python -m benchmark.measure", description=__doc__)
    run(command)


if __name__ == "__main__":
    main()
