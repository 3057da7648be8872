"""What was trained here: figures, curves, and what is reached without looking at the picture."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import matplotlib as mpl
import matplotlib.pyplot as plt

from benchmark.config.ablations import BUDGETS
from benchmark.config.identities import MEAN_POSE, describe_setting
from benchmark.config.packages import known_searches
from benchmark.core.records import Record, select
from benchmark.report.markdown import grid, page
from benchmark.report.plots import PAPER_COLOURS, STYLE, svg

FIGURE = "training.svg"
# Recipes of ablations and of searches, whose runs have pages of their own.
ABLATED = {budget.overrides["name"] for budget in BUDGETS.values() if "name" in budget.overrides}


def curves(records: Mapping[str, Record]) -> list[Record]:
    """Return the finished trainings that belong to no ablation and no search, by model, setting and seed."""
    retrained = {config.retrain.name for configs in known_searches().values() for config in configs.values()}
    found = [
        record
        for record in select(records, kind="training")
        if record.setting["recipe"] not in ABLATED
        and not ("/file:" in record.subject and record.setting["recipe"] in retrained)
    ]
    return sorted(found, key=lambda record: (record.subject, describe_setting(record), record.seed or 0))


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
    if rates := select(records, kind="learning_rate"):
        blocks += ["## Learning rates found", _rates(rates)]
    return page(*blocks)


def _tested(run: Record, records: Mapping[str, Record]) -> list[Record]:
    """Return the metrics of a run on its test people."""
    return select(records, kind="accuracy", subject=run.subject, setting=run.setting, seed=run.seed)


def _plain(metric: str) -> bool:
    """Whether the metric is defined in the usual way: without a named convention, or by the one papers use most."""
    return "(" not in metric or metric.endswith("(hrnet)")


def _table(runs: Sequence[Record], records: Mapping[str, Record], dataset: str) -> str:
    metrics = list(dict.fromkeys(r.metric for run in runs for r in _tested(run, records) if _plain(r.metric)))
    rows = []
    for run in runs:
        figures = {record.metric: record for record in _tested(run, records)}
        speed = f"{run.samples['images per second']:.0f}, {run.environment.get('threads', '?')} threads"
        minutes = f"{run.samples['seconds'] / 60:.0f} min"
        rows.append(
            (f"`{run.subject}`", describe_setting(run), run.seed, *(_cell(figures.get(m)) for m in metrics), speed, minutes)
        )
    means: dict[str, dict[str, Record]] = {}
    for record in select(records, kind="mean_pose", dataset=dataset):
        if record.setting["recipe"] not in ABLATED:
            means.setdefault(describe_setting(record), {})[record.metric] = record
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
    for record in sorted(found, key=lambda r: (r.subject, describe_setting(r))):
        tried = ", ".join(f"{step['rate']:g} {'lost' if step['diverges'] else 'kept'}" for step in record.samples["tried"])
        rows.append((f"`{record.subject}`", describe_setting(record), f"{record.value:g}", tried))
    return grid(("network", "recipe", "largest rate", "tried"), rows)


def training_figure(records: Mapping[str, Record]) -> bytes:
    """Loss, and the first figure of each test, over the epochs."""
    with mpl.rc_context(STYLE):
        figure, (left, right) = plt.subplots(1, 2, figsize=(8, 3))
        figure.subplots_adjust(left=0.08, right=0.98, top=0.95, bottom=0.32, wspace=0.2)
        for place, run in enumerate(curves(records)):
            colour = PAPER_COLOURS[place % len(PAPER_COLOURS)]
            losses = run.samples["loss"]
            name = f"{run.subject}, {describe_setting(run)}, seed {run.seed}"
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
