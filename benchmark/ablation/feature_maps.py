"""Measure the feature maps of trained networks: checkerboard artifacts, and the height and width of heatmap peaks.

A transposed convolution of stride 2 can leave a pattern that repeats every two pixels; EfficientPose-NAS shows it in Fig. 6 and
corrects it by SIC. Here it is a number: the share of the maps' spectral energy at half a cycle per pixel.
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
from benchmark.core.keypoints import JOINT_COUNTS, joint_set_of
from benchmark.core.records import Record, load_records, provenance, record_id
from benchmark.core.statistics import percentile_interval, resample_sums
from benchmark.data.images import read_image
from benchmark.data.mpii import load_mpii
from benchmark.data.people import People
from benchmark.data.synthetic.write import write_datasets
from benchmark.models.outputs import final_heatmaps
from benchmark.models.registry import build_model, build_on_meta
from benchmark.models.weights import load_weights
from benchmark.pipeline.batches import normalize
from benchmark.pipeline.crops import person_transforms, sample_inputs
from benchmark.training.loader import load_annotated_people
from benchmark.training.records import run_setting
from benchmark.training.trainer import TrainingRun

MAX_PEOPLE = 200  # the first of the test people
BATCH = 20
CHANNELS = 3  # of a module's output, those with the most energy, are stored as images


def checkerboard(maps: np.ndarray) -> np.ndarray:
    """Compute the share of spectral energy at half a cycle per pixel, along rows, columns or both, in percent ``[N]``.

    The mean of each map is left out. White noise has ``(H + W - 1) / (H W - 1)``, a checkerboard 100 %.

    Args:
        maps: ``[N, C, H, W]`` with even sides; the energies of all channels are summed.

    Returns:
        ``[N]``; NaN where all maps are constant.
    """
    height, width = maps.shape[-2:]
    energy = np.square(np.abs(np.fft.fft2(maps - maps.mean((-2, -1), keepdims=True)))).sum(1)
    row, column = energy[:, height // 2], energy[:, :, width // 2]
    at_half_cycle = row.sum(-1) + column.sum(-1) - energy[:, height // 2, width // 2]  # row and column share one frequency
    with np.errstate(invalid="ignore"):
        return 100 * at_half_cycle / energy.sum((-2, -1))


def peak_sigma(heatmaps: np.ndarray) -> np.ndarray:
    """Compute the width of the peaks as the sigma, in pixels, of a Gaussian with as many pixels above half its height.

    Args:
        heatmaps: ``[N, K, h, w]``.

    Returns:
        ``[N]``, the mean over joints.
    """
    peaks = heatmaps.max((-2, -1), keepdims=True)
    pixels = ((heatmaps >= peaks / 2) & (peaks > 0)).sum((-2, -1))
    return np.sqrt(pixels / (2 * math.log(2) * math.pi)).mean(1)


def peak_height(heatmaps: np.ndarray) -> np.ndarray:
    """Compute the height of the peaks ``[N]``, the mean over the joints of ``[N, K, h, w]``."""
    return heatmaps.max((-2, -1)).mean(1)


def measure_feature_maps(run: TrainingRun, spec: FeatureMapSpec, root: Path | None, folder: Path) -> list[Record]:
    """Measure the feature maps of a finished run at each module that its network has; return the records that are new.

    Args:
        folder: Folder of the records.

    Raises:
        InputError: the run's weights or the images are missing.
    """
    last, every = run.recipe.epochs, run.recipe.evaluate_every
    epochs = [*range(every, last, every), last] if spec.every_evaluation else [last]
    records, network = load_records(folder), dict(build_on_meta(run.model, joints=_joints(run)).named_modules())
    present = [name for name in spec.modules if name in network or name == HEATMAPS]

    def unmeasured(epoch: int) -> tuple[str, ...]:
        return tuple(name for name in present if record_id(_identity(run, "checkerboard", name, epoch)) not in records)

    missing = {epoch: names for epoch in epochs if (names := unmeasured(epoch))}
    if not missing:
        return []
    people = load_annotated_people(*run.recipe.test, root).present()
    images = _input_images(people.select(np.arange(min(MAX_PEOPLE, len(people)))), run)
    shown = _synthetic_person(run) if run.seed == 0 else None  # one seed is enough for a report's figure
    return [record for epoch, names in missing.items() for record in _measure_epoch(run, epoch, names, images, shown)]


def _joints(run: TrainingRun) -> int:
    return JOINT_COUNTS[joint_set_of(run.recipe.dataset)]


def _identity(run: TrainingRun, metric: str, module: str, epoch: int) -> Identity:
    return feature_map_identity(run.model, run.recipe, run_setting(run), metric, module, epoch, run.seed)


def _measure_epoch(
    run: TrainingRun, epoch: int, names: tuple[str, ...], images: Tensor, shown: Tensor | None
) -> Iterator[Record]:
    """Iterate over the records of one evaluation's weights.

    Args:
        names: Modules to measure, or ``heatmaps``.
        images: Network inputs ``[N, 3, H, W]``.
        shown: Network input ``[1, 3, H, W]`` whose maps are stored as images.
    """
    # Load the network.
    path = run.folder / f"epoch-{epoch}.safetensors"
    if not path.is_file():
        raise InputError(f"no weights at {path}: give the folder of the runs with --work")
    network = build_model(run.model, joints=_joints(run))
    load_weights(network, path, run.model)

    # Run it.
    sigmoid = find_protocol(run.model, run.recipe.protocol).activation == "sigmoid"
    outputs = _module_outputs(network.eval(), list(names), images, sigmoid=sigmoid)
    shown_outputs = _module_outputs(network, list(names), shown, sigmoid=sigmoid) if shown is not None else {}

    # Measure its maps.
    for module in names:
        metrics = {"checkerboard": checkerboard(outputs[module])}
        if module == HEATMAPS:
            metrics |= {"peak": peak_height(outputs[module]), "sigma": peak_sigma(outputs[module])}
        for metric, values in metrics.items():
            values = values[np.isfinite(values)]
            replicates = resample_sums(values[:, None])[:, 0] / len(values)
            store_image = shown_outputs and metric == "checkerboard"
            yield Record(
                **_identity(run, metric, module, epoch),
                value=float(values.mean()),
                n=len(values),
                interval=percentile_interval(replicates),
                samples=encode_images(shown_outputs[module], module) if store_image else None,
                **provenance(),
            )


@torch.inference_mode()
def _module_outputs(network: nn.Module, names: list[str], images: Tensor, *, sigmoid: bool) -> dict[str, np.ndarray]:
    """Run the network and return the outputs of the named modules, float64 ``[N, C, H, W]`` each.

    Args:
        names: Of modules, and ``heatmaps`` for the final heatmaps.
        sigmoid: Apply a sigmoid to the final heatmaps.
    """
    outputs: dict[str, list[np.ndarray]] = {name: [] for name in names}
    hooks = [
        module.register_forward_hook(lambda _, __, output, name=name: outputs[name].append(output.double().numpy()))
        for name, module in network.named_modules()
        if name in outputs
    ]
    for batch in images.split(BATCH):
        heatmaps = final_heatmaps(network(batch))
        if HEATMAPS in outputs:
            outputs[HEATMAPS].append((heatmaps.sigmoid() if sigmoid else heatmaps).double().numpy())
    for hook in hooks:
        hook.remove()
    return {name: np.concatenate(batches) for name, batches in outputs.items()}


def encode_images(maps: np.ndarray, module: str) -> list[list[str]]:
    """Encode the maps ``[1, C, H, W]`` of one input as grey images, each row a string of hexadecimal digits, 0 for black.

    Of heatmaps, the maximum over the joints is shown on a scale from 0 to 1; of other maps, the channels with the most energy,
    each from its minimum to its maximum.
    """
    channels = maps[0]
    if module == HEATMAPS:
        images = [channels.max(0).clip(0, 1)]
    else:
        order = np.argsort(-channels.var((1, 2)), kind="stable")[:CHANNELS]
        images = [(channel - channel.min()) / max(np.ptp(channel), 1e-12) for channel in channels[order]]
    levels = [np.minimum(image * GREY_LEVELS, GREY_LEVELS - 1) for image in images]
    return [["".join(f"{int(value):x}" for value in row) for row in image] for image in levels]


def _synthetic_person(run: TrainingRun) -> Tensor:
    """Draw one Synthetic person, and return the network's input for it, float32 ``[1, 3, H, W]``."""
    with tempfile.TemporaryDirectory() as folder:
        write_datasets(Path(folder), 1, 0, "mpii", validation=0, size=256)
        return _input_images(load_mpii(Path(folder) / "mpii", "train"), run)


def _input_images(people: People, run: TrainingRun) -> Tensor:
    """Return the network's inputs for people, float32 ``[N, 3, H, W]``."""
    images = [read_image(path) for path in people.images]
    protocol, hw = find_protocol(run.model, run.recipe.protocol), parse_size(run.recipe.input)
    transforms = person_transforms(people, images, protocol, hw)
    inputs = torch.from_numpy(sample_inputs(images, transforms, hw, antialias=protocol.antialias))
    return normalize(inputs, bgr=protocol.bgr)
