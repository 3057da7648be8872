"""An evaluation as records: what identifies it, finding it again, and showing it."""

from __future__ import annotations

import hashlib
import sys
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from benchmark.config.protocols import PROTOCOLS_VERSION
from benchmark.core import records
from benchmark.core.input_size import parse_size
from benchmark.core.records import OVER, Record, append_record, load_records, record_id
from benchmark.data.people import People
from benchmark.evaluation.backends import Backend
from benchmark.evaluation.inference import INFERENCE_VERSION, Predictions
from benchmark.evaluation.scoring import SCORING_VERSION, MetricResult, MetricResults, metric_names
from benchmark.models.registry import canonical_id, find_entry
from benchmark.pipeline.batches import BATCHES_VERSION
from benchmark.pipeline.crops import CROPS_VERSION
from benchmark.pipeline.decode import DECODE_VERSION

EVALUATION_VERSION = sum(
    (BATCHES_VERSION, CROPS_VERSION, DECODE_VERSION, INFERENCE_VERSION, PROTOCOLS_VERSION, SCORING_VERSION)
)


@dataclass(frozen=True, kw_only=True)
class Evaluation:
    """One network with one file of weights on one split, under the protocols ``names``, each compared with the first."""

    model: str
    weights: str  # the file's name
    sha256: str
    dataset: str
    split: str
    names: tuple[str, ...]
    unusual: tuple[str, ...] = ()

    @classmethod
    def of(
        cls, model: str, weights: Path, backend: Backend, people: People, names: Sequence[str], boxes: Path | None
    ) -> Evaluation:
        """What is unusual, against what the model's package publishes, stands in the records' protocol: the input's size,
        the weights, and boxes of a detector."""
        unusual = []
        if backend.input_hw != parse_size(find_entry(model).inputs[0]):
            unusual.append("x".join(str(side) for side in backend.input_hw))
        if not backend.published:
            unusual.append(f"weights {backend.sha256[:8]}")
        if boxes:
            unusual.append(f"boxes {hashlib.sha256(boxes.read_bytes()).hexdigest()[:8]}")
        return cls(
            model=canonical_id(model),
            weights=weights.name,
            sha256=backend.sha256,
            dataset=people.dataset,
            split=people.split,
            names=tuple(names),
            unusual=tuple(unusual),
        )

    def parts(self) -> Iterator[tuple[str, str, str]]:
        """Protocol, metric and reference protocol ("" for the figure itself) of every record."""
        for name in self.names:
            for metric in metric_names(self.dataset):
                yield name, metric, ""
                if name != self.names[0]:
                    yield name, metric, self.names[0]

    def identity(self, name: str, metric: str, reference: str) -> dict[str, Any]:
        """What identifies one of its records."""
        return {
            "kind": "accuracy",
            "subject": self.model,
            "dataset": self.dataset,
            "split": self.split,
            "protocol": "; ".join([name, *self.unusual]),
            "metric": f"{metric}{OVER}{reference}" if reference else metric,
            "version": 100 * EVALUATION_VERSION + find_entry(self.model).version,
        }

    def on_record(self, folder: Path) -> list[Record]:
        """All its records, if every one is there and was measured with these weights; else none."""
        known = load_records(folder)
        ids = [record_id(**self.identity(*part)) for part in self.parts()]
        found = [known[i] for i in ids if i in known and _weights(known[i]) == self.sha256]
        return found if len(found) == len(ids) else []

    def records(self, predictions: Mapping[str, Predictions], figures: MetricResults, persons: int) -> list[Record]:
        """A record for every figure and every paired difference."""
        provenance = records.provenance()
        made = []
        for name, metric, reference in self.parts():
            figure = figures[name][metric]
            samples: dict[str, Any] = {"sha256": predictions[name].sha256(), "weights": [self.weights, self.sha256]}
            if reference:
                against = figures[reference][metric]
                figure = MetricResult(figure.value - against.value, figure.replicates - against.replicates, {})
                samples["reference_sha256"] = predictions[reference].sha256()
            elif figure.parts:
                samples["parts"] = dict(figure.parts)
            made.append(
                Record(
                    **self.identity(name, metric, reference),
                    value=figure.value,
                    n=persons,
                    interval=figure.interval() if np.isfinite(figure.replicates).any() else None,
                    samples=samples,
                    **provenance,
                )
            )
        return made

    def keep(self, made: Sequence[Record], folder: Path) -> None:
        """Add records to those kept; a line on stderr says so where other weights of the same model stand there."""
        there = [record.id for record in made if not append_record(record, folder)]
        known = load_records(folder) if there else {}
        if any(_weights(known[i]) != self.sha256 for i in there):
            print(f"not recorded: {self.model} stands there with other published weights than {self.weights}", file=sys.stderr)


def _weights(record: Record) -> str:
    return (record.samples or {}).get("weights", ["", ""])[1]


def format_evaluation(made: Sequence[Record]) -> str:
    """Figures for reading, one line a protocol and metric."""
    first = made[0]
    unit = "fractions" if first.dataset.endswith("coco") else "percent"
    lines = [f"{first.subject} on {first.dataset} {first.split}: {first.n} persons, {unit}, 95 % intervals"]
    for record in made:
        low, high = record.interval or (float("nan"),) * 2
        name = record.protocol.partition(";")[0]
        places = 3 if first.dataset.endswith("coco") else 2
        sign = "+" if " over " in record.metric else ""
        parts = "  ".join(f"{part} {value:.1f}" for part, value in (record.samples or {}).get("parts", {}).items())
        value = f"{record.value:{sign}.{places}f}"
        lines.append(
            f"{name:32}{record.metric:34}{value:>8}  [{low:{sign}.{places}f}, {high:{sign}.{places}f}]  {parts}".rstrip()
        )
    return "\n".join(lines)


def evaluation_report(evaluation: Evaluation, made: Sequence[Record]) -> dict[str, Any]:
    """What ``--json`` prints; see schemas/evaluate.schema.json."""
    results = [
        {
            "protocol": record.protocol,
            "metric": record.metric,
            "value": record.value,
            "ci95": list(record.interval) if record.interval else None,
            "parts": (record.samples or {}).get("parts", {}),
            "record": record.id,
        }
        for record in made
    ]
    return {
        "schema": 1,
        "model": evaluation.model,
        "dataset": evaluation.dataset,
        "split": evaluation.split,
        "n": made[0].n if made else None,
        "results": results,
    }
