"""The command ``python -m benchmark.search lookup``: measure the lookup table of a search, and test its predictions."""

from __future__ import annotations

import json
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path

import numpy as np

from benchmark.config.conventions import format_not_counted
from benchmark.config.identities import load_current
from benchmark.config.packages import find_search
from benchmark.config.searches import SearchConfig
from benchmark.core.errors import InputError
from benchmark.core.input_size import parse_size
from benchmark.core.records import RECORDS, append_records, check_store
from benchmark.models.registry import build_model
from benchmark.nas.arguments import LookupArguments
from benchmark.nas.lookup_files import find_table, table_path
from benchmark.nas.lookup_table import (
    COST_UNITS,
    LOOKUP_BATCH,
    Component,
    LookupTable,
    TableValidation,
    compare_predictions,
    count_lookup_cost,
    time_components,
    trace_component,
)
from benchmark.nas.records import recorded_architectures, table_report, validation_record, whole_network_record
from benchmark.nas.trainer import search_module, write_architecture


def look_up(arguments: LookupArguments, folder: Path = RECORDS) -> None:
    """Measure or load the table, validate it if that is asked for, and print.

    Args:
        folder: Folder of the records.

    Raises:
        InputError: there is no such search, an option is wrong, or the table's times vary too much.
    """
    if arguments.validate is not None and arguments.validate < 3:
        raise InputError(f"--validate {arguments.validate}: at least three networks are needed")
    if arguments.rounds < 1:
        raise InputError(f"--rounds {arguments.rounds}: at least one is needed")
    if arguments.keep:
        check_store(folder)
    config, cost = find_search(arguments.package, arguments.scale), arguments.cost
    if arguments.input:
        parse_size(arguments.input)
        config = replace(config, name=f"{config.name}-{arguments.input}", deployment_input=arguments.input)
    path = arguments.table or table_path(arguments.package, config, cost)
    show = not arguments.as_json
    table = find_table(arguments.package, config, cost, path, rounds=arguments.rounds, noisy=arguments.noisy, show=show)
    validation = _validate(arguments, arguments.validate, config, table, folder) if arguments.validate else None
    print(json.dumps(table_report(table, path, validation)) if arguments.as_json else format_table(table, path, validation))


def _validate(
    arguments: LookupArguments, count: int, config: SearchConfig, table: LookupTable, folder: Path
) -> TableValidation:
    """Compare the table with ``count`` whole networks; with ``keep``, write the records."""
    package, generator = arguments.package, np.random.default_rng(0)
    sample = search_module(package).sample_architecture
    texts = {str(number): sample(config, table, None, generator) for number in range(count)}
    recorded = recorded_architectures(package, config, load_current(folder)) if arguments.keep else {}
    show = not arguments.as_json
    costs = measure_whole_networks(package, config, table, texts | recorded, rounds=arguments.rounds, show=show)
    random_costs = [costs[name] for name in texts]
    validation = compare_predictions(*zip(*random_costs, strict=True))
    if arguments.keep:
        whole_networks = [whole_network_record(package, config, table, model, *costs[model]) for model in recorded]
        append_records([validation_record(package, config, table, random_costs, validation), *whole_networks], folder)
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
            measured: Sequence[float] = [count_lookup_cost(trace_component(network)) for network in networks.values()]
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
    if table.not_counted:
        lines.append(format_not_counted(table.not_counted))
    if validation:
        lines.append(
            f"whole networks: rank correlation {validation.rank:.3f}; predictions are {100 * validation.bias:+.2f} % off on "
            f"average, with a mean deviation of {100 * validation.error:.2f} % around that"
        )
    return "\n".join(lines)
