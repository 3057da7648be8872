"""What trained networks put on their maps: checkerboards, and how high and wide heatmaps are.

A transposed convolution of stride 2 can leave a pattern that repeats every two pixels; EfficientPose-NAS shows it in Fig. 6 and
corrects it by SIC. Here it is a number: how much of the maps' spectral energy lies at half a cycle per pixel.
"""

from __future__ import annotations

import math
import tempfile
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import torch
from torch import Tensor, nn

from benchmark.config.ablations import GREY_LEVELS, HEATMAPS, FeatureMapSpec
from benchmark.config.identities import Identity, feature_map_identity
from benchmark.config.packages import find_protocol
from benchmark.core.errors import InputError
from benchmark.core.input_size import parse_size
from benchmark.core.keypoints import JOINT_COUNTS
from benchmark.core.records import Record, load_records, provenance, record_id
from benchmark.core.statistics import percentile_interval, resample_sums
from benchmark.data.images import read_image
from benchmark.data.mpii import load_mpii
from benchmark.data.people import People
from benchmark.data.synthetic.write import write_datasets
from benchmark.models.outputs import iter_maps
from benchmark.models.registry import build_model
from benchmark.models.weights import load_safetensors
from benchmark.pipeline.batches import normalize
from benchmark.pipeline.crops import person_transforms, sample_inputs
from benchmark.training.loader import joint_set, load_annotated_people
from benchmark.training.records import setting_of
from benchmark.training.trainer import TrainingRun

PERSONS = 200  # the first of the test persons
BATCH = 20
CHANNELS = 3  # of a place, those with the most energy, are kept as pictures


def checkerboard(maps: np.ndarray) -> np.ndarray:
    """The share of spectral energy at half a cycle per pixel, along rows or columns or both, percent.

    The mean of each map is left out. White noise has ``(H + W - 1) / (H W - 1)`` there, a checkerboard everything.

    Args:
        maps: ``[N, C, H, W]``, sides even; the energies of all channels are added up.

    Returns:
        ``[N]``; NaN where all maps are constant.
    """
    height, width = maps.shape[-2:]
    energy = np.square(np.abs(np.fft.fft2(maps - maps.mean((-2, -1), keepdims=True)))).sum(1)
    there = energy[:, height // 2].sum(-1) + energy[:, :, width // 2].sum(-1) - energy[:, height // 2, width // 2]
    with np.errstate(invalid="ignore"):
        return 100 * there / energy.sum((-2, -1))


def peak_sigma(heatmaps: np.ndarray) -> np.ndarray:
    """How wide the peaks are: the sigma, in pixels, of the Gaussian with as many pixels above half its height.

    Args:
        heatmaps: ``[N, K, h, w]``.

    Returns:
        ``[N]``, the mean over joints.
    """
    peaks = heatmaps.max((-2, -1), keepdims=True)
    pixels = ((heatmaps >= peaks / 2) & (peaks > 0)).sum((-2, -1))
    return np.sqrt(pixels / (2 * math.log(2) * math.pi)).mean(1)


def peak_height(heatmaps: np.ndarray) -> np.ndarray:
    """How high the peaks are, ``[N]``, the mean over joints of ``[N, K, h, w]``."""
    return heatmaps.max((-2, -1)).mean(1)


def measure_feature_maps(run: TrainingRun, spec: FeatureMapSpec, root: Path | None, folder: Path) -> list[Record]:
    """What a finished run's maps come to at each place that its network has; nothing where that is on record.

    Args:
        folder: The folder of the records.

    Raises:
        InputError: the run's weights or the photographs are not there.
    """
    last, every = run.recipe.epochs, run.recipe.evaluate_every
    epochs = [*range(every, last, every), last] if spec.every_evaluation else [last]
    known = load_records(folder)
    missing = [epoch for epoch in epochs if record_id(_identity(run, "checkerboard", HEATMAPS, epoch)) not in known]
    if not missing:
        return []
    people = load_annotated_people(*run.recipe.test, root).present()
    images = _images(people.select(np.arange(min(PERSONS, len(people)))), run)
    person = _synthetic(run) if run.seed == 0 else None  # one seed's pictures are enough
    return [record for epoch in missing for record in _after(run, epoch, spec.modules, images, person)]


def _identity(run: TrainingRun, metric: str, module: str, epoch: int) -> Identity:
    return feature_map_identity(run.model, run.recipe, setting_of(run), metric, module, epoch, run.seed)


def _after(run: TrainingRun, epoch: int, places: tuple[str, ...], images: Tensor, person: Tensor | None) -> Iterator[Record]:
    """The records of one evaluation's weights."""
    path = run.folder / f"epoch-{epoch}.safetensors"
    if not path.is_file():
        raise InputError(f"no weights at {path}: the folder of the runs is chosen with --work")
    network = build_model(run.model, joints=JOINT_COUNTS[joint_set(run.recipe)])
    load_safetensors(network, path, run.model)
    modules = dict(network.named_modules())
    present = [place for place in places if place in modules or place == HEATMAPS]
    sigmoid = find_protocol(run.model, run.recipe.protocol).activation == "sigmoid"
    seen = _outputs(network.eval(), present, images, sigmoid=sigmoid)
    shown = _outputs(network, present, person, sigmoid=sigmoid) if person is not None else {}
    for place in present:
        figures = {"checkerboard": checkerboard(seen[place])}
        if place == HEATMAPS:
            figures |= {"peak": peak_height(seen[place]), "sigma": peak_sigma(seen[place])}
        for name, values in figures.items():
            values = values[np.isfinite(values)]
            replicates = resample_sums(values[:, None])[:, 0] / len(values)
            pictures = encode_pictures(shown[place], place) if shown and name == "checkerboard" else None
            yield Record(
                **_identity(run, name, place, epoch),
                value=float(values.mean()),
                n=len(values),
                interval=percentile_interval(replicates),
                samples=pictures,
                **provenance(),
            )


@torch.inference_mode()
def _outputs(network: nn.Module, places: list[str], images: Tensor, *, sigmoid: bool) -> dict[str, np.ndarray]:
    """What stands at each place, float64 ``[N, C, H, W]``."""
    kept: dict[str, list[np.ndarray]] = {place: [] for place in places}
    hooks = [
        module.register_forward_hook(lambda _, __, output, place=place: kept[place].append(output.double().numpy()))
        for place, module in network.named_modules()
        if place in kept
    ]
    for part in images.split(BATCH):
        *_, last = iter_maps(network(part))
        if HEATMAPS in kept:
            kept[HEATMAPS].append((last.sigmoid() if sigmoid else last).double().numpy())
    for hook in hooks:
        hook.remove()
    return {place: np.concatenate(parts) for place, parts in kept.items()}


def encode_pictures(maps: np.ndarray, place: str) -> list[list[str]]:
    """Pictures of one image's maps ``[1, C, H, W]``, each a string of hexadecimal digits a row, black to white: of heatmaps
    their maximum over the joints from 0 to 1, of others the channels with the most energy, each from its least to its most."""
    channels = maps[0]
    if place == HEATMAPS:
        pictures = [channels.max(0).clip(0, 1)]
    else:
        order = np.argsort(-channels.var((1, 2)), kind="stable")[:CHANNELS]
        pictures = [(m - m.min()) / max(np.ptp(m), 1e-12) for m in channels[order]]
    return [["".join(f"{int(v):x}" for v in row) for row in np.minimum(p * GREY_LEVELS, GREY_LEVELS - 1)] for p in pictures]


def _synthetic(run: TrainingRun) -> Tensor:
    """One Synthetic person as the network is shown it, float32 ``[1, 3, H, W]``."""
    with tempfile.TemporaryDirectory() as folder:
        write_datasets(Path(folder), 1, 0, "mpii", validation=0, size=256)
        return _images(load_mpii(Path(folder) / "mpii", "train"), run)


def _images(people: People, run: TrainingRun) -> Tensor:
    """Persons as the network is shown them, float32 ``[N, 3, H, W]``."""
    photographs = [read_image(path) for path in people.images]
    protocol, hw = find_protocol(run.model, run.recipe.protocol), parse_size(run.recipe.input)
    matrices = person_transforms(people, photographs, protocol, hw)
    images = torch.from_numpy(sample_inputs(photographs, matrices, hw, antialias=protocol.antialias))
    return normalize(images, bgr=protocol.bgr)
