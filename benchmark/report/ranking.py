"""Rank all networks on equal terms, beside the ranking by their printed GFLOPs."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations
from typing import Literal

from benchmark.config.identities import COMMON_TERMS, cost_record_id
from benchmark.core.keypoints import JOINT_COUNTS
from benchmark.core.records import Record
from benchmark.ledger.predicates import cost_setting, source_setting
from benchmark.models.registry import find_entry
from benchmark.papers.expressions import printed_value
from benchmark.papers.tables import Cell, Paper
from benchmark.report.markdown import code, grid, page


@dataclass(frozen=True)
class RankedNetwork:
    """One network with its printed and its measured cost.

    Attributes:
        cell: The first cell that prints its GFLOPs.
        printed: The printed GFLOPs.
        own_gmacs: True multiply-accumulates with the printed head at the printed input size, in 1e9; at those of the row's
            source, where it states them.
        gmacs: Those with the common head at the common input size, in 1e9.
        params: Trainable parameters with the common head, in millions.
    """

    model: str
    cell: Cell
    printed: float
    own_gmacs: float
    gmacs: float
    params: float


def networks_with_printed_flops(
    papers: Mapping[str, Paper], records: Mapping[str, Record], dataset: str
) -> list[RankedNetwork]:
    """Return the networks for which some table prints GFLOPs on ``dataset``, each by the first such cell."""
    networks: dict[str, RankedNetwork] = {}
    for paper in papers.values():
        for table in paper.tables.values():
            for cell in table.cells():
                column, model = cell.column, cell.row.model
                if column.metric != "flops" or column.scope or column.unit != "G" or cell.dataset != dataset or not model:
                    continue
                common = records.get(cost_record_id(model, *COMMON_TERMS))
                own = records.get(cost_record_id(model, *(source_setting(cell) or cost_setting(cell))))
                if common and own and model not in networks and not cell.row.needs:
                    networks[model] = RankedNetwork(
                        model=model,
                        cell=cell,
                        printed=printed_value(cell),
                        own_gmacs=own.value["flops"]["macs"] / 1e9,
                        gmacs=common.value["flops"]["macs"] / 1e9,
                        params=common.value["params"]["trainable"] / 1e6,
                    )
    return list(networks.values())


def reversed_pairs(
    networks: Sequence[RankedNetwork], by: Literal["own_gmacs", "gmacs"] = "own_gmacs"
) -> list[tuple[RankedNetwork, RankedNetwork]]:
    """Return the pairs whose printed order is the opposite of their order by multiply-accumulates; a tie is no reversal."""
    return [(a, b) for a, b in combinations(networks, 2) if (a.printed - b.printed) * (getattr(a, by) - getattr(b, by)) < 0]


def ranking_heading(dataset: str) -> str:
    """Return the heading of a dataset's section."""
    return f"Networks with printed GFLOPs on {dataset}"


def ranking_page(papers: Mapping[str, Paper], records: Mapping[str, Record]) -> str:
    """Return ``reports/ranking.md``."""
    common_dataset, size = COMMON_TERMS
    blocks = [
        "# Ranking on equal terms",
        f"All networks with a head for {JOINT_COUNTS[common_dataset]} joints at {size}, ranked by true multiply-accumulates, "
        "beside their rank by printed GFLOPs. The printed values are counted under different conventions and at different "
        "input sizes.",
    ]
    for dataset in dict.fromkeys(t.dataset for p in papers.values() for t in p.tables.values() if t.dataset in JOINT_COUNTS):
        networks = networks_with_printed_flops(papers, records, dataset)
        if len(networks) < 2:
            continue
        printed_order = [network.model for network in sorted(networks, key=lambda n: (n.printed, n.model))]
        rows = []
        for rank, network in enumerate(sorted(networks, key=lambda n: (n.gmacs, n.model)), 1):
            printed_rank = printed_order.index(network.model) + 1
            moves = "up" if rank < printed_rank else "down"
            change = "=" if rank == printed_rank else f"{moves} {abs(printed_rank - rank)}"
            cell = network.cell
            source = cell.row.source  # the row's own size and way of counting, where they are not the table's
            size_printed = (source and source.input) or cell.input
            convention = (source and source.convention) or cell.column.convention
            printed = f"{cell.printed} at {size_printed} ({convention}), {cell.paper} {cell.table.where}"
            costs = f"{network.own_gmacs:.3f}", f"{network.gmacs:.3f}", f"{network.params:.2f}"
            evidence = find_entry(network.model).evidence
            rows.append((rank, code(network.model), *costs, printed_rank, change, printed, evidence))
        pairs, reversals = len(networks) * (len(networks) - 1) // 2, reversed_pairs(networks)
        alike = sum(a.cell.table is b.cell.table and a.cell.input == b.cell.input for a, b in reversals)
        header = (
            *("rank", "network", "GMACs at the printed size", f"GMACs at {size}", "params M"),
            *("rank as printed", "change", "printed GFLOPs", "evidence"),
        )
        blocks += [
            f"## {ranking_heading(dataset)}",
            grid(header, rows),
            f"Of {pairs} pairs of networks, {len(reversals)} have the opposite order by true multiply-accumulates at their "
            f"printed input sizes ({alike} of them stand in one table with one size), and "
            f"{len(reversed_pairs(networks, 'gmacs'))} if all have an input of {size}.",
        ]
    return page(*blocks)
