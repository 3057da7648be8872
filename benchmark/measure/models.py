"""The command ``python -m benchmark.measure models``: list the networks of this project."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Annotated, Literal

import tyro
from typing_extensions import TypedDict  # typing.TypedDict cannot be validated by pydantic before Python 3.12

from benchmark.core.errors import InputError
from benchmark.models.registry import LIST_MODELS, Entry, Evidence, entries


@dataclass
class ModelsCommand:
    """List the networks of this project: ids, the input sizes of their papers, and switches with the values that they take.

    An id with switches is written as in efficientpose_nas/A+sic=off+width=64. Other sizes can be given, too, if both sides are
    multiples of the number in the list.

    Example: python -m benchmark.measure models hrnet
    """

    text: Annotated[str, tyro.conf.Positional] = ""
    """Only the networks with this text in their ids."""
    json: bool = False
    """Print JSON."""

    def __call__(self) -> None:
        """Print the list.

        Raises:
            InputError: no id contains the text.
        """
        chosen = [entry for entry in entries().values() if self.text in entry.id]
        if not chosen:
            raise InputError(f"no model has {self.text!r} in its id; {LIST_MODELS} lists all")
        print(json.dumps(models_report(chosen)) if self.json else format_models(chosen))


class ListedModel(TypedDict):
    """One network; ``switches`` has the values of each switch, ``multiple`` and ``smallest`` the sides of other images."""

    id: str
    inputs: list[str]
    multiple: int
    smallest: int
    switches: dict[str, list[str]]
    evidence: Evidence


class ModelsReport(TypedDict):
    """The output of ``python -m benchmark.measure models --json``."""

    schema: Literal[1]
    models: list[ListedModel]


def models_report(listed: Sequence[Entry]) -> ModelsReport:
    """Return the content of ``--json``."""
    models: list[ListedModel] = [
        {
            "id": entry.id,
            "inputs": list(entry.inputs),
            "multiple": entry.multiple,
            "smallest": max(entry.multiple, entry.smallest),
            "switches": {switch: list(values) for switch, values in entry.switches.items()},
            "evidence": entry.evidence,
        }
        for entry in listed
    ]
    return {"schema": 1, "models": models}


def format_models(listed: Sequence[Entry]) -> str:
    """Format the list as text: a line for each network, and one for each of its switches."""
    width = max(len(entry.id) for entry in listed)
    lines = []
    for entry in listed:
        others = f", or multiples of {entry.multiple}" * (entry.multiple > 1)
        lines.append(f"{entry.id:{width}}  {', '.join(entry.inputs)}{others}")
        lines += [f"    +{switch}={'|'.join(values)}" for switch, values in entry.switches.items()]
    return "\n".join(lines)
