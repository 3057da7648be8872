"""Measure the cost of a model and its parts, and write it as a record."""

from __future__ import annotations

from typing import Any

from benchmark.config.identities import cost_identity
from benchmark.core.errors import InputError
from benchmark.core.keypoints import JOINT_COUNTS
from benchmark.core.records import Record, provenance
from benchmark.models.registry import build_on_meta, check_input_size, find_entry


def measure_cost(model: str, joints: int, height: int, width: int) -> dict[str, Any]:
    """Whole-number counts of a model and of its named parts (``scopes``).

    Raises:
        InputError: unknown model, or a size that the network refuses.
    """
    from torch import nn  # a usage error needs no torch

    from benchmark.cost.counters import count_operations
    from benchmark.cost.trace import count_parameters, trace_network

    check_input_size(model, (height, width))
    entry = find_entry(model)
    network = build_on_meta(model, joints=joints)
    try:
        trace = trace_network(network, height, width)
    except RuntimeError as problem:
        raise InputError(f"{model} takes no {height}x{width} image: {str(problem).splitlines()[0]}") from None
    scopes = {
        name: {
            "params": count_parameters(nn.ModuleList(network.get_submodule(part) for part in parts)),
            "flops": count_operations(trace.within(parts)),
        }
        for name, parts in entry.scopes.items()
    }
    return {"params": trace.params, "flops": count_operations(trace.ops), "scopes": scopes}


def cost_record(model: str, dataset: str, size: str, counts: dict[str, Any]) -> Record:
    """The record of one model's cost at one size with one dataset's head."""
    joints = JOINT_COUNTS.get(dataset) or int(dataset.split()[0])
    return Record(
        **cost_identity(model, dataset, size),
        value=counts,
        **provenance(f"python -m benchmark.measure cost {model} --input {size} --joints {joints}"),
    )
