"""The command ``python -m benchmark.measure cost``: count parameters and operations."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Annotated, Any, Literal

import tyro
from typing_extensions import TypedDict  # typing.TypedDict cannot be validated by pydantic before Python 3.12

from benchmark.config.conventions import FLOPS, PARAMS, format_not_counted
from benchmark.core.errors import InputError, print_note, report_failures
from benchmark.core.input_size import parse_size
from benchmark.core.keypoints import JOINT_COUNTS
from benchmark.core.records import append_record, check_store
from benchmark.cost.records import CountedOn, cost_record, describe_device, measure_cost, measure_external_cost
from benchmark.models.external import MODEL_SPECS_ONNX, ExternalModel, resolve_models
from benchmark.models.registry import Evidence, find_entry


@dataclass
class CostCommand:
    """Count parameters and operations for one image under every convention.

    Example: python -m benchmark.measure cost efficientpose_nas/A --input 256x192 --joints 17
    """

    models: Annotated[tuple[str, ...], tyro.conf.Positional, tyro.conf.arg(help=f"Networks, each {MODEL_SPECS_ONNX}.")] = ()
    input: str = "256x256"
    """Height x width of the image in pixels."""
    joints: int = 16
    """Number of keypoints of the head: 16 for MPII, 17 for COCO."""
    all: bool = False
    """Measure and store everything that the papers' tables need and that is not on record yet."""
    keep: bool = False
    """Store the counts as records under reports/records."""
    json: bool = False
    """Print JSON."""

    def __call__(self) -> None:
        """Count, store and print; a network that cannot be counted is named once all others are.

        Raises:
            InputError: an option is wrong, a model is unknown, or it does not take images of this size.
        """
        if bool(self.models) == self.all:
            raise InputError("give either model ids or --all")
        if self.joints < 1:
            raise InputError(f"--joints {self.joints}: at least one keypoint is needed")
        if self.all or self.keep:
            check_store()
        if self.all:
            # Imported here, as the other uses of the command do not need the papers.
            from benchmark.measure.missing import measure_missing

            measure_missing()
            return
        height, width = parse_size(self.input)
        dataset = {count: dataset for dataset, count in JOINT_COUNTS.items()}.get(self.joints, f"{self.joints} joints")
        models: dict[str, ExternalModel] = {}
        for external in resolve_models(self.models):
            model = external.model or external.name
            if model in models:
                raise InputError(f"{model} is given twice")
            models[model] = external
        costs: dict[str, MeasuredCost] = {}
        failures: list[InputError] = []
        for model, external in models.items():
            try:
                costs[model] = count_model(external, self.joints, (height, width))
            except InputError as failure:
                failures.append(failure)
                continue
            if self.keep and external.model:
                append_record(cost_record(model, dataset, self.input, costs[model].counts))
            elif self.keep:
                print_note(f"{model}: not recorded; only the costs of ids and architecture files are")
        if costs:
            report = cost_report(self.input, self.joints, costs)
            print(json.dumps(report) if self.json else format_cost(self.input, self.joints, costs))
        report_failures(failures)


@dataclass(frozen=True, kw_only=True)
class MeasuredCost:
    """The counts of a network, and how it was counted.

    Attributes:
        counts: As :func:`benchmark.cost.records.measure_cost` returns them.
        counted_on: See :data:`CountedOn`.
        note: What a reader of the counts has to know; printed below them.
    """

    counts: dict[str, Any]
    counted_on: CountedOn = "meta"
    note: str = ""


def count_model(external: ExternalModel, joints: int, input_hw: tuple[int, int]) -> MeasuredCost:
    """Count a network; print on stderr what is not as it usually is.

    Raises:
        InputError: the network cannot be read or built, or does not run on images of this size.
    """
    if external.model:
        return MeasuredCost(counts=measure_cost(external.model, joints, *input_hw))
    if external.onnx:
        from benchmark.cost.onnx import count_onnx  # imports torch, which is slow

        counts, missing_reason = count_onnx(external.onnx, input_hw)
        print_note(f"{external.name}: empty cells were not counted: {missing_reason}")
        return MeasuredCost(counts={"params": {}, "flops": {}, "scopes": {}} | counts, counted_on="file")
    cost = measure_external_cost(external, joints, *input_hw)
    if cost.failure:
        raise InputError(cost.failure)
    if cost.misfit:
        print_note(f"{external.name} {cost.misfit}: it is counted as it is")
    return MeasuredCost(counts=cost.counts, counted_on=cost.device, note=describe_device(cost))


class Counts(TypedDict):
    """Counts by convention: the names in :data:`benchmark.config.conventions.PARAMS` and ``FLOPS``.

    Of an exported network, some conventions are missing.
    """

    params: dict[str, int]
    flops: dict[str, int]


class ModelCost(Counts):
    """Counts of a model, and of its named parts (``scopes``); ``evidence`` is None for a network that is not this project's.

    ``not_counted`` has the number of calls of each operator without a rule, which add nothing to the counts.
    """

    model: str
    evidence: Evidence | None
    counted_on: CountedOn
    not_counted: dict[str, int]
    scopes: dict[str, Counts]


class CostReport(TypedDict):
    """The output of ``python -m benchmark.measure cost --json``."""

    schema: Literal[2]
    input: str
    joints: int
    models: list[ModelCost]


def cost_report(size: str, joints: int, costs: Mapping[str, MeasuredCost]) -> CostReport:
    """Return the content of ``--json``.

    Args:
        costs: By model.
    """
    models: list[ModelCost] = [
        {
            "model": model,
            "evidence": _evidence(model),
            "counted_on": cost.counted_on,
            "not_counted": cost.counts.get("not_counted", {}),
            "params": cost.counts["params"],
            "flops": cost.counts["flops"],
            "scopes": cost.counts["scopes"],
        }
        for model, cost in costs.items()
    ]
    return {"schema": 2, "input": size, "joints": joints, "models": models}


def _evidence(model: str) -> Evidence | None:
    try:
        entry = find_entry(model)
    except InputError:
        return None
    return entry.evidence if entry.version else None


def format_cost(size: str, joints: int, costs: Mapping[str, MeasuredCost]) -> str:
    """Format the counts as a table: parameters in millions, operations in each convention's own G."""
    lines = [
        f"{size}, {joints} joints",
        f"{'':40}" + "".join(f"{name + ' M':>13}" for name in PARAMS) + "".join(f"{name + ' G':>15}" for name in FLOPS),
    ]
    for model, cost in costs.items():
        cells = [_format_cell(cost.counts["params"].get(name), 1e6, "13.3f") for name in PARAMS]
        cells += [_format_cell(cost.counts["flops"].get(name), convention.giga, "15.4f") for name, convention in FLOPS.items()]
        lines.append(f"{model:40}{''.join(cells)}".rstrip())
        notes = (cost.note, format_not_counted(cost.counts.get("not_counted", {})))
        lines += [f"  {note}" for note in notes if note]
    return "\n".join(lines)


def _format_cell(count: int | None, unit: float, style: str) -> str:
    return " " * int(style.partition(".")[0]) if count is None else format(count / unit, style)
