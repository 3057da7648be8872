"""All measured networks under every counting convention, side by side."""

from __future__ import annotations

from collections.abc import Mapping

from benchmark.config.conventions import FLOPS, PARAMS
from benchmark.config.identities import cost_record_id
from benchmark.core.records import Record
from benchmark.models.registry import entries, find_entry
from benchmark.report.markdown import grid, page


def current_costs(records: Mapping[str, Record]) -> list[Record]:
    """The cost records that the present counter and networks would write again, by dataset, size and id."""
    known = entries()
    found = [r for r in records.values() if r.kind == "cost" and r.subject.split("+")[0] in known]
    found = [r for r in found if r.id == cost_record_id(r.subject, r.dataset, r.setting["input"])]
    return sorted(found, key=lambda r: (r.dataset, [int(n) for n in r.setting["input"].split("x")], r.subject))


def models_page(records: Mapping[str, Record]) -> str:
    """``reports/models.md``."""
    blocks = [
        "# One network, many GFLOPs",
        "Each network counted once, operator by operator, and shown under each convention in that convention's own G.",
        grid(("convention", "counts"), [(f"`{name}`", c.description) for name, c in FLOPS.items()]),
        grid(("parameters", "counts"), [(f"`{name}`", says) for name, says in PARAMS.items()]),
        "## Accuracy against cost, as printed and on equal terms",
        "Left, the GFLOPs that the papers print; right, the same accuracies over true MACs counted the same way for all. "
        "A network moves where its column was counted differently from its neighbours'.",
        "![MPII: PCKh@0.5 against GFLOPs](figures/mpii.svg)",
        "![COCO: AP against GFLOPs](figures/coco.svg)",
    ]
    found = current_costs(records)
    for dataset, size in dict.fromkeys((r.dataset, r.setting["input"]) for r in found):
        rows = [
            (
                f"`{r.subject}`",
                find_entry(r.subject).evidence,
                *(f"{r.value['params'][name] / 1e6:.3f}" for name in PARAMS),
                *(f"{r.value['flops'][name] / c.giga:.4g}" for name, c in FLOPS.items()),
            )
            for r in found
            if (r.dataset, r.setting["input"]) == (dataset, size)
        ]
        header = ("network", "evidence", *(f"{n} M" for n in PARAMS), *FLOPS)
        blocks += [f"## {dataset}, {size}", grid(header, rows)]
    return page(*blocks)
