"""Test that an expression over printed cells can do arithmetic and comparisons, and nothing else."""

from __future__ import annotations

import time

import pytest

from benchmark.core.errors import InputError
from benchmark.papers.expressions import evaluate_expression, half_unit, printed_value
from benchmark.papers.tables import Cell, Column, Paper, Row, Table


def _paper(name: str, **cells: str) -> Paper:
    """Build a paper whose table1 has one row per cell, in a column of millions."""
    rows = {row: Row(id=row, model=f"{name}/{row}") for row in cells}
    columns = {"params": Column(name="params", header="Params", metric="params", unit="M", convention="trainable")}
    printed = {(row, "params"): value for row, value in cells.items()}
    table = Table(paper=name, id="table1", title="", where="Table 1", columns=columns, rows=rows, printed=printed)
    return Paper(
        id=name,
        title="",
        short="",
        authors="",
        year=2020,
        reference="",
        text="",
        order=1,
        tables={"table1": table},
        claims=(),
    )


ONE = _paper("one", small="1.30M", large="2.60M", tiny="650K", dash="-")
PAPERS = {"one": ONE, "two": _paper("two", small="5.2")}


@pytest.mark.parametrize(
    ("expression", "value"),
    [
        ("1 + 2 * 3 - 4 / 8", 6.5),
        ("-2 ** 2", -4),
        ("100 * table1[small, params] / table1[large, params]", 50),
        ("two.table1[small, params] / table1[small, params]", 4),
        ("table1[tiny, params]", 0.65),
        ("table1[row, params] * 2", 2.6),
        ("min(3, 1, 2) + max(3, 1, 2) + abs(-1) + sum(1, 2) + mean(2, 4)", 11),
    ],
)
def test_arithmetic(expression: str, value: float) -> None:
    assert evaluate_expression(expression, ONE, PAPERS, row="small").value == pytest.approx(value, rel=1e-12)


@pytest.mark.parametrize(
    ("expression", "value"),
    [
        ("table1[small, params] < table1[large, params]", True),
        ("table1[small, params] < 2 < table1[large, params]", True),
        ("1 <= 1 and 2 >= 3", False),
        ("1 == 1 and 2 > 1", True),
    ],
)
def test_comparisons(expression: str, value: bool) -> None:
    assert evaluate_expression(expression, ONE, PAPERS).value is value


def test_the_cells_that_were_read_are_named_in_order() -> None:
    result = evaluate_expression("two.table1[small, params] + table1[large, params]", ONE, PAPERS)
    assert [cell.name for cell in result.cells] == ["two/table1[small, params]", "one/table1[large, params]"]


def test_another_value_can_stand_for_each_cell() -> None:
    assert evaluate_expression("table1[small, params]", ONE, PAPERS, value_of=lambda cell: 7.0).value == 7.0


@pytest.mark.parametrize(
    "expression",
    [
        "__import__('os').system('true')",
        "open('x')",
        "().__class__",
        "table1.rows",
        "table1",
        "small",
        "'text'",
        "None",
        "[1, 2]",
        "{1: 2}",
        "(1, 2)",
        "lambda: 1",
        "[x for x in table1]",
        "1 if 1 < 2 else 3",
        "1 or 2",
        "not 1",
        "~1",
        "7 // 2",
        "7 % 2",
        "1 << 9",
        "1 != 2",
        "1 is 1",
        "1 in table1",
        "min(*table1)",
        "max(1, 2, key=abs)",
        "pow(2, 3)",
        "(x := 1)",
        "1j",
    ],
)
def test_anything_else_is_not_allowed(expression: str) -> None:
    with pytest.raises(InputError, match=r"not allowed in an expression|a cell is table"):
        evaluate_expression(expression, ONE, PAPERS)


@pytest.mark.parametrize(
    ("expression", "message"),
    [
        ("table1[missing, params]", r"no printed number at one/table1\[missing, params\]"),
        ("table1[small, missing]", r"no printed number at one/table1\[small, missing\]"),
        ("table9[small, params]", r"no printed number at one/table9\[small, params\]"),
        ("table1[dash, params]", r"no printed number at one/table1\[dash, params\]"),
        ("table1[row, params]", r"no printed number at one/table1\[row, params\]"),
        ("three.table1[small, params]", "no paper 'three'"),
        ("table1[small]", r"a cell is table\[row, column\]"),
        ("table1[small, params, 1]", r"a cell is table\[row, column\]"),
        ("table1['small', 'params']", r"a cell is table\[row, column\]"),
        ("1 / 0", "division by zero"),
        ("1 +", "invalid syntax"),
        ("", "invalid syntax"),
        ("a = 1", "invalid syntax"),
        ("1; 2", "invalid syntax"),
    ],
)
def test_a_mistake_is_one_line_that_quotes_the_expression(expression: str, message: str) -> None:
    with pytest.raises(InputError, match=message) as refusal:
        evaluate_expression(expression, ONE, PAPERS)
    assert repr(expression) in str(refusal.value)
    assert "\n" not in str(refusal.value)


# What would take forever, fill the memory, or end in a value that cannot be compared.
UNBOUNDED = {
    "9**9**9": r"not within 1e\+30",
    "9.9**999": r"not within 1e\+30",
    "1e308*10": r"not within 1e\+30",
    "1e999-1e999": r"not within 1e\+30",
    "1e999": r"not within 1e\+30",
    "max(1e200, 1) < 2": r"not within 1e\+30",
    "sum(1e30, 1e30)": r"not within 1e\+30",
    "table1[small, params] / 1e-300": r"not within 1e\+30",
    "0 ** -1": "cannot be raised to a negative power",
    "(-1) ** 0.5": "not a real number",
    "-" * 100_000 + "1": "longer than 1,000 characters",
    "+".join("1" * 100_000): "longer than 1,000 characters",
    "9" * 100_000: "longer than 1,000 characters",
    "-" * 998 + "1": "more than 100 operations within each other",
    "(" * 499 + "1" + ")" * 499: "too many nested parentheses|more than 100",
    "+".join("1" * 200): "more than 100 operations within each other",
    "1\0": "null",
}


@pytest.mark.parametrize("expression", UNBOUNDED, ids=lambda text: text[:20])
def test_length_depth_and_values_are_bounded(expression: str) -> None:
    begin = time.process_time()
    with pytest.raises(InputError, match=UNBOUNDED[expression]) as refusal:
        evaluate_expression(expression, ONE, PAPERS)
    assert time.process_time() - begin < 0.5
    assert str(refusal.value).isprintable()
    assert len(str(refusal.value)) < 1100


@pytest.mark.parametrize(
    "expression", ["1 + (1 < 2)", "-(1 < 2)", "max(1 < 2, 0)", "1 < (2 < 3)", "1 and 2", "1 < 2 and 1", "True", "True + 1"]
)
def test_true_and_false_are_no_numbers_and_numbers_not_true(expression: str) -> None:
    with pytest.raises(InputError, match=r"not a number|not numbers|not allowed"):
        evaluate_expression(expression, ONE, PAPERS)


def _cell(row: str) -> Cell:
    return next(cell for cell in ONE.tables["table1"].cells() if cell.row.id == row)


def test_a_suffix_is_converted_to_the_unit_of_the_column() -> None:
    assert printed_value(_cell("tiny")) == pytest.approx(0.65)
    assert printed_value(_cell("small")) == 1.3


def test_half_a_unit_of_the_last_place() -> None:
    assert half_unit(_cell("small")) == pytest.approx(0.005)
    assert half_unit(_cell("tiny")) == pytest.approx(0.0005)
