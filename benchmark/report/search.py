"""What was searched here: each architecture that came out beside the best of as much random search, and how it came about."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import NamedTuple

import matplotlib as mpl
import matplotlib.pyplot as plt
import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from benchmark import bootstrap, effects, models, search_scales
from benchmark.expressions import evaluate
from benchmark.records import Record
from benchmark.report import lookups
from benchmark.report.figures import PAPER_COLOURS, STYLE, svg
from benchmark.report.lookups import Kept
from benchmark.report.markdown import grid, page
from benchmark.search_scales import KIND, RANDOM, SEARCHED, WEIGHTS, Box, Scale
from benchmark.tables import papers

ENDS: Mapping[str, str] = {SEARCHED: PAPER_COLOURS[0], RANDOM: PAPER_COLOURS[1]}
SHADES = ("#cfe3f1", "#7fb2d6", "#33658a")
LINES = ("-", "--", ":")


class Group(NamedTuple):
    """The searches of a package at one scale for one cost on one device: by strategy, a record a seed."""

    package: str
    protocol: str
    device: str | None
    ends: Mapping[str, Sequence[Record]]

    @property
    def file(self) -> str:
        """The figure's name below ``reports/figures``."""
        told = f"search-{self.package}-{self.protocol}-{self.device or ''}".lower()
        return re.sub(r"[^a-z0-9_]+", "-", told).strip("-") + ".svg"


def groups(records: Mapping[str, Record]) -> list[Group]:
    """All that were searched, the latest version of each seed."""
    found: dict[tuple[str, str, str | None], dict[str, dict[int | None, Record]]] = {}
    for record in sorted(records.values(), key=lambda record: record.version):
        end = record.metric.rpartition(", ")[2]
        if record.kind == KIND and end in ENDS:
            key = (record.subject, record.protocol, record.device)
            found.setdefault(key, {}).setdefault(end, {})[record.seed] = record
    return [
        Group(*key, {end: [own[seed] for seed in sorted(own, key=str)] for end, own in ends.items()})
        for key, ends in sorted(found.items(), key=str)
    ]


def difference(group: Group, records: Mapping[str, Record]) -> tuple[float | None, tuple[float, float] | None, int]:
    """Searched less random in points, its 95 % interval over persons and seeds (of one seed over persons alone), and how many
    seeds have both."""
    by_seed = [{record.seed: record for record in group.ends.get(end, ())} for end in (SEARCHED, RANDOM)]
    both = sorted(by_seed[0].keys() & by_seed[1].keys(), key=str)
    sides = [[records.get(own[seed].samples["accuracy"]) for seed in both] for own in by_seed]
    ours, theirs = ([record for record in side if record is not None] for side in sides)
    if not both or len(ours) != len(both) or len(theirs) != len(both):
        return None, None, 0
    value, interval = effects.compared(ours, theirs)
    if len(both) == 1:
        replicates = np.array(ours[0].samples["replicates"]) - np.array(theirs[0].samples["replicates"])
        interval = bootstrap.interval(replicates)
    return value, interval, len(both)


def _kept(package: str, found: Sequence[Group]) -> list[Kept]:
    """All architectures that a package's searches came to."""
    return [
        Kept(group.protocol.removeprefix("scale ") + (f" on {group.device}" if group.device else ""), end, record)
        for group in found
        if group.package == package
        for end, kept in group.ends.items()
        for record in kept
    ]


# --- the page ----------------------------------------------------------------------------------------------------------------


def search_page(records: Mapping[str, Record]) -> str:
    """``reports/search.md``."""
    found = groups(records)
    blocks = [
        "# Architecture search",
        "A super-network is searched, the architecture that comes out is trained, and so is the best of a random search that "
        "was shown as many images among architectures that cost about as much. Both are trained by one recipe with the same "
        "seeds, and tested on the same persons. A search at a small scale shows how the method behaves there; it never matches "
        "a printed figure.",
    ]
    for package, scales in search_scales.known().items():
        listed = {name: scale for name, scale in scales.items() if not scale.dataset.startswith("synthetic")}
        blocks.append(f"## {papers()[package].short if package in papers() else package}")
        for group in (group for group in found if group.package == package):
            blocks += _section(group, records)
        blocks += lookups.section(package, lookups.tables(package, records), _kept(package, found))
        blocks += ["### Scales", "What the same command does on data of different size.", _scales(package, listed, records)]
        blocks += ["### What the paper leaves open", _gaps(list(listed.values()))]
    return page(*blocks)


def _scales(package: str, listed: Mapping[str, Scale], records: Mapping[str, Record]) -> str:
    rows = []
    for scale in listed.values():
        told = f"scale {scale.name} {scale.version},"
        runs = sum(r.kind == KIND and r.subject == package and r.protocol.startswith(told) for r in records.values())
        printed = ""
        if scale.printed:
            printed = f"{float(evaluate(scale.printed, papers()[package], papers()).value):+.2f}"
        command = f"`python -m benchmark.search {package} --dataset {scale.dataset} --scale {scale.name} --cost flops`"
        rows.append((f"`{scale.name}`", scale.says, command, scale.seeds, printed, "here" if runs else "not run"))
    return grid(("scale", "what it is", "command", "seeds planned", "searched over random, printed", ""), rows)


def _section(group: Group, records: Mapping[str, Record]) -> list[str]:
    first = next(record for own in group.ends.values() for record in own)
    rows = []
    for end, own in group.ends.items():
        for record in own:
            told = record.samples
            figure = f"{record.value:.2f}" + (" [{:.2f}, {:.2f}]".format(*record.interval) if record.interval else "")
            effort = f"{told['images']:,} in {told['seconds'] / 60:.0f} min"
            rows.append((end, record.seed, f"`{told['model']}`", f"{told['cost']:.4g}", figure, effort))
    value, interval, seeds = difference(group, records)
    shown = "Both of one seed are needed for a difference."
    if value is not None:
        between = " [{:+.2f}, {:+.2f}]".format(*interval) if interval else ""
        over = "persons and seeds" if seeds > 1 else "persons alone: another seed moves it further"
        shown = f"Searched less random: {value:+.2f}{between} points, over {over}."
    metric = first.metric.rpartition(", ")[0]
    scale = search_scales.known().get(group.package, {}).get(group.protocol.split()[1])
    floor = effects.mean_pose(scale.retrain.name, metric, records) if scale else None
    if floor is not None:
        shown += f" The mean pose, without looking at the picture: {floor:.2f}."
    return [
        f"### {group.protocol}" + (f", {group.device}" if group.device else ""),
        grid(("architecture", "seed", "network", first.samples["unit"], f"{metric}, {first.dataset}", "images seen"), rows),
        shown,
        f"![architectures; how the search went; accuracy](figures/{group.file})",
        *(_text(record) for record in group.ends.get(SEARCHED, ())[:1]),
    ]


def _text(record: Record) -> str:
    return f"The searched architecture of seed {record.seed}:\n\n```\n{record.samples['architecture'].strip()}\n```"


def _gaps(listed: Sequence[Scale]) -> str:
    gaps: dict[tuple[str, str, str], list[str]] = {}
    for scale in listed:
        for gap in scale.gaps:
            gaps.setdefault((gap.what, gap.instead, gap.source), []).append(f"`{scale.name}`")
    rows = [(*gap, "all" if len(names) == len(listed) else " ".join(names)) for gap, names in gaps.items()]
    return grid(("gap", "instead", "source", "scales"), rows)


# --- its pictures ------------------------------------------------------------------------------------------------------------


def search_figures(records: Mapping[str, Record]) -> dict[str, bytes]:
    """Every picture of the page by its file below ``reports/figures``."""
    found = groups(records)
    tables = {package: lookups.tables(package, records) for package in search_scales.known()}
    with mpl.rc_context(STYLE):
        return {group.file: svg(_figure(group)) for group in found} | {
            lookups.file(package): svg(lookups.figure(own, _kept(package, found))) for package, own in tables.items() if own
        }


def _figure(group: Group) -> Figure:
    """The first seed's architectures; over the epochs entropies, accuracies on the held-out persons, and the expected cost; and
    what both ends came to, with intervals over persons."""
    figure = plt.figure(figsize=(9, 4.4))
    own = {end: found[0] for end, found in group.ends.items()}
    above = figure.add_gridspec(len(own), 1, left=0.15, right=0.99, top=0.99, bottom=0.58, hspace=0.15)
    for row, (end, record) in enumerate(own.items()):
        boxes = getattr(models.packages()[group.package], "architectures").boxes(record.samples["architecture"])  # noqa: B009
        _draw(figure.add_subplot(above[row, 0]), boxes, f"{end}\nseed {record.seed}")
    below = figure.add_gridspec(1, 4, left=0.085, right=0.99, top=0.53, bottom=0.11, wspace=0.5)
    decided, held_out, costing, reached = (figure.add_subplot(below[0, column]) for column in range(4))
    searched, first = group.ends.get(SEARCHED, ()), next(iter(own.values()))
    names = list(dict.fromkeys(name for record in searched for _, figures in record.samples["curves"] for name in figures))
    _curves(decided, searched, [name for name in names if name.startswith("entropy")])
    _curves(held_out, searched, [name for name in names if name.endswith(" accuracy") and not name.startswith(WEIGHTS)])
    _curves(costing, searched, ["expected cost"])
    decided.set_ylabel("entropy, of the largest")
    held_out.set_ylabel("accuracy of the shared weights\non held-out persons, %")
    costing.set_ylabel(f"expected cost, {first.samples['unit']}")
    for end, found in group.ends.items():
        values = np.array([record.value for record in found])
        costs = [record.samples["cost"] for record in found]
        bounds = np.array([record.interval or (record.value, record.value) for record in found])
        reach = np.abs(bounds - values[:, None]).T
        reached.errorbar(costs, values, yerr=reach, fmt="o", markersize=3, linewidth=1, color=ENDS[end], label=end)
    reached.set_xlabel(f"cost, {first.samples['unit']}")
    reached.set_ylabel(first.metric.rpartition(", ")[0])
    reached.legend(frameon=False, fontsize=6)
    return figure


def _curves(axes: Axes, searched: Sequence[Record], names: Sequence[str]) -> None:
    """Figures of all seeds over the epochs, each with a kind of line."""
    for name, line in zip(names, LINES, strict=False):
        for place, record in enumerate(searched):
            curve = [(epoch, figures[name]) for epoch, figures in record.samples["curves"] if name in figures]
            label = name if len(names) > 1 and not place else None
            if curve:
                axes.plot(*zip(*curve, strict=True), line, color=ENDS[SEARCHED], linewidth=1, alpha=0.8, label=label)
    if len(names) > 1:
        axes.legend(frameon=False, fontsize=6)
    axes.set_xlabel("epochs")
    axes.grid(alpha=0.25, linewidth=0.5)


def _draw(axes: Axes, boxes: Sequence[Box], name: str) -> None:
    """An architecture as its package draws it."""
    axes.axis("off")
    axes.text(-0.01, 0.5, name, transform=axes.transAxes, ha="right", va="center", fontsize=6)
    for box in boxes:
        if box.height:
            corner = (box.x, box.y - box.height / 2)
            axes.add_patch(plt.Rectangle(corner, 0.9, box.height, facecolor=SHADES[box.shade], linewidth=0))
            colour = str(int(box.shade == len(SHADES) - 1))
            axes.text(box.x + 0.45, box.y, box.label, ha="center", va="center", fontsize=5, color=colour)
        else:
            axes.plot([box.x, box.x + 0.9], [box.y, box.y], color="#999999", linewidth=1)
    axes.set_xlim(0, max((box.x + 1 for box in boxes), default=1.0))
    axes.set_ylim(-0.05, 1.05)
