"""The README's map of ``benchmark/`` is the truth."""

from __future__ import annotations

import importlib
import re
import tomllib
from pathlib import Path

ROOT = Path(__file__).parents[1]
BUILT = (ROOT / "README.md").read_text(encoding="utf-8").partition("\n## How it is built\n")[2].partition("\n## ")[0]
ROW = re.compile(r"^\| (?P<layer>\d+) \| (?P<names>(?:`\w+` ?)+) \| (?P<description>.+) \|$", re.MULTILINE)
MAP = {name: int(row["layer"]) for row in ROW.finditer(BUILT) for name in re.findall(r"\w+", row["names"])}
EXAMPLES = re.findall(r"^\| ([^|`]+) \| `([\w/.]+)`, `(\w+)`[^|]* \|$", BUILT, re.MULTILINE)


def test_every_package_and_command_is_on_the_map_and_nothing_else() -> None:
    benchmark = ROOT / "benchmark"
    packages = {path.parent.name for path in benchmark.glob("*/__init__.py")}
    modules = {path.stem for path in benchmark.glob("*.py")} - {"__init__"}
    assert set(MAP) == packages | modules
    assert len(MAP) == sum(row["names"].count("`") // 2 for row in ROW.finditer(BUILT)), "a name is on the map twice"


def test_layers_are_those_that_are_enforced() -> None:
    contracts = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["tool"]["importlinter"]["contracts"]
    (layers,) = (contract["layers"] for contract in contracts if contract["type"] == "layers")
    enforced = {
        name.strip().removeprefix("benchmark."): number
        for number, layer in enumerate(reversed(layers), 1)
        for name in layer.split("|")
    }
    assert enforced == MAP


def test_what_the_map_names_in_the_descriptions_exists() -> None:
    for row in ROW.finditer(BUILT):
        for name in re.findall(r"`(\w+)`", row["description"]):
            homes = [importlib.import_module(f"benchmark.{room}") for room in re.findall(r"\w+", row["names"])]
            declared = any(
                re.search(rf"^class {name}\b", path.read_text(encoding="utf-8"), re.MULTILINE)
                for home in homes
                for path in Path(str(home.__file__)).parent.glob("*.py")
            )
            assert name in MAP or declared, name


def test_folders_are_those_of_the_project() -> None:
    folders = re.findall(r"^\| `(\w+)/` \| ", BUILT, re.MULTILINE)
    assert folders == ["paper_tables", "reproductions", "ablations", "benchmark", "reports", "tests"]
    assert all((ROOT / folder).is_dir() for folder in folders)


def test_the_examples_are_where_the_map_says() -> None:
    topics = [topic for topic, _, _ in EXAMPLES]
    assert {"PCKh's head size", "a crop's scale rule", "an ablation's plan", "a record's identity"} <= set(topics)
    for _, path, name in EXAMPLES:
        assert (ROOT / path).is_file()
        assert hasattr(importlib.import_module(path.removesuffix(".py").replace("/", ".")), name), f"{path} has no {name}"
