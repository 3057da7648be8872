"""Evaluate arithmetic over printed cells: ``100 * table2[efficientpose_c, gflops] / table2[hrnet_w32, gflops]``.

``table2[row, column]`` is a cell of the same paper, ``efficientpose.table3[row, column]`` one of another paper. An expression
may use numbers, the four operations, unary minus, powers, comparisons, ``and``, and the functions ``min``, ``max``, ``abs``,
``sum`` and ``mean``. It is data and cannot run anything else; its length, its depth and all values in it are bounded.
"""

from __future__ import annotations

import ast
import operator
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cache
from typing import Any

from benchmark.core.errors import InputError
from benchmark.papers.tables import UNIT_SCALES, Cell, Paper

BINARY: Mapping[type, Callable[[Any, Any], Any]] = {
    ast.Add: operator.add,
    ast.Sub: operator.sub,
    ast.Mult: operator.mul,
    ast.Div: operator.truediv,
    ast.Pow: lambda base, exponent: float(base) ** exponent,  # of whole numbers, it could take forever
}
COMPARE: Mapping[type, Callable[[Any, Any], bool]] = {
    ast.Lt: operator.lt,
    ast.LtE: operator.le,
    ast.Gt: operator.gt,
    ast.GtE: operator.ge,
    ast.Eq: operator.eq,
}
FUNCTIONS: Mapping[str, Callable[..., float]] = {
    "min": min,
    "max": max,
    "abs": abs,
    "sum": lambda *values: sum(values),
    "mean": lambda *values: sum(values) / len(values),
}
LONGEST, DEEPEST, LARGEST = 1000, 100, 1e30  # characters, operations within operations, values


class NotComputable(InputError):  # noqa: N818  # a state of the printed values, not a mistake of the caller
    """A well-formed expression has no value with these printed values: one is no number, or a divisor is zero."""


@dataclass(frozen=True)
class ExpressionResult:
    """The value of an expression, and the cells that it read, in order."""

    value: float | bool
    cells: tuple[Cell, ...]


def evaluate_expression(
    expression: str,
    paper: Paper,
    papers: Mapping[str, Paper],
    row: str = "",
    value_of: Callable[[Cell], float] | None = None,
) -> ExpressionResult:
    """Evaluate an expression of ``paper``.

    Cells are in the unit that their column is printed in; a cell with a different suffix (``0.65G`` in a column of ``M``) is
    converted.

    Args:
        row: Id of the row that the names ``row`` (this row) and ``above`` (the row before it) refer to in a derived column.
        value_of: Replaces the printed value of a cell, to see the effect of the rounding of the sources.

    Raises:
        NotComputable: a cell is no number, a divisor is zero, or a value is beyond :data:`LARGEST`.
        InputError: not an expression of this kind, longer or deeper than is allowed, or a cell that does not exist.
    """
    cells: list[Cell] = []

    def read_cell(node: ast.Subscript) -> float:
        owner, table_node = paper, node.value
        if isinstance(table_node, ast.Attribute) and isinstance(table_node.value, ast.Name):
            if table_node.value.id not in papers:
                raise InputError(f"{expression!r}: no paper {table_node.value.id!r}")
            owner, table = papers[table_node.value.id], table_node.attr
        elif isinstance(table_node, ast.Name):
            table = table_node.id
        else:
            raise InputError(f"{expression!r}: a cell is table[row, column]")
        index = node.slice
        if not (isinstance(index, ast.Tuple) and [type(e) for e in index.elts] == [ast.Name, ast.Name]):
            raise InputError(f"{expression!r}: a cell is table[row, column]")
        row_id, column_id = (e.id for e in index.elts if isinstance(e, ast.Name))
        if row and row_id in ("row", "above") and table in owner.tables:
            row_ids = list(owner.tables[table].rows)
            row_id = row if row_id == "row" else row_ids[row_ids.index(row) - 1]
        if table in owner.tables and (cell := owner.tables[table].cell(row_id, column_id)):
            cells.append(cell)
            return value_of(cell) if value_of else printed_value(cell)
        raise InputError(f"{expression!r}: no printed number at {owner.id}/{table}[{row_id}, {column_id}]")

    def number(node: ast.AST, depth: int) -> float:
        value = walk(node, depth)
        if isinstance(value, bool):
            raise InputError(f"{expression!r}: {ast.unparse(node)!r} is true or false, not a number")
        return value

    def walk(node: ast.AST, depth: int = 0) -> Any:
        if depth > DEEPEST:
            raise InputError(f"{expression!r}: more than {DEEPEST} operations within each other")
        depth += 1
        match node:
            case ast.Constant(value=int() | float() as value) if not isinstance(value, bool):
                return _bounded(value)
            case ast.Subscript():
                return _bounded(read_cell(node))
            case ast.BinOp(left=left, op=operation, right=right) if type(operation) in BINARY:
                return _bounded(BINARY[type(operation)](number(left, depth), number(right, depth)))
            case ast.UnaryOp(ast.USub(), operand):
                return -number(operand, depth)
            case ast.BoolOp(ast.And(), values):
                parts = [walk(value, depth) for value in values]
                if not all(isinstance(part, bool) for part in parts):
                    raise InputError(f"{expression!r}: 'and' joins comparisons, not numbers")
                return all(parts)
            case ast.Compare(left, ops, comparators) if all(type(op) in COMPARE for op in ops):
                numbers = [number(operand, depth) for operand in (left, *comparators)]
                return all(COMPARE[type(op)](a, b) for op, a, b in zip(ops, numbers, numbers[1:], strict=False))
            case ast.Call(ast.Name(id=name), args, []) if name in FUNCTIONS:
                return _bounded(FUNCTIONS[name](*(number(argument, depth) for argument in args)))
        raise InputError(f"{expression!r}: {ast.unparse(node)!r} is not allowed in an expression")

    try:
        return ExpressionResult(walk(_parse(expression)), tuple(cells))
    except InputError:
        raise
    except OverflowError:
        raise NotComputable(f"{expression!r}: a value is not within {LARGEST:g}") from None
    except ArithmeticError as problem:
        raise NotComputable(f"{expression!r}: {problem}") from None
    except (TypeError, ValueError) as problem:
        raise InputError(f"{expression!r}: {problem}") from None


def _bounded(value: Any) -> float:
    """Return a value, which must be a real number of a size that can be compared."""
    if not isinstance(value, int | float):
        raise TypeError(f"evaluates to {value!r}, which is not a real number")
    if not abs(value) <= LARGEST:  # so neither infinite nor NaN
        raise OverflowError
    return value


@cache
def _parse(expression: str) -> ast.expr:
    if len(expression) > LONGEST:
        raise InputError(f"{expression[:40]!r}...: longer than {LONGEST:,} characters")
    try:
        return ast.parse(expression, mode="eval").body
    except (SyntaxError, ValueError) as problem:
        raise InputError(f"{expression!r}: {problem}") from None
    except (RecursionError, MemoryError):
        raise InputError(f"{expression!r}: more than {DEEPEST} operations within each other") from None


def is_quotation(expression: str) -> bool:
    """Check that an expression is a single cell, maybe times a power of 1,000, so that its sentence repeats the cell."""
    match _parse(expression):
        case ast.BinOp(left=ast.Constant(value=int() as factor), op=ast.Mult(), right=ast.Subscript()):
            return factor in (10**3, 10**6, 10**9)
        case tree:
            return isinstance(tree, ast.Subscript)


def printed_value(cell: Cell) -> float:
    """Return a cell's number in its column's unit.

    Raises:
        NotComputable: The printed string is not a number.
    """
    try:
        return cell.number.value * suffix_scale(cell)
    except InputError as problem:
        raise NotComputable(f"{cell.name}: {problem}") from None


def half_unit(cell: Cell) -> float:
    """Return half a unit of a cell's last printed place, in its column's unit: the largest effect of rounding."""
    return 0.5 * 10.0**-cell.number.decimals * suffix_scale(cell)


def suffix_scale(cell: Cell) -> float:
    """Return the column's units in one unit of the cell's own suffix: 1000 for ``0.65G`` in a column of ``M``."""
    suffix, unit = cell.number.suffix, cell.column.unit
    return UNIT_SCALES[suffix] / UNIT_SCALES[unit] if suffix in ("K", "M", "G") and unit in ("K", "M", "G") else 1.0
