"""The widths of EfficientPose's targets in the course of training; needs no torch."""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple


class TargetWidths(NamedTuple):
    """Widths of the targets in an epoch, in pixels of the heatmap."""

    sigma: float
    half_width: float  # of part affinity fields


# EfficientPose narrows its targets in the course of training. The paper shows sigma only in Figure 6; these are the values of
# the authors' later public code for 100 epochs of MPII: side of the heatmap -> sigma and half-width from each of the epochs on.
TARGET_EPOCHS = (0, 2, 6, 14, 22, 30, 38, 46, 54)
TARGET_WIDTHS: Mapping[int, tuple[tuple[float, ...], tuple[float, ...]]] = {
    28: ((3.1, 2.6, 2.2, 1.75, 1.53, 1.422, 1.313, 1.203, 1.1), (1.53, 1.31, 1.09, 0.875, 0.788, 0.766, 0.744, 0.722, 0.7)),
    32: ((3.5, 3.0, 2.5, 2.0, 1.75, 1.625, 1.5, 1.375, 1.25), (1.75, 1.5, 1.25, 1.0, 0.9, 0.875, 0.85, 0.825, 0.8)),
    46: ((5.0, 4.3, 3.6, 2.875, 2.5, 2.336, 2.156, 1.977, 1.797), (2.5, 2.15, 1.8, 1.4, 1.3, 1.258, 1.222, 1.186, 1.15)),
    60: ((6.6, 5.6, 4.7, 3.75, 3.28, 3.05, 2.813, 2.578, 2.344), (3.3, 2.81, 2.34, 1.875, 1.688, 1.641, 1.594, 1.547, 1.5)),
    75: ((8.2, 7.0, 5.9, 4.69, 4.1, 3.81, 3.516, 3.223, 2.93), (4.1, 3.51, 2.92, 2.343, 2.109, 2.05, 1.992, 1.934, 1.875)),
}


def target_widths(map_size: int, progress: float) -> TargetWidths:
    """Return sigma and half-width at a point of the training; for unlisted sizes in proportion to those of 32 pixels.

    Args:
        map_size: Side of the heatmap in pixels.
        progress: Share of the epochs that are done; the published steps of 100 epochs are scaled to it.
    """
    step = max(index for index, epoch in enumerate(TARGET_EPOCHS) if epoch <= 100 * progress + 1e-9)
    if map_size in TARGET_WIDTHS:
        return TargetWidths(*(column[step] for column in TARGET_WIDTHS[map_size]))
    return TargetWidths(*(column[step] * map_size / 32 for column in TARGET_WIDTHS[32]))
