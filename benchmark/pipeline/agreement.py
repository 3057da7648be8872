"""How far the three routes of :mod:`benchmark.pipeline.batches` agree, measured on Synthetic people: pictures and targets.

Anyone gets the same persons from the same seed, so the figures can be measured again without any dataset.
"""

from __future__ import annotations

import math
import tempfile
from collections.abc import Iterable, Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, get_args

import numpy as np
import torch

from benchmark.config.identities import agreement_identity
from benchmark.config.pipeline import AUGMENTATIONS
from benchmark.core.keypoints import MPII_JOINTS, mirrored_indices
from benchmark.core.records import Record, provenance
from benchmark.data.mpii import load_mpii
from benchmark.data.people import People
from benchmark.data.synthetic.write import write_datasets
from benchmark.pipeline.augment import Views, draw_views, epoch_generator, visible_region
from benchmark.pipeline.batches import Route, load_batch, resample_cached_crops, warp_cached_crops, warp_images
from benchmark.pipeline.crop_cache import CropCache, build_cache, crop_resolutions
from benchmark.pipeline.crops import transform_points

PERSONS, SEED = 64, 0
IMAGE_SIDE = 768  # pixels a side, so that most persons shrink on their way to the input
INPUT = (256, 256)
AUGMENTATION, RULE = "hrnet_mpii", "mpii"
DENSITIES = (1.0, 2.0, None)  # see cache.densities; None keeps all pixels of the photograph


@dataclass(frozen=True, kw_only=True)
class Agreement:
    """One route against ``direct``. ``rms``: of all pixels and colours, in levels of 255. ``target``: the largest distance, in
    pixels of the input, of a target from where the route puts the joint's pixel."""

    route: Route
    density: float | None
    rms: float
    target: float

    @property
    def psnr(self) -> float:
        """Peak signal-to-noise ratio, dB; infinite where no pixel differs."""
        return 20 * math.log10(255 / self.rms) if self.rms else math.inf


def measure_agreement() -> Iterator[Agreement]:
    """Each route at each density; ``direct`` comes first and once, as it has no cache.

    The persons' views are those of a first training epoch: turned, scaled and mirrored.
    """
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        write_datasets(folder, PERSONS, SEED, "mpii", validation=0, size=IMAGE_SIDE)
        people = load_mpii(folder / "mpii", "train")
        views = draw_views(people, MPII_JOINTS, AUGMENTATIONS[AUGMENTATION], RULE, epoch_generator(SEED, 0))
        maps, rows = views.matrices(INPUT), np.arange(len(people))
        direct = warp_images(people, maps, rows, INPUT)
        for density in DENSITIES:
            regions = visible_region(people, MPII_JOINTS, AUGMENTATIONS[AUGMENTATION], RULE, INPUT)
            made = build_cache(
                folder / f"cache {density}", people, regions, crop_resolutions(people, RULE, INPUT, density), threads=1
            )
            pictures = {
                "direct": direct,
                "cached": warp_cached_crops(made, maps, rows, INPUT),
                "resampled": resample_cached_crops(made, maps, rows, INPUT, torch.device("cpu")).numpy(),
            }
            for route in get_args(Route):
                if route == "direct" and density != DENSITIES[0]:
                    continue
                yield Agreement(
                    route=route,
                    density=None if route == "direct" else density,
                    rms=float(np.sqrt(np.square(pictures[route].astype(float) - direct).mean())),
                    target=_target_distance(people, views, made, route),
                )


def _target_distance(people: People, views: Views, made: CropCache, route: Route) -> float:
    """Over all annotated joints: the batch's target against the joint carried along the route's own maps."""
    rows, maps = np.arange(len(people)), views.matrices(INPUT)
    batch = load_batch(people, MPII_JOINTS, views, rows, INPUT, cache=None if route == "direct" else made, route=route)
    if route == "direct":
        points = transform_points(maps, people.joints)
    else:
        points = transform_points(made.relative(maps, rows), transform_points(made.matrices, people.joints))
    points = np.where(views.flips[:, None, None], points[:, list(mirrored_indices(MPII_JOINTS))], points)
    distances = np.linalg.norm(batch.joints.double().numpy() - points, axis=-1)
    return float(distances[batch.visible.numpy() > 0].max())


def agreement_records(found: Iterable[Agreement]) -> list[Record]:
    """Return records of ``psnr``, ``rms`` and ``target`` per route and resolution; of the direct route ``target`` alone."""
    size = f"{INPUT[0]}x{INPUT[1]}"
    return [
        Record(
            **agreement_identity(one.route, metric, AUGMENTATION, size, one.density, SEED),
            value=getattr(one, metric),
            n=PERSONS,
            **provenance("python -m benchmark.measure routes --keep"),
        )
        for one in found
        for metric in ("psnr", "rms", "target")
        if metric == "target" or one.route != "direct"
        if math.isfinite(getattr(one, metric))
    ]


def format_agreement(found: Iterable[Agreement]) -> str:
    """A table for people."""
    lines = [f"{PERSONS} Synthetic people, {AUGMENTATION}, {INPUT[0]}x{INPUT[1]}"]
    lines.append(f"{'route':12}{'cached pixels':>15}{'PSNR dB':>10}{'rms of 255':>12}{'target px':>12}")
    for one in found:
        kept = "" if one.route == "direct" else "all" if one.density is None else f"{one.density:g}"
        lines.append(f"{one.route:12}{kept:>15}{one.psnr:10.2f}{one.rms:12.4f}{one.target:12.6f}")
    return "\n".join(lines)


def agreement_report(found: Iterable[Agreement]) -> dict[str, Any]:
    """What ``--json`` prints; see schemas/routes.schema.json."""
    return {"schema": 1, "persons": PERSONS, "input": f"{INPUT[0]}x{INPUT[1]}", "routes": [asdict(one) for one in found]}
