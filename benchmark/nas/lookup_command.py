"""``python -m benchmark.search lookup``: make the lookup table of a search, and see how well it predicts whole networks."""

from __future__ import annotations

import json
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Annotated

import numpy as np
import tyro

from benchmark.config.identities import load_current
from benchmark.config.packages import find_search
from benchmark.config.searches import CostKind, SearchConfig
from benchmark.core.errors import InputError
from benchmark.core.input_size import parse_size
from benchmark.core.records import RECORDS, append_record
from benchmark.models.registry import build_model
from benchmark.nas.lookup_files import find_table, table_path
from benchmark.nas.lookup_table import (
    COST_UNITS,
    LOOKUP_BATCH,
    LOOKUP_ROUNDS,
    Component,
    LookupTable,
    TableValidation,
    compare_predictions,
    count_component,
    time_components,
)
from benchmark.nas.records import recorded_architectures, table_report, validation_record, whole_network_record
from benchmark.nas.trainer import search_module, write_architecture


@dataclass(frozen=True, kw_only=True)
class LookupCommand:
    """What each operation of a search space costs here, and how well their sum predicts whole networks.

    Example: python -m benchmark.search lookup efficientpose_nas --cost cpu --validate 20
    """

    package: Annotated[str, tyro.conf.Positional]
    """The paper whose search it is, as in efficientpose_nas."""
    scale: str = "small"
    """A name in the package's searches.py: its skeleton, input and joints."""
    input: str | None = None
    """Height x width of the image in pixels, instead of the scale's; for a look at it only."""
    cost: CostKind = "flops"
    """Operations, or seconds on the processor or a GPU."""
    validate: int | None = None
    """Compare the table with so many random networks, measured whole."""
    rounds: int = LOOKUP_ROUNDS
    """How often the turns go round."""
    noisy: bool = False
    """Accept a table whose times scatter."""
    table: Path | None = None
    """The file; default: out/lookup/<package>-<scale>-<cost>.json."""
    keep: bool = False
    """Keep the comparison as a record under reports/records, and measure whatever was searched at this scale along with it."""
    as_json: Annotated[bool, tyro.conf.arg(name="json"), tyro.conf.FlagCreatePairsOff] = False
    """Print JSON; benchmark/schemas/search.schema.json describes it."""

    def __call__(self, folder: Path = RECORDS) -> None:
        if self.validate is not None and self.validate < 3:
            raise InputError(f"--validate {self.validate}: at least three networks are needed")
        if self.rounds < 1:
            raise InputError(f"--rounds {self.rounds}: at least one is needed")
        scale = find_search(self.package, self.scale)
        if self.input:
            parse_size(self.input)
            scale = replace(scale, name=f"{scale.name}-{self.input}", deployment_input=self.input)
        path = self.table or table_path(self.package, scale, self.cost)
        show = not self.as_json
        table = find_table(self.package, scale, self.cost, path, rounds=self.rounds, noisy=self.noisy, show=show)
        found = None
        if self.validate:
            generator, module = np.random.default_rng(0), search_module(self.package)
            texts = {str(place): module.sample_architecture(scale, table, None, generator) for place in range(self.validate)}
            known = recorded_architectures(self.package, scale, load_current(folder)) if self.keep else {}
            pairs = measure_whole_networks(self.package, scale, table, texts | known, rounds=self.rounds, show=show)
            random = [pairs[name] for name in texts]
            found = compare_predictions(*zip(*random, strict=True))
            if self.keep:
                append_record(validation_record(self.package, scale, table, random, found), folder)
                for model in known:
                    append_record(whole_network_record(self.package, scale, table, model, *pairs[model]), folder)
        print(json.dumps(table_report(table, path, found)) if self.as_json else format_table(table, path, found))


def measure_whole_networks(
    package: str, scale: SearchConfig, table: LookupTable, texts: Mapping[str, str], *, rounds: int, show: bool = False
) -> dict[str, tuple[float, float]]:
    """Of architectures by name: what the table predicts and what is measured of the whole, in the table's unit."""
    module, (height, width) = search_module(package), parse_size(scale.cost_input)
    with tempfile.TemporaryDirectory() as folder:
        ids = [write_architecture(package, text, Path(folder), str(number)) for number, text in enumerate(texts.values())]
        whole = {id_: Component(partial(build_model, id_, joints=table.joints), (3, height, width)) for id_ in ids}
        if table.cost == "flops":
            measured: Sequence[float] = [count_component(part) for part in whole.values()]
        else:
            measured = np.median(time_components(whole, table.cost, rounds=rounds, show=show), axis=0).tolist()
    return {
        name: (table.shown(table.predict(module.used_components(text))), table.shown(value))
        for (name, text), value in zip(texts.items(), measured, strict=True)
    }


def format_table(table: LookupTable, path: Path, found: TableValidation | None) -> str:
    """For reading: a line a part, and how well the table predicts."""
    unit = COST_UNITS[table.cost]
    lines = [f"{table.device or 'operations'}, {table.input}, batch {LOOKUP_BATCH[table.cost]}; {path}"]
    for name, cost in table.costs.items():
        spread = f"   quartiles {100 * table.spread[name]:.1f} % apart" if name in table.spread else ""
        lines.append(f"{name:24}{table.shown(cost):10.4f} {unit}{spread}")
    if found:
        lines.append(
            f"whole networks: rank correlation {found.rank:.3f}; predictions are {100 * found.bias:+.2f} % off on average, "
            f"and {100 * found.error:.2f} % about that"
        )
    return "\n".join(lines)
