"""The names of all metrics with a threshold, and those of the definitions that only one page compares."""

from __future__ import annotations

from collections.abc import Mapping

from benchmark.config.conventions import (
    PCK_PRESETS,
    PCK_THRESHOLDS,
    PCKH_PRESETS,
    PCKH_THRESHOLDS,
    pck_metric_name,
    pckh_metric_name,
)

USUAL_PCKH = "hrnet"  # the definition of PCKh that papers use most

_PCK = {pck_metric_name(threshold, preset): (threshold, preset) for preset in PCK_PRESETS for threshold in PCK_THRESHOLDS}
_PCKH = {pckh_metric_name(threshold, preset): (threshold, preset) for preset in PCKH_PRESETS for threshold in PCKH_THRESHOLDS}

# Thresholds by metric. These metrics are in percent; all others are fractions, as COCO prints them.
METRIC_THRESHOLDS: Mapping[str, float] = {metric: threshold for metric, (threshold, _) in (_PCK | _PCKH).items()}
# Metrics of a named definition other than the usual one.
UNUSUAL_METRICS = {metric for metric, (_, preset) in _PCK.items() if preset} | {
    metric for metric, (_, preset) in _PCKH.items() if preset != USUAL_PCKH
}
