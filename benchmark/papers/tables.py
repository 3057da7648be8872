"""What the papers print, as data: one folder a paper under ``paper_tables``.

``paper.toml`` describes the tables, their columns and what builds each row; one wide CSV a table holds the printed strings;
``claims.toml`` holds the quantitative sentences as expressions over cells. Nothing here is computed or rounded: a cell is
the string that the paper prints, and its decimals are its precision.
"""

from __future__ import annotations

import csv
import io
import json
import re
import tomllib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Any

import jsonschema

from benchmark.core.errors import InputError

PAPER_TABLES = Path(__file__).parents[2] / "paper_tables"

# What a column measures -> the kind under which its verdicts are counted. None: no claim, so no verdict.
METRIC_KINDS: Mapping[str, str | None] = {
    "params": "cost",
    "flops": "cost",
    "pckh": "accuracy",
    "ap": "accuracy",
    "ap50": "accuracy",
    "ap75": "accuracy",
    "apm": "accuracy",
    "apl": "accuracy",
    "ar": "accuracy",
    "accuracy": "accuracy",  # a relative or unnamed accuracy figure
    "latency": "latency",  # a time for a forward pass
    "fps": "latency",
    "search_time": "latency",  # hours or days that a search or a training took
    "ratio": "derived",
    "difference": "derived",
    "structure": "architecture",  # a width, depth, kernel or stride that the network is made of
    "setting": None,  # a condition of the row: input size, epochs, passes
    "text": None,
}
UNIT_SCALES = {"K": 1e3, "M": 1e6, "G": 1e9, "": 1.0, "%": 1.0, "×": 1.0, "ms": 1.0, "fps": 1.0, "h": 1.0, "days": 1.0}
NUMBER_PATTERN = re.compile(r"(?P<sign>[+\-−]?)(?P<digits>\d+(?:\.(?P<decimals>\d+))?)\s*(?P<suffix>K|M|G|%|×|x|ms|h)?")
DASH = "-"


@dataclass(frozen=True)
class Number:
    """A printed number: its value in the printed unit, how many decimals stand behind the point, and what follows it."""

    value: float
    decimals: int
    suffix: str = ""

    def __str__(self) -> str:
        return f"{self.value:.{self.decimals}f}"


def parse_number(printed: str) -> Number:
    """``'34.0M' -> Number(34.0, 1, 'M')``.

    Raises:
        InputError: the string is no number with at most one of the known suffixes.
    """
    match = NUMBER_PATTERN.fullmatch(printed.strip())
    if not match:
        raise InputError(f"{printed!r} is no printed number")
    sign = -1.0 if match["sign"] in ("-", "−") and match["sign"] else 1.0
    return Number(sign * float(match["digits"]), len(match["decimals"] or ""), match["suffix"] or "")


@dataclass(frozen=True, kw_only=True)
class Column:
    """``convention`` names how the figure is counted; ``scope`` the part of the network it covers, if not all of it;
    ``threshold`` and ``part`` complete a PCKh; ``expression`` says how a derived column follows from other cells, with
    ``row`` standing for the row's own id."""

    name: str
    header: str
    metric: str
    unit: str = ""
    convention: str = ""
    threshold: float | None = None
    part: str = "mean"
    scope: str = ""
    expression: str = ""

    @property
    def kind(self) -> str | None:
        return METRIC_KINDS[self.metric]


@dataclass(frozen=True, kw_only=True)
class Row:
    """``model`` is the id that builds the row, ``none`` says why there is none; exactly one of them is set.
    ``needs`` names what an accuracy or latency figure of this row takes beyond the paper's own recipe and dataset: another
    number of epochs, a device. Rows of one network that differ in it are not the same measurement."""

    id: str
    model: str = ""
    none: str = ""
    input: str = ""
    dataset: str = ""
    needs: str = ""
    restored: Mapping[str, str] = field(default_factory=dict)  # column -> where a symbol lost in the text comes from
    note: str = ""


@dataclass(frozen=True, kw_only=True)
class Cell:
    """One printed string and everything needed to know what it means."""

    paper: str
    table: Table
    row: Row
    column: Column
    printed: str

    @property
    def number(self) -> Number:
        return parse_number(self.printed)

    @property
    def dataset(self) -> str:
        return self.row.dataset or self.table.dataset

    @property
    def input(self) -> str:
        return self.row.input or self.table.input

    @property
    def name(self) -> str:
        return f"{self.paper}/{self.table.id}[{self.row.id}, {self.column.name}]"


@dataclass(frozen=True, kw_only=True)
class Table:
    """A printed table, or (``pseudo``) figures that are printed in the running text only."""

    paper: str
    id: str
    title: str
    where: str
    dataset: str = ""
    split: str = ""
    input: str = ""
    pseudo: bool = False
    note: str = ""
    columns: Mapping[str, Column]
    rows: Mapping[str, Row]
    printed: Mapping[tuple[str, str], str]  # (row, column) -> the string, absent where nothing is printed

    def cells(self) -> Iterator[Cell]:
        """The numeric cells, those that end with a verdict, in the printed order."""
        for row in self.rows.values():
            for column in self.columns.values():
                printed = self.printed.get((row.id, column.name), "")
                if column.kind and printed not in ("", DASH):
                    yield Cell(paper=self.paper, table=self, row=row, column=column, printed=printed)


@dataclass(frozen=True, kw_only=True)
class Claim:
    """A quantitative sentence, in our words: what ``expression`` over printed cells should come to.

    ``printed`` is a number as the paper writes it, or ``true`` for a statement of order.
    """

    paper: str
    id: str
    where: str
    description: str
    printed: str
    expression: str
    unit: str = ""
    note: str = ""


@dataclass(frozen=True, kw_only=True)
class Paper:
    """One of the papers: its tables and its claims."""

    id: str
    title: str
    short: str
    authors: str
    year: int
    reference: str
    text: str
    order: int
    tables: Mapping[str, Table]
    claims: tuple[Claim, ...]


@cache
def load_papers(folder: Path = PAPER_TABLES) -> Mapping[str, Paper]:
    """All papers by id, in their order.

    Raises:
        InputError: a file is malformed; file, row and column are named.
    """
    found = [load_paper(path.parent) for path in sorted(folder.glob("*/paper.toml"))]
    return {paper.id: paper for paper in sorted(found, key=lambda paper: (paper.order, paper.id))}


def load_paper(folder: Path) -> Paper:
    """Read one paper's folder and check that it is whole (see :func:`papers`)."""
    path, claims_path = folder / "paper.toml", folder / "claims.toml"
    data = _toml(path, "paper")
    if data["id"] != folder.name:
        raise InputError(f"{path}: id {data['id']!r} is not the folder's name")
    tables = {name: _table(folder, name, spec) for name, spec in data.pop("tables").items()}
    specs = _toml(claims_path, "claims").get("claims", []) if claims_path.exists() else []
    claims = {spec["id"]: Claim(paper=folder.name, **spec) for spec in specs}
    for claim in claims.values():
        if claim.printed != "true":
            _checked_number(claim.printed, f"{claims_path}: claim {claim.id}")
    if len(claims) != len(specs):
        ids = [spec["id"] for spec in specs]
        raise InputError(f"{claims_path}: claim {next(i for i in ids if ids.count(i) > 1)!r} stands twice")
    del data["schema"]
    return Paper(**data, tables=tables, claims=tuple(claims.values()))


def _table(folder: Path, name: str, spec: dict[str, Any]) -> Table:
    columns = {key: Column(name=key, **value) for key, value in spec.pop("columns").items()}
    for column in columns.values():
        if column.metric not in METRIC_KINDS:
            where = f"{folder / 'paper.toml'}: table {name}, column {column.name}"
            raise InputError(f"{where}: unknown metric {column.metric!r}; known: {', '.join(METRIC_KINDS)}")
    rows = {key: Row(id=key, **value) for key, value in spec.pop("rows").items()}
    for row in rows.values():
        if bool(row.model) == bool(row.none):
            raise InputError(f"{folder / 'paper.toml'}: table {name}, row {row.id}: give either model or none (the reason)")
    printed = _printed(folder / f"{name}.csv", columns, rows)
    return Table(paper=folder.name, id=name, columns=columns, rows=rows, printed=printed, **spec)


def _printed(path: Path, columns: Mapping[str, Column], rows: Mapping[str, Row]) -> dict[tuple[str, str], str]:
    if not path.exists():
        raise InputError(f"{path}: missing")
    try:
        lines = list(csv.reader(io.StringIO(path.read_text(encoding="utf-8"), newline=""), strict=True))
    except (csv.Error, UnicodeDecodeError) as problem:
        raise InputError(f"{path}: {problem}") from None
    if not lines or lines[0] != ["row_id", *columns]:
        raise InputError(f"{path}:1: the header must be row_id,{','.join(columns)}")
    printed: dict[tuple[str, str], str] = {}
    seen: list[str] = []
    for number, line in enumerate(lines[1:], 2):
        if len(line) != len(lines[0]):
            raise InputError(f"{path}:{number}: {len(line)} fields, {len(lines[0])} expected")
        row, *values = line
        if row not in rows or row in seen:
            raise InputError(f"{path}:{number}: row {row!r} is {'repeated' if row in seen else 'not in paper.toml'}")
        seen.append(row)
        for column, value in zip(columns.values(), values, strict=True):
            if value:
                printed[row, column.name] = value
            if value not in ("", DASH) and column.kind not in (None, "architecture"):
                _checked_number(value, f"{path}:{number}, row {row}, column {column.name}")
    if seen != list(rows):
        missing = [row for row in rows if row not in seen]
        raise InputError(f"{path}: rows missing or out of order: {', '.join(missing or seen)}")
    return printed


def _checked_number(value: str, where: str) -> None:
    try:
        parse_number(value)
    except InputError as problem:
        raise InputError(f"{where}: {problem}") from None


def _toml(path: Path, kind: str) -> dict[str, Any]:
    """A TOML file that fits its schema, ``schemas/<kind>.schema.json``."""
    try:
        data = tomllib.loads(path.read_text(encoding="utf-8"))
    except (tomllib.TOMLDecodeError, UnicodeDecodeError, OSError) as problem:
        raise InputError(f"{path}: {problem}") from None
    misfit = jsonschema.exceptions.best_match(_validator(kind).iter_errors(data))
    if misfit:
        raise InputError(f"{path}: {', '.join(map(str, misfit.absolute_path)) or 'top level'}: {misfit.message[:200]}")
    return data


@cache
def _validator(kind: str) -> jsonschema.Draft202012Validator:
    schema = Path(__file__).parents[1] / "schemas" / f"{kind}.schema.json"
    return jsonschema.Draft202012Validator(json.loads(schema.read_text()))
