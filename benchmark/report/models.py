"""Show all measured networks under every counting convention."""

from __future__ import annotations

from collections.abc import Mapping
from itertools import groupby

from benchmark.config.conventions import FLOPS, PARAMS, UNCOUNTED, format_not_counted
from benchmark.config.identities import COMMON_TERMS, cost_record_id
from benchmark.core.errors import InputError
from benchmark.core.records import Record, select
from benchmark.ledger.predicates import variant_costs
from benchmark.ledger.verdicts import required_costs
from benchmark.models.registry import find_entry
from benchmark.papers.tables import Paper
from benchmark.report.markdown import code, grid, page


def current_costs(records: Mapping[str, Record]) -> list[Record]:
    """Return the cost records that today's counter and networks would write again, by dataset, input size and model."""
    costs = [
        record
        for record in select(records, kind="cost")
        if _is_buildable(record.subject)
        and record.id == cost_record_id(record.subject, record.dataset, record.setting["input"])
    ]
    return sorted(costs, key=lambda r: (r.dataset, [int(n) for n in r.setting["input"].split("x")], r.subject))


def _is_buildable(model: str) -> bool:
    """Return whether the model still exists, with all its switches."""
    try:
        find_entry(model)
    except InputError:
        return False
    return True


def models_page(papers: Mapping[str, Paper], records: Mapping[str, Record]) -> str:
    """Return ``reports/models.md``."""
    blocks = [
        "# Parameters and operations under every convention",
        "Each network was counted once, operator by operator. The columns give this count under each convention that is in "
        "use, in units of the convention's own G.",
        grid(("convention", "counts"), [(code(name), convention.description) for name, convention in FLOPS.items()]),
        UNCOUNTED,
        grid(("parameters", "counts"), [(code(name), description) for name, description in PARAMS.items()]),
        "## Accuracy against cost, as printed and on equal terms",
        "An empty marker stands at the GFLOPs that a paper prints, the full one beside it at the network's true MACs, which "
        "are counted in the same way for all networks. The line between them is long where a table counts in another way. A "
        "network without a full marker cannot be built. Its colour tells which paper prints it; the first, if several do.",
        "![MPII: PCKh@0.5 against GFLOPs](figures/mpii.svg)",
        "![COCO: AP against GFLOPs](figures/coco.svg)",
    ]
    costs = current_costs(records)
    # Variants that explanations are held against stay in the records, but for the size at which ablations compare them too.
    variants = set(variant_costs(papers)) - set(required_costs(papers))
    for (dataset, size), counted in groupby(costs, lambda record: (record.dataset, record.setting["input"])):
        shown = [r for r in counted if (dataset, size) == COMMON_TERMS or (r.subject, dataset, size) not in variants]
        # Variants of one network with the same counts share a row.
        rows: dict[tuple[str, ...], list[str]] = {}
        for record in shown:
            network = record.subject.partition("+")[0]
            params = (f"{record.value['params'][name] / 1e6:.3f}" for name in PARAMS)
            counts = (network, find_entry(record.subject).evidence, *params, *(_format_count(record, name) for name in FLOPS))
            rows.setdefault(counts, []).append(code(record.subject))
        header = ("network", "evidence", *(f"{name} M" for name in PARAMS), *FLOPS)
        blocks += [
            f"## {models_heading(dataset, size)}",
            grid(header, [("<br>".join(models), *counts) for (_, *counts), models in rows.items()]),
        ]
        notes = {record.subject: format_not_counted(record.value.get("not_counted", {})) for record in shown}
        blocks += (
            ["\n".join(f"- {code(model)}: {note}" for model, note in notes.items() if note)] if any(notes.values()) else []
        )
    return page(*blocks)


def _format_count(record: Record, convention: str) -> str:
    count = record.value["flops"].get(convention)
    return "" if count is None else f"{count / FLOPS[convention].giga:.4g}"


def models_heading(dataset: str, size: str) -> str:
    """Return the heading of the section on the networks with the head for a dataset, at an input size."""
    return f"{dataset}, {size}"
