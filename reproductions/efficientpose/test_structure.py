"""The built networks have the structure that the paper prints, except for EfficientNet's depth factors."""

from __future__ import annotations

from collections.abc import Iterator
from math import ceil

import pytest
import torch
import torch.nn.functional as F

from benchmark.models import registry
from benchmark.models.registry import entries
from benchmark.papers.tables import load_papers
from reproductions.efficientpose import backbone, network, openpose, structure
from reproductions.efficientpose.backbone import BLOCKS, SCALING
from reproductions.efficientpose.network import ESwish
from reproductions.efficientpose.variants import VARIANTS


@pytest.fixture(autouse=True)
def fresh_entries() -> Iterator[None]:
    """Let no test see entries that another one changed, or that were looked up before it changed them."""
    registry._entry_with_switches.cache_clear()
    yield
    registry._entry_with_switches.cache_clear()


def printed(table: str) -> dict[str, str]:
    cells = load_papers()["efficientpose"].tables[table].cells()
    return {f"{cell.row.id}/{cell.column.name}": cell.printed for cell in cells if cell.column.kind == "architecture"}


@pytest.mark.parametrize(("table", "cells"), [("table1", 62), ("table2", 38), ("text_scaling", 4), ("text_structure", 23)])
def test_every_printed_cell_is_described_and_equals_what_is_built_but_for_the_depth_factors(table: str, cells: int) -> None:
    built = structure.describe_structure(table)
    assert set(built) == set(printed(table))
    assert len(built) == cells
    factors = {f"b{number}/depth_factor" for number in (0, 1, 2, 3, 4, 5, 7)} if table == "table1" else set()
    assert {key for key in built if built[key] != printed(table)[key]} == factors


def test_other_tables_print_no_structure() -> None:
    assert structure.describe_structure("table3") == {}


def test_the_depth_factors_are_not_the_powers_that_equation_2_gives() -> None:
    built = structure.describe_structure("table1")
    assert [built[f"b{number}/depth_factor"] for number in (0, 1, 2, 3, 4, 5, 7)] == [
        f"{factor} in EfficientNet's code" for factor in ("1.0", "1.1", "1.2", "1.4", "1.8", "2.2", "3.1")
    ]


def test_with_the_printed_depth_factors_three_backbones_would_have_other_layers_than_printed() -> None:
    """So Table 1's factors disagree with its own repetitions, not only with EfficientNet's release."""

    def layers(factor: float) -> list[int]:
        return [ceil(layers * factor) for _, _, layers, *_ in BLOCKS]

    names = {name for _, high, low, _ in VARIANTS.values() for name in (high, low) if name}
    assert {name for name in names if layers(1.2 ** int(name[1:])) != layers(SCALING[name][1])} == {"B3", "B4", "B7"}


def test_table_1_follows_the_backbones_data(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(SCALING, "B4", (1.4, 2.0736))
    monkeypatch.setattr(backbone, "BLOCKS", ((1, 16, 1, 7, 1), (4, 24, 2, 3, 2), (6, 40, 2, 5, 1)))
    built = structure.describe_structure("table1")
    assert built["b4/block1_first"] == "MBConv1 (7×7,24,1)"
    assert built["b4/block1_rest"] == "[MBConv1* (7×7,24,1)]×2"
    assert built["b4/block2_rest"] == "[MBConv4* (3×3,32,1)]×4"
    assert built["b4/block3_first"] == "MBConv6 (5×5,56,1)"
    assert built["b4/depth_factor"] == "2.1 in EfficientNet's code"


def test_table_2_follows_the_entries(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(entries()["efficientpose/II"].kwargs, "depth", 5)
    monkeypatch.setitem(entries()["efficientpose/I"].kwargs, "low", "B3")
    monkeypatch.setitem(entries()["efficientpose/IV"].kwargs, "upscaling", False)
    built = structure.describe_structure("table2")
    assert built["efficientpose_ii/detection_block"] == "[MD(56)]×5"
    assert built["efficientpose_i/low_backbone"] == "B3 (Block 1-2)"
    assert built["efficientpose_iv/upscaling"] == ""


def test_the_scaling_coefficients_follow_the_largest_network(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(SCALING, "B7", (3.5, 1.0))
    monkeypatch.setitem(VARIANTS, "IV", (224, "B7", "B3", 4))
    assert list(structure.describe_structure("text_scaling").values()) == [
        "1.0",
        "1.2",
        "1.00",
        "1",
    ]  # 3.5 ** (1 / 7) = 1.196, its square 1.43


def test_the_text_is_counted_on_the_networks(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(openpose, "BLOCKS", 4)
    monkeypatch.setattr(network, "EXPANSION", 4)
    monkeypatch.setattr(ESwish, "forward", lambda self, x: 1.5 * F.silu(x))
    monkeypatch.setattr(network, "bilinear_upscaling", lambda maps: torch.nn.ConvTranspose2d(maps, maps, 6, 4, 1))
    monkeypatch.setitem(entries()["efficientpose/I"].kwargs, "passes", 3)
    built = {row.removesuffix("/structure"): value for row, value in structure.describe_structure("text_structure").items()}
    changed = {row: value for row, value in built.items() if value != printed("text_structure")[f"{row}/structure"]}
    assert changed == {
        "openpose_blocks": "four",
        "keypoint_passes": "3",
        "mobile_expansion": "4",
        "mobile_swish": "1.5",
        "upscaling_kernel": "6×6",
        "upscaling_stride": "4",
        "upscaling_step": "4",
        "upscaling_factor": "64×",
    }
