"""Compute what each predicate of a closed list would print in a cost cell, from counts alone.

A predicate is a rule for a printed cost that is not the count under the column's convention, rounded. Each rule yields one
string per cell, whatever is printed there, so that it can be held against every other cell that it ought to apply to. Rules
are never combined: a number that only two errors together would give is contradicted.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from fractions import Fraction
from functools import cached_property
from typing import Any, Literal

from benchmark.config.conventions import FLOPS, PARAMS
from benchmark.config.identities import cost_record_id
from benchmark.core.errors import InputError
from benchmark.core.keypoints import JOINT_COUNTS
from benchmark.core.records import Record
from benchmark.ledger.tokens import BUILT_BY_US
from benchmark.models.registry import find_entry, single_switch_variants
from benchmark.papers.rounding import round_half_up, round_twice, truncate
from benchmark.papers.tables import UNIT_SCALES, Cell, Choice, Paper, parse_number

MIN_FIT = 3  # different numbers that a choice must give, if it was made because it fits
COST_PREDICATES: Mapping[str, str] = {
    "source_setting": "counted as the source that the row was taken from counts, as its own code or paper states",
    "source_quantity": "a number that the source of the row states for another quantity",
    "truncated": "truncated after the last printed digit instead of rounded",
    "rounded_twice": "rounded to one more digit first, then again",
    "other_convention": "counted under another convention than the rest of the column",
    "other_variant": "counted for the same network with another value of one switch",
    "padded": "rounded or truncated to fewer digits, then padded with zeros",
}
FROM_SOURCE = ("source_setting", "source_quantity")  # predicates that a declared source supports
PLACES = ("whole numbers", "tenths", "hundredths", "thousandths", "ten-thousandths")  # by decimals that are kept
MEGABYTE = Fraction(2**20, 4)  # parameters of four bytes
STATED_WITHIN = Fraction(1, 50)  # relative difference up to which a stated size is that of the network that we count


@dataclass(frozen=True)
class Prediction:
    """String that a predicate would print in one cell.

    Attributes:
        predicate: Name of the predicate.
        detail: What makes it one rule: the convention, the switch, the digits that are kept, or the source.
        printed: The string that it would print.
        value: Our value under it, before rounding.
        record: Id of the record that the value comes from.
        fitted: What of convention or source was inferred from printed numbers; empty if nothing was.
    """

    predicate: str
    detail: str
    printed: str
    value: Fraction
    record: str
    fitted: str = ""

    @property
    def rule(self) -> tuple[str, str]:
        """The predicate with its detail, the same for every cell that the rule applies to."""
        return self.predicate, self.detail


@dataclass(frozen=True, kw_only=True)
class CountedCell:
    """A printed cost with the counts of its network.

    Attributes:
        cell: The printed cost.
        record: Counts of the row's network, at the row's size.
        variants: Counts, at the same size, of networks that differ from it in one switch.
        source_record: Counts at the size and for the joints that the row's source states; None if it states neither, or if
            they are not on record.
    """

    cell: Cell
    record: Record
    variants: tuple[Record, ...] = ()
    source_record: Record | None = None

    @cached_property
    def value(self) -> Fraction:
        """The count under the column's convention, in the printed unit.

        Raises:
            InputError: The network has no part of the column's name.
        """
        value = count_in_unit(self.record, self.cell, self.cell.column.convention)
        if value is None:
            part, subject = self.cell.column.scope, self.record.subject
            raise InputError(f"{self.cell.name}: {subject} has no part {part!r} counted in record {self.record.id}")
        return value

    @cached_property
    def plain(self) -> str:
        """The string of the count under the column's convention, rounded to the printed decimals."""
        return round_half_up(self.value, self.cell.number.decimals)

    @cached_property
    def number(self) -> tuple[object, ...]:
        """Identity of the number: where two cells print the same one, they are one observation.

        Parameters are the same at every input size.
        """
        column = self.cell.column
        network = self.record.subject if column.metric == "params" else self.record.id
        return network, column.metric, column.scope, self.cell.number.decimals

    @cached_property
    def construction(self) -> tuple[Literal["fitted", "as_built"], str] | None:
        """Why the count says nothing of the row's network: it was fitted to what is printed, or is of one that we built."""
        entry = find_entry(self.cell.row.model)
        if fitted := entry.fitted or self.cell.row.fitted or self.cell.column.fitted:
            return "fitted", fitted
        if self.cell.row.stand_in:
            return "as_built", self.cell.row.stand_in
        return ("as_built", f"{entry.evidence}: {entry.source}") if entry.evidence in BUILT_BY_US else None

    @property
    def choices(self) -> tuple[Choice, ...]:
        """Way of counting and form of the network, as far as they are a choice."""
        return tuple(choice for choice in (self.cell.column.chosen, self.cell.row.form) if choice)

    @cached_property
    def other_forms(self) -> Mapping[str, Fraction]:
        """Counts of the network's other public forms that were counted, in the printed unit."""
        form, convention = self.cell.row.form, self.cell.column.convention
        variants = {variant.subject.partition("+")[2].split("+")[-1]: variant for variant in self.variants}
        return {
            name: value
            for name in (form.rivals if form else ())
            if name in variants and (value := count_in_unit(variants[name], self.cell, convention)) is not None
        }

    @cached_property
    def reading(self) -> str:
        """The way of counting, with the form of the network and what the other forms would give, as text."""
        form, convention = self.cell.row.form, self.cell.column.convention
        if form is None:
            return convention
        others = ", ".join(f"{name} would give {float(value):.6g}" for name, value in self.other_forms.items())
        return f"{convention}, {form.id}" + f" ({others})" * bool(others)

    @property
    def agrees_otherwise(self) -> bool:
        """True if the count under another convention rounds to the printed number."""
        return any(
            convention != self.cell.column.convention
            and round_half_up(value, self.cell.number.decimals) == str(self.cell.number)
            for convention in (PARAMS if self.cell.column.metric == "params" else FLOPS)
            if (value := count_in_unit(self.record, self.cell, convention)) is not None
        )

    @cached_property
    def predictions(self) -> Mapping[tuple[str, str], Prediction]:
        """String that each rule would print where it makes a difference, in the order of :data:`COST_PREDICATES`."""
        return {p.rule: p for p in self._predict() if p.printed != self.plain}

    def _predict(self) -> Iterator[Prediction]:
        cell, record, decimals = self.cell, self.record, self.cell.number.decimals
        yield from self._predict_from_source()
        for name, rule in (("truncated", truncate), ("rounded_twice", round_twice)):
            yield Prediction(name, "", rule(self.value, decimals), self.value, record.id)
        source_convention = cell.row.source.convention if cell.row.source else ""
        for convention in PARAMS if cell.column.metric == "params" else FLOPS:
            value = count_in_unit(record, cell, convention)
            if value is not None and convention != source_convention:
                printed = round_half_up(value, decimals)
                yield Prediction("other_convention", convention, printed, value, record.id, _fitted(convention))
        for variant in self.variants:
            value = count_in_unit(variant, cell, cell.column.convention)
            if value is not None:
                switch = "+".join(sorted(set(variant.subject.split("+")) - set(record.subject.split("+"))))
                yield Prediction("other_variant", switch, round_half_up(value, decimals), value, variant.id)
        for kept in reversed(range(decimals)):
            # Truncating to a whole number is not allowed: it would explain nearly every printed number that ends in .0.
            for verb, rule in (("rounded", round_half_up), ("truncated", truncate))[: 2 if kept else 1]:
                printed = _pad(rule(self.value, kept), "0" * (decimals - kept))
                yield Prediction("padded", f"{verb} to {PLACES[kept]}", printed, self.value, record.id)

    def _predict_from_source(self) -> Iterator[Prediction]:
        source, cell, decimals = self.cell.row.source, self.cell, self.cell.number.decimals
        if source is None:
            return
        record = self.source_record or (None if source.input or source.dataset else self.record)
        convention = cell.column.convention if cell.column.metric == "params" else source.convention or cell.column.convention
        value = None if record is None else count_in_unit(record, cell, convention)
        if record and value is not None:
            kept = decimals if source.decimals is None else min(source.decimals, decimals)
            printed = _pad(round_half_up(value, kept), "0" * (decimals - kept))
            fitted = source.fitted or _fitted(convention)
            yield Prediction("source_setting", source.id, printed, value, record.id, fitted)
        if source.megabytes and cell.column.metric == "params":
            stated = parse_number(source.megabytes).value
            megabytes = Fraction(self.record.value["params"][cell.column.convention]) / MEGABYTE
            if abs(megabytes / Fraction(stated) - 1) <= STATED_WITHIN:
                detail, printed = f"{source.id} states {source.megabytes} MB, ours has", f"{stated:.{decimals}f}"
                yield Prediction("source_quantity", detail, printed, megabytes, self.record.id, source.fitted)


def count_in_unit(record: Record, cell: Cell, convention: str) -> Fraction | None:
    """Return a cost record's count under ``convention``, in the cell's printed unit; None if it was not counted."""
    counts: Mapping[str, Any] = record.value
    if cell.column.scope:
        counts = counts.get("scopes", {}).get(cell.column.scope, {})
    suffix = cell.number.suffix
    unit = suffix if suffix in ("K", "M", "G") else cell.column.unit
    if cell.column.metric == "params":
        count = counts.get("params", {}).get(convention)
        scale: float = UNIT_SCALES[unit]
    elif convention not in FLOPS:
        raise InputError(f"{cell.name}: unknown counting convention {convention!r}; known: {', '.join(FLOPS)}")
    else:
        count = counts.get("flops", {}).get(convention)
        scale = FLOPS[convention].scale(unit)
    return None if count is None else Fraction(count) / Fraction(scale)


def numbers_by_fit(counted: Iterable[CountedCell]) -> dict[tuple[str, Choice], int]:
    """Count the different numbers that each choice by fit gives, by paper and choice, without those that we constructed."""
    numbers: dict[tuple[str, Choice], set[object]] = {}
    for cell in (cell for cell in counted if not cell.construction):
        for choice in cell.choices:
            if choice.by_fit:
                given = numbers.setdefault((cell.cell.paper, choice), set())
                if cell.plain == str(cell.cell.number) and not cell.cell.number.is_rough:
                    given.add((cell.number, cell.plain))
    return {key: len(given) for key, given in numbers.items()}


def find_weak_choice(cell: CountedCell, counted: Mapping[str, CountedCell]) -> tuple[Literal["fitted"], str] | None:
    """Return a choice of the cell that was made because it fits, and gives fewer than :data:`MIN_FIT` numbers, if any."""
    if not any(choice.by_fit for choice in cell.choices):
        return None
    numbers = numbers_by_fit(counted.values())
    weak = (choice for choice in cell.choices if choice.by_fit and numbers.get((cell.cell.paper, choice), 0) < MIN_FIT)
    return next((("fitted", f"{choice.id} was chosen because it fits: {choice.reason}") for choice in weak), None)


def describe_form(cell: CountedCell, counted: Mapping[str, CountedCell]) -> str:
    """Say what speaks for the counted form of a network, and how many printed numbers each form fits; empty with one form."""
    form = cell.cell.row.form
    if form is None:
        return ""
    same = [c for c in counted.values() if (c.cell.paper, c.cell.row.form) == (cell.cell.paper, form) and not c.construction]
    fits = {form.id: [c for c in same if c.plain == str(c.cell.number)]}
    for rival in form.rivals:
        fits[rival] = [
            c
            for c in same
            if rival in c.other_forms and round_half_up(c.other_forms[rival], c.cell.number.decimals) == str(c.cell.number)
        ]
    # A number of a network that several tables print counts once.
    different = {name: len({(c.number, str(c.cell.number)) for c in cells}) for name, cells in (("", same), *fits.items())}
    numbers = ", ".join(f"{name} {different[name]}" for name in fits)
    return f"{form.id} by {form.reason}; of {different['']} numbers counted so, each form fits: {numbers}"


def cost_setting(cell: Cell) -> tuple[str, str]:
    """Return the dataset, whose joints the head predicts, and the input size at which a row's cost is counted.

    Raises:
        InputError: The table states no size, or a dataset whose joints are unknown.
    """
    _check_joints(cell, cell.dataset)
    if not cell.input:
        raise InputError(f'{cell.name}: neither the row nor the table states an input size, as in input = "256x256"')
    return cell.dataset, cell.input


def source_setting(cell: Cell) -> tuple[str, str] | None:
    """Return dataset and input size at which the row's source counts; None if it states neither.

    Raises:
        InputError: See :func:`cost_setting`.
    """
    source = cell.row.source
    if source is None or not (source.dataset or source.input):
        return None
    dataset, size = cost_setting(cell)
    _check_joints(cell, source.dataset or dataset)
    return source.dataset or dataset, source.input or size


def _check_joints(cell: Cell, dataset: str) -> None:
    if dataset not in JOINT_COUNTS:
        raise InputError(f"{cell.name}: no joints are known for dataset {dataset!r}; known: {', '.join(JOINT_COUNTS)}")


def variant_costs(papers: Mapping[str, Paper]) -> list[tuple[str, str, str]]:
    """Return the networks that differ in one switch from that of a printed cost, as (model, dataset, input size)."""
    cells = (cell for paper in papers.values() for table in paper.tables.values() for cell in table.cells())
    costs = (cell for cell in cells if cell.row.model and cell.column.kind == "cost")
    return sorted({(variant, *cost_setting(cell)) for cell in costs for variant in single_switch_variants(cell.row.model)})


def count_cells(papers: Mapping[str, Paper], records: Mapping[str, Record]) -> dict[str, CountedCell]:
    """Return all printed costs whose network is counted, by the name of the cell.

    Raises:
        InputError: A row names an unknown model, or states no size at which it could be counted.
    """
    cells = (cell for paper in papers.values() for table in paper.tables.values() for cell in table.cells())
    costs = (cell for cell in cells if cell.column.kind == "cost" and cell.row.model)
    return {cell.name: counted for cell in costs if (counted := count_cell(cell, records))}


def count_cell(cell: Cell, records: Mapping[str, Record]) -> CountedCell | None:
    """Return a printed cost with the counts of its network; None if the network is not counted at the row's size.

    Raises:
        InputError: See :func:`count_cells`.
    """
    model = cell.row.model
    record = records.get(cost_record_id(model, *cost_setting(cell)))
    if record is None:
        return None
    ids = (cost_record_id(variant, *cost_setting(cell)) for variant in single_switch_variants(model))
    variants = tuple(records[id_] for id_ in ids if id_ in records)
    setting = source_setting(cell)
    source_record = records.get(cost_record_id(model, *setting)) if setting else None
    return CountedCell(cell=cell, record=record, variants=variants, source_record=source_record)


def _fitted(convention: str) -> str:
    return FLOPS[convention].fitted if convention in FLOPS else ""


def _pad(digits: str, zeros: str) -> str:
    return digits if not zeros else digits + ("" if "." in digits else ".") + zeros
