"""The faults that ``make mutants`` plants are small, differ from the code, and leave out annotations and words of errors."""

from __future__ import annotations

import ast

from tests.mutants import INSTRUMENTS, PROJECT, faults

SOURCE = """
def near(center: int, size: int = 3) -> bool:
    if size < 1:
        raise ValueError(f"{size} < 1")
    return center - 1 >= 0 and max(center, size) == size
"""


def test_each_fault_is_one_change_of_what_the_code_does() -> None:
    descriptions, sources = zip(*faults(SOURCE), strict=True)
    assert set(descriptions) == {
        "line 2: 3 -> 4",
        "line 3: size < 1 -> size <= 1",
        "line 3: 1 -> 2",
        "line 5: center - 1 >= 0 and max(center, size) == size -> center - 1 >= 0 or max(center, size) == size",
        "line 5: center - 1 >= 0 -> center - 1 > 0",
        "line 5: center - 1 -> center + 1",
        "line 5: 1 -> 2",
        "line 5: 0 -> 1",
        "line 5: max(center, size) == size -> max(center, size) != size",
        "line 5: max(center, size) -> min(center, size)",
    }
    assert len({ast.unparse(ast.parse(SOURCE)), *sources}) == 1 + len(sources)


def test_every_instrument_and_its_tests_exist() -> None:
    paths = [path for module, tests in INSTRUMENTS.items() for path in (module, *tests)]
    assert [path for path in paths if not (PROJECT / path).exists()] == []
