"""``python -m benchmark.search lookup``: make the lookup table of a search, and see how well it predicts whole networks."""

from __future__ import annotations

import json
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from statistics import median
from typing import Annotated

import numpy as np
import tyro

from benchmark import lookup, models, records, search_outcome, searching
from benchmark import search_scales as scales
from benchmark.errors import InputError
from benchmark.feed import joints_of
from benchmark.latency import NOISY
from benchmark.lookup import Part, Table
from benchmark.search_scales import Cost, Scale

FOLDER = Path("out/lookup")


@dataclass(frozen=True, kw_only=True)
class Lookup:
    """What each operation of a search space costs here, and how well their sum predicts whole networks.

    Example: python -m benchmark.search lookup efficientpose_nas --cost cpu --validate 20
    """

    package: Annotated[str, tyro.conf.Positional]
    """The paper whose search it is, as in efficientpose_nas."""
    scale: str = "small"
    """A name in the package's searches.py: its skeleton, input and joints."""
    input: str | None = None
    """Height x width of the image in pixels, instead of the scale's; for a look at it only."""
    cost: Cost = "flops"
    """Operations, or seconds on the processor or a GPU."""
    validate: int | None = None
    """Compare the table with so many random networks, measured whole."""
    rounds: int = lookup.ROUNDS
    """How often the turns go round."""
    noisy: bool = False
    """Accept a table whose times scatter."""
    table: Path | None = None
    """The file; default: out/lookup/<package>-<scale>-<cost>.json."""
    keep: bool = False
    """Keep the comparison as a record under reports/records, and measure whatever was searched at this scale along with it."""
    as_json: Annotated[bool, tyro.conf.arg(name="json"), tyro.conf.FlagCreatePairsOff] = False
    """Print JSON; benchmark/schemas/search.schema.json describes it."""

    def __call__(self, folder: Path = records.FOLDER) -> None:
        if self.validate is not None and self.validate < 3:
            raise InputError(f"--validate {self.validate}: at least three networks are needed")
        if self.rounds < 1:
            raise InputError(f"--rounds {self.rounds}: at least one is needed")
        scale = scales.find(self.package, self.scale)
        if self.input:
            models.parse_size(self.input)
            scale = replace(scale, name=f"{scale.name}-{self.input}", deployed=self.input)
        path = self.table or path_of(self.package, scale, self.cost)
        show = not self.as_json
        table = table_of(self.package, scale, self.cost, path, rounds=self.rounds, noisy=self.noisy, show=show)
        found = None
        if self.validate:
            generator, module = np.random.default_rng(0), searching.module(self.package)
            texts = {str(place): module.sample(scale, table, None, generator) for place in range(self.validate)}
            known = search_outcome.architectures(self.package, scale, records.load(folder)) if self.keep else {}
            pairs = measured_whole(self.package, scale, table, texts | known, rounds=self.rounds, show=show)
            random = [pairs[name] for name in texts]
            found = lookup.compare(*zip(*random, strict=True))
            if self.keep:
                records.append(search_outcome.validated(self.package, scale, table, random, found), folder)
                for model in known:
                    records.append(search_outcome.whole(self.package, scale, table, model, *pairs[model]), folder)
        print(json.dumps(search_outcome.table_report(table, path, found)) if self.as_json else text(table, path, found))


def path_of(package: str, scale: Scale, cost: Cost) -> Path:
    """Where a table is kept."""
    return FOLDER / f"{package}-{scale.name}-{cost}.json"


def table_of(
    package: str,
    scale: Scale,
    cost: Cost,
    path: Path | None = None,
    *,
    rounds: int = lookup.ROUNDS,
    noisy: bool = False,
    show: bool = False,
) -> Table:
    """The table in the file, or a new one that is written there. Operations are counted anew, which takes no time.

    Args:
        noisy: accept times that scatter; see :attr:`benchmark.lookup.Table.noisy`.

    Raises:
        InputError: the file is no table, or one of other parts, or one for another cost; times scatter.
    """
    path, joints = path or path_of(package, scale, cost), models.JOINTS[joints_of(scale.recipe)]
    parts: dict[str, Part] = searching.module(package).parts(scale, joints)
    if cost == "flops" or not path.exists():
        table = lookup.measure(parts, cost, input=scale.costed, joints=joints, rounds=rounds, show=show)
        if table.noisy and not noisy:
            raise InputError(
                f"the quartiles of an operation's times lie {100 * median(table.spread.values()):.0f} % apart, more than "
                f"{100 * NOISY:.0f} %: something else runs here, and nothing is kept. Try again, or accept that with --noisy"
            )
        lookup.save(table, path)
        return table
    table = lookup.load(path)
    told = {"cost": cost, "input": scale.costed, "joints": joints}
    for name, value in told.items():
        if getattr(table, name) != value:
            raise InputError(f"{path}: the table's {name} is {getattr(table, name)}, not {value}; name another with --table")
    if table.costs.keys() != parts.keys():
        part = sorted(table.costs.keys() ^ parts.keys())[0]
        raise InputError(f"{path}: a table of other parts: {part!r} is in one of them only; name another with --table")
    return table


def measured_whole(
    package: str, scale: Scale, table: Table, texts: Mapping[str, str], *, rounds: int, show: bool = False
) -> dict[str, tuple[float, float]]:
    """Of architectures by name: what the table predicts and what is measured of the whole, in the table's unit."""
    module, (height, width) = searching.module(package), models.parse_size(scale.costed)
    with tempfile.TemporaryDirectory() as folder:
        ids = [searching.written(package, text, Path(folder), str(number)) for number, text in enumerate(texts.values())]
        whole = {id_: Part(partial(models.build, id_, joints=table.joints), (3, height, width)) for id_ in ids}
        if table.cost == "flops":
            measured: Sequence[float] = [lookup.operations(part) for part in whole.values()]
        else:
            measured = np.median(lookup.seconds(whole, table.cost, rounds=rounds, show=show), axis=0).tolist()
    return {
        name: (table.shown(table.predict(module.used(text))), table.shown(value))
        for (name, text), value in zip(texts.items(), measured, strict=True)
    }


def text(table: Table, path: Path, found: lookup.Validation | None) -> str:
    """For reading: a line a part, and how well the table predicts."""
    unit = lookup.UNITS[table.cost]
    lines = [f"{table.device or 'operations'}, {table.input}, batch {lookup.BATCH[table.cost]}; {path}"]
    for name, cost in table.costs.items():
        spread = f"   quartiles {100 * table.spread[name]:.1f} % apart" if name in table.spread else ""
        lines.append(f"{name:24}{table.shown(cost):10.4f} {unit}{spread}")
    if found:
        lines.append(
            f"whole networks: rank correlation {found.rank:.3f}; predictions are {100 * found.bias:+.2f} % off on average, "
            f"and {100 * found.error:.2f} % about that"
        )
    return "\n".join(lines)
