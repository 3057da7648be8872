"""Architectures as files: which branches each stage runs, and what the two kinds of cell are made of.

A search writes such a file, ``<name>.autopose.toml``, and a training reads it; nothing here needs torch. The format is TOML,
its shape is written down in ``architecture.schema.json``, and ``example.autopose.toml`` is one. A node is a table from its
inputs to the operation on each; ``input`` is what enters an individual cell, ``1/4`` to ``1/32`` are the scales that enter an
aggregation cell, and ``node1``, ``node2``, ... are the earlier nodes of the same cell. An aggregation cell without nodes is a
plain concatenation, as in the ablation of Table 4.

Choices, where the text that is public leaves a gap:

* *Operations.* The paper lists three convolutions, two poolings and the skip; the words in front of "convolution" are set as
  formulas and are lost. Since a word such as "separable" would have stayed, they are taken for plain convolutions of the
  three usual kernels 1, 3 and 5. Pooling is 3x3, as in DARTS, GDAS and Auto-DeepLab.
* *Scales.* 1/4 to 1/32: the stem's two strides give 1/4, and there are four branches, one stride apart, as in HRNet.
* *Edges.* Eq. 2 sums over all earlier nodes; how many survive the derivation is not said. A node may name any of them, at
  least one. In an aggregation cell every node must name all four scales (the inactive ones are left out when a network is
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
from typing import Any, Literal, get_args

from benchmark.config.searches import DiagramBox
from benchmark.core.errors import InputError
from benchmark.models.registry import ArchitectureFormat

SUFFIX = ".autopose.toml"
FOLDER = Path(__file__).parent
EXAMPLE = FOLDER / f"example{SUFFIX}"
SCHEMA = FOLDER / "architecture.schema.json"

SCALES = ("1/4", "1/8", "1/16", "1/32")
STAGES, MODULES, CELLS = 3, 2, 2  # multi-scale modules in a stage, individual cells in a branch of one (Sec. 3.1)
SKIP = "skip"
OPERATIONS = ("conv_1x1", "conv_3x3", "conv_5x5", "avg_pool_3x3", "max_pool_3x3", SKIP)
Node = Mapping[str, str]  # input -> operation
Vector = tuple[int, ...]  # 1 for each branch that runs, finest first
Branches = Literal["searched", "single", "all"]
VECTORS: Mapping[Branches, tuple[Vector, ...]] = {  # that a stage can have: any, none too; at most one branch; all four
    "searched": tuple(product((0, 1), repeat=len(SCALES))),
    "single": tuple(vector for vector in product((0, 1), repeat=len(SCALES)) if sum(vector) <= 1),
    "all": ((1,) * len(SCALES),),
}


@dataclass(frozen=True, kw_only=True)
class Architecture:
    """One point of the search space.

    ``channels`` are those of the four branches, finest first: 32 to 256 in a derived network, half of that during search
    (Sec. 4.2). ``stages`` holds one scale vector a stage: 1 for each branch that runs, finest first. All stages and branches
    share the two cells. ``evidence`` is ``searched`` if a search of ours found it, else ``reconstruction``.
    """

    name: str
    evidence: str
    note: str
    channels: tuple[int, ...]
    stages: tuple[Vector, ...]
    individual: tuple[Node, ...]
    aggregation: tuple[Node, ...]


def read(path: Path | str) -> Architecture:
    """Read and check an architecture file.

    Raises:
        InputError: the file cannot be read or is not of the format; the line and the key at fault are named.
    """
    try:
        text = Path(path).read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as problem:
        raise InputError(f"{path}: {problem}") from None
    return parse(text, str(path))


def parse(text: str, where: str = "architecture") -> Architecture:
    """As :func:`read`, from the text of a file; ``where`` names it in messages."""
    try:
        data = tomllib.loads(text)
    except tomllib.TOMLDecodeError as problem:
        raise InputError(f"{where}: {problem}") from None
    _check(data, text, where)
    return Architecture(
        name=data["name"],
        evidence=data["evidence"],
        note=data["note"],
        channels=tuple(map(int, data["channels"])),
        stages=tuple(tuple(map(int, vector)) for vector in data["stages"]),
        individual=tuple(data["individual"]),
        aggregation=tuple(data["aggregation"]),
    )


def write(architecture: Architecture) -> str:
    """The text of an architecture's file, the inverse of :func:`parse`.

    Raises:
        InputError: the architecture is not a valid one.
    """

    def rows(key: str, lines: Sequence[str]) -> str:
        return f"{key} = [\n" + "".join(f"  {line},\n" for line in lines) + "]\n"

    def node(edges: Node) -> str:
        pairs = (f"{name if re.fullmatch('[a-z0-9]+', name) else _quoted(name)} = {_quoted(op)}" for name, op in edges.items())
        return "{ " + ", ".join(pairs) + " }"

    text = (
        "schema = 1\n"
        f"name = {_quoted(architecture.name)}\n"
        f"evidence = {_quoted(architecture.evidence)}\n"
        f"note = {_quoted(architecture.note)}\n"
        f"channels = {list(architecture.channels)}\n"
        + rows("stages", [str(list(vector)) for vector in architecture.stages])
        + rows("individual", [node(edges) for edges in architecture.individual])
        + rows("aggregation", [node(edges) for edges in architecture.aggregation])
    )
    parse(text)
    return text


def recipe_of(architecture: Architecture) -> str:
    """The id of the network that every architecture is trained and fed like."""
    return "autopose/searched"


def boxes(text: str) -> list[DiagramBox]:
    """The picture of an architecture, as in Fig. 4: which branches run in each stage, the finest one at the top.

    Raises:
        InputError: the text is malformed.
    """
    high = 1 / len(SCALES)
    return [
        DiagramBox(x=stage, y=1 - high * (place + 0.5), height=0.8 * high * runs, shade=1, label=scale if runs else "")
        for stage, vector in enumerate(parse(text).stages)
        for place, (scale, runs) in enumerate(zip(SCALES, vector, strict=True))
    ]


def with_branches(architecture: Architecture, branches: Branches) -> Architecture:
    """The architecture with other scale vectors, as in the ablation of Table 4.

    ``all`` runs all four branches in every stage. ``single`` runs at most one a stage: the paper searched for it anew, and
    that result was not published either, so here it is the finest of the branches that the stage runs.

    Raises:
        InputError: ``branches`` is none of the three.
    """
    if branches not in get_args(Branches):
        raise InputError(f"branches are {', '.join(get_args(Branches))}, not {branches!r}")
    if branches == "searched":
        return architecture
    if branches == "all":
        return replace(architecture, stages=tuple((1,) * len(SCALES) for _ in architecture.stages))
    finest = (vector.index(1) if any(vector) else None for vector in architecture.stages)
    return replace(architecture, stages=tuple(tuple(int(s == keep) for s in range(len(SCALES))) for keep in finest))


def _quoted(text: str) -> str:
    return json.dumps(text, ensure_ascii=False)  # a JSON string is a TOML one, control characters apart: the schema bars them


@cache
def _schema() -> Any:
    from jsonschema import Draft202012Validator  # slow to import, and listing the entries does not need it

    return Draft202012Validator(json.loads(SCHEMA.read_text(encoding="utf-8")))


def _line(text: str, path: Sequence[str | int]) -> str:
    """Where an entry stands, in words: a list's entries have lines of their own, or all stand on that of its key; nothing where
    the key is written in another way."""
    lines = text.splitlines()
    first = next((number for number, line in enumerate(lines, 1) if path and re.match(rf"{path[0]}\s*=", line)), None)
    if first is None:
        return ""
    entries = [number for number, line in enumerate(lines[first:], first + 1) if line.lstrip().startswith(("[", "{"))]
    own_lines = lines[first - 1].split("#")[0].rstrip().endswith("[") and len(path) > 1 and int(path[1]) < len(entries)
    return f" (at line {entries[int(path[1])] if own_lines else first})"


def _check(data: Mapping[str, Any], text: str, where: str) -> None:
    problems = sorted(_schema().iter_errors(data), key=lambda problem: str(problem.json_path))
    if problems:
        key = problems[0].json_path.removeprefix("$").removeprefix(".") or "top level"
        raise InputError(f"{where}: {key}: {problems[0].message}{_line(text, list(problems[0].absolute_path))}")
    for cell in ("individual", "aggregation"):
        for index, edges in enumerate(data[cell]):
            later = [name for name in edges if name.startswith("node") and int(name[4:]) > index]
            if later:
                told = f"node{index + 1} cannot take {later[0]}, which is no earlier node{_line(text, (cell, index))}"
                raise InputError(f"{where}: {cell}[{index}]: {told}")


FORMAT = ArchitectureFormat(
    suffix=SUFFIX,
    read=read,
    write=write,
    build="reproductions.autopose.network:build_from_file",
    recipe_of=recipe_of,
    diagram=boxes,
)
