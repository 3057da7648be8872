"""The page of networks names what a network's counts leave out."""

from __future__ import annotations

from dataclasses import replace

from benchmark.config.identities import COMMON_TERMS, cost_record_id, load_current
from benchmark.papers.tables import load_papers
from benchmark.report.models import models_page


def test_the_page_names_what_was_not_counted_and_leaves_a_missing_count_empty() -> None:
    papers, records = load_papers(), dict(load_current())
    before = models_page(papers, records)
    id_ = cost_record_id("efficientpose_nas/A", *COMMON_TERMS)
    value = dict(records[id_].value)
    value["flops"] = {name: count for name, count in value["flops"].items() if name != "torchstat"}
    records[id_] = replace(records[id_], value=value | {"not_counted": {"torchvision::deform_conv2d": 3}})
    page = models_page(papers, records)
    assert "not counted: " not in before
    assert "`efficientpose_nas/A`: not counted: torchvision::deform_conv2d ×3" in page
    assert "adds nothing and is named" in page


def test_variants_with_the_same_counts_share_a_row() -> None:
    page = models_page(load_papers(), load_current())
    for section in page.split("\n## ")[1:]:
        rows = [row.split(" | ") for row in section.splitlines() if row.startswith("| `")]
        networks = [row[0].removeprefix("| `").partition("`")[0].partition("+")[0] for row in rows]
        counted = [(network, *row[1:]) for network, row in zip(networks, rows, strict=True)]
        assert len(counted) == len(set(counted)), section.partition("\n")[0]
    assert "| `efficientpose/I`<br>`efficientpose/I+" in page
