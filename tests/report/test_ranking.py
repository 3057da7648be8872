"""Networks are ranked by counts at the size that the printed number belongs to."""

from __future__ import annotations

import re
from itertools import combinations

import pytest

from benchmark.config.identities import cost_record_id, load_current
from benchmark.ledger.predicates import cost_setting
from benchmark.papers.tables import load_papers
from benchmark.report.ranking import networks_with_printed_flops, ranking_page

RECORDS = load_current()


@pytest.mark.parametrize("dataset", ["mpii", "coco"])
def test_the_printed_size_is_that_of_the_rows_source_or_else_of_the_row(dataset: str) -> None:
    """Only CPM's source counts at another size, with the joints of another dataset."""
    for network in networks_with_printed_flops(load_papers(), RECORDS, dataset):
        setting = ("lsp", "368x368") if network.model == "baselines/cpm" else cost_setting(network.cell)
        record = RECORDS[cost_record_id(network.model, *setting)]
        assert network.own_gmacs == pytest.approx(record.value["flops"]["macs"] / 1e9)


def test_reversals_within_one_table_and_size_are_counted_apart() -> None:
    page = ranking_page(load_papers(), RECORDS)
    for dataset in ("mpii", "coco"):
        networks = networks_with_printed_flops(load_papers(), RECORDS, dataset)
        reversals = [(a, b) for a, b in combinations(networks, 2) if (a.printed - b.printed) * (a.own_gmacs - b.own_gmacs) < 0]
        alike = [(a, b) for a, b in reversals if (a.cell.table, a.cell.input) == (b.cell.table, b.cell.input)]
        assert 0 < len(alike) < len(reversals)
        text = page.partition(f"## Networks with printed GFLOPs on {dataset}")[2]
        counts = re.search(r", (\d+) have the opposite .* \((\d+) of them stand in one table with one size\)", text)
        assert counts
        assert [int(count) for count in counts.groups()] == [len(reversals), len(alike)]
