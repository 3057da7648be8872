"""The worker of counts: a process that builds one network, runs it and counts its operations.

It is run as ``python -m benchmark.cost.worker`` by :func:`benchmark.cost.records.measure_external_cost`.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import torch

from benchmark.core.processes import Request, answer_requests
from benchmark.cost.records import count_external
from benchmark.models.external import resolve_model


def handle(message: Request) -> dict[str, Any]:
    """Count the network of a request, and return the fields of :class:`benchmark.cost.records.ExternalCost`.

    Raises:
        InputError: the network cannot be found or built.
    """
    external = replace(resolve_model(message["spec"]), name=message["name"])
    torch.manual_seed(0)  # what a detector computes depends on its random weights
    return count_external(external, message["joints"], message["height"], message["width"], message["device"])


if __name__ == "__main__":
    answer_requests(handle)
