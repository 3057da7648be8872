"""Compare how fast the variants of an ablation converge."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from benchmark.analysis.runs import EFFECT_METRICS, accuracy_curve, variant_runs
from benchmark.config.ablations import BUDGETS, Ablation, Comparison
from benchmark.core.keypoints import joint_set_of
from benchmark.core.records import Record


def epochs_to(threshold: float, curve: Mapping[int, float]) -> float | None:
    """Return the number of epochs after which a curve reaches a threshold; None if it never does.

    The curve is interpolated linearly between evaluations, and starts at 0 before the first epoch.
    """
    last_value, last_epoch = 0.0, 0
    for epoch, value in sorted(curve.items()):
        if value >= threshold:
            if value == last_value:
                return float(epoch)
            return last_epoch + (epoch - last_epoch) * (threshold - last_value) / (value - last_value)
        last_value, last_epoch = value, epoch
    return None


def convergence(
    ablation: Ablation, comparison: Comparison, protocol: str, records: Mapping[str, Record]
) -> tuple[float, dict[str, list[float | None]]] | None:
    """Compare how fast two variants converge; None without runs of both.

    Returns:
        The mean final accuracy of the worse variant, and by variant the number of epochs in which each run reaches it.
    """
    metric = EFFECT_METRICS[joint_set_of(BUDGETS[protocol].dataset)][comparison.strict_threshold]
    names = (comparison.better, comparison.worse)
    runs_by_name = {name: variant_runs(ablation, ablation.variant(name), protocol, metric, records) for name in names}
    if not all(runs_by_name.values()):
        return None
    threshold = float(np.mean([run.value for run in runs_by_name[comparison.worse]]))
    return threshold, {
        name: [epochs_to(threshold, accuracy_curve(run, metric, records)) for run in runs]
        for name, runs in runs_by_name.items()
    }
