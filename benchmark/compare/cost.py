"""What the compared networks cost: counts under every convention, and a first look at what they predict."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from benchmark.config.identities import cost_record_id
from benchmark.core.errors import InputError
from benchmark.core.input_size import parse_size
from benchmark.core.keypoints import JOINT_COUNTS
from benchmark.core.records import Record
from benchmark.cost.counters import count_operations
from benchmark.cost.onnx import count_onnx
from benchmark.cost.records import measure_cost
from benchmark.cost.trace import trace_network
from benchmark.latency.timer import Timing
from benchmark.models.external import ExternalModel, resolve_model, user_code_errors
from benchmark.papers.tables import Table

NEAREST = 3
DEFAULTS = ("efficientpose_nas/A", "baselines/simple_baseline-r50")


@dataclass(kw_only=True)
class Candidate:
    """A network that is compared: the new one, or a baseline. ``file`` holds a baseline's weights or predictions.

    ``counts`` are ``{"params": ..., "flops": ..., "scopes": ...}``, whole numbers of one image of ``input``; ``why`` says why
    some of them are missing. ``unfit`` says why its accuracy cannot be measured, if it predicts no heatmaps.
    """

    subject: ExternalModel
    name: str
    input: str
    file: Path | None = None
    counts: Mapping[str, Any] = field(default_factory=dict)
    why: str = ""
    unfit: str = ""
    timing: Timing | None = None

    @property
    def gmacs(self) -> float | None:
        """True multiply-accumulates of an image in 10^9, if they were counted."""
        found = self.counts.get("flops", {}).get("macs")
        return None if found is None else found / 1e9


def count_candidate(contender: Candidate, joints: int) -> None:
    """Fill in what a network costs, and whether it predicts heatmaps of so many joints.

    Raises:
        InputError: it cannot be built or run, or a network of one's own predicts something else.
    """
    subject, (height, width) = contender.subject, parse_size(contender.input)
    if subject.model:
        contender.counts = measure_cost(subject.model, joints, height, width)
        return
    network = subject.build(joints, (height, width))
    if subject.onnx:
        contender.counts, contender.why = count_onnx(subject.onnx, (height, width))
        with user_code_errors(subject):
            output: Any = network(torch.zeros(1, 3, height, width))
    else:
        outputs: list[Any] = []
        network.register_forward_hook(lambda module, images, output: outputs.append(output))
        # Tensors that the network makes on its way, as of positions, belong where its weights are.
        with user_code_errors(subject), torch.device("meta"):
            trace = trace_network(network, height, width)
        contender.counts = {"params": dict(trace.params), "flops": count_operations(trace.ops)}
        output = outputs[-1]
    if misfit := heatmap_misfit(output, joints):
        contender.unfit = f"{subject.name} {misfit}"
        if subject.predicts_heatmaps:
            raise InputError(contender.unfit)


def heatmap_misfit(output: Any, joints: int) -> str:
    """What is wrong with what a network returned for one image; nothing if the last map in it is ``[1, joints, h, w]``."""
    while isinstance(output, tuple | list) and output:
        output = output[-1]
    wanted = f"not heatmaps [1, {joints}, h, w]"
    if not isinstance(output, Tensor):
        return f"returns {type(output).__name__}, {wanted}"
    shape = list(output.shape)
    if len(shape) == 4 and shape[:2] == [1, joints]:
        return ""
    named = len(shape) == 4 and shape[0] == 1 and shape[1] in JOINT_COUNTS.values()
    return f"returns {shape}, {wanted}" + (f"; say --joints {shape[1]} if that is meant" if named else "")


def default_baselines(yours: Candidate, table: Table | None, joints: int, records: Mapping[str, Record]) -> Iterator[Candidate]:
    """What the new network is compared with unless the user says: the rows of the table nearest in cost, each at its size."""
    if table is None:
        for model in DEFAULTS:
            yield Candidate(subject=resolve_model(model), name=model, input=yours.input)
        return
    rows: dict[str, tuple[float, str]] = {}
    for row in table.rows.values():
        if not row.model or row.model in rows or row.model == yours.subject.model:
            continue
        size = row.input or table.input or yours.input
        record = records.get(cost_record_id(row.model, row.dataset or table.dataset, size))
        counts = record.value if record else measure_cost(row.model, joints, *parse_size(size))
        far = abs(math.log(counts["flops"]["macs"] / 1e9 / yours.gmacs)) if yours.gmacs else 0.0
        rows[row.model] = far, size
    for model in sorted(rows, key=lambda name: rows[name][0])[:NEAREST]:
        yield Candidate(subject=resolve_model(model), name=model, input=rows[model][1])
