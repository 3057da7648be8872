"""The zoo: weights that others published, as data beside the networks, in each package's ``checkpoints.csv``."""

from __future__ import annotations

import csv
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Literal

from pydantic import ConfigDict, TypeAdapter, ValidationError, with_config

from benchmark.core.errors import InputError
from benchmark.core.files import data_root
from benchmark.models.registry import find_entry, packages

FILE = "checkpoints.csv"
Evidence = Literal["authors' weights", "another publisher's retraining"]
AUTHORS, RETRAINING = "authors' weights", "another publisher's retraining"


@with_config(ConfigDict(extra="forbid"))
@dataclass(frozen=True, kw_only=True)
class Checkpoint:
    """One weight file that its publisher offers to everyone.

    Attributes:
        id: ``<publisher>/<name>``; ``python -m benchmark.data fetch weights/<id>`` gets the file.
        model: The network.
        evidence: Who trained the network: the authors of its paper, or somebody else by another recipe.
        dataset: Dataset that it was trained on, whose joints it predicts.
        input: Input size ``HxW`` that it was trained for.
        file: Name below the publisher's folder of the data root; empty where the publisher prints figures and offers no file.
        sha256: Beginning of the file's SHA-256, as the publisher states it; empty where none is stated.
        bytes: Size of the file; 0 where it is not known.
        url: Address of the file; empty where it can only be had from the page.
        page: Page on which the publisher offers it.
        reported: Accuracies that the publisher prints for it, as ``AP=0.746; AR=0.799``.
    """

    id: str
    model: str
    evidence: Evidence
    dataset: Literal["mpii", "coco"]
    input: str
    file: str
    sha256: str
    bytes: int
    url: str
    page: str
    reported: str

    @property
    def publisher(self) -> str:
        """Return the publisher's short name."""
        return self.id.partition("/")[0]

    @property
    def path(self) -> Path:
        """Return the file's path below the data root."""
        return Path("weights") / self.publisher / self.file

    def is_of_variant(self, model: str) -> bool:
        """Return whether the network is a variant of ``model``, whose id has no switches."""
        return self.model != model and self.model.split("+")[0] == model

    def figures(self) -> Mapping[str, str]:
        """Return the accuracies that the publisher prints, by its names of the metrics."""
        pairs = (part.partition("=") for part in self.reported.split("; ") if part)
        return {name: value for name, _, value in pairs}


@cache
def checkpoints() -> Mapping[str, Checkpoint]:
    """Return the published checkpoints of all packages, by id.

    Raises:
        InputError: A row is malformed, or an id is listed twice.
    """
    row_type = TypeAdapter(Checkpoint)
    by_id: dict[str, Checkpoint] = {}
    for module in packages().values():
        path = Path(module.__file__ or "").with_name(FILE)
        if not path.is_file():
            continue
        with open(path, newline="", encoding="utf-8") as file:
            for number, row in enumerate(csv.DictReader(file), start=2):
                try:
                    checkpoint = row_type.validate_python(row)
                except ValidationError as problem:
                    error = problem.errors()[0]
                    raise InputError(f"{path}:{number}: {'.'.join(map(str, error['loc']))}: {error['msg']}") from None
                if checkpoint.id in by_id:
                    raise InputError(f"{path}:{number}: checkpoint {checkpoint.id} is listed twice")
                by_id[checkpoint.id] = checkpoint
    return by_id


def find_published(model: str, path: Path, sha256: str) -> Checkpoint | None:
    """Return which published checkpoint of a model a file is, by its digest; None if it is none.

    Where the publisher states no digest, the file is known by its place in the data root.

    Raises:
        InputError: The file has the name of a published one, and another digest.
    """
    base = model.split("+")[0]
    candidates = [c for c in checkpoints().values() if c.file and c.model.split("+")[0] == base]
    for candidate in candidates:
        if candidate.sha256 and sha256.startswith(candidate.sha256):
            return candidate
    for candidate in candidates:
        if candidate.sha256 and candidate.path.name == path.name:
            size = path.stat().st_size
            if size < candidate.bytes:
                raise InputError(f"{path} is truncated: {size:,} of {candidate.bytes:,} bytes")
            raise InputError(
                f"{path} is not the published file: sha256 {sha256}, expected {candidate.sha256}; "
                f"get it by `python -m benchmark.data fetch weights/{candidate.id}`, or rename yours"
            )
        if not candidate.sha256 and path.resolve() == (data_root() / candidate.path).resolve():
            return candidate
    return None


def published_for(model: str, dataset: str, size: str) -> list[Checkpoint]:
    """Return the published files that a row of a table can be measured with: the first of the authors, the first of others.

    They were trained for the same dataset and input size, for the network itself, or for a variant of it.
    """
    candidates = [
        checkpoint
        for checkpoint in checkpoints().values()
        if checkpoint.file and (checkpoint.dataset, checkpoint.input) == (dataset, size)
    ]
    fitting = [c for c in candidates if c.model == model] + [c for c in candidates if c.is_of_variant(model)]
    first = {checkpoint.evidence: checkpoint for checkpoint in reversed(fitting)}
    return [first[evidence] for evidence in (AUTHORS, RETRAINING) if evidence in first]


def published_commands(model: str, dataset: str, size: str, options: str = "") -> str:
    """Return the commands that get a network's published weights and evaluate them; empty if there are none.

    Args:
        options: Further options of the evaluation, with a space before each.
    """
    commands = []
    for checkpoint in published_for(model, dataset, size):
        by_hand = "" if checkpoint.url else " (by hand)"
        default = find_entry(checkpoint.model).inputs[0]
        size_option = "" if checkpoint.input == default else f" --input {checkpoint.input}"
        evaluate = f"python -m benchmark.evaluate {checkpoint.model} --weights {checkpoint.path} --dataset {dataset}"
        fetch = f"python -m benchmark.data fetch weights/{checkpoint.id}{by_hand}"
        commands.append(f"{checkpoint.evidence}: {fetch}, then {evaluate}{size_option}{options}")
    return "; or ".join(commands)
