"""Published files of predicted joints, as data beside the networks: ``published_predictions.toml`` of each package.

Nothing of such a file is in the project: it is found by its path below the data root, and known by its hash.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Literal

from pydantic import StrictInt, TypeAdapter, ValidationError

from benchmark.config.conventions import Sides
from benchmark.core.errors import InputError
from benchmark.core.files import read_toml
from benchmark.models.registry import packages
from benchmark.papers.tables import Size, Text, no_unknown_fields

LISTING = "published_predictions.toml"

# Two classes that are never mixed: what a method's own authors released, and what others trained by its description.
PredictionEvidence = Literal["authors", "independent retraining"]


@no_unknown_fields
@dataclass(frozen=True, kw_only=True)
class PublishedPredictions:
    """One published file of predicted joints.

    Attributes:
        id: Name of the file in this project.
        method: The method as it is cited.
        year: Year of its publication.
        model: Id of the network; empty for a method that is none of this project's.
        dataset: Dataset whose people are predicted.
        split: Split of the dataset.
        input: Input size as ``HxW``; empty where it is not known.
        evidence: Who trained the network.
        sides: Whose left and right the joints are named by; see :class:`benchmark.config.conventions.PckPreset`.
        training: Data that the network was trained on; empty where the publication of the file does not say so.
        source: Who published the file, and what is known of how it came about.
        file: Path below the data root.
        sha256: Hash of the file.
        url: Address of the file.
        reported: Published values in percent, as printed, by part or ``Mean``.
        reported_metric: Metric of the published values.
        reported_source: Where they are published.
    """

    id: Text
    method: Text
    year: StrictInt
    model: str = ""
    dataset: Literal["mpii", "lsp"]
    split: Text
    input: Size | Literal[""] = ""
    evidence: PredictionEvidence
    sides: Sides = "person"
    training: str = ""
    source: Text
    file: Text
    sha256: Text
    url: Text
    reported: Mapping[str, Text] = field(default_factory=dict)
    reported_metric: str = ""
    reported_source: str = ""

    @property
    def subject(self) -> str:
        """The network, or else the file's own name: what records are about."""
        return self.model or self.id


@cache
def published_predictions() -> Mapping[str, PublishedPredictions]:
    """Return all published files by id, in the order of the packages' listings.

    Raises:
        InputError: a listing is malformed, or an id stands in two of them.
    """
    published: dict[str, PublishedPredictions] = {}
    for module in packages().values():
        listing = Path(module.__file__ or "").with_name(LISTING)
        for name, fields in (read_toml(listing) if listing.is_file() else {}).items():
            if name in published:
                raise InputError(f"{listing}: {name}: this id stands in another listing, too")
            try:
                published[name] = TypeAdapter(PublishedPredictions).validate_python({"id": name, **fields})
            except ValidationError as problem:
                place, message = problem.errors()[0]["loc"], problem.errors()[0]["msg"]
                raise InputError(f"{listing}: {name}: {'.'.join(map(str, place))}: {message}") from None
    return published


def published_on(dataset: str) -> list[PublishedPredictions]:
    """Return the published files of a dataset's people."""
    return [published for published in published_predictions().values() if published.dataset == dataset]
