"""Show the results of training runs: accuracies, curves, and the baseline that ignores the image."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import matplotlib as mpl
import matplotlib.pyplot as plt

from benchmark.config.ablations import BUDGETS
from benchmark.config.identities import MEAN_POSE, describe_setting
from benchmark.config.packages import known_searches
from benchmark.core.records import Record, select
from benchmark.core.text import escape_markdown, escape_plot
from benchmark.models.registry import is_architecture_id
from benchmark.report.markdown import code, grid, page
from benchmark.report.metrics import METRIC_THRESHOLDS, UNUSUAL_METRICS
from benchmark.report.plots import STYLE, series_styles, svg

# The recipes of ablations, whose runs have a page of their own.
ABLATION_RECIPES = {
    f"{budget.overrides['name']}{suffix}"
    for budget in BUDGETS.values()
    if "name" in budget.overrides
    for suffix in ("", "-held-out")
}


def finished_runs(records: Mapping[str, Record]) -> list[Record]:
    """Return the curves of trainings that belong to no ablation and no search, by model, setting and seed."""
    retraining = {config.retrain.name for configs in known_searches().values() for config in configs.values()}
    runs = [
        record
        for record in select(records, kind="training")
        if record.setting["recipe"] not in ABLATION_RECIPES
        and not (is_architecture_id(record.subject) and record.setting["recipe"] in retraining)
    ]
    return sorted(runs, key=lambda record: (record.subject, describe_setting(record), record.seed or 0))


def training_page(records: Mapping[str, Record]) -> str:
    """Return ``reports/training.md``."""
    blocks = [
        "# Training results",
        "Each run is one command, `python -m benchmark.train MODEL --dataset DATASET --start START --seed SEED`, and follows "
        "one of the [recipes](recipes.md). Accuracies are those of the last epoch, unless the recipe reports its best epoch, "
        "with 95 % intervals over the test people; these intervals do not include the variation between seeds. The *mean "
        "pose* is a baseline that ignores the image: it places every joint at its average position in the training crops. "
        "Runs that belong to [ablations](ablations.md) or [architecture searches](search.md) are shown on those pages.",
    ]
    runs = finished_runs(records)
    if not runs:
        return page(*blocks, "No training run is on record.")
    tested_on = {run.id: results[0].dataset for run in runs if (results := _test_results(run, records))}
    for dataset in sorted(set(tested_on.values())):
        tested_runs = [run for run in runs if tested_on.get(run.id) == dataset]
        blocks += [f"## Tested on {dataset}", _accuracies(tested_runs, records, dataset)]
    blocks += ["## Curves", "![loss and accuracy by epoch](figures/training.svg)"]
    if rates := select(records, kind="learning_rate"):
        blocks += ["## Learning rates found", _learning_rates(rates)]
    return page(*blocks)


def _test_results(run: Record, records: Mapping[str, Record]) -> list[Record]:
    """Return the metrics of a run on its test people."""
    return select(records, kind="accuracy", subject=run.subject, setting=run.setting, seed=run.seed)


def _accuracies(runs: Sequence[Record], records: Mapping[str, Record], dataset: str) -> str:
    """Format one row per run, then one per mean pose."""
    metrics = list(
        dict.fromkeys(r.metric for run in runs for r in _test_results(run, records) if r.metric not in UNUSUAL_METRICS)
    )
    rows = []
    for run in runs:
        results = {record.metric: record for record in _test_results(run, records)}
        cells = [_value_with_interval(results.get(metric)) for metric in metrics]
        speed = f"{run.samples['images per second']:.0f}, {run.environment.get('threads', '?')} threads"
        minutes = f"{run.samples['seconds'] / 60:.0f} min"
        rows.append((code(run.subject), escape_markdown(describe_setting(run)), run.seed, *cells, speed, minutes))
    mean_poses: dict[tuple[str, int, int], dict[str, Record]] = {}
    for record in select(records, kind="mean_pose", dataset=dataset):
        setting = record.setting
        if setting["recipe"] not in ABLATION_RECIPES:
            baseline = setting["recipe"], setting["recipe_version"], setting["people"]
            mean_poses.setdefault(baseline, {})[record.metric] = record
    described = {describe_setting(next(iter(results.values()))): results for results in mean_poses.values()}
    for setting_text, results in sorted(described.items()):
        cells = [_value_with_interval(results.get(metric)) for metric in metrics]
        rows.append((MEAN_POSE, setting_text, "", *cells, "", ""))
    return grid(("network", "training", "seed", *metrics, "images/s", "duration"), rows)


def _value_with_interval(record: Record | None) -> str:
    if record is None:
        return ""
    low, high = record.interval or (float("nan"), float("nan"))
    decimals = 2 if record.metric in METRIC_THRESHOLDS else 3  # percent, or fractions as COCO prints them
    return f"{record.value:.{decimals}f} [{low:.{decimals}f}, {high:.{decimals}f}]"


def _learning_rates(rates: Sequence[Record]) -> str:
    rows = []
    for record in sorted(rates, key=lambda r: (r.subject, describe_setting(r))):
        steps = record.samples["tried"]
        tried = ", ".join(f"{step['rate']:g} {'diverges' if step['diverges'] else 'is stable'}" for step in steps)
        rows.append((code(record.subject), escape_markdown(describe_setting(record)), f"{record.value:g}", tried))
    return grid(("network", "recipe", "maximum rate", "rates tried"), rows)


def training_figure(records: Mapping[str, Record]) -> bytes:
    """Draw the loss and the first metric of each test by epoch, one line per run."""
    with mpl.rc_context(STYLE):
        runs = finished_runs(records)
        height = 2.9 + 0.17 * len(runs)
        figure, (left, right) = plt.subplots(1, 2, figsize=(8, height))
        figure.subplots_adjust(left=0.11, right=0.98, top=1 - 0.15 / height, bottom=1 - 2.4 / height, wspace=0.2)
        for run, style in zip(runs, series_styles(), strict=False):
            losses = run.samples["loss"]
            name = escape_plot(f"{run.subject}, {describe_setting(run)}, seed {run.seed}")
            left.semilogy(range(1, len(losses) + 1), losses, linestyle=style.line, color=style.colour, label=name, linewidth=1)
            if points := [(epoch, *next(iter(values.items()))) for epoch, values in run.samples["figures"]]:
                epochs, metrics, values = zip(*points, strict=True)
                line: dict[str, Any] = {"linestyle": style.line, "color": style.colour, "linewidth": 1, "markersize": 2}
                right.plot(epochs, values, style.marker, label=f"_{name}", **line)
                right.set_ylabel(metrics[0])
        left.set_ylabel("training loss")
        for axes in (left, right):
            axes.set_xlabel("epochs")
        if left.lines:
            figure.legend(loc="lower center", frameon=False)
        return svg(figure)
