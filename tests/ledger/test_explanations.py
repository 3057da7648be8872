"""An explanation earns its name from a source or from its column, and says how often chance would give one."""

from __future__ import annotations

from dataclasses import replace

import pytest

from benchmark.config.identities import load_current
from benchmark.core.records import Record
from benchmark.ledger.explanations import Chance, Explanation, compute_chance, explain_cost
from benchmark.ledger.predicates import CountedCell, count_cells
from benchmark.ledger.verdicts import measure
from benchmark.papers.tables import Source, load_papers
from benchmark.report.explanations import mean_chance
from tests.ledger.made_up import FITTED, MODELS, by_name, cost_column, cost_record, reprinted

THEIRS = Source(id="theirs", reference="their code", convention="mmcv")


def explain(cells: list[CountedCell], row: int = 0) -> Explanation:
    """Explain the cell of a row of a made-up column."""
    own = cells[row]
    explanation = explain_cost(own.cell, own.record, own.variants, by_name(cells))
    assert explanation is not None
    return explanation


def under_mmcv(printed: str) -> tuple[str, dict[str, float]]:
    """Return a printed number that is a count under mmcv, where the count under the column's convention is 0.35 smaller."""
    return printed, {"macs": float(printed) - 0.35, "mmcv": float(printed) + 0.01}


# --- what an explanation is worth ---------------------------------------------------------------------------------------------


def test_a_rule_that_fits_its_whole_column_explains() -> None:
    explanation = explain(cost_column(under_mmcv("5.2"), under_mmcv("7.3"), under_mmcv("9.1")))
    assert (explanation.predicate, explanation.description) == ("other_convention", "mmcv")
    assert (explanation.status, explanation.fits, explanation.reach) == ("explained", 3, 3)
    assert explanation.support == ""
    assert "reach: fits 3 of 3 where it makes a difference; support: none; rivals: none" in explanation.cause


def test_two_numbers_are_too_few_for_a_rule_without_a_source() -> None:
    explanation = explain(cost_column(under_mmcv("5.2"), under_mmcv("7.3")))
    assert (explanation.status, explanation.fits, explanation.reach) == ("ambiguous", 2, 2)


def test_one_number_that_a_rule_misses_makes_it_ambiguous() -> None:
    missed = ("9.1", {"macs": 9.12, "mmcv": 9.5})
    explanation = explain(cost_column(under_mmcv("5.2"), under_mmcv("7.3"), under_mmcv("8.2"), missed))
    assert (explanation.status, explanation.fits, explanation.reach) == ("ambiguous", 3, 4)


def test_a_number_in_which_a_rule_makes_no_difference_says_nothing() -> None:
    same = ("9.1", {"macs": 9.12, "mmcv": 9.13})
    explanation = explain(cost_column(under_mmcv("5.2"), under_mmcv("7.3"), under_mmcv("8.2"), same))
    assert (explanation.status, explanation.fits, explanation.reach) == ("explained", 3, 3)


def test_another_rule_that_fits_as_well_makes_both_ambiguous() -> None:
    rows = [(printed, counts | {"exact": counts["mmcv"]}) for printed, counts in map(under_mmcv, ("5.2", "7.3", "9.1"))]
    explanation = explain(cost_column(*rows))
    assert explanation.status == "ambiguous"
    assert explanation.rivals == ("other_convention exact (3 of 3)",)


def test_a_rival_that_fails_elsewhere_does_not_unseat_a_rule() -> None:
    rows = [under_mmcv(printed) for printed in ("5.2", "7.3", "9.1")]
    rows[0][1]["exact"] = 5.22
    explanation = explain(cost_column(*rows))
    assert (explanation.status, explanation.description) == ("explained", "mmcv")
    assert explanation.rivals == ("other_convention exact (1 of 3)",)


def test_a_number_printed_twice_counts_once() -> None:
    rows = [under_mmcv("5.2"), under_mmcv("7.3"), under_mmcv("7.3")]
    explanation = explain(cost_column(*rows, models=(MODELS[0], MODELS[1], MODELS[1])))
    assert (explanation.status, explanation.reach) == ("ambiguous", 2)


def test_another_table_is_no_support() -> None:
    own, other = cost_column(under_mmcv("5.2")), cost_column(*map(under_mmcv, ("5.5", "7.3", "9.1")), table="table2")
    explanation = explain(own + other)
    assert (explanation.status, explanation.reach) == ("ambiguous", 1)


@pytest.mark.parametrize("model", [FITTED, "baselines/dlcm", "baselines/fpd", "efficientpose_nas/A+tconv=mbv1"])
def test_what_was_fitted_or_built_by_us_supports_nothing(model: str) -> None:
    rows = [under_mmcv("5.2"), under_mmcv("7.3"), under_mmcv("9.1")]
    assert (explain(cost_column(*rows)).status, explain(cost_column(*rows)).reach) == ("explained", 3)
    cells = cost_column(*rows, models=(*MODELS[:2], model))
    assert (explain(cells).status, explain(cells).reach) == ("ambiguous", 2)


def test_what_the_source_of_a_row_states_explains_a_single_number() -> None:
    explanation = explain(cost_column(under_mmcv("5.2"), sources={0: THEIRS}))
    assert (explanation.predicate, explanation.status) == ("source_setting", "explained")
    assert (explanation.support, explanation.fits, explanation.reach) == ("their code", 1, 1)


def test_a_source_that_fails_in_another_table_explains_nothing() -> None:
    missed = ("9.1", {"macs": 9.12, "mmcv": 9.5})
    own = cost_column(under_mmcv("5.2"), sources={0: THEIRS})
    other = cost_column(missed, models=(MODELS[1],), sources={0: THEIRS}, table="table2")
    assert (explain(own + other).status, explain(own + other).reach) == ("ambiguous", 2)


def test_rows_of_other_sources_are_out_of_a_sources_reach() -> None:
    missed = ("9.1", {"macs": 9.12, "mmcv": 9.5})
    assert explain(cost_column(under_mmcv("5.2"), missed, sources={0: THEIRS})).status == "explained"


def test_what_was_read_off_the_printed_numbers_explains_nothing_though_a_source_is_named() -> None:
    """The convention, the size of the network, or what the zeros stand for may have been read off."""
    read_off = replace(THEIRS, fitted="the convention was read off the row")
    explanation = explain(cost_column(under_mmcv("5.2"), sources={0: read_off}))
    assert (explanation.predicate, explanation.status) == ("source_setting", "ambiguous")
    assert explanation.fitted in explanation.cause
    padded = Source(id="theirs", reference="their code", convention="mmcv", decimals=0, fitted="the zeros were")
    assert explain(cost_column(("5.0", {"macs": 4.3, "mmcv": 5.2}), sources={0: padded})).status == "ambiguous"
    whole = cost_column(*map(under_mmcv, ("5.2", "7.3", "9.1")), sources=dict.fromkeys(range(3), read_off))
    assert explain(whole).status == "ambiguous"  # though it fits wherever it makes a difference


# --- chance -------------------------------------------------------------------------------------------------------------------


def test_chance_in_a_column_by_hand() -> None:
    # Other strings within 10 % of 2.0 are 1.8, 1.9, 2.1 and 2.2. One is a count under mmcv, which no other row confirms.
    cells = cost_column(("2.0", {"macs": 2.04, "mmcv": 2.13}), ("3.0", {"macs": 3.04, "mmcv": 3.13}))
    assert compute_chance(cells[0], by_name(cells)) == Chance(explained=0, ambiguous=1, strings=4)
    # If two other rows print their counts under mmcv, the same string would be explained.
    cells = cost_column(("2.0", {"macs": 2.04, "mmcv": 2.13}), under_mmcv("5.2"), under_mmcv("7.3"))
    assert compute_chance(cells[0], by_name(cells)) == Chance(explained=1, ambiguous=0, strings=4)
    # 1.9 is what a second switch would give; 2.3 lies too far away.
    variants = (cost_record(MODELS[0] + "+a=1", {"macs": 1.93}), cost_record(MODELS[0] + "+a=2", {"macs": 2.31}))
    cells[0] = replace(cells[0], variants=variants)
    assert compute_chance(cells[0], by_name(cells)) == Chance(explained=1, ambiguous=1, strings=4)


def test_the_string_of_our_count_is_not_among_those_that_chance_could_give() -> None:
    [cell] = cost_column(("2.0", {"macs": 2.14, "mmcv": 2.04}))
    assert cell.plain == "2.1"
    assert compute_chance(cell, by_name([cell])) == Chance(explained=0, ambiguous=1, strings=4)  # 1.8, 1.9, 2.0 and 2.2


def test_a_number_of_one_digit_has_no_string_nearby() -> None:
    [cell] = cost_column(("0.5", {"macs": 0.52}))
    assert compute_chance(cell, by_name([cell])) == Chance(0, 0, 0)
    assert mean_chance([Chance(0, 0, 0)]) == (0.0, 0.0, 0)
    assert mean_chance([Chance(0, 0, 0), Chance(1, 2, 4), Chance(0, 0, 6)]) == (0.125, 0.25, 2)


@pytest.fixture(scope="module")
def records() -> dict[str, Record]:
    return load_current()


@pytest.fixture(scope="module")
def counted(records: dict[str, Record]) -> dict[str, CountedCell]:
    return count_cells(load_papers(), records)


def test_a_wrong_cost_is_explained_as_often_as_stated(records: dict[str, Record], counted: dict[str, CountedCell]) -> None:
    """All strings near each printed cost of few digits are judged like printed ones."""
    tested = 0
    for own in counted.values():
        number = own.cell.number
        last_digits = round(number.value * 10**number.decimals)
        if last_digits >= 200 or own.construction:
            continue
        near = [digits for digits in range(2 * last_digits) if 10 * abs(digits - last_digits) <= last_digits]
        strings = [f"{digits / 10**number.decimals:.{number.decimals}f}" for digits in near]
        cells = [reprinted(own.cell, printed + number.suffix) for printed in strings if printed != own.plain]
        tokens = [measure(cell, records, counted).token for cell in cells]
        assert compute_chance(own, counted) == Chance(tokens.count("explained"), tokens.count("ambiguous"), len(tokens))
        tested += bool(cells)
    assert tested > 80


# --- known causes -------------------------------------------------------------------------------------------------------------


def real(name: str, counted: dict[str, CountedCell]) -> Explanation:
    own = counted[name]
    explanation = explain_cost(own.cell, own.record, own.variants, counted)
    assert explanation is not None
    return explanation


@pytest.mark.parametrize(("column", "value"), [("gflops", 175.4), ("params", 31.2)])
def test_cpm_is_counted_at_its_authors_size_but_its_way_of_counting_was_read_off_the_row(
    column: str, value: float, counted: dict[str, CountedCell]
) -> None:
    explanation = real(f"efficientpose_nas/table2[cpm, {column}]", counted)
    assert (explanation.predicate, explanation.status) == ("source_setting", "ambiguous")
    assert "was read off the row" in explanation.fitted
    assert round(float(explanation.value), 1) == value


def test_cpns_parameters_are_megabytes(counted: dict[str, CountedCell]) -> None:
    explanation = real("efficientpose_nas/table4[cpn, params]", counted)
    assert (explanation.predicate, explanation.status) == ("source_quantity", "explained")
    assert "102 MB" in explanation.support
    assert float(explanation.value) == pytest.approx(103.03, abs=0.01)  # ours, in units of 2^20 bytes


def test_lite_hrnets_rows_follow_their_authors_tool(counted: dict[str, CountedCell]) -> None:
    cells = [cell.cell for cell in counted.values() if "lite_hrnet-" in cell.cell.row.model]
    names = [cell.name for cell in cells if cell.column.metric == "flops"]
    assert len(names) == 12
    for name in names:
        explanation = real(name, counted)
        assert (explanation.predicate, explanation.status) == ("source_setting", "explained")
        assert (explanation.fits, explanation.reach) == (6, 6)


@pytest.mark.parametrize("cell", ["table4[efficientpose_c", "table2[dlcm", "table2[efficientpose_c", "table3[proxyless_cpu"])
def test_a_coincidence_is_ambiguous(cell: str, counted: dict[str, CountedCell]) -> None:
    assert real(f"efficientpose_nas/{cell}, gflops]", counted).status == "ambiguous"
