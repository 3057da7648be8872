"""State what identifies each kind of record: one function per kind, called by writers and readers."""

from __future__ import annotations

from benchmark.config.conventions import COST_VERSION
from benchmark.config.latency import LATENCY_VERSION
from benchmark.config.packages import declarations
from benchmark.core.errors import InputError
from benchmark.core.records import record_id
from benchmark.models.registry import architecture_format, find_entry


def latency_version(model: str) -> int:
    """What the instrument and, for a network of this project, its entry declare."""
    try:
        return 100 * LATENCY_VERSION + find_entry(model).version
    except InputError:
        return 100 * LATENCY_VERSION


def latency_subject(model: str) -> str:
    """How records name a network: a file's is known by what it says, not by where it lies."""
    return find_entry(model).id if architecture_format(model) else model


COMMON_TERMS = ("mpii", "256x256")  # the head and the size at which all networks are compared on equal terms
NOT_APPLICABLE = "-"


def cost_record_id(model: str, dataset: str, size: str) -> str:
    """The id of the record that holds a model's cost; a change of the counter or of the model gives another."""
    version = 100 * COST_VERSION + find_entry(model).version
    return record_id(
        kind="cost", subject=model, dataset=dataset, split=NOT_APPLICABLE, protocol=size, metric="counts", version=version
    )


def description_record_id(package: str, table: str, metric: str) -> str:
    """The id of the record that holds what a package builds for a printed table: its ``structure`` or its ``readings``."""
    version = structure_version(package)
    return record_id(
        kind="architecture",
        subject=package,
        dataset=NOT_APPLICABLE,
        split=NOT_APPLICABLE,
        protocol=table,
        metric=metric,
        version=version,
    )


def structure_version(package: str) -> int:
    """What a package declares as ``STRUCTURE_VERSION``, to go up when what it builds or says of itself changes."""
    return declarations()[package].structure_version
