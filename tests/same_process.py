"""Answer the requests to a network in this process, where the process is not what is tested: a new one imports torch."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from typing import Any, Self

import benchmark.compare.worker
import benchmark.cost.worker
from benchmark.core.processes import Request, answer_request, read_answer

HANDLERS: Mapping[str, Callable[[], Callable[[Request], dict[str, Any]]]] = {
    "benchmark.compare.worker": lambda: benchmark.compare.worker.RequestHandler().handle,
    "benchmark.cost.worker": lambda: benchmark.cost.worker.handle,
}


class SameProcess:
    """Take the place of :class:`benchmark.core.processes.NetworkProcess`: requests and answers are JSON here, too."""

    def __init__(self, module: str, network: str) -> None:
        self.network = network
        self.handle = HANDLERS[module]()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        pass

    def ask(self, request: str, **arguments: object) -> dict[str, Any]:
        message = json.loads(json.dumps({"request": request, **arguments}))
        return read_answer(json.loads(json.dumps(answer_request(self.handle, message))), self.network)
