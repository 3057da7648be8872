"""What the compared networks cost: counts under every convention, and a first look at what they predict."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from benchmark import cost, ledger, measure, models, onnx_files, subjects
from benchmark.errors import InputError
from benchmark.latency import Timing
from benchmark.records import Record
from benchmark.subjects import Subject
from benchmark.tables import Table

NEAREST = 3
DEFAULTS = ("efficientpose_nas/A", "baselines/simple_baseline-r50")


@dataclass(kw_only=True)
class Contender:
    """A network that is compared: the new one, or a baseline. ``file`` holds a baseline's weights or predictions.

    ``counts`` are ``{"params": ..., "flops": ..., "scopes": ...}``, whole numbers of one image of ``input``; ``why`` says why
    some of them are missing. ``unfit`` says why its accuracy cannot be measured, if it predicts no heatmaps.
    """

    subject: Subject
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


def count(contender: Contender, joints: int) -> None:
    """Fill in what a network costs, and whether it predicts heatmaps of so many joints.

    Raises:
        InputError: it cannot be built or run, or a network of one's own predicts something else.
    """
    subject, (height, width) = contender.subject, models.parse_size(contender.input)
    if subject.model:
        contender.counts = measure.measure_cost(subject.model, joints, height, width)
        return
    network = subject.build(joints, (height, width))
    if subject.onnx:
        contender.counts, contender.why = onnx_files.count(subject.onnx, (height, width))
        with subjects.blamed(subject):
            output: Any = network(torch.zeros(1, 3, height, width))
    else:
        outputs: list[Any] = []
        network.register_forward_hook(lambda module, images, output: outputs.append(output))
        # Tensors that the network makes on its way, as of positions, belong where its weights are.
        with subjects.blamed(subject), torch.device("meta"):
            trace = cost.trace(network, height, width)
        contender.counts = {"params": dict(trace.params), "flops": cost.counts(trace.ops)}
        output = outputs[-1]
    if misfit := misfits(output, joints):
        contender.unfit = f"{subject.name} {misfit}"
        if subject.pose:
            raise InputError(contender.unfit)


def misfits(output: Any, joints: int) -> str:
    """What is wrong with what a network returned for one image; nothing if the last map in it is ``[1, joints, h, w]``."""
    while isinstance(output, tuple | list) and output:
        output = output[-1]
    wanted = f"not heatmaps [1, {joints}, h, w]"
    if not isinstance(output, Tensor):
        return f"returns {type(output).__name__}, {wanted}"
    shape = list(output.shape)
    if len(shape) == 4 and shape[:2] == [1, joints]:
        return ""
    named = len(shape) == 4 and shape[0] == 1 and shape[1] in models.JOINTS.values()
    return f"returns {shape}, {wanted}" + (f"; say --joints {shape[1]} if that is meant" if named else "")


def baselines(yours: Contender, table: Table | None, joints: int, records: Mapping[str, Record]) -> Iterator[Contender]:
    """What the new network is compared with unless the user says: the rows of the table nearest in cost, each at its size."""
    if table is None:
        for model in DEFAULTS:
            yield Contender(subject=subjects.find(model), name=model, input=yours.input)
        return
    rows: dict[str, tuple[float, str]] = {}
    for row in table.rows.values():
        if not row.model or row.model in rows or row.model == yours.subject.model:
            continue
        size = row.input or table.input or yours.input
        record = records.get(ledger.cost_record(row.model, row.dataset or table.dataset, size))
        counts = record.value if record else measure.measure_cost(row.model, joints, *models.parse_size(size))
        far = abs(math.log(counts["flops"]["macs"] / 1e9 / yours.gmacs)) if yours.gmacs else 0.0
        rows[row.model] = far, size
    for model in sorted(rows, key=lambda name: rows[name][0])[:NEAREST]:
        yield Contender(subject=subjects.find(model), name=model, input=rows[model][1])
