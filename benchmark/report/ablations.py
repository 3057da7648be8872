"""Every ablation: what each variant costs and reaches here, and each printed difference beside the measured one."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

from benchmark import ablation as ablations
from benchmark import effects, ledger, models
from benchmark.ablation import PROTOCOLS, Ablation, Variant
from benchmark.conventions import FLOPS
from benchmark.effects import METRICS, Effect
from benchmark.records import Record
from benchmark.report.markdown import grid, page
from benchmark.tables import papers


def ablations_page(records: Mapping[str, Record]) -> str:
    """``reports/ablations.md``."""
    known = ablations.known()
    found = {
        (name, protocol): effects.effects(ablation, protocol, records)
        for name, ablation in known.items()
        for protocol in ablation.protocols
        if protocol != "synthetic"
    }
    measured = [effect for own in found.values() for effect in own if effect.interval is not None]
    apart = sum(effect.judged != "within noise" for effect in measured)
    blocks = [
        "# Ablations",
        "Each variant is trained by one recipe that all share, with several seeds, and tested on the same persons. A "
        "difference stands with its 95 % interval over persons and seeds: Student's, from the spread of the runs and from "
        "replicates that draw the same persons for every run. It *agrees* where the interval leaves out zero on the side that "
        "the paper prints, is *opposite* on the other, and *within noise* else. A small protocol says which way a thing points "
        "on its own data and at its own length; it never matches a printed figure.",
        f"Of {len(measured)} comparisons with an interval, {apart} leave out zero; were there no effect at all, one in twenty "
        "would do so by chance.",
        grid(("protocol", "what all variants share"), [(f"`{name}`", p.says) for name, p in PROTOCOLS.items()]),
    ]
    for name, ablation in known.items():
        blocks += _section(ablation, {protocol: own for (key, protocol), own in found.items() if key == name}, records)
    return page(*blocks)


def _section(ablation: Ablation, found: Mapping[str, Sequence[Effect]], records: Mapping[str, Record]) -> list[str]:
    title = papers()[ablation.paper].short
    blocks = [
        f"## {ablation.title}",
        f"[{title}]({ablation.paper}.md), `{ablation.table}`: {ablation.says}. Plan: `ablations/{ablation.name}.py`.",
    ]
    for protocol, own in found.items():
        run = any(effect.difference is not None for effect in own)
        if run:
            blocks += [f"### `{protocol}`", _variants(ablation, protocol, records), _effects(own)]
    waiting = [protocol for protocol, own in found.items() if all(effect.difference is None for effect in own)]
    if waiting:
        commands = "; ".join(f"`python -m benchmark.ablate {ablation.name} --protocol {protocol}`" for protocol in waiting)
        blocks += [_costs(ablation, records) if len(waiting) == len(found) else "", f"Not run: {commands}."]
    return blocks


def _costs(ablation: Ablation, records: Mapping[str, Record]) -> str:
    rows = [(variant.name, f"`{variant.model}`", *_cost(variant, records)) for variant in ablation.variants]
    return grid(("variant", "network", "parameters", "GFLOPs (hrnet)"), rows)


def _variants(ablation: Ablation, protocol: str, records: Mapping[str, Record]) -> str:
    metrics = list(dict.fromkeys(METRICS[PROTOCOLS[protocol].dataset]))
    rows = []
    for variant in ablation.variants:
        figures = [_spread(ablation, variant, protocol, metric, records) for metric in metrics]
        rows.append((variant.name, f"`{variant.model}`", *_cost(variant, records), *figures))
    return grid(("variant", "network", "parameters", "GFLOPs (hrnet)", *metrics), rows)


def _cost(variant: Variant, records: Mapping[str, Record]) -> tuple[str, str]:
    """Parameters in millions and GFLOPs with the head and at the size at which all networks are compared."""
    record = records.get(ledger.cost_record(variant.model, *ledger.COMMON))
    if record is None:
        return "", ""
    counts = record.value
    return f"{counts['params']['trainable'] / 1e6:.3f} M", f"{counts['flops']['hrnet'] / FLOPS['hrnet'].giga:.3f}"


def _spread(ablation: Ablation, variant: Variant, protocol: str, metric: str, records: Mapping[str, Record]) -> str:
    """Mean and standard deviation over seeds; published weights are one network."""
    if variant.weights:
        subject = models.tested_as(ablation.variants[0].model)
        wanted = (subject, PROTOCOLS[protocol].dataset, variant.tested, metric)
        values = [r.value for r in records.values() if (r.subject, r.dataset, r.protocol, r.metric) == wanted]
        return f"{values[-1]:.2f} (published weights)" if values else ""
    values = [record.value for record in effects.runs(ablation, variant, protocol, metric, records)]
    if len(values) < 2:
        return f"{values[0]:.2f}" if values else ""
    return f"{np.mean(values):.2f} ± {np.std(values, ddof=1):.2f} ({len(values)} seeds)"


def _effects(found: Sequence[Effect]) -> str:
    rows = []
    for effect in found:
        ours = "" if effect.difference is None else f"{effect.difference:+.2f}"
        interval = "[{:+.2f}, {:+.2f}]".format(*effect.interval) if effect.interval else ""
        printed = "" if effect.printed is None else f"{effect.printed:+.2f}"
        pair = f"{effect.comparison.better} over {effect.comparison.worse}"
        rows.append((pair, effect.metric, f"{ours} {interval}".strip(), printed, effect.judged))
    return grid(("comparison", "metric", "here, points", "printed, points", "direction"), rows)
