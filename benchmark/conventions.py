"""The names and units of the counting conventions, apart from the counting, so that a report needs no torch."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

VERSION = 2  # of the counting rules in benchmark.cost; goes up when any of them changes


@dataclass(frozen=True)
class Convention:
    """``giga`` is what the convention calls 1 G; ``says`` tells what it counts."""

    giga: float
    says: str

    def scale(self, unit: str) -> float:
        """Operations in one printed unit, ``M`` or ``G``: an M is a thousandth of the convention's G."""
        return self.giga / {"G": 1, "M": 1000}[unit]


FLOPS: Mapping[str, Convention] = {
    "hrnet": Convention(2**30, "MACs of convolutions and linear layers, transposed ones at output positions, over 2^30"),
    "hrnet_1e9": Convention(1e9, "as hrnet, over 1e9"),
    "mmcv": Convention(1e9, "true MACs plus biases, batch norm, ReLU, pooling and resizing, over 1e9"),
    "tf_profiler": Convention(1e9, "two per MAC plus biases, pooling and element-wise arithmetic, over 1e9"),
    "torchstat": Convention(
        2**30, "true MACs plus biases, batch norm, ReLU and global pooling, repeated modules once, over 2^30"
    ),
    "macs": Convention(1e9, "true MACs of convolutions and linear layers, over 1e9"),
    "exact": Convention(1e9, "true MACs without those on zero padding, over 1e9"),
}
PARAMS: Mapping[str, str] = {
    "trainable": "parameters that take a gradient",
    "weights": "weights of convolutions and linear layers alone, without biases and norms",
    "stored": "everything a weight file holds, with batch-norm statistics and frozen weights",
}
