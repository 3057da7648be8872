"""Load the numbers that the papers print, one folder per paper under ``paper_tables``.

``paper.toml`` describes the tables, their columns and the model of each row; one wide CSV file per table holds the printed
strings; ``claims.toml`` holds the quantitative sentences as expressions over cells. Nothing here is computed or rounded: a
cell is the string that the paper prints, and its decimals are its precision.
"""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from fractions import Fraction
from functools import cache, cached_property
from itertools import product
from pathlib import Path
from typing import Annotated, Any, Literal, NamedTuple, TypeVar

from pydantic import ConfigDict, Field, StrictBool, StrictFloat, StrictInt, TypeAdapter, ValidationError, with_config

from benchmark.core.errors import InputError
from benchmark.core.files import read_toml

PAPER_TABLES = Path(__file__).parents[2] / "paper_tables"

Kind = Literal["cost", "accuracy", "latency", "derived", "architecture", "setting"]
# Metric of a column -> the kind under which its verdicts are counted. None: the column makes no claim, so it has no verdict.
METRIC_KINDS: Mapping[str, Kind | None] = {
    "params": "cost",
    "flops": "cost",
    "pckh": "accuracy",
    "ap": "accuracy",
    "ap50": "accuracy",
    "ap75": "accuracy",
    "apm": "accuracy",
    "apl": "accuracy",
    "ar": "accuracy",
    "accuracy": "accuracy",  # a relative or unnamed accuracy
    "latency": "latency",  # time of a forward pass
    "fps": "latency",
    "search_time": "latency",  # hours or days of a search or a training
    "ratio": "derived",
    "difference": "derived",
    "structure": "architecture",  # a width, depth, kernel size or stride of the network
    "setting": "setting",  # a condition of the row or the recipe, or a size of the data: input size, epochs, number of images
    "text": None,
}
UNIT_SCALES = {"K": 1e3, "M": 1e6, "G": 1e9, "": 1.0, "%": 1.0, "×": 1.0, "ms": 1.0, "fps": 1.0, "h": 1.0, "days": 1.0}
NUMBER_PATTERN = re.compile(
    r"(?P<sign>[+\-−]?)(?P<digits>[0-9]{1,15}(?:\.(?P<decimals>[0-9]{1,15}))?)\s*(?P<suffix>K|M|G|%|×|x|ms|h)?"
)
DASH = "-"
ROUGH = Fraction(1, 20)  # relative rounding from which on a printed number agrees with too much to be reproduced
APPROXIMATE = re.compile(r"\b(about|nearly|almost|around|roughly|close to|some)\b", re.IGNORECASE)

# Types of the fields of Column, Row, Table, Claim and Paper. A file is validated against these dataclasses.
Slug = Annotated[str, Field(pattern=r"^[a-z][a-z0-9_]*$")]
Text = Annotated[str, Field(min_length=1)]
Size = Annotated[str, Field(pattern=r"^[0-9]+x[0-9]+$")]
no_unknown_fields = with_config(ConfigDict(extra="forbid"))


@dataclass(frozen=True)
class Number:
    """A printed number.

    Attributes:
        value: In the printed unit.
        decimals: Number of digits after the decimal point.
        suffix: Unit or multiplier that follows the digits.
    """

    value: float
    decimals: int
    suffix: str = ""

    def __str__(self) -> str:
        return f"{self.value:.{self.decimals}f}"

    @property
    def is_rough(self) -> bool:
        """True if half a unit of the last printed place is at least :data:`ROUGH` of the number."""
        return Fraction(1, 2 * 10**self.decimals) >= ROUGH * abs(Fraction(str(self)))


def parse_number(printed: str) -> Number:
    """Parse a printed number: ``'34.0M' -> Number(34.0, 1, 'M')``.

    Raises:
        InputError: the string is not a number with at most one of the known suffixes.
    """
    match = NUMBER_PATTERN.fullmatch(printed.strip())
    if not match:
        raise InputError(f"{printed!r} is not a printed number")
    sign = -1.0 if match["sign"] in ("-", "−") and match["sign"] else 1.0
    return Number(sign * float(match["digits"]), len(match["decimals"] or ""), match["suffix"] or "")


@no_unknown_fields
@dataclass(frozen=True, kw_only=True)
class Choice:
    """A choice to be made before a printed cost can be compared: a way of counting, or one of several forms of a network.

    Attributes:
        id: The convention, or ``switch=value`` of the networks that have this form.
        reason: What speaks for it: the authors' tool or code, a sentence, or that it fits.
        by_fit: The printed numbers decided, as nothing else does.
        rivals: What it was chosen among.
    """

    id: Text
    reason: Text
    by_fit: StrictBool = False
    rivals: tuple[Text, ...] = ()


@no_unknown_fields
@dataclass(frozen=True, kw_only=True)
class Column:
    """One column of a printed table.

    Attributes:
        name: Id of the column within its table.
        header: Heading as printed.
        metric: One of ``METRIC_KINDS``, or another one whose ``kind`` is stated.
        unit: Unit of the printed numbers.
        convention: How parameters, operations or PCKh are counted, by name.
        chosen: Why so, if it is a cost; None for others. In the file, it is one of the paper's ``conventions``.
        threshold: Threshold of PCKh.
        part: Body part of PCKh, or ``mean``.
        scope: Part of the network that the numbers cover; empty for the whole network.
        expression: How a derived column follows from other cells; the name ``row`` is the row's own id.
        fitted: What of convention or scope was chosen so that a printed number of the column results; empty if nothing was.
        spans: Equal neighbours are one printed cell, which spans their rows.
        none: Why nothing that we measure can be compared with the column; empty if something can.
        kind: Kind under which verdicts on the column are counted; None if it has none. It follows from the metric, and is
            stated for a metric that is not in ``METRIC_KINDS`` only.
        needs: Device on which the column's times were measured.
    """

    name: Slug
    header: str
    metric: str
    unit: str = ""
    convention: str = ""
    chosen: Choice | None = None
    threshold: StrictFloat | None = None
    part: str = "mean"
    needs: str = ""
    scope: str = ""
    expression: str = ""
    fitted: str = ""
    spans: StrictBool = False
    none: str = ""
    kind: Kind | None = None

    def __post_init__(self) -> None:
        if self.metric in METRIC_KINDS:
            if self.kind not in (None, METRIC_KINDS[self.metric]):
                raise InputError(f"metric {self.metric!r} is of kind {METRIC_KINDS[self.metric]}, not {self.kind}")
            object.__setattr__(self, "kind", METRIC_KINDS[self.metric])
        elif self.kind not in ("accuracy", "latency"):
            known = ", ".join(METRIC_KINDS)
            raise InputError(f"unknown metric {self.metric!r}; known: {known}; of another, give the kind: accuracy or latency")


@no_unknown_fields
@dataclass(frozen=True, kw_only=True)
class Source:
    """Where rows on other networks were taken from, and how the numbers were made there, as public code or text states.

    Attributes:
        id: Id of the source within the paper.
        reference: The code or publication, and what it states.
        convention: Convention by which it counts operations; empty for the column's.
        input: Input size at which it counts, as ``HxW``; empty for the row's.
        dataset: Dataset whose joints its network predicts; empty for the row's.
        decimals: Decimals that are kept before the row's zeros, as far as the row shows; None for the row's own decimals.
        megabytes: Size of the network in MB that it states, where the row prints it as millions of parameters.
        fitted: What of this the source does not state and was read off the printed numbers; empty if nothing was.
    """

    id: Slug
    reference: Text
    convention: str = ""
    input: Size = ""
    dataset: str = ""
    decimals: StrictInt | None = None
    megabytes: str = ""
    fitted: str = ""

    def __post_init__(self) -> None:
        if self.decimals is not None and not self.fitted:
            raise InputError("decimals are read off the printed numbers: say so in fitted")


@no_unknown_fields
@dataclass(frozen=True, kw_only=True)
class Row:
    """One row of a printed table.

    Attributes:
        id: Id of the row within its table.
        model: Id of the model that builds the row; set exactly one of ``model`` and ``none``.
        none: Why no model builds the row.
        input: Input size as ``HxW``; empty for the table's.
        dataset: Empty for the table's.
        needs: Conditions of the row's accuracy or latency beyond the paper's own recipe and dataset, such as another number
            of epochs or a device. Rows of one network with different conditions are different measurements.
        unpublished: Why the weights that the network's authors published are not those of the row; empty if they are.
        form: The public form of the network that is counted, if there are several; in the file, one of the paper's ``forms``,
            by default that of which the model has the switch.
        source: Where the row's costs were taken from; in the file, its id among the paper's ``sources``.
        restored: By column, the source of a symbol that is missing from the converted text.
        fitted: What of the row's model or input was chosen so that a printed number of the row results; empty if nothing was.
        stand_in: Which other network than that of the row is counted, and why; empty if it is that of the row.
        allows: By column, why the paper's own words allow the release another structure or setting than the printed one.
        repeats: By column, the cell of another table that prints this value as a part of its own, as ``table[row, column]``.
        note: Remark on the row.
    """

    id: Slug
    model: Text = ""
    none: Text = ""
    input: Size = ""
    dataset: Text = ""
    needs: Text = ""
    unpublished: Text = ""
    form: Choice | None = None
    source: Source | None = None
    restored: Mapping[str, Text] = field(default_factory=dict)
    fitted: str = ""
    stand_in: str = ""
    allows: Mapping[str, Text] = field(default_factory=dict)
    repeats: Mapping[str, Text] = field(default_factory=dict)
    note: str = ""

    def __post_init__(self) -> None:
        if bool(self.model) == bool(self.none):
            raise InputError("give either model or none (the reason)")


@dataclass(frozen=True, kw_only=True)
class Cell:
    """One printed string with its table, row and column."""

    paper: str
    table: Table
    row: Row
    column: Column
    printed: str

    @property
    def number(self) -> Number:
        """The printed string as a number."""
        return parse_number(self.printed)

    @property
    def dataset(self) -> str:
        """Dataset of the row, or else of the table."""
        return self.row.dataset or self.table.dataset

    @property
    def input(self) -> str:
        """Input size of the row, or else of the table."""
        return self.row.input or self.table.input

    @property
    def name(self) -> str:
        """Full name, ``paper/table[row, column]``."""
        return f"{self.paper}/{self.table.id}[{self.row.id}, {self.column.name}]"


@no_unknown_fields
@dataclass(frozen=True, kw_only=True)
class Released:
    """A setting in the authors' released code or configuration, as people read it there.

    Attributes:
        value: As the table would print it.
        source: Name of the setting, and file.
        repository: Repository and commit; in the file, stated once for all settings.
        unread: True if no released code reads the value, such as a default or a comment.
    """

    value: Text
    source: Text
    repository: Text
    unread: StrictBool = False


@no_unknown_fields
@dataclass(frozen=True, kw_only=True)
class Table:
    """One printed table.

    Attributes:
        paper: Id of the paper.
        id: Name of the table within the paper.
        title: Caption.
        where: Place in the paper, such as ``Table 1``.
        dataset: Dataset of the accuracies.
        split: Split of the dataset.
        input: Input size as ``HxW``.
        own_split: Which people are tested, if they are not the usual ones of the split; empty if they are.
        pseudo: True for values that are printed in the running text only.
        note: Remark on the table.
        columns: By name, in printed order.
        rows: By id, in printed order.
        printed: By (row, column), the printed string; empty cells are absent.
        released: By (row, column), the setting in the authors' release, where it is known.
    """

    paper: Slug
    id: Slug
    title: Text
    where: Text
    dataset: Text = ""
    split: Text = ""
    input: Size = ""
    own_split: str = ""
    pseudo: StrictBool = False
    note: str = ""
    columns: Mapping[str, Column]
    rows: Mapping[str, Row]
    printed: Mapping[tuple[str, str], str]
    released: Mapping[tuple[str, str], Released] = field(default_factory=dict)

    def cells(self) -> Iterator[Cell]:
        """Iterate over the cells that get a verdict, in printed order."""
        return iter(self._cells.values())

    def cell(self, row: str, column: str) -> Cell | None:
        """Return a cell that gets a verdict; None for an empty one and for words, as the setting ``✓`` or a network's name."""
        return self._cells.get((row, column))

    @cached_property
    def _cells(self) -> dict[tuple[str, str], Cell]:
        cells = {place: self._read_cell(*place) for place in product(self.rows, self.columns)}
        return {place: cell for place, cell in cells.items() if cell}

    def _read_cell(self, row: str, column: str) -> Cell | None:
        printed = self.printed.get((row, column), "")
        if printed in ("", DASH) or not (kind := self.columns[column].kind):
            return None
        if kind == "setting" and not re.search(r"\d", printed):
            return None
        return Cell(paper=self.paper, table=self, row=self.rows[row], column=self.columns[column], printed=printed)


@no_unknown_fields
@dataclass(frozen=True, kw_only=True)
class Claim:
    """One quantitative sentence of a paper.

    Attributes:
        paper: Id of the paper.
        id: Id of the claim within the paper.
        where: Place in the paper.
        description: The sentence in our own words.
        printed: The number as the paper writes it, or ``true`` for a statement of order.
        expression: Expression over printed cells that should give ``printed``.
        unit: Unit of ``printed``.
        cell: Cell that is this number in this place, as ``table[row, column]``; empty if there is none.
        note: Remark on the claim.
    """

    paper: Slug
    id: Slug
    where: Text
    description: Text
    printed: Text
    expression: Text
    unit: str = ""
    cell: str = ""
    note: str = ""

    @property
    def is_approximate(self) -> bool:
        """True if the sentence gives no exact number."""
        return bool(APPROXIMATE.search(self.description))


@no_unknown_fields
@dataclass(frozen=True, kw_only=True)
class Paper:
    """One paper.

    Attributes:
        id: Name of its folder.
        title: Full title.
        short: Short name, for headings.
        authors: Authors as printed.
        year: Year of publication.
        reference: Venue or archive number.
        text: File name of the paper's converted text.
        order: Position among the papers.
        tables: By name.
        claims: Quantitative sentences, in the order of the file.
    """

    id: Slug
    title: Text
    short: Text
    authors: Text
    year: StrictInt
    reference: Text
    text: Text
    order: StrictInt
    tables: Mapping[str, Table]
    claims: tuple[Claim, ...]


@cache
def load_papers(folder: Path = PAPER_TABLES) -> Mapping[str, Paper]:
    """Load all papers, by id and in their order.

    Raises:
        InputError: a file is malformed; file, row and column are named.
    """
    papers = [load_paper(path.parent) for path in folder.glob("*/paper.toml")]
    return {paper.id: paper for paper in sorted(papers, key=lambda paper: (paper.order, paper.id))}


def load_paper(folder: Path) -> Paper:
    """Load one paper's folder and check that it is complete.

    Raises:
        InputError: see :func:`load_papers`.
    """
    path = folder / "paper.toml"
    fields = read_toml(path)
    schema = fields.pop("schema", None)
    if schema != 1 or schema is True:
        raise InputError(f"{path}: schema must be 1, not {schema!r}")
    if fields.get("id") != folder.name:
        raise InputError(f"{path}: id {fields.get('id')!r} is not the name of the folder")
    specs = {
        key: _validate(dict[str, dict[str, Any]], f"{path}: {key}", fields.pop(key, default))
        for key, default in (("tables", None), ("sources", {}), ("conventions", {}), ("forms", {}))
    }
    sources = {key: _build(Source, f"{path}: source {key}", spec, id=key) for key, spec in specs["sources"].items()}
    released = _load_released(folder)
    conventions, forms = (
        {name: _build(Choice, f"{path}: {key}.{name}", spec, id=name) for name, spec in specs[key].items()}
        for key in ("conventions", "forms")
    )
    shared = _Shared(sources, conventions, forms)
    tables = {name: _load_table(folder, name, spec, shared, released.pop(name, {})) for name, spec in specs["tables"].items()}
    for name in released:
        raise InputError(f"{folder / 'release.toml'}: table {name!r} is not in paper.toml")
    claims = _load_claims(folder)
    cells = {cell.name for table in tables.values() for cell in table.cells()}
    for claim in claims:
        if claim.cell and f"{folder.name}/{claim.cell}" not in cells:
            raise InputError(f"{folder / 'claims.toml'}: claim {claim.id}: no printed value at {claim.cell}")
    for table in tables.values():
        for row in table.rows.values():
            for column, repeated in row.repeats.items():
                if not table.cell(row.id, column) or f"{folder.name}/{repeated}" not in cells:
                    raise InputError(f"{path}: table {table.id}, row {row.id}: no printed value at {column!r} or at {repeated}")
    return _build(Paper, str(path), fields, tables=tables, claims=claims)


def _load_released(folder: Path) -> dict[str, dict[str, dict[str, Released]]]:
    """Load ``release.toml``, the authors' released settings by table, row and column; a paper without the file has none."""
    path = folder / "release.toml"
    if not path.exists():
        return {}
    fields = read_toml(path)
    repository = fields.pop("repository", None)
    tables = _validate(dict[str, dict[str, dict[str, dict[str, Any]]]], str(path), fields)
    return {
        table: {
            row: {
                column: _build(Released, f"{path}: {table}[{row}, {column}]", spec | {"repository": repository})
                for column, spec in specs.items()
            }
            for row, specs in rows.items()
        }
        for table, rows in tables.items()
    }


class _Shared(NamedTuple):
    """The objects that the tables of a paper refer to, by id."""

    sources: Mapping[str, Source]
    conventions: Mapping[str, Choice]
    forms: Mapping[str, Choice]


def _load_table(
    folder: Path, name: str, fields: dict[str, Any], shared: _Shared, released: Mapping[str, Mapping[str, Released]]
) -> Table:
    """Build a table from its parts of ``paper.toml`` and ``release.toml`` and its CSV file."""
    where = f"{folder / 'paper.toml'}: table {name}"
    specs = {key: _validate(dict[str, dict[str, Any]], f"{where}: {key}", fields.pop(key, None)) for key in ("columns", "rows")}
    columns = {
        key: _build(Column, f"{where}, column {key}", spec, name=key, chosen=_choice_of(spec, shared.conventions))
        for key, spec in specs["columns"].items()
    }
    rows = {key: _build_row(f"{where}, row {key}", key, spec, shared) for key, spec in specs["rows"].items()}
    printed = _read_cells(folder / f"{name}.csv", columns, rows)
    settings = {(row, column): value for row, values in released.items() for column, value in values.items()}
    for row, column in settings:
        if (row, column) not in printed or columns[column].kind != "setting":
            raise InputError(f"{folder / 'release.toml'}: table {name} prints no setting at [{row}, {column}]")
    for name_of_row, row_spec in rows.items():
        for column in row_spec.allows:
            if (name_of_row, column) not in printed or columns[column].kind not in ("architecture", "setting"):
                raise InputError(f"{where}, row {name_of_row}: allows names {column!r}, which prints no structure or setting")
    derived = {"paper": folder.name, "id": name, "columns": columns, "rows": rows, "printed": printed, "released": settings}
    return _build(Table, where, fields, **derived)


def _choice_of(fields: Mapping[str, Any], conventions: Mapping[str, Choice]) -> Choice | None:
    """Return why a column of costs is counted as it is: because it fits, where the paper's file gives no reason."""
    convention = fields.get("convention")
    if METRIC_KINDS.get(fields.get("metric", "")) != "cost" or not isinstance(convention, str) or not convention:
        return None
    return conventions.get(
        convention, Choice(id=convention, reason="it fits; the paper's file gives no other reason", by_fit=True)
    )


def _build_row(where: str, name: str, fields: dict[str, Any], shared: _Shared) -> Row:
    source = fields.pop("source", None)
    if source is not None and source not in shared.sources:
        raise InputError(f"{where}: unknown source {source!r}; known: {', '.join(shared.sources) or 'none'}")
    switches = str(fields.get("model", "")).split("+")[1:]
    named = fields.pop("form", None)
    if named is not None and named not in shared.forms:
        raise InputError(f"{where}: unknown form {named!r}; known: {', '.join(shared.forms) or 'none'}")
    form = shared.forms[named] if named else next((shared.forms[switch] for switch in shared.forms if switch in switches), None)
    return _build(Row, where, fields, id=name, form=form, source=None if source is None else shared.sources[source])


def _load_claims(folder: Path) -> tuple[Claim, ...]:
    """Load ``claims.toml``; a paper without the file has no claims."""
    path = folder / "claims.toml"
    if not path.exists():
        return ()
    fields = read_toml(path)
    specs = _validate(list[dict[str, Any]], f"{path}: claims", fields.pop("claims", []))
    if fields:
        raise InputError(f"{path}: unknown field {next(iter(fields))!r}")
    claims: dict[str, Claim] = {}
    for number, spec in enumerate(specs, 1):
        where = f"{path}: claim {spec.get('id', number)}"
        claim = _build(Claim, where, spec, paper=folder.name)
        if claim.id in claims:
            raise InputError(f"{path}: duplicate claim {claim.id!r}")
        if claim.printed != "true":
            _check_number(claim.printed, where)
        claims[claim.id] = claim
    return tuple(claims.values())


def _read_cells(path: Path, columns: Mapping[str, Column], rows: Mapping[str, Row]) -> dict[tuple[str, str], str]:
    """Read the printed strings of a table's CSV file, by (row, column)."""
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
            if value not in ("", DASH) and column.kind not in (None, "architecture", "setting"):
                _check_number(value, f"{path}:{number}, row {row}, column {column.name}")
    if seen != list(rows):
        missing = [row for row in rows if row not in seen]
        raise InputError(f"{path}: rows missing or out of order: {', '.join(missing or seen)}")
    return printed


def _check_number(printed: str, where: str) -> None:
    try:
        parse_number(printed)
    except InputError as problem:
        raise InputError(f"{where}: {problem}") from None


# --- validation --------------------------------------------------------------------------------------------------------


T = TypeVar("T")


def _build(kind: type[T], where: str, fields: Mapping[str, Any], **derived: Any) -> T:
    """Build a dataclass from the fields that a file states and those that follow from the file's place.

    Raises:
        InputError: see :func:`_validate`.
    """
    for name in fields.keys() & derived.keys():
        raise InputError(f"{where}: unknown field {name!r}")
    return _validate(kind, where, {**fields, **derived})


def _validate(kind: type[T], where: str, value: object) -> T:
    """Convert a value of a TOML file to a type.

    Raises:
        InputError: the value does not fit the type; the first field that does not is named.
    """
    try:
        return _type_adapter(kind).validate_python(value)  # type: ignore[arg-type]  # mypy: a type is not hashable
    except ValidationError as problem:
        error = problem.errors(include_url=False)[0]
    name = ".".join(map(str, error["loc"]))
    match error["type"]:
        case "missing":
            message = f"field {name!r} is missing"
        case "unexpected_keyword_argument":
            message = f"unknown field {name!r}"
        case "value_error":  # raised by a dataclass's own check
            message = str(error["ctx"]["error"])
        case _:
            message = f"{error['msg']}, not {error['input']!r:.100}"
            message = f"{name}: {message}" if name else message
    raise InputError(f"{where}: {message}")


@cache
def _type_adapter(kind: Any) -> TypeAdapter[Any]:
    return TypeAdapter(kind)
