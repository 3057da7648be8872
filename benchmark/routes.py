"""How far the three routes of :mod:`benchmark.batches` agree, measured on Synthetic people: pictures and targets.

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

from benchmark import augment, batches, cache, crops, records
from benchmark.augment import AUGMENTATIONS
from benchmark.batches import Route
from benchmark.data import mpii, synthetic, synthetic_files
from benchmark.data.people import People
from benchmark.joints import MPII_JOINTS, mirrored
from benchmark.records import Record

VERSION = 1
PERSONS, SEED = 64, 0
PHOTOGRAPH = 768  # pixels a side, so that most persons shrink on their way to the input
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


def measure() -> Iterator[Agreement]:
    """Each route at each density; ``direct`` comes first and once, as it has no cache.

    The persons' views are those of a first training epoch: turned, scaled and mirrored.
    """
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        synthetic_files.write(folder, PERSONS, SEED, "mpii", validation=0, size=PHOTOGRAPH)
        people = mpii.load(folder / "mpii", "train")
        views = augment.draw(people, MPII_JOINTS, AUGMENTATIONS[AUGMENTATION], RULE, augment.generator(SEED, 0))
        maps, rows = views.matrices(INPUT), np.arange(len(people))
        direct = batches.direct(people, maps, rows, INPUT)
        for density in DENSITIES:
            regions = augment.reach(people, MPII_JOINTS, AUGMENTATIONS[AUGMENTATION], RULE, INPUT)
            made = cache.build(
                folder / f"cache {density}", people, regions, cache.densities(people, RULE, INPUT, density), threads=1
            )
            pictures = {
                "direct": direct,
                "cached": batches.cached(made, maps, rows, INPUT),
                "resampled": batches.resampled(made, maps, rows, INPUT, torch.device("cpu")).numpy(),
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


def _target_distance(people: People, views: augment.Views, made: cache.CropCache, route: Route) -> float:
    """Over all annotated joints: the batch's target against the joint carried along the route's own maps."""
    rows, maps = np.arange(len(people)), views.matrices(INPUT)
    batch = batches.load(people, MPII_JOINTS, views, rows, INPUT, cache=None if route == "direct" else made, route=route)
    if route == "direct":
        points = crops.apply(maps, people.joints)
    else:
        points = crops.apply(made.relative(maps, rows), crops.apply(made.matrices, people.joints))
    points = np.where(views.flips[:, None, None], points[:, list(mirrored(MPII_JOINTS))], points)
    distances = np.linalg.norm(batch.joints.double().numpy() - points, axis=-1)
    return float(distances[batch.visible.numpy() > 0].max())


def protocol(one: Agreement) -> str:
    """What stands in the records: views, input, and what the cache keeps."""
    kept = "whole cache" if one.density is None else f"cache of density {one.density:g}"
    return f"{AUGMENTATION}, {INPUT[0]}x{INPUT[1]}, {'no cache' if one.route == 'direct' else kept}"


def to_records(found: Iterable[Agreement]) -> list[Record]:
    """``psnr``, ``rms`` and ``target`` of each route and density; of direct, to which the others are held, ``target`` alone."""
    versions = (VERSION, batches.VERSION, augment.VERSION, cache.VERSION, crops.VERSION, synthetic.VERSION)
    return [
        Record(
            kind="agreement",
            subject=f"batches/{one.route}",
            dataset="synthetic-mpii",
            split="train",
            protocol=protocol(one),
            metric=metric,
            value=getattr(one, metric),
            version=sum(versions),
            seed=SEED,
            n=PERSONS,
            **records.provenance("python -m benchmark.measure routes --keep"),
        )
        for one in found
        for metric in ("psnr", "rms", "target")
        if metric == "target" or one.route != "direct"
        if math.isfinite(getattr(one, metric))
    ]


def text(found: Iterable[Agreement]) -> str:
    """A table for people."""
    lines = [f"{PERSONS} Synthetic people, {AUGMENTATION}, {INPUT[0]}x{INPUT[1]}"]
    lines.append(f"{'route':12}{'cached pixels':>15}{'PSNR dB':>10}{'rms of 255':>12}{'target px':>12}")
    for one in found:
        kept = "" if one.route == "direct" else "all" if one.density is None else f"{one.density:g}"
        lines.append(f"{one.route:12}{kept:>15}{one.psnr:10.2f}{one.rms:12.4f}{one.target:12.6f}")
    return "\n".join(lines)


def report(found: Iterable[Agreement]) -> dict[str, Any]:
    """What ``--json`` prints; see schemas/routes.schema.json."""
    return {"schema": 1, "persons": PERSONS, "input": f"{INPUT[0]}x{INPUT[1]}", "routes": [asdict(one) for one in found]}
