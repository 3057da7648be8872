"""Each predicate yields exactly the strings that its definition allows."""

from __future__ import annotations

import random
from collections.abc import Iterator
from dataclasses import replace
from decimal import Decimal

import pytest

from benchmark.config.identities import cost_record_id, load_current
from benchmark.ledger.predicates import COST_PREDICATES, CountedCell, count_cell, count_cells, source_setting
from benchmark.ledger.verdicts import required_costs
from benchmark.papers.tables import Source, load_papers
from tests.ledger.made_up import MODELS, cost_column, cost_record

HALF = Decimal("0.5")


def rounds_to(value: Decimal, printed: Decimal, unit: Decimal) -> bool:
    """Return whether a value rounds half up to a printed number whose last digit counts ``unit``."""
    return printed - HALF * unit <= value < printed + HALF * unit


def yields(predicate: str, cell: CountedCell, printed: str) -> bool:
    """Return whether a predicate's definition allows a printed string, without computing any string."""
    decimals = len(printed.partition(".")[2])
    number, unit = Decimal(printed), Decimal(1).scaleb(-decimals)
    counts = {name: Decimal(count) / 10**9 for name, count in cell.record.value["flops"].items()}
    counts["hrnet"] = Decimal(cell.record.value["flops"]["hrnet"]) / 2**30
    counts["torchstat"] = Decimal(cell.record.value["flops"]["torchstat"]) / 2**30
    value = counts.pop("macs")
    match predicate:
        case "truncated":
            return number <= value < number + unit
        case "rounded_twice":
            # The first result has one more digit; it is among the numbers around the printed one.
            between = [number + Decimal(step) * unit / 10 for step in range(-20, 21)]
            return any(rounds_to(value, t, unit / 10) and rounds_to(t, number, unit) for t in between)
        case "other_convention":
            return any(rounds_to(count, number, unit) for count in counts.values())
        case "other_variant":
            macs = [Decimal(variant.value["flops"]["macs"]) / 10**9 for variant in cell.variants]
            return any(rounds_to(count, number, unit) for count in macs)
        case "padded":
            coarser = [(kept, Decimal(1).scaleb(-kept)) for kept in range(decimals) if number % Decimal(1).scaleb(-kept) == 0]
            return any(rounds_to(value, number, u) or (kept > 0 and number <= value < number + u) for kept, u in coarser)
    raise AssertionError(predicate)


def strings_around(value: float, decimals: int) -> Iterator[str]:
    center = round(value * 10**decimals)
    for last_digits in range(center * 3 // 10, center * 5 // 2 + 2):
        yield f"{Decimal(last_digits).scaleb(-decimals):f}"


@pytest.mark.parametrize("predicate", ["truncated", "rounded_twice", "other_convention", "other_variant", "padded"])
def test_a_predicate_yields_what_its_definition_allows_on_random_counts(predicate: str) -> None:
    draw = random.Random(predicate)
    for _ in range(60):
        macs, decimals = round(draw.uniform(0.3, 9), draw.choice([2, 3, 9])), draw.choice([0, 1, 2])
        counts = {name: macs * draw.uniform(0.8, 2.2) for name in ("hrnet", "hrnet_1e9", "mmcv", "tf_profiler", "torchstat")}
        [cell] = cost_column((f"{macs:.{decimals}f}", {"macs": macs, **counts}))
        variants = [cost_record(f"{MODELS[0]}+some={n}", {"macs": macs * draw.uniform(0.5, 1.5)}) for n in range(2)]
        cell = replace(cell, variants=tuple(variants))
        predicted = {p.printed for p in cell.predictions.values() if p.predicate == predicate}
        strings = set(strings_around(macs, decimals))
        allowed = {printed for printed in strings if yields(predicate, cell, printed)} - {cell.plain}
        assert predicted & strings == allowed


def test_no_rule_yields_the_plain_string_or_more_than_one() -> None:
    [cell] = cost_column(("3.0", {"macs": 3.04, "hrnet_1e9": 3.01, "mmcv": 3.2}))
    assert cell.plain == "3.0"
    assert {rule: p.printed for rule, p in cell.predictions.items() if rule[1] in ("hrnet_1e9", "mmcv")} == {
        ("other_convention", "mmcv"): "3.2"
    }


def test_a_source_counts_by_its_own_convention_size_and_precision() -> None:
    source = Source(id="theirs", reference="their code", convention="mmcv", input="384x288", decimals=0, fitted="the zeros")
    [cell] = cost_column(("7.0", {"macs": 3.1, "mmcv": 3.2}), sources={0: source})
    assert not [p for p in cell.predictions.values() if p.predicate == "source_setting"]  # not counted at that size yet
    cell = replace(cell, source_record=cost_record(MODELS[0], {"macs": 6.9, "mmcv": 7.2}, "384x288"))
    assert cell.predictions["source_setting", "theirs"].printed == "7.0"
    assert ("other_convention", "mmcv") not in cell.predictions  # the same rule, with less behind it


@pytest.mark.parametrize(
    ("stated", "yields"), [("102", True), ("103", True), ("105", True), ("101", False), ("106", False), ("27", False)]
)
def test_a_size_that_a_source_states_is_quoted_only_if_it_is_that_of_our_network(stated: str, yields: bool) -> None:
    """CPN has 27.01 M parameters, which are 103.0 MB of 2^20 bytes: a stated size may differ from that by 2 %."""
    counted = count_cells(load_papers(), load_current())["efficientpose_nas/table4[cpn, params]"]
    source = Source(id="theirs", reference="their paper", megabytes=stated)
    cell = replace(counted.cell, row=replace(counted.cell.row, source=source))
    quoted = [p for p in replace(counted, cell=cell).predictions.values() if p.predicate == "source_quantity"]
    assert [p.printed for p in quoted] == [f"{stated}.0"] * yields


def test_the_counts_that_sources_need_are_required_and_found() -> None:
    papers, records = load_papers(), load_current()
    required = set(required_costs(papers))
    cells = [cell for paper in papers.values() for table in paper.tables.values() for cell in table.cells()]
    elsewhere = [cell for cell in cells if cell.column.kind == "cost" and source_setting(cell)]
    assert {cell.row.model for cell in elsewhere} == {"baselines/cpm"}
    for cell in elsewhere:
        setting = source_setting(cell)
        assert setting is not None
        assert (cell.row.model, *setting) in required
        counted = count_cell(cell, records)
        assert counted is not None
        assert counted.source_record is records[cost_record_id(cell.row.model, *setting)]


def test_every_predicate_of_the_list_is_computed() -> None:
    predicted = {p.predicate for cell in count_cells(load_papers(), load_current()).values() for p in cell.predictions.values()}
    assert predicted == set(COST_PREDICATES)


def test_parameters_at_two_input_sizes_are_one_number_and_operations_two() -> None:
    (small,) = cost_column(("5.2", {"macs": 5.2}))
    large = replace(small, record=cost_record(small.record.subject, {"macs": 5.2}, size="384x288"))
    as_parameters = (
        replace(cost, cell=replace(cost.cell, column=replace(cost.cell.column, metric="params"))) for cost in (small, large)
    )
    assert len({cost.number for cost in as_parameters}) == 1
    assert small.number != large.number
