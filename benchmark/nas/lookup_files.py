"""Keep lookup tables as files."""

from __future__ import annotations

from pathlib import Path
from statistics import median

from benchmark.config.latency import MAX_RELATIVE_IQR
from benchmark.config.searches import CostKind, SearchConfig
from benchmark.core.errors import InputError
from benchmark.core.keypoints import JOINT_COUNTS
from benchmark.nas.lookup_table import LOOKUP_ROUNDS, Component, LookupTable, load_table, measure_table, save_table
from benchmark.nas.trainer import search_module
from benchmark.training.loader import joint_set

LOOKUP_FOLDER = Path("out/lookup")


def table_path(package: str, scale: SearchConfig, cost: CostKind) -> Path:
    """Where a table is kept."""
    return LOOKUP_FOLDER / f"{package}-{scale.name}-{cost}.json"


def find_table(
    package: str,
    scale: SearchConfig,
    cost: CostKind,
    path: Path | None = None,
    *,
    rounds: int = LOOKUP_ROUNDS,
    noisy: bool = False,
    show: bool = False,
) -> LookupTable:
    """The table in the file, or a new one that is written there. Operations are counted anew, which takes no time.

    Args:
        noisy: accept times that scatter; see :attr:`benchmark.nas.lookup_table.LookupTable.noisy`.

    Raises:
        InputError: the file is no table, or one of other parts, or one for another cost; times scatter.
    """
    path, joints = path or table_path(package, scale, cost), JOINT_COUNTS[joint_set(scale.recipe)]
    parts: dict[str, Component] = search_module(package).list_components(scale, joints)
    if cost == "flops" or not path.exists():
        table = measure_table(parts, cost, input=scale.cost_input, joints=joints, rounds=rounds, show=show)
        if table.noisy and not noisy:
            raise InputError(
                f"the quartiles of an operation's times lie {100 * median(table.spread.values()):.0f} % apart, more than "
                f"{100 * MAX_RELATIVE_IQR:.0f} %: something else runs here, and nothing is kept. Try again, or "
                "accept that with --noisy"
            )
        save_table(table, path)
        return table
    table = load_table(path)
    told = {"cost": cost, "input": scale.cost_input, "joints": joints}
    for name, value in told.items():
        if getattr(table, name) != value:
            raise InputError(f"{path}: the table's {name} is {getattr(table, name)}, not {value}; name another with --table")
    if table.costs.keys() != parts.keys():
        part = sorted(table.costs.keys() ^ parts.keys())[0]
        raise InputError(f"{path}: a table of other parts: {part!r} is in one of them only; name another with --table")
    return table
