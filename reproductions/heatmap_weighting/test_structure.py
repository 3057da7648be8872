"""The built head has the numbers that the paper's text states."""

from __future__ import annotations

import pytest
from torch import nn

from benchmark.papers.tables import load_papers
from reproductions.heatmap_weighting import network, structure
from reproductions.heatmap_weighting.network import SpatialAttention
from reproductions.layers import conv_bn


def printed() -> dict[str, str]:
    cells = load_papers()["heatmap_weighting"].tables["text_structure"].cells()
    return {f"{cell.row.id}/{cell.column.name}": cell.printed for cell in cells}


def test_the_head_is_made_of_what_the_text_says() -> None:
    assert structure.describe_structure("table1") == {}
    assert structure.describe_structure("text_structure") == printed()


def test_the_figures_are_counted_on_the_head(monkeypatch: pytest.MonkeyPatch) -> None:
    class Wider(SpatialAttention):
        def __init__(self, channels: int, *, hsigmoid: network.HardSigmoid) -> None:
            super().__init__(channels, hsigmoid=hsigmoid)
            self.scale = nn.Sequential(nn.Conv2d(channels, 1, 3), nn.Conv2d(1, 1, 7))

    monkeypatch.setattr(network, "CHANNELS", 128)
    monkeypatch.setattr(network, "SpatialAttention", Wider)
    monkeypatch.setattr(
        network,
        "deconv_bn",
        lambda inputs, outputs, groups: nn.Sequential(nn.ConvTranspose2d(inputs, outputs, 2, 2, groups=groups)),
    )
    assert list(structure.describe_structure("text_structure").values()) == ["3", "2", "128", "3×3", "7×7"]
    monkeypatch.setattr(network, "light_deconv", lambda in_channels: conv_bn(in_channels, 128))
    assert structure.describe_structure("text_structure")["layers/structure"] == "0"
