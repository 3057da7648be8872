"""Measure the cost of a model and its parts, and describe it as a record."""

from __future__ import annotations

from typing import Any

from benchmark.config.identities import cost_identity
from benchmark.core.errors import InputError
from benchmark.core.keypoints import JOINT_COUNTS
from benchmark.core.records import Record, provenance
from benchmark.models.external import ExternalModel, user_code_errors
from benchmark.models.registry import build_on_meta, check_input_size, find_entry


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


def measure_external_cost(external: ExternalModel, joints: int, height: int, width: int) -> tuple[dict[str, Any], Any]:
    """Count parameters and operations of a network that is not this project's, and return also its output for the image.

    A network that asks for the values of its tensors runs on the processor, any other without values on the meta device.

    Raises:
        InputError: the network cannot be built, or cannot run on images of this size.
    """
    import torch

    from benchmark.cost.counters import count_trace
    from benchmark.cost.trace import trace_network

    def count_on(device: str) -> tuple[dict[str, Any], Any]:
        network = external.build(joints, (height, width))
        # Tensors that the network creates while it runs, such as positions, must be on the device of its weights.
        with user_code_errors(external), torch.device(device):
            trace = trace_network(network, height, width, device=device)
        return count_trace(trace) | {"scopes": {}}, trace.output

    try:
        return count_on("meta")
    except InputError:
        return count_on("cpu")  # its error, if there is one, is that of the network in use


def cost_record(model: str, dataset: str, size: str, counts: dict[str, Any]) -> Record:
    """Return the record of a model's cost at one input size, with the head for one dataset."""
    joints = JOINT_COUNTS.get(dataset) or int(dataset.split()[0])
    return Record(
        **cost_identity(model, dataset, size),
        value=counts,
        **provenance(f"python -m benchmark.measure cost {model} --input {size} --joints {joints}"),
    )
