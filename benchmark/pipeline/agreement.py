"""Agreement of the three routes of :mod:`benchmark.pipeline.batches`, measured on Synthetic people: inputs and targets.

The same seed draws the same people everywhere, so the values can be measured again without any dataset.
"""

from __future__ import annotations

import math
import tempfile
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, get_args

import numpy as np
import torch
from typing_extensions import TypedDict  # typing.TypedDict cannot be validated by pydantic before Python 3.12

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

PEOPLE, SEED = 64, 0
IMAGE_SIDE = 768  # pixels, so that most people shrink on their way to the input
INPUT = (256, 256)
AUGMENTATION, RULE = "hrnet_mpii", "mpii"
DENSITIES = (1.0, 2.0, None)  # cached pixels per pixel of the input; None keeps all pixels of the image


@dataclass(frozen=True, kw_only=True)
class Agreement:
    """Agreement of one route with ``direct``.

    Attributes:
        route: of :mod:`benchmark.pipeline.batches`.
        density: cached pixels per pixel of the input along an axis; None means no cache or all pixels.
        rms: root mean square difference of all pixels and colours, in levels of 255.
        target: largest distance between a target and the position to which the route moves the joint, pixels of the input.
    """

    route: Route
    density: float | None
    rms: float
    target: float

    @property
    def psnr(self) -> float:
        """Return the peak signal-to-noise ratio in dB; it is infinite where no pixel differs."""
        return 20 * math.log10(255 / self.rms) if self.rms else math.inf


def measure_agreement() -> Iterator[Agreement]:
    """Measure each route at each density; ``direct`` comes first and once, as it has no cache.

    The views are those of a first training epoch: rotated, scaled and mirrored.
    """
    augmentation = AUGMENTATIONS[AUGMENTATION]
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        write_datasets(folder, PEOPLE, SEED, "mpii", validation=0, size=IMAGE_SIDE)
        people = load_mpii(folder / "mpii", "train")
        views = draw_views(people, MPII_JOINTS, augmentation, RULE, epoch_generator(SEED, 0))
        transforms, rows = views.transforms(INPUT), np.arange(len(people))
        direct = warp_images(people, transforms, rows, INPUT)
        for density in DENSITIES:
            regions = visible_region(people, MPII_JOINTS, augmentation, RULE, INPUT)
            resolutions = crop_resolutions(people, RULE, INPUT, density)
            cache = build_cache(folder / f"cache {density}", people, regions, resolutions, threads=1)
            images = {
                "direct": direct,
                "cached": warp_cached_crops(cache, transforms, rows, INPUT),
                "resampled": resample_cached_crops(cache, transforms, rows, INPUT, torch.device("cpu")).numpy(),
            }
            for route in get_args(Route):
                if route == "direct" and density != DENSITIES[0]:
                    continue
                yield Agreement(
                    route=route,
                    density=None if route == "direct" else density,
                    rms=float(np.sqrt(np.square(images[route].astype(float) - direct).mean())),
                    target=_target_distance(people, views, cache, route),
                )


def _target_distance(people: People, views: Views, cache: CropCache, route: Route) -> float:
    """Compute the largest distance between a batch's target and the joint moved by the route's own transforms."""
    rows, transforms = np.arange(len(people)), views.transforms(INPUT)
    batch = load_batch(people, MPII_JOINTS, views, rows, INPUT, cache=None if route == "direct" else cache, route=route)
    if route == "direct":
        points = transform_points(transforms, people.joints)
    else:
        in_crops = transform_points(cache.transforms, people.joints)
        points = transform_points(cache.crop_to_input(transforms, rows), in_crops)
    points = np.where(views.flips[:, None, None], points[:, list(mirrored_indices(MPII_JOINTS))], points)
    distances = np.linalg.norm(batch.joints.double().numpy() - points, axis=-1)
    return float(distances[batch.visible.numpy() > 0].max())


def agreement_records(agreements: Iterable[Agreement]) -> list[Record]:
    """Return records of ``psnr``, ``rms`` and ``target``; of ``direct``, the reference of the first two, only of ``target``."""
    size = f"{INPUT[0]}x{INPUT[1]}"
    return [
        Record(
            **agreement_identity(agreement.route, metric, AUGMENTATION, size, agreement.density, SEED),
            value=getattr(agreement, metric),
            n=PEOPLE,
            **provenance("python -m benchmark.measure routes --keep"),
        )
        for agreement in agreements
        for metric in ("psnr", "rms", "target")
        if metric == "target" or agreement.route != "direct"
        if math.isfinite(getattr(agreement, metric))
    ]


def format_agreement(agreements: Iterable[Agreement]) -> str:
    """Format the agreements as a table."""
    lines = [f"{PEOPLE} Synthetic people, {AUGMENTATION}, {INPUT[0]}x{INPUT[1]}"]
    lines.append(f"{'route':12}{'cached pixels':>15}{'PSNR dB':>10}{'rms of 255':>12}{'target px':>12}")
    for agreement in agreements:
        cached = "" if agreement.route == "direct" else "all" if agreement.density is None else f"{agreement.density:g}"
        lines.append(f"{agreement.route:12}{cached:>15}{agreement.psnr:10.2f}{agreement.rms:12.4f}{agreement.target:12.6f}")
    return "\n".join(lines)


class RouteReport(TypedDict):
    """Agreement of one route with ``direct``; the fields are those of :class:`Agreement`."""

    route: Route
    density: float | None
    rms: float
    target: float


class AgreementReport(TypedDict):
    """The output of ``python -m benchmark.measure routes --json``."""

    schema: Literal[1]
    people: int
    input: str
    routes: list[RouteReport]


def agreement_report(agreements: Iterable[Agreement]) -> AgreementReport:
    """Return the content of ``--json``."""
    routes: list[RouteReport] = [
        {"route": agreement.route, "density": agreement.density, "rms": agreement.rms, "target": agreement.target}
        for agreement in agreements
    ]
    return {"schema": 1, "people": PEOPLE, "input": f"{INPUT[0]}x{INPUT[1]}", "routes": routes}
