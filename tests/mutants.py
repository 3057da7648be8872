"""Plant faults in the instruments, one at a time, and see which the tests of each instrument notice.

A fault is one small change of an instrument's syntax tree: another comparison, sign, number or function. Faults are drawn at
random, the same ones for the same seed. Each is written into a copy of the project, whose tests of that instrument then run
in a fork of this process, which has imported PyTorch already. ``make mutants`` runs it; the counts, and the faults that no
test noticed, are written as JSON: see :class:`Report`. Some of these change nothing that anybody could see.
"""

from __future__ import annotations

import ast
import copy
import json
import os
import random
import shutil
import signal
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import TypedDict

import cv2  # noqa: F401  what forks would each import again
import hypothesis  # noqa: F401
import pandas  # noqa: F401
import pytest
import scipy.stats  # noqa: F401
import torchvision  # noqa: F401
import tyro
from tqdm import tqdm

from benchmark.core.files import write_file
from benchmark.core.records import provenance

PROJECT = Path(__file__).parents[1]
# The tests that have to notice a fault in an instrument.
INSTRUMENTS: Mapping[str, tuple[str, ...]] = {
    "benchmark/analysis/effects.py": ("tests/analysis",),
    "benchmark/analysis/trials.py": ("tests/analysis",),
    "benchmark/core/inference.py": ("tests/core/test_inference.py", "tests/analysis"),
    "benchmark/core/statistics.py": ("tests/core/test_statistics.py", "tests/core/test_inference.py"),
    "benchmark/cost/counters.py": ("tests/cost/test_cost.py", "tests/cost/test_rules.py"),
    "benchmark/cost/rules.py": ("tests/cost/test_cost.py", "tests/cost/test_rules.py"),
    "benchmark/ledger/accuracy.py": ("tests/ledger/test_accuracy.py", "tests/ledger/test_verdicts.py"),
    "benchmark/metrics/average_precision.py": ("tests/metrics/test_oks.py",),
    "benchmark/metrics/oks.py": ("tests/metrics/test_oks.py",),
    "benchmark/metrics/oks_nms.py": ("tests/metrics/test_oks_nms.py",),
    "benchmark/metrics/pck.py": ("tests/metrics/test_pck.py", "tests/metrics/test_pckh.py"),
    "benchmark/metrics/pckh.py": ("tests/metrics/test_pckh.py", "tests/metrics/test_mpii_files.py"),
    "benchmark/papers/expressions.py": ("tests/papers/test_expressions.py",),
    "benchmark/papers/rounding.py": ("tests/papers",),
    "benchmark/pipeline/augment.py": ("tests/pipeline/test_augment.py",),
    "benchmark/pipeline/crops.py": ("tests/pipeline/test_crops.py",),
    "benchmark/pipeline/decode.py": ("tests/pipeline/test_decode.py",),
    "benchmark/pipeline/targets.py": ("tests/pipeline/test_targets.py",),
}
LIMIT = 180  # seconds after which tests that do not end have noticed the fault

COMPARISONS: Mapping[type[ast.cmpop], type[ast.cmpop]] = {
    ast.Lt: ast.LtE,
    ast.LtE: ast.Lt,
    ast.Gt: ast.GtE,
    ast.GtE: ast.Gt,
    ast.Eq: ast.NotEq,
    ast.NotEq: ast.Eq,
    ast.In: ast.NotIn,
    ast.NotIn: ast.In,
    ast.Is: ast.IsNot,
    ast.IsNot: ast.Is,
}
ARITHMETIC: Mapping[type[ast.operator], type[ast.operator]] = {
    ast.Add: ast.Sub,
    ast.Sub: ast.Add,
    ast.Mult: ast.Div,
    ast.Div: ast.Mult,
    ast.FloorDiv: ast.Mult,
    ast.Pow: ast.Mult,
    ast.BitAnd: ast.BitOr,
    ast.BitOr: ast.BitAnd,
}
FUNCTIONS = {"min": "max", "max": "min", "floor": "ceil", "ceil": "floor", "minimum": "maximum", "maximum": "minimum"} | {
    "any": "all",
    "all": "any",
    "mean": "sum",
    "argmax": "argmin",
    "argmin": "argmax",
}


class Module(TypedDict):
    """The faults of one instrument.

    Attributes:
        seed: Of the drawing.
        survivors: Those that no test noticed: line, and the statement's part before and after.
    """

    module: str
    commit: str
    seed: int
    planted: int
    caught: int
    survivors: list[str]


class Report(TypedDict):
    """The file that ``make mutants`` writes."""

    schema: int
    results: list[Module]


def changed(node: ast.AST) -> Iterator[ast.AST]:
    """Yield faulty copies of a node, without its children's faults."""
    other = copy.deepcopy(node)
    match other:
        case ast.Compare(ops=[op, *_]) if type(op) in COMPARISONS:
            other.ops[0] = COMPARISONS[type(op)]()
        case ast.BinOp(op=op) if type(op) in ARITHMETIC:
            other.op = ARITHMETIC[type(op)]()
        case ast.BoolOp(op=op):
            other.op = ast.Or() if isinstance(op, ast.And) else ast.And()
        case ast.UnaryOp(op=ast.Not() | ast.USub(), operand=operand):
            other = operand
        case ast.IfExp(test=test):
            other.test = ast.UnaryOp(ast.Not(), test)
        case ast.Constant(value=bool(value)):
            other.value = not value
        case ast.Constant(value=int() | float() as value):
            other.value = value + 1
        case ast.Call(func=ast.Name(id=name)) if name in FUNCTIONS:
            other.func.id = FUNCTIONS[name]  # type: ignore[attr-defined]
        case ast.Call(func=ast.Attribute(attr=name)) if name in FUNCTIONS:
            other.func.attr = FUNCTIONS[name]  # type: ignore[attr-defined]
        case _:
            return
    yield other


def sites(node: ast.AST) -> Iterator[tuple[ast.AST, str, int | None, ast.AST]]:
    """Yield where a fault can be planted: parent, field, index in a list of children, and the faulty child.

    Annotations and what only words errors are left out.
    """
    for name, value in ast.iter_fields(node):
        if name in ("annotation", "returns", "type_params"):
            continue
        for index, child in enumerate(value) if isinstance(value, list) else [(None, value)]:
            if not isinstance(child, ast.AST) or isinstance(child, ast.Raise | ast.JoinedStr):
                continue
            for faulty in changed(child):
                yield node, name, index, faulty
            yield from sites(child)


def faults(source: str) -> Iterator[tuple[str, str]]:
    """Yield the possible faults of a module: a description, and the module's source with the fault."""
    tree = ast.parse(source)
    for parent, name, index, faulty in list(sites(tree)):
        value = getattr(parent, name)
        before = value if index is None else value[index]
        description = f"line {before.lineno}: {ast.unparse(before)} -> {ast.unparse(faulty)}"
        _set(parent, name, index, faulty)
        yield description, ast.unparse(ast.fix_missing_locations(tree))
        _set(parent, name, index, before)


def _set(parent: ast.AST, name: str, index: int | None, child: ast.AST) -> None:
    if index is None:
        setattr(parent, name, child)
    else:
        getattr(parent, name)[index] = child


def tests_pass(folder: Path, tests: Sequence[str]) -> bool:
    """Run tests in a copy of the project, in a fork; return whether all passed within the limit."""
    if not (process := os.fork()):
        signal.alarm(LIMIT)
        os.chdir(folder)
        sys.path.insert(0, str(folder))
        for name in [name for name in sys.modules if name.partition(".")[0] in ("benchmark", "reproductions", "tests")]:
            del sys.modules[name]  # the copy's are imported instead
        for stream in (1, 2):
            os.dup2(os.open(os.devnull, os.O_WRONLY), stream)
        os._exit(int(pytest.main(["-x", "-q", "-p", "no:cacheprovider", *tests])))
    return os.waitpid(process, 0)[1] == 0


def plant(folder: Path, module: str, count: int, seed: int, commit: str, bar: tqdm) -> Module:
    """Plant faults in a module of a copy of the project, one at a time."""
    path, tests = folder / module, INSTRUMENTS[module]
    source = path.read_text()
    if not tests_pass(folder, tests):
        raise SystemExit(f"{module}: its tests fail without a fault")
    possible = list(faults(source))
    planted = random.Random(f"{seed} {module}").sample(possible, min(count, len(possible)))
    survivors = []
    for description, faulty in planted:
        path.write_text(faulty)
        if tests_pass(folder, tests):
            survivors.append(description)
        bar.update()
    path.write_text(source)
    return Module(
        module=module,
        commit=commit,
        seed=seed,
        planted=len(planted),
        caught=len(planted) - len(survivors),
        survivors=survivors,
    )


def mutants(*, count: int = 10, seed: int = 0, out: Path = Path("out/mutants.json"), only: tuple[str, ...] = ("",)) -> None:
    """Plant faults, and write what was noticed after each module.

    Args:
        count: Number of faults in each module.
        seed: Of the drawing of faults.
        out: The file to write; of modules that are left out, it keeps what it has.
        only: Paths of modules, or their beginnings; all others are left out.
    """
    sys.dont_write_bytecode = True  # a changed file of the same size and second would not be read again
    modules = [module for module in INSTRUMENTS if module.startswith(only)]
    known = {result["module"]: result for result in json.loads(out.read_text())["results"]} if out.exists() else {}
    files = subprocess.run(["git", "ls-files"], cwd=PROJECT, capture_output=True, text=True, check=True).stdout.splitlines()
    commit = provenance("python -m tests.mutants")["commit"]
    with tempfile.TemporaryDirectory() as name, tqdm(total=count * len(modules), unit=" faults") as bar:
        folder = Path(name)
        for file in files:
            (folder / file).parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(PROJECT / file, folder / file)
        for module in modules:
            bar.set_postfix_str(module)
            known[module] = plant(folder, module, count, seed, commit, bar)
            report = Report(schema=2, results=[known[name] for name in INSTRUMENTS if name in known])
            write_file(out, (json.dumps(report, indent=1) + "\n").encode())


if __name__ == "__main__":
    tyro.cli(mutants, prog="python -m tests.mutants", description=__doc__)
