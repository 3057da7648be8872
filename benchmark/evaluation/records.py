"""Write an evaluation as records, find it again, and format it."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, cast

import numpy as np
from typing_extensions import TypedDict  # typing.TypedDict cannot be validated by pydantic before Python 3.12

from benchmark.config.identities import Identity, describe_evaluation, evaluation_identity
from benchmark.core.errors import print_note
from benchmark.core.input_size import parse_size
from benchmark.core.records import Record, append_records, load_records, provenance, record_id
from benchmark.data.people import People, inventory_digest
from benchmark.evaluation.arguments import TestDataset
from benchmark.evaluation.backends import Backend
from benchmark.evaluation.inference import Predictions
from benchmark.evaluation.scoring import MetricResult, MetricResults, metric_names
from benchmark.models.checkpoints import AUTHORS, Checkpoint
from benchmark.models.registry import canonical_id, find_entry


@dataclass(frozen=True, kw_only=True)
class Evaluation:
    """One network with one weight file on one split, under the protocols ``names``; each is compared with the first.

    Attributes:
        weights: The file's name.
        sha256: The file's hash.
        size: The input size, where it is not the model's first.
        weights_hash: The beginning of the hash, where the weights are not those that the paper's authors published.
        published: The published checkpoint that the file is, if it is one.
        boxes_hash: The beginning of the detection file's hash, where boxes come from a detector.
        data: The digest of the annotations and of the photographs' names and sizes; empty if a photograph is missing.
    """

    model: str
    weights: str
    sha256: str
    dataset: str
    split: str
    names: tuple[str, ...]
    size: str = ""
    weights_hash: str = ""
    published: Checkpoint | None = None
    boxes_hash: str = ""
    data: str = ""

    @classmethod
    def of(
        cls, model: str, weights: Path, backend: Backend, people: People, names: Sequence[str], boxes: Path | None
    ) -> Evaluation:
        """Return the evaluation of a backend on these people."""
        usual_size = backend.input_hw == parse_size(find_entry(model).inputs[0])
        return cls(
            model=canonical_id(model),
            weights=weights.name,
            sha256=backend.sha256,
            dataset=people.dataset,
            split=people.split,
            names=tuple(names),
            size="" if usual_size else "x".join(str(side) for side in backend.input_hw),
            weights_hash="" if backend.published and backend.published.evidence == AUTHORS else backend.sha256[:8],
            published=backend.published,
            boxes_hash=hashlib.sha256(boxes.read_bytes()).hexdigest()[:8] if boxes else "",
            data=inventory_digest(people),
        )

    def parts(self) -> Iterator[tuple[str, str, str]]:
        """Iterate over protocol, metric and reference protocol ("" for the metric itself) of every record."""
        for name in self.names:
            for metric in metric_names(self.dataset):
                yield name, metric, ""
                if name != self.names[0]:
                    yield name, metric, self.names[0]

    def identity(self, protocol: str, metric: str, over: str) -> Identity:
        """Return the identity of one of the records."""
        return evaluation_identity(
            self.model,
            self.dataset,
            self.split,
            protocol,
            metric,
            over=over,
            size=self.size,
            weights=self.weights_hash,
            boxes=self.boxes_hash,
            evidence=self.published.evidence if self.published and self.published.evidence != AUTHORS else "",
        )

    def on_record(self, folder: Path) -> list[Record]:
        """Return all records of this evaluation; an empty list if one is missing, or rests on other weights or photographs."""
        stored = load_records(folder)
        ids = [record_id(self.identity(*part)) for part in self.parts()]
        records = [stored[id_] for id_ in ids if id_ in stored and not self._difference(stored[id_])]
        return records if len(records) == len(ids) else []

    def _difference(self, record: Record) -> str:
        """Say what a record of the same identity rests on that this evaluation does not, or return ``""``."""
        samples = record.samples or {}
        if samples.get("weights", ["", ""])[1] != self.sha256:
            return f"other published weights than {self.weights}"
        # Older records do not tell; without all photographs, nobody can.
        data = samples.get("data", "")
        return f"other photographs or annotations of {self.dataset}" if data and self.data and data != self.data else ""

    def records(self, predictions: Mapping[str, Predictions], results: MetricResults, people: int) -> list[Record]:
        """Return a record for every metric and every paired difference."""
        origin = provenance()
        records = []
        for name, metric, reference in self.parts():
            result = results[name][metric]
            samples: dict[str, Any] = {"sha256": predictions[name].sha256(), "weights": [self.weights, self.sha256]}
            if self.data:
                samples["data"] = self.data
            if self.published:
                samples["published"] = {"id": self.published.id, "evidence": self.published.evidence}
            if reference:
                reference_result = results[reference][metric]
                replicates = result.replicates - reference_result.replicates
                result = MetricResult(result.value - reference_result.value, replicates, {})
                samples["reference_sha256"] = predictions[reference].sha256()
            elif result.parts:
                samples["parts"] = dict(result.parts)
            records.append(
                Record(
                    **self.identity(name, metric, reference),
                    value=result.value,
                    n=people,
                    interval=result.interval() if np.isfinite(result.replicates).any() else None,
                    samples=samples,
                    **origin,
                )
            )
        return records

    def keep(self, records: Sequence[Record], folder: Path) -> None:
        """Append the records that are not in the store yet; print a note if those in the store rest on something else."""
        added = set(append_records(records, folder))
        present = [record.id for record in records if record.id not in added]
        stored = load_records(folder) if present else {}
        if difference := next((text for id_ in present if (text := self._difference(stored[id_]))), ""):
            print_note(f"not recorded: the records of {self.model} were measured with {difference}")


def metric_label(record: Record) -> str:
    """Name a record's metric, and the protocol from which it is the difference, if it is one."""
    over = record.setting.get("over")
    return f"{record.metric} over {over}" if over else record.metric


def format_evaluation(records: Sequence[Record]) -> str:
    """Format the records as text, one line per protocol and metric."""
    first = records[0]
    unit = "fractions" if first.dataset.endswith("coco") else "percent"
    lines = [f"{first.subject} on {first.dataset} {first.split}: {first.n} people, {unit}, 95 % intervals"]
    if published := (first.samples or {}).get("published"):
        lines[0] += f"; {published['evidence']}, {published['id']}"
    for record in records:
        low, high = record.interval or (float("nan"),) * 2
        places = 3 if first.dataset.endswith("coco") else 2
        sign = "+" if record.setting["over"] else ""
        parts = "  ".join(f"{part} {value:.1f}" for part, value in (record.samples or {}).get("parts", {}).items())
        value = f"{record.value:{sign}.{places}f}"
        interval = f"[{low:{sign}.{places}f}, {high:{sign}.{places}f}]"
        lines.append(f"{record.protocol:32}{metric_label(record):34}{value:>8}  {interval}  {parts}".rstrip())
    return "\n".join(lines)


class MetricReport(TypedDict):
    """One metric under one protocol.

    Attributes:
        setting: Differences from the published input size, weights and boxes.
        over: The protocol from which the value is the paired difference; empty for the metric itself.
        ci95: The 95 % interval [low, high].
        parts: Values of single joints or limbs.
        record: The record's id.
    """

    protocol: str
    setting: str
    metric: str
    over: str
    value: float
    ci95: list[float] | None
    parts: dict[str, float]
    record: str


class EvaluationReport(TypedDict):
    """The output of ``python -m benchmark.evaluate --json``.

    Attributes:
        n: Number of people; None without results.
        results: Empty where labels are hidden and only a submission was written.
    """

    schema: Literal[2]
    model: str
    dataset: TestDataset
    split: str
    n: int | None
    results: list[MetricReport]


def evaluation_report(evaluation: Evaluation, records: Sequence[Record]) -> EvaluationReport:
    """Return the content of ``--json``."""
    results: list[MetricReport] = [
        {
            "protocol": record.protocol,
            "setting": describe_evaluation(record.setting),
            "metric": record.metric,
            "over": record.setting["over"],
            "value": record.value,
            "ci95": list(record.interval) if record.interval else None,
            "parts": (record.samples or {}).get("parts", {}),
            "record": record.id,
        }
        for record in records
    ]
    return {
        "schema": 2,
        "model": evaluation.model,
        "dataset": cast(TestDataset, evaluation.dataset),
        "split": evaluation.split,
        "n": records[0].n if records else None,
        "results": results,
    }
