"""What was trained here: figures, curves, and what is reached without looking at the picture."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import matplotlib as mpl
import matplotlib.pyplot as plt

from benchmark.config.ablations import BUDGETS
from benchmark.config.packages import known_searches
from benchmark.core.records import LARGEST_RATE, MEAN_POSE, TRAINED, Record
from benchmark.report.markdown import grid, page
from benchmark.report.plots import PAPER_COLOURS, STYLE, svg

FIGURE = "training.svg"
ABLATED = tuple(f" {p.overrides['name']} " for p in BUDGETS.values() if "name" in p.overrides)  # recipes


def curves(records: Mapping[str, Record]) -> list[Record]:
    """The trainings that were finished, the latest version of each, in the order of model, protocol and seed."""
    found: dict[tuple[Any, ...], Record] = {}
    for record in sorted(records.values(), key=lambda r: (r.subject, r.protocol, r.seed or 0, r.version)):
        if record.kind == "training" and record.metric == "loss" and not (_of_ablation(record) or _of_search(record)):
            found[record.subject, record.dataset, record.protocol, record.seed] = record
    return list(found.values())


def _of_ablation(record: Record) -> bool:
    """Whether it stands on the page of ablations."""
    return any(recipe in record.protocol for recipe in ABLATED)


def _of_search(record: Record) -> bool:
    """Whether it stands on the page of searches."""
    recipes = {scale.retrain.name for listed in known_searches().values() for scale in listed.values()}
    return "/file:" in record.subject and any(f" {recipe} " in record.protocol for recipe in recipes)


def training_page(records: Mapping[str, Record]) -> str:
    """``reports/training.md``."""
    blocks = [
        "# What was trained here",
        "Each run is one command, `python -m benchmark.train MODEL --dataset DATASET --start START --seed SEED`; its recipe "
        "is on [the page of recipes](recipes.md). Figures are of the last epoch unless the recipe reports its best, with 95 % "
        "intervals over the test persons; another seed moves them further. The mean pose puts every joint where it is on "
        "average in the training crops: what is reached without looking at the picture. What was trained for an "
        "ablation or a search stands on [its](ablations.md) [page](search.md).",
    ]
    runs = curves(records)
    if not runs:
        return page(*blocks, "Nothing yet.")
    for dataset in sorted({_tested(run, records)[0].dataset for run in runs if _tested(run, records)}):
        chosen = [run for run in runs if (found := _tested(run, records)) and found[0].dataset == dataset]
        blocks += [f"## Tested on {dataset}", _table(chosen, records, dataset)]
    blocks += ["## Curves", f"![loss and accuracy over the epochs](figures/{FIGURE})"]
    if rates := [record for record in records.values() if record.metric == LARGEST_RATE]:
        blocks += ["## Learning rates found", _rates(rates)]
    return page(*blocks)


def _tested(run: Record, records: Mapping[str, Record]) -> list[Record]:
    """The figures of a run on its test persons."""
    wanted = (run.subject, run.protocol, run.seed)
    found = [r for r in records.values() if r.kind == "accuracy" and (r.subject, r.protocol, r.seed) == wanted]
    latest = max((record.version for record in found), default=0)
    return [record for record in found if record.version == latest]


def _plain(metric: str) -> bool:
    """Whether the metric is defined in the usual way: without a named convention, or by the one papers use most."""
    return "(" not in metric or metric.endswith("(hrnet)")


def _table(runs: Sequence[Record], records: Mapping[str, Record], dataset: str) -> str:
    metrics = list(dict.fromkeys(r.metric for run in runs for r in _tested(run, records) if _plain(r.metric)))
    rows = []
    for run in runs:
        figures = {record.metric: record for record in _tested(run, records)}
        told = run.protocol.removeprefix(TRAINED)
        speed = f"{run.samples['images per second']:.0f}, {run.environment.get('threads', '?')} threads"
        minutes = f"{run.samples['seconds'] / 60:.0f} min"
        rows.append((f"`{run.subject}`", told, run.seed, *(_cell(figures.get(m)) for m in metrics), speed, minutes))
    means: dict[str, dict[str, Record]] = {}
    for record in records.values():
        if record.subject == MEAN_POSE and record.dataset == dataset and not _of_ablation(record):
            means.setdefault(record.protocol, {})[record.metric] = record
    for protocol, figures in sorted(means.items()):
        rows.append((MEAN_POSE, protocol, "", *(_cell(figures.get(m)) for m in metrics), "", ""))
    return grid(("network", "trained by", "seed", *metrics, "images/s", "training took"), rows)


def _cell(record: Record | None) -> str:
    if record is None:
        return ""
    low, high = record.interval or (float("nan"), float("nan"))
    places = 2 if "@" in record.metric else 3
    return f"{record.value:.{places}f} [{low:.{places}f}, {high:.{places}f}]"


def _rates(found: Sequence[Record]) -> str:
    rows = []
    for record in sorted(found, key=lambda r: (r.subject, r.protocol)):
        tried = ", ".join(f"{step['rate']:g} {'lost' if step['diverges'] else 'kept'}" for step in record.samples["tried"])
        rows.append((f"`{record.subject}`", record.protocol, f"{record.value:g}", tried))
    return grid(("network", "recipe", "largest rate", "tried"), rows)


def training_figure(records: Mapping[str, Record]) -> bytes:
    """Loss, and the first figure of each test, over the epochs."""
    with mpl.rc_context(STYLE):
        figure, (left, right) = plt.subplots(1, 2, figsize=(8, 3))
        figure.subplots_adjust(left=0.08, right=0.98, top=0.95, bottom=0.32, wspace=0.2)
        for place, run in enumerate(curves(records)):
            colour = PAPER_COLOURS[place % len(PAPER_COLOURS)]
            losses = run.samples["loss"]
            name = f"{run.subject}, {run.protocol.removeprefix(TRAINED)}, seed {run.seed}"
            left.semilogy(range(1, len(losses) + 1), losses, color=colour, label=name, linewidth=1)
            if points := [(epoch, next(iter(figures.items()))) for epoch, figures in run.samples["figures"]]:
                right.plot(
                    [epoch for epoch, _ in points], [value for _, (_, value) in points], "o-", color=colour, markersize=2
                )
                right.set_ylabel(points[0][1][0])
        left.set_ylabel("training loss")
        for axes in (left, right):
            axes.set_xlabel("epochs")
        if left.lines:
            figure.legend(loc="lower center", frameon=False)
        return svg(figure)
