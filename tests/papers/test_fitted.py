"""Everything that was chosen so that a printed number results is marked: nothing more and nothing less."""

from __future__ import annotations

from benchmark.config.conventions import FLOPS
from benchmark.models.registry import entries
from benchmark.papers.tables import load_papers

ENTRIES = {
    "autopose/searched",
    "baselines/hrnet-w16_small",
    "baselines/soft_gated",
    "efficientpose/openpose",
    "efficientpose_nas/proxyless_cpu",
    "efficientpose_nas/proxyless_gpu",
    "efficientpose_nas/proxyless_mobile",
    "fasterpose/r101",
    "fasterpose/r152",
    "fasterpose/r50",
}
COLUMNS = {("efficientpose_nas", "table7", "backbone"), ("efficientpose_nas", "table7", "head")}
ROWS = {
    ("autopose", "table2", "hourglass"),
    ("autopose", "table2", "hrnet_w48"),
    ("autopose", "table3", "simple_baseline"),
    ("efficientpose", "table4", "newell_eccv16"),
    ("efficientpose", "table4", "tang_bmvc18"),
    ("efficientpose_nas", "table2", "du_net_16m"),
    ("efficientpose_nas", "table2", "du_net_8m"),
    ("efficientpose_nas", "table2", "hourglass"),
    ("efficientpose_nas", "table4", "hourglass"),
}


def test_fitted_networks() -> None:
    assert {name for name, entry in entries().items() if entry.fitted} == ENTRIES


def test_only_two_reconstructions_were_not_fitted_to_a_printed_number() -> None:
    built = {name for name, entry in entries().items() if entry.evidence == "reconstruction" and not entry.fitted}
    assert built == {"baselines/dlcm", "baselines/mask_rcnn-r50_fpn"}


def test_fitted_rows_and_columns() -> None:
    tables = [(paper.id, table) for paper in load_papers().values() for table in paper.tables.values()]
    assert {(paper, table.id, row.id) for paper, table in tables for row in table.rows.values() if row.fitted} == ROWS
    fitted = {(paper, table.id, column.name) for paper, table in tables for column in table.columns.values() if column.fitted}
    assert fitted == COLUMNS


def test_fitted_sources() -> None:
    rows = [row for paper in load_papers().values() for table in paper.tables.values() for row in table.rows.values()]
    assert {row.source.id for row in rows if row.source and row.source.fitted} == {"cpm"}


def test_no_convention_is_fitted() -> None:
    assert not [name for name, convention in FLOPS.items() if convention.fitted]
