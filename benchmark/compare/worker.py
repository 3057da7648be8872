"""The worker of accuracies: a process that builds one network with its weights, and predicts people.

It is run as ``python -m benchmark.compare.worker`` by :class:`benchmark.compare.accuracy.Trial`.
"""

from __future__ import annotations

import pickle
from dataclasses import replace
from pathlib import Path
from typing import Any

from benchmark.core.processes import Request, answer_requests
from benchmark.evaluation.inference import Predictions
from benchmark.models.external import resolve_model


class RequestHandler:
    """Answers requests; the network is built by the request ``open``."""

    def __init__(self) -> None:
        self.chunks: dict[int, dict[str, Predictions]] = {}  # by number, of all shards so far

    def handle(self, message: Request) -> dict[str, Any]:
        """Carry out a request, and return the reply.

        Raises:
            InputError: see :meth:`benchmark.compare.accuracy.Trial.evaluate`.
        """
        match message["request"]:
            case "open":
                self.trial, spec, name, weights, input_hw = pickle.loads(Path(message["file"]).read_bytes())
                self.external = replace(resolve_model(spec), name=name)
                self.backend = self.trial.load_backend(self.external, weights, input_hw)
            case "predict":
                counts: list[int] = []
                self.chunks |= self.trial.predict_shard(self.external, self.backend, tuple(message["shard"]), counts.append)
                return {"people": sum(counts)}
            case "save":
                predictions = self.trial.join_chunks(self.backend, self.chunks)
                Path(message["file"]).write_bytes(pickle.dumps((predictions, self.backend.input_hw)))
        return {}


if __name__ == "__main__":
    answer_requests(RequestHandler().handle)
