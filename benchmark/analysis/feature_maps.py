"""Collect the statistics of the feature maps of an ablation's variants."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from benchmark.analysis.runs import variant_training
from benchmark.config.ablations import Ablation
from benchmark.config.identities import feature_map_identity, runs_of
from benchmark.core.records import Record

# Statistics of feature maps: spectral energy at half a cycle per pixel in percent, height of peaks, and their sigma in pixels.
FEATURE_MAP_METRICS = ("checkerboard", "peak", "sigma")


@dataclass(frozen=True)
class FeatureMapStats:
    """Statistics of a variant's feature maps at a module after an epoch.

    Attributes:
        variant: Name of the variant.
        module: Name of the module, or ``heatmaps``.
        epoch: Number of epochs trained.
        values: By statistic, one value per seed.
        images: Feature maps of one Synthetic person, as rows of hexadecimal digits from black to white.
    """

    variant: str
    module: str
    epoch: int
    values: Mapping[str, Sequence[float]]
    images: Sequence[Sequence[str]]


def feature_map_stats(ablation: Ablation, protocol: str, records: Mapping[str, Record]) -> list[FeatureMapStats]:
    """Return the statistics of the feature maps of an ablation's variants, in the order of variants, modules and epochs."""
    if (spec := ablation.feature_maps) is None:
        return []
    stats = []
    for variant in ablation.variants:
        training = variant_training(ablation, variant, protocol, records)
        if training is None:
            continue
        model, recipe, setting = training
        for module in spec.modules:
            for epoch in (
                range(recipe.evaluate_every, recipe.epochs + 1, recipe.evaluate_every)
                if spec.every_evaluation
                else (recipe.epochs,)
            ):
                runs_by_metric = {
                    metric: runs_of(records, feature_map_identity(model, recipe, setting, metric, module, epoch))
                    for metric in FEATURE_MAP_METRICS
                }
                images = [run.samples for run in runs_by_metric["checkerboard"] if run.samples]
                if any(runs_by_metric.values()):
                    values = {metric: [run.value for run in runs] for metric, runs in runs_by_metric.items()}
                    stats.append(FeatureMapStats(variant.name, module, epoch, values, images[0] if images else []))
    return stats
