"""Architectures as files: the branches that each stage runs, and the operations of the two kinds of cell.

A search writes such a file, ``<name>.autopose.toml``, and a training reads it; this module does not need torch. The format is
TOML, with the keys of :class:`Architecture` and ``schema = 1``; ``example.autopose.toml`` is an example. A node is a table from
its inputs to the operation on each: ``input`` is the input of an individual cell, ``1/4`` to ``1/32`` are the scales that enter
an aggregation cell, and ``node1``, ``node2``, ... are the earlier nodes of the same cell. An aggregation cell without nodes is
a plain concatenation, as in the ablation of Table 4.

Assumptions, where the public text is incomplete:

* *Operations.* The paper lists three convolutions, two poolings and the skip. The words before "convolution" are set as
  formulas and missing from the text. A word such as "separable" would have remained, so they are taken to be plain convolutions
  with the three usual kernels 1, 3 and 5. Pooling is 3x3, as in DARTS, GDAS and Auto-DeepLab.
* *Scales.* 1/4 to 1/32: the two strides of the stem give 1/4, and there are four branches, one stride apart, as in HRNet.
* *Edges.* Eq. 2 sums over all earlier nodes; the text does not say how many the derived cell keeps. A node may name any of
  them, at least one. In an aggregation cell every node must name all four scales (inactive ones are left out when a network is
  built), and may name earlier nodes.
"""

from __future__ import annotations

import json
import re
import tomllib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cache
from itertools import product
from pathlib import Path
from typing import Annotated, Literal, get_args

from pydantic import AfterValidator, BeforeValidator, ConfigDict, Field, TypeAdapter, ValidationError, with_config

from benchmark.config.searches import DiagramBox
from benchmark.core.errors import InputError
from benchmark.models.registry import ArchitectureFormat

SUFFIX = ".autopose.toml"
FOLDER = Path(__file__).parent
EXAMPLE = FOLDER / f"example{SUFFIX}"

STAGES, MODULES, CELLS = 3, 2, 2  # stages, multi-scale modules per stage, individual cells per branch of a module (Sec. 3.1)
SKIP = "skip"
Operation = Literal["conv_1x1", "conv_3x3", "conv_5x5", "avg_pool_3x3", "max_pool_3x3", "skip"]
OPERATIONS: tuple[str, ...] = get_args(Operation)
SCALES = ("1/4", "1/8", "1/16", "1/32")


def _refuse_other_types(value: object) -> object:
    if isinstance(value, bool | str):
        raise ValueError(f"must be a whole number, not {value!r}")
    return value


def _require_scales(edges: dict[str, str]) -> dict[str, str]:
    for scale in SCALES:
        if scale not in edges:
            raise ValueError(f"{scale!r} is missing")
    return edges


# Types of the fields of Architecture, against which a file is validated.
Name = Annotated[str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9_.-]*$")]
Line = Annotated[str, Field(pattern=r"^[^\x00-\x1f\x7f]*$")]  # one line, which _quote can write
Channels = Annotated[int, Field(ge=4), BeforeValidator(_refuse_other_types)]
Runs = Annotated[Literal[0, 1], BeforeValidator(_refuse_other_types)]
Vector = Annotated[tuple[Runs, ...], Field(min_length=4, max_length=4)]  # 1 for each branch that runs, finest first
Node = Mapping[str, str]  # input -> operation
IndividualNode = Annotated[dict[Annotated[str, Field(pattern="^(input|node[1-9][0-9]*)$")], Operation], Field(min_length=1)]
AggregationNode = Annotated[
    dict[Annotated[str, Field(pattern="^(1/(4|8|16|32)|node[1-9][0-9]*)$")], Operation], AfterValidator(_require_scales)
]
Branches = Literal["searched", "single", "all"]
VECTORS: Mapping[Branches, tuple[Vector, ...]] = {  # those a stage can have: all 16; at most one branch; all branches
    "searched": tuple(product((0, 1), repeat=len(SCALES))),
    "single": tuple(vector for vector in product((0, 1), repeat=len(SCALES)) if sum(vector) <= 1),
    "all": ((1,) * len(SCALES),),
}


@with_config(ConfigDict(extra="forbid"))
@dataclass(frozen=True, kw_only=True)
class Architecture:
    """One point of the search space; all stages and branches share the two cells.

    Attributes:
        name: Name of the architecture.
        evidence: ``searched`` if this project's search found it, else ``reconstruction``.
        note: Origin of the architecture, one line.
        channels: Channels of the four branches, finest first: 32 to 256 in a derived network, half of that during the search
            (Sec. 4.2).
        stages: One scale vector per stage: 1 for each branch that runs, finest first.
        individual: The nodes of the individual cell.
        aggregation: The nodes of the aggregation cell; empty for a plain concatenation.
    """

    name: Name
    evidence: Literal["reconstruction", "searched"]
    note: Line
    channels: Annotated[tuple[Channels, ...], Field(min_length=4, max_length=4)]
    stages: Annotated[tuple[Vector, ...], Field(min_length=3, max_length=3)]
    individual: Annotated[tuple[IndividualNode, ...], Field(min_length=1)]
    aggregation: tuple[AggregationNode, ...]


def read_architecture(path: Path | str) -> Architecture:
    """Read and check an architecture file.

    Raises:
        InputError: The file cannot be read or does not follow the format; the message names the key and the line.
    """
    try:
        text = Path(path).read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as problem:
        raise InputError(f"{path}: {problem}") from None
    return parse_architecture(text, str(path))


def parse_architecture(text: str, where: str = "architecture") -> Architecture:
    """Parse and check the text of an architecture file.

    Args:
        text: Contents of the file.
        where: Name of the file in error messages.

    Raises:
        InputError: See :func:`read_architecture`.
    """
    try:
        data = tomllib.loads(text)
    except tomllib.TOMLDecodeError as problem:
        raise InputError(f"{where}: {problem}") from None
    if isinstance(data.get("schema"), bool) or data.pop("schema", None) != 1:
        raise InputError(f"{where}: schema: must be 1{_line(text, ['schema'])}")
    try:
        architecture: Architecture = _adapter().validate_python(data)
    except ValidationError as problem:
        raise InputError(f"{where}: {_describe(problem, text)}") from None
    for cell in ("individual", "aggregation"):
        for index, edges in enumerate(data[cell]):
            later = [name for name in edges if name.startswith("node") and int(name[4:]) > index]
            if later:
                reason = f"node{index + 1} cannot take {later[0]}, which is not an earlier node"
                raise InputError(f"{where}: {cell}[{index}]: {reason}{_line(text, (cell, index))}")
    return architecture


def format_architecture(architecture: Architecture) -> str:
    """Return the text of an architecture's file, the inverse of :func:`parse_architecture`.

    Raises:
        InputError: The architecture is invalid.
    """

    def format_list(key: str, lines: Sequence[str]) -> str:
        return f"{key} = [\n" + "".join(f"  {line},\n" for line in lines) + "]\n"

    def format_node(edges: Node) -> str:
        keys = (name if re.fullmatch("[a-z0-9]+", name) else _quote(name) for name in edges)
        return "{ " + ", ".join(f"{key} = {_quote(op)}" for key, op in zip(keys, edges.values(), strict=True)) + " }"

    text = (
        "schema = 1\n"
        f"name = {_quote(architecture.name)}\n"
        f"evidence = {_quote(architecture.evidence)}\n"
        f"note = {_quote(architecture.note)}\n"
        f"channels = {list(architecture.channels)}\n"
        + format_list("stages", [str(list(vector)) for vector in architecture.stages])
        + format_list("individual", [format_node(edges) for edges in architecture.individual])
        + format_list("aggregation", [format_node(edges) for edges in architecture.aggregation])
    )
    parse_architecture(text)  # check it
    return text


def recipe_of(architecture: Architecture) -> str:
    """Return the id of the network whose recipes and inputs all architectures share."""
    return "autopose/searched"


def diagram_architecture(text: str) -> list[DiagramBox]:
    """Return the diagram of an architecture, as in Fig. 4: the branches that run in each stage, the finest at the top.

    Raises:
        InputError: The text is malformed.
    """
    row_height = 1 / len(SCALES)
    return [
        DiagramBox(
            x=stage, y=1 - row_height * (row + 0.5), height=0.8 * row_height * runs, shade=1, label=scale if runs else ""
        )
        for stage, vector in enumerate(parse_architecture(text).stages)
        for row, (scale, runs) in enumerate(zip(SCALES, vector, strict=True))
    ]


def with_branches(architecture: Architecture, branches: Branches) -> Architecture:
    """Return the architecture with other scale vectors, as in the ablation of Table 4.

    ``all`` runs all four branches in every stage. ``single`` runs at most one per stage: the paper searched for it separately
    and did not publish the result, so here it is the finest branch that the stage runs.

    Raises:
        InputError: ``branches`` is not one of the three.
    """
    if branches not in get_args(Branches):
        raise InputError(f"branches must be {', '.join(get_args(Branches))}, not {branches!r}")
    if branches == "searched":
        return architecture
    if branches == "all":
        return replace(architecture, stages=tuple((1,) * len(SCALES) for _ in architecture.stages))
    finest = (vector.index(1) if any(vector) else None for vector in architecture.stages)
    return replace(architecture, stages=tuple(tuple(int(index == branch) for index in range(len(SCALES))) for branch in finest))


def _quote(text: str) -> str:
    return json.dumps(text, ensure_ascii=False)  # JSON strings are TOML strings, except for control characters (see Line)


@cache
def _adapter() -> TypeAdapter[Architecture]:
    return TypeAdapter(Architecture)


def _describe(problem: ValidationError, text: str) -> str:
    """Return the key, the reason and the line of the first thing that is wrong; an unknown key comes first."""
    errors = problem.errors(include_url=False)
    error = next((error for error in errors if error["type"] == "unexpected_keyword_argument"), errors[0])
    path, value, context = list(error["loc"]), error["input"], error.get("ctx", {})
    if path[-1] == "[key]":  # of a node: the node is at fault
        del path[-2:]
    line = _line(text, path)
    match error["type"]:
        case "missing":
            reason = f"{path.pop()!r} is missing"
        case "unexpected_keyword_argument":
            reason = f"{path.pop()!r} is not a known key"
        case "too_short":
            reason = f"needs at least {context['min_length']} entries, not {value!r:.100}"
        case "too_long":
            reason = f"takes at most {context['max_length']} entries, not {value!r:.100}"
        case "value_error":  # raised by a type's own check
            reason = str(context["error"])
        case _:
            reason = f"{error['msg']}, not {value!r:.100}"
    key = "".join(f"[{part}]" if isinstance(part, int) else f".{part}" for part in path).removeprefix(".")
    return f"{key or 'top level'}: {reason}{line}"


def _line(text: str, path: Sequence[str | int]) -> str:
    """Return the line of an entry, as ``" (at line 7)"``, or an empty string where its key cannot be found in the text.

    The entries of a list either have a line each, or share the line of the list's key.
    """
    lines = text.splitlines()
    first = next((number for number, line in enumerate(lines, 1) if path and re.match(rf"{path[0]}\s*=", line)), None)
    if first is None:
        return ""
    entries = [number for number, line in enumerate(lines[first:], first + 1) if line.lstrip().startswith(("[", "{"))]
    one_per_line = lines[first - 1].split("#")[0].rstrip().endswith("[") and len(path) > 1 and int(path[1]) < len(entries)
    return f" (at line {entries[int(path[1])] if one_per_line else first})"


FORMAT = ArchitectureFormat(
    suffix=SUFFIX,
    read=read_architecture,
    write=format_architecture,
    build="reproductions.autopose.network:build_from_file",
    recipe_of=recipe_of,
    diagram=diagram_architecture,
)
