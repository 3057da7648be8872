"""Count the cost of the compared networks under every convention, and check that they predict heatmaps."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch

from benchmark.config.conventions import format_not_counted
from benchmark.config.identities import cost_record_id
from benchmark.core.errors import InputError
from benchmark.core.input_size import parse_size
from benchmark.core.processes import NetworkProcess
from benchmark.core.records import Record
from benchmark.cost.onnx import count_onnx
from benchmark.cost.records import HOW_COUNTED, CountedOn, describe_device, measure_cost, measure_external_cost, start_process
from benchmark.latency.timer import Timing
from benchmark.models.external import ExternalModel, resolve_model, user_code_errors
from benchmark.models.outputs import heatmap_misfit, joints_of_heatmaps
from benchmark.papers.tables import Table

NEAREST_ROWS = 3  # baselines taken from a printed table
DEFAULT_BASELINES = ("efficientpose_nas/A", "baselines/simple_baseline-r50")  # without a table


@dataclass(kw_only=True)
class Candidate:
    """A network that is compared: the new one, or a baseline.

    Attributes:
        external: The resolved model.
        name: Name to show.
        input: Input size as ``HxW``.
        file: Its weights or predictions.
        counts: ``{"params": ..., "flops": ..., "scopes": ...}``, whole numbers of one image of ``input``.
        counted_on: See :data:`benchmark.cost.records.CountedOn`.
        missing_reason: Why some counts are missing.
        count_note: How it was counted, if not as usual.
        no_heatmaps_reason: Why its accuracy cannot be measured, if it does not predict heatmaps.
        timing: Its latency, if it was timed.
        not_timed_reason: Why it could not be timed, if so.
    """

    external: ExternalModel
    name: str
    input: str
    file: Path | None = None
    counts: Mapping[str, Any] = field(default_factory=dict)
    counted_on: CountedOn = "meta"
    missing_reason: str = ""
    count_note: str = ""
    no_heatmaps_reason: str = ""
    timing: Timing | None = None
    not_timed_reason: str = ""

    @property
    def not_counted(self) -> str:
        """Operators that the counts leave out, as text; empty if there are none."""
        return format_not_counted(self.counts.get("not_counted", {}))

    @property
    def remarks(self) -> list[str]:
        """Remarks for a reader of the counts: where they are from, if not as usual, and what they leave out."""
        return [remark for remark in (HOW_COUNTED[self.counted_on], self.not_counted) if remark and self.counts.get("flops")]

    @property
    def gmacs(self) -> float | None:
        """True multiply-accumulates of one image in 10^9, if they were counted."""
        macs = self.counts.get("flops", {}).get("macs")
        return None if macs is None else macs / 1e9


def count_candidates(candidates: Sequence[Candidate], joints: int) -> None:
    """Count networks; the processes of those of users start together.

    Raises:
        InputError: see :func:`count_candidate`.
    """
    with ExitStack() as stack:
        processes = [
            None if external.model or external.onnx else stack.enter_context(start_process(external))
            for external in (candidate.external for candidate in candidates)
        ]
        for candidate, process in zip(candidates, processes, strict=True):
            count_candidate(candidate, joints, process)


def count_candidate(candidate: Candidate, joints: int, process: NetworkProcess | None) -> None:
    """Fill in the cost of a network, and whether it predicts heatmaps of ``joints`` joints.

    Args:
        process: That of a user's network.

    Raises:
        InputError: the network cannot be built, or a user's own network predicts another number of joints.
    """
    external, input_hw = candidate.external, parse_size(candidate.input)
    if external.model:
        candidate.counts = measure_cost(external.model, joints, *input_hw)
        return
    if external.onnx:
        candidate.counts, candidate.missing_reason = count_onnx(external.onnx, input_hw)
        candidate.counted_on = "file"
        try:
            network = external.build(joints, input_hw)
            with user_code_errors(external):
                output: Any = network(torch.zeros(1, 3, *input_hw))
        except InputError as problem:  # what onnxruntime cannot run may still be counted
            candidate.no_heatmaps_reason = f"{external.name} does not run: {problem}"
            return
        misfit, actual = heatmap_misfit(output, joints, "--joints"), joints_of_heatmaps(output)
    else:
        cost = measure_external_cost(external, joints, *input_hw, process)
        candidate.counts, candidate.counted_on, candidate.missing_reason = cost.counts, cost.device, cost.failure
        candidate.count_note = describe_device(cost)
        misfit, actual = cost.misfit, cost.joints
    if misfit:
        candidate.no_heatmaps_reason = f"{external.name} {misfit}"
        if external.predicts_heatmaps and actual is not None:
            raise InputError(candidate.no_heatmaps_reason)


def default_baselines(
    new_network: Candidate, table: Table | None, joints: int, records: Mapping[str, Record]
) -> Iterator[Candidate]:
    """Choose the baselines if the user names none: the rows of the table that are nearest in cost, each at its own size."""
    if table is None:
        for model in DEFAULT_BASELINES:
            if model == new_network.external.model:
                continue
            yield Candidate(external=resolve_model(model), name=model, input=new_network.input)
        return
    distances: dict[str, tuple[float, str]] = {}  # by model: the ratio of costs as a logarithm, and the input size
    for row in table.rows.values():
        if not row.model or row.model in distances or row.model == new_network.external.model:
            continue
        size = row.input or table.input or new_network.input
        record = records.get(cost_record_id(row.model, row.dataset or table.dataset, size))
        counts = record.value if record else measure_cost(row.model, joints, *parse_size(size))
        gmacs = counts["flops"]["macs"] / 1e9
        distances[row.model] = (abs(math.log(gmacs / new_network.gmacs)) if new_network.gmacs else 0.0), size
    for model in sorted(distances, key=lambda name: distances[name][0])[:NEAREST_ROWS]:
        yield Candidate(external=resolve_model(model), name=model, input=distances[model][1])
