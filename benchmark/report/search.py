"""What was searched here: each architecture that came out beside the best of as much random search, and how it came about."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import matplotlib as mpl
import matplotlib.pyplot as plt
import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from benchmark.analysis.effects import mean_pose_accuracy
from benchmark.analysis.searches import SearchGroup, search_difference, search_groups
from benchmark.config.packages import architecture_format_of, known_searches
from benchmark.config.searches import RANDOM, SEARCHED, WEIGHTS_PHASE, DiagramBox, SearchConfig
from benchmark.core.records import Record, select
from benchmark.papers.expressions import evaluate_expression
from benchmark.papers.tables import load_papers
from benchmark.report.lookup_tables import FoundArchitecture, lookup_figure, lookup_figure_name, lookup_records, lookup_section
from benchmark.report.markdown import grid, page
from benchmark.report.plots import PAPER_COLOURS, STYLE, svg

ENDS: Mapping[str, str] = {SEARCHED: PAPER_COLOURS[0], RANDOM: PAPER_COLOURS[1]}
SHADES = ("#cfe3f1", "#7fb2d6", "#33658a")
LINES = ("-", "--", ":")


def _kept(package: str, found: Sequence[SearchGroup]) -> list[FoundArchitecture]:
    """All architectures that a package's searches came to."""
    return [
        FoundArchitecture(group.label.removeprefix("scale ") + (f" on {group.device}" if group.device else ""), end, record)
        for group in found
        if group.package == package
        for end, kept in group.ends.items()
        for record in kept
    ]


# --- the page ----------------------------------------------------------------------------------------------------------------


def search_page(records: Mapping[str, Record]) -> str:
    """``reports/search.md``."""
    found = search_groups(records)
    blocks = [
        "# Architecture search",
        "A super-network is searched, the architecture that comes out is trained, and so is the best of a random search that "
        "was shown as many images among architectures that cost about as much. Both are trained by one recipe with the same "
        "seeds, and tested on the same persons. A search at a small scale shows how the method behaves there; it never matches "
        "a printed figure.",
    ]
    for package, scales in known_searches().items():
        listed = {name: scale for name, scale in scales.items() if not scale.dataset.startswith("synthetic")}
        blocks.append(f"## {load_papers()[package].short if package in load_papers() else package}")
        for group in (group for group in found if group.package == package):
            blocks += _section(group, records)
        blocks += lookup_section(package, lookup_records(package, records), _kept(package, found))
        blocks += ["### Scales", "What the same command does on data of different size.", _scales(package, listed, records)]
        blocks += ["### What the paper leaves open", _gaps(list(listed.values()))]
    return page(*blocks)


def _scales(package: str, listed: Mapping[str, SearchConfig], records: Mapping[str, Record]) -> str:
    rows = []
    for scale in listed.values():
        runs = select(records, kind="search", subject=package, config=scale.name, config_version=scale.version)
        printed = ""
        if scale.printed:
            printed = f"{float(evaluate_expression(scale.printed, load_papers()[package], load_papers()).value):+.2f}"
        command = f"`python -m benchmark.search {package} --dataset {scale.dataset} --scale {scale.name} --cost flops`"
        rows.append((f"`{scale.name}`", scale.description, command, scale.seeds, printed, "here" if runs else "not run"))
    return grid(("scale", "what it is", "command", "seeds planned", "searched over random, printed", ""), rows)


def _section(group: SearchGroup, records: Mapping[str, Record]) -> list[str]:
    first = next(record for own in group.ends.values() for record in own)
    rows = []
    for end, own in group.ends.items():
        for record in own:
            told = record.samples
            figure = f"{record.value:.2f}" + (" [{:.2f}, {:.2f}]".format(*record.interval) if record.interval else "")
            effort = f"{told['images']:,} in {told['seconds'] / 60:.0f} min"
            rows.append((end, record.seed, f"`{told['model']}`", f"{told['cost']:.4g}", figure, effort))
    value, interval, seeds = search_difference(group, records)
    shown = "Both of one seed are needed for a difference."
    if value is not None:
        between = " [{:+.2f}, {:+.2f}]".format(*interval) if interval else ""
        over = "persons and seeds" if seeds > 1 else "persons alone: another seed moves it further"
        shown = f"Searched less random: {value:+.2f}{between} points, over {over}."
    metric = first.metric
    scale = known_searches().get(group.package, {}).get(group.config)
    floor = mean_pose_accuracy(scale.retrain.name, metric, records) if scale else None
    if floor is not None:
        shown += f" The mean pose, without looking at the picture: {floor:.2f}."
    return [
        f"### {group.label}" + (f", {group.device}" if group.device else ""),
        grid(("architecture", "seed", "network", first.samples["unit"], f"{metric}, {first.dataset}", "images seen"), rows),
        shown,
        f"![architectures; how the search went; accuracy](figures/{group.file})",
        *(_text(record) for record in group.ends.get(SEARCHED, ())[:1]),
    ]


def _text(record: Record) -> str:
    return f"The searched architecture of seed {record.seed}:\n\n```\n{record.samples['architecture'].strip()}\n```"


def _gaps(listed: Sequence[SearchConfig]) -> str:
    gaps: dict[tuple[str, str, str], list[str]] = {}
    for scale in listed:
        for gap in scale.assumptions:
            gaps.setdefault((gap.unspecified, gap.choice, gap.source), []).append(f"`{scale.name}`")
    rows = [(*gap, "all" if len(names) == len(listed) else " ".join(names)) for gap, names in gaps.items()]
    return grid(("gap", "instead", "source", "scales"), rows)


# --- its pictures ------------------------------------------------------------------------------------------------------------


def search_figures(records: Mapping[str, Record]) -> dict[str, bytes]:
    """Every picture of the page by its file below ``reports/figures``."""
    found = search_groups(records)
    tables = {package: lookup_records(package, records) for package in known_searches()}
    with mpl.rc_context(STYLE):
        return {group.file: svg(_figure(group)) for group in found} | {
            lookup_figure_name(package): svg(lookup_figure(own, _kept(package, found)))
            for package, own in tables.items()
            if own
        }


def _figure(group: SearchGroup) -> Figure:
    """The first seed's architectures; over the epochs entropies, accuracies on the held-out persons, and the expected cost; and
    what both ends came to, with intervals over persons."""
    figure = plt.figure(figsize=(9, 4.4))
    own = {end: found[0] for end, found in group.ends.items()}
    above = figure.add_gridspec(len(own), 1, left=0.15, right=0.99, top=0.99, bottom=0.58, hspace=0.15)
    for row, (end, record) in enumerate(own.items()):
        boxes = architecture_format_of(group.package).diagram(record.samples["architecture"])
        _draw(figure.add_subplot(above[row, 0]), boxes, f"{end}\nseed {record.seed}")
    below = figure.add_gridspec(1, 4, left=0.085, right=0.99, top=0.53, bottom=0.11, wspace=0.5)
    decided, held_out, costing, reached = (figure.add_subplot(below[0, column]) for column in range(4))
    searched, first = group.ends.get(SEARCHED, ()), next(iter(own.values()))
    names = list(dict.fromkeys(name for record in searched for _, figures in record.samples["curves"] for name in figures))
    _curves(decided, searched, [name for name in names if name.startswith("entropy")])
    _curves(held_out, searched, [name for name in names if name.endswith(" accuracy") and not name.startswith(WEIGHTS_PHASE)])
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
    reached.set_ylabel(first.metric)
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


def _draw(axes: Axes, boxes: Sequence[DiagramBox], name: str) -> None:
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
