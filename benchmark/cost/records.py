"""Measure the cost of a model and its parts, and describe it as a record."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any, Literal

from benchmark.config.identities import cost_identity
from benchmark.core.errors import InputError
from benchmark.core.keypoints import JOINT_COUNTS
from benchmark.core.processes import NetworkProcess, ProcessEndedError
from benchmark.core.records import Record, provenance
from benchmark.models.external import ExternalModel, user_code_errors
from benchmark.models.registry import build_on_meta, check_input_size, find_entry

Device = Literal["meta", "cpu"]
CountedOn = Literal["meta", "cpu", "file"]
# What a reader of the counts is told of each; a run without values is the usual one.
HOW_COUNTED: Mapping[CountedOn, str] = {
    "meta": "",
    "cpu": "counted in a run on the processor, with an image of zeros",
    "file": "counted from the nodes of an ONNX file",
}


def measure_cost(model: str, joints: int, height: int, width: int) -> dict[str, Any]:
    """Count parameters and operations of a model for one image, and of each of its named parts (``scopes``).

    ``not_counted`` names operators without a rule, if there are any.

    Raises:
        InputError: the model is unknown, or its network does not take images of this size.
    """
    from torch import nn  # here, so that a usage error is reported without waiting for torch

    from benchmark.cost.counters import count_operations, count_trace
    from benchmark.cost.trace import count_parameters, trace_network

    check_input_size(model, (height, width))
    entry = find_entry(model)
    network = build_on_meta(model, joints=joints)
    try:
        trace = trace_network(network, height, width)
    except RuntimeError as error:
        raise InputError(f"{model} cannot run on {height}x{width} images: {str(error).splitlines()[0]}") from None
    scopes = {
        name: {
            "params": count_parameters(nn.ModuleList(network.get_submodule(part) for part in parts), trace.multiplied),
            "flops": count_operations(trace.within(parts)),
        }
        for name, parts in entry.scopes.items()
    }
    return count_trace(trace) | {"scopes": scopes}


@dataclass(frozen=True, kw_only=True)
class ExternalCost:
    """Cost of a network that is not this project's.

    Attributes:
        counts: ``{"params": ..., "flops": ..., "scopes": ...}``, as :func:`measure_cost` returns them.
        device: Where the network ran: ``meta`` without values, or ``cpu``.
        off_meta_reason: Why it could not run without values, if it ran on the processor.
        failure: Why it could not run at all, if so; its operations are then not counted.
        misfit: How its output differs from heatmaps; see :func:`benchmark.models.outputs.heatmap_misfit`.
        joints: Number of joints of the heatmaps, if it returns some.
    """

    counts: dict[str, Any]
    device: Device
    off_meta_reason: str = ""
    failure: str = ""
    misfit: str = ""
    joints: int | None = None


def start_process(external: ExternalModel) -> NetworkProcess:
    """Start the process in which a network is counted."""
    return NetworkProcess("benchmark.cost.worker", external.name)


def measure_external_cost(
    external: ExternalModel, joints: int, height: int, width: int, process: NetworkProcess | None = None
) -> ExternalCost:
    """Count parameters and operations of a network that is not this project's, in a process of its own.

    A network that needs the values of its tensors runs on the processor, any other without values on the meta device.

    Args:
        process: Of :func:`start_process`; by default a new one.

    Raises:
        InputError: the network cannot be built.
    """

    def count_on(device: Device, process: NetworkProcess) -> ExternalCost:
        arguments = {"spec": external.spec, "name": external.name, "joints": joints, "height": height, "width": width}
        try:
            return ExternalCost(device=device, **process.ask("count", device=device, **arguments))
        except ProcessEndedError as problem:
            return ExternalCost(counts={"params": {}, "flops": {}, "scopes": {}}, device=device, failure=str(problem))

    with process or start_process(external) as first:
        cost = count_on("meta", first)
    if not cost.failure:
        return cost
    with start_process(external) as second:  # knows nothing of the first, so that the network is again built for the first time
        return replace(count_on("cpu", second), off_meta_reason=cost.failure)


def describe_device(cost: ExternalCost) -> str:
    """Say that a network was counted in a run on the processor, and why; nothing of one that ran without values."""
    if not cost.off_meta_reason or cost.failure:
        return ""
    return f"{HOW_COUNTED[cost.device]}; without values: {cost.off_meta_reason}"


def count_external(external: ExternalModel, joints: int, height: int, width: int, device: Device) -> dict[str, Any]:
    """Build, run and count a network in this process, and return the fields of :class:`ExternalCost`.

    Raises:
        InputError: the network cannot be built.
    """
    import torch

    from benchmark.cost.counters import count_trace
    from benchmark.cost.trace import count_parameters, trace_network
    from benchmark.models.outputs import heatmap_misfit, joints_of_heatmaps

    network = external.build(joints, (height, width))
    try:
        # Tensors that the network creates while it runs, such as positions, must be on the device of its weights.
        with user_code_errors(external), torch.device(device):
            trace = trace_network(network, height, width, device=device)
    except InputError as problem:
        params = count_parameters(network)
        del params["weights"]  # only a run shows which parameters are multiplied
        return {"counts": {"params": params, "flops": {}, "scopes": {}}, "failure": str(problem)}
    return {
        "counts": count_trace(trace) | {"scopes": {}},
        "misfit": heatmap_misfit(trace.output, joints, "--joints"),
        "joints": joints_of_heatmaps(trace.output),
    }


def cost_record(model: str, dataset: str, size: str, counts: dict[str, Any]) -> Record:
    """Return the record of a model's cost at one input size, with the head for one dataset."""
    joints = JOINT_COUNTS.get(dataset) or int(dataset.split()[0])
    return Record(
        **cost_identity(model, dataset, size),
        value=counts,
        **provenance(f"python -m benchmark.measure cost {model} --input {size} --joints {joints}"),
    )
