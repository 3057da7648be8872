"""Find the lookup table of a search in its file, or measure it and write it there."""

from __future__ import annotations

from pathlib import Path
from statistics import median

from benchmark.config.latency import MAX_RELATIVE_IQR
from benchmark.config.searches import LOOKUP_ROUNDS, CostKind, SearchConfig
from benchmark.core.errors import InputError
from benchmark.core.files import check_output_file
from benchmark.core.keypoints import JOINT_COUNTS, joint_set_of
from benchmark.nas.lookup_table import Component, LookupTable, load_table, measure_table, save_table
from benchmark.nas.trainer import search_module

LOOKUP_FOLDER = Path("out/lookup")


def table_path(package: str, config: SearchConfig, cost: CostKind) -> Path:
    """Return the default file of a lookup table."""
    return LOOKUP_FOLDER / f"{package}-{config.name}-{cost}.json"


def find_table(
    package: str,
    config: SearchConfig,
    cost: CostKind,
    path: Path | None = None,
    *,
    rounds: int = LOOKUP_ROUNDS,
    noisy: bool = False,
    show: bool = False,
) -> LookupTable:
    """Load the table from its file, or measure it and write the file. Operations are always counted, which is quick.

    Args:
        noisy: Accept noisy times; see :attr:`benchmark.nas.lookup_table.LookupTable.noisy`.

    Raises:
        InputError: The file is not a lookup table, or a table of other components or of another cost; or the times are noisy.
    """
    path, joints = path or table_path(package, config, cost), JOINT_COUNTS[joint_set_of(config.recipe.dataset)]
    components: dict[str, Component] = search_module(package).list_components(config, joints)
    if cost == "flops" or not path.exists():
        check_output_file(path)
        table = measure_table(components, cost, input=config.cost_input, joints=joints, rounds=rounds, show=show)
        if table.noisy and not noisy:
            raise InputError(
                f"the quartiles of an operation's times lie {100 * median(table.spread.values()):.0f} % apart, more than "
                f"{100 * MAX_RELATIVE_IQR:.0f} %: other programs run on this machine, and the table is not saved. Try again, "
                "or accept it with --noisy"
            )
        save_table(table, path)
        return table
    table = load_table(path)
    for name, value in {"cost": cost, "input": config.cost_input, "joints": joints}.items():
        if getattr(table, name) != value:
            raise InputError(
                f"{path}: the table's {name} is {getattr(table, name)}, not {value}; name another file with --table"
            )
    if differing := sorted(table.costs.keys() ^ components.keys()):
        owner = "table" if differing[0] in table.costs else "search"
        raise InputError(
            f"{path}: a table of other components: only the {owner} has {differing[0]!r}; name another file with --table"
        )
    return table
