"""The command ``python -m benchmark.search lookup``: measure the lookup table of a search, and test its predictions."""

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
    """Measure the cost of each operation of a search space on this machine, and how well sums of them predict whole networks.

    Example: python -m benchmark.search lookup efficientpose_nas --cost cpu --validate 20
    """

    package: Annotated[str, tyro.conf.Positional]
    """The paper whose search space it is, as in efficientpose_nas."""
    scale: str = "small"
    """A name in the package's search_configs.py, which determines the skeleton, the input size and the joints."""
    input: str | None = None
    """Height x width of the image in pixels instead of the config's; such a table is for inspection only."""
    cost: CostKind = "flops"
    """Operations, or seconds on the processor or a GPU."""
    validate: int | None = None
    """Compare the table with this number of random networks, each measured as a whole."""
    rounds: int = LOOKUP_ROUNDS
    """Number of interleaved rounds."""
    noisy: bool = False
    """Accept a table whose times vary too much."""
    table: Path | None = None
    """File of the table; default: out/lookup/<package>-<scale>-<cost>.json."""
    keep: bool = False
    """Keep the comparison as a record under reports/records, and also measure all architectures found with this config."""
    as_json: Annotated[bool, tyro.conf.arg(name="json"), tyro.conf.FlagCreatePairsOff] = False
    """Print JSON."""

    def __call__(self, folder: Path = RECORDS) -> None:
        """Measure or load the table, validate it if that is asked for, and print.

        Args:
            folder: Folder of the records.

        Raises:
            InputError: there is no such search, an option is wrong, or the table's times vary too much.
        """
        if self.validate is not None and self.validate < 3:
            raise InputError(f"--validate {self.validate}: at least three networks are needed")
        if self.rounds < 1:
            raise InputError(f"--rounds {self.rounds}: at least one is needed")
        config = find_search(self.package, self.scale)
        if self.input:
            parse_size(self.input)
            config = replace(config, name=f"{config.name}-{self.input}", deployment_input=self.input)
        path = self.table or table_path(self.package, config, self.cost)
        show = not self.as_json
        table = find_table(self.package, config, self.cost, path, rounds=self.rounds, noisy=self.noisy, show=show)
        validation = self._validate(config, table, folder) if self.validate else None
        print(json.dumps(table_report(table, path, validation)) if self.as_json else format_table(table, path, validation))

    def _validate(self, config: SearchConfig, table: LookupTable, folder: Path) -> TableValidation:
        """Compare the table with whole networks; with ``keep``, write the records."""
        assert self.validate is not None
        generator, module = np.random.default_rng(0), search_module(self.package)
        texts = {str(number): module.sample_architecture(config, table, None, generator) for number in range(self.validate)}
        recorded = recorded_architectures(self.package, config, load_current(folder)) if self.keep else {}
        costs = measure_whole_networks(self.package, config, table, texts | recorded, rounds=self.rounds, show=not self.as_json)
        random_costs = [costs[name] for name in texts]
        validation = compare_predictions(*zip(*random_costs, strict=True))
        if self.keep:
            append_record(validation_record(self.package, config, table, random_costs, validation), folder)
            for model in recorded:
                append_record(whole_network_record(self.package, config, table, model, *costs[model]), folder)
        return validation


def measure_whole_networks(
    package: str, config: SearchConfig, table: LookupTable, texts: Mapping[str, str], *, rounds: int, show: bool = False
) -> dict[str, tuple[float, float]]:
    """Return the predicted and the measured cost of whole networks by name, in the table's unit.

    Args:
        texts: Architectures by name.
    """
    module, (height, width) = search_module(package), parse_size(config.cost_input)
    with tempfile.TemporaryDirectory() as folder:
        ids = [write_architecture(package, text, Path(folder), str(number)) for number, text in enumerate(texts.values())]
        networks = {id_: Component(partial(build_model, id_, joints=table.joints), (3, height, width)) for id_ in ids}
        if table.cost == "flops":
            measured: Sequence[float] = [count_component(network) for network in networks.values()]
        else:
            measured = np.median(time_components(networks, table.cost, rounds=rounds, show=show), axis=0).tolist()
    return {
        name: (table.shown(table.predict(module.used_components(text))), table.shown(value))
        for (name, text), value in zip(texts.items(), measured, strict=True)
    }


def format_table(table: LookupTable, path: Path, validation: TableValidation | None) -> str:
    """Format a table as text, one line per component, and how well it predicts whole networks."""
    unit = COST_UNITS[table.cost]
    lines = [f"{table.device or 'operations'}, {table.input}, batch {LOOKUP_BATCH[table.cost]}; {path}"]
    for name, cost in table.costs.items():
        spread = f"   quartiles {100 * table.spread[name]:.1f} % apart" if name in table.spread else ""
        lines.append(f"{name:24}{table.shown(cost):10.4f} {unit}{spread}")
    if validation:
        lines.append(
            f"whole networks: rank correlation {validation.rank:.3f}; predictions are {100 * validation.bias:+.2f} % off on "
            f"average, with a mean deviation of {100 * validation.error:.2f} % around that"
        )
    return "\n".join(lines)
