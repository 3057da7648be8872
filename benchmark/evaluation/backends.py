"""Networks with trained weights, ready to be evaluated."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

import torch
from torch import Tensor, nn

from benchmark.config.packages import layouts_of, package_of
from benchmark.core.errors import InputError
from benchmark.core.files import sha256_of_file
from benchmark.core.input_size import parse_size
from benchmark.core.keypoints import JOINT_NAMES
from benchmark.models.checkpoints import Checkpoint, find_published
from benchmark.models.external import ExternalModel, source_files
from benchmark.models.layouts import OWN
from benchmark.models.outputs import iter_maps
from benchmark.models.registry import build_model, check_input_size, find_entry
from benchmark.models.weights import TFLITE, fill_network, load_weights, locate_weights, match_tensors, read_tensors

# Images [B, 3, H, W] to all outputs of a network, each [B, C, h, w]; the final heatmaps [B, K, h, w] come last.
Forward = Callable[[Tensor], tuple[Tensor, ...]]


class Backend(NamedTuple):
    """A network that evaluation can run.

    Attributes:
        forward: From normalised images to all outputs; see :data:`Forward`.
        joints: Names of the final heatmaps' joints, in their order.
        input_hw: Height and width of the input.
        sha256: The weight file's hash.
        published: The published file that the weights are, if they are one.
        model: Id and version of a model of this project: others may take the same tensors.
    """

    forward: Forward
    joints: tuple[str, ...]
    input_hw: tuple[int, int]
    sha256: str
    published: Checkpoint | None = None
    model: str = ""


def load_backend(
    model: str,
    weights: Path,
    *,
    head: str = "mpii",
    input_hw: tuple[int, int] | None = None,
    device: torch.device | str = "cpu",
) -> Backend:
    """Load a model of this project with the weights of a file: one that TFLite runs, or any other that holds its tensors.

    Args:
        head: the joint set that the network predicts if the file does not determine it, a name in
            :data:`benchmark.core.keypoints.JOINT_NAMES`.
        input_hw: by default the first of the sizes that the model's entry names.

    Raises:
        InputError: the model is unknown, it does not take this size, or the file cannot be read or holds the weights of another
            network; the file is named.
    """
    entry = find_entry(model)
    input_hw = input_hw or parse_size(entry.inputs[0])
    check_input_size(model, input_hw)
    if weights.suffix.lower() == TFLITE:
        joints = package_of(model).tflite_joints or JOINT_NAMES[head]
        forward = _tflite_runner(weights, len(joints), input_hw)
    else:
        network, joints = _load_network(model, weights, JOINT_NAMES[head])
        forward = network_runner(network.to(device).eval(), model, len(joints))
    sha256 = sha256_of_file(weights)
    return Backend(forward, joints, input_hw, sha256, find_published(model, weights, sha256), f"{entry.id} {entry.version}")


def _load_network(model: str, weights: Path, joints: tuple[str, ...]) -> tuple[nn.Module, tuple[str, ...]]:
    """Load a model's network from a file in our own or a publisher's layout; return it, and the names of its joints.

    Args:
        joints: Those of the network if the file's layout does not determine them.

    Raises:
        InputError: see :func:`benchmark.models.weights.load_weights`.
    """
    tensors = read_tensors(weights)
    layouts = (OWN, *layouts_of(model))
    matches = []
    for count in {len(layout.joints or joints) for layout in layouts}:
        network = build_model(model, joints=count)
        fitting = [layout for layout in layouts if len(layout.joints or joints) == count]
        matches.append((match_tensors(tensors, network, fitting), network))
    match, network = min(matches, key=lambda pair: pair[0].distance)
    fill_network(network, match, weights, model)
    return network, match.layout.joints or joints


def load_external(
    external: ExternalModel, weights: Path | None, *, joints: int, input_hw: tuple[int, int] | None, device: torch.device | str
) -> Backend:
    """Load a resolved model: one of this project as :func:`load_backend` does, any other as its function builds it.

    Raises:
        InputError: no joint set has that many joints, a model of this project has no weights, or the weights do not fit.
    """
    heads = {len(names): head for head, names in JOINT_NAMES.items()}
    if joints not in heads:
        known = ", ".join(f"{count} ({head})" for count, head in sorted(heads.items()))
        raise InputError(f"--joints {joints}: accuracy needs a known joint set: {known}")
    if external.model:
        if weights is None:
            raise InputError(
                f"{external.name} has no trained weights of its own: give --weights, or MODEL@FILE after --against"
            )
        return load_backend(external.model, locate_weights(weights), head=heads[joints], input_hw=input_hw, device=device)
    assert input_hw is not None
    network = external.build(joints, input_hw)
    if weights is not None:
        load_weights(network, locate_weights(weights), external.name)
    forward = network_runner(network.to(device).eval(), external.name, joints)
    return Backend(forward, JOINT_NAMES[heads[joints]], input_hw, network_fingerprint(external, network))


def network_fingerprint(external: ExternalModel, network: nn.Module) -> str:
    """Hash a user's network with its weights, so that cached predictions are never taken for another network's."""
    digest = hashlib.sha256(external.spec.encode())
    for file in source_files(external):
        digest.update(file.read_bytes())
    for key, value in network.state_dict().items():
        digest.update(key.encode() + value.detach().cpu().contiguous().flatten().view(torch.uint8).numpy().tobytes())
    return digest.hexdigest()


def network_runner(network: nn.Module, model: str, joints: int) -> Forward:
    """Return a function that runs a network without gradients and checks that its last output is heatmaps of ``joints``."""

    @torch.inference_mode()
    def forward(images: Tensor) -> tuple[Tensor, ...]:
        try:
            outputs = tuple(iter_maps(network(images)))
        except RuntimeError as problem:
            size = "x".join(str(side) for side in images.shape[2:])
            raise InputError(f"{model} failed on {size} images: {str(problem).splitlines()[0]}") from None
        return _checked(outputs, joints, model)

    return forward


def _checked(outputs: tuple[Tensor, ...], joints: int, source: str) -> tuple[Tensor, ...]:
    if not outputs or outputs[-1].ndim != 4 or outputs[-1].shape[1] != joints:
        shape = list(outputs[-1].shape) if outputs else "missing"
        raise InputError(f"{source}: the last output must be [B, {joints}, h, w] heatmaps; it is {shape}")
    if not torch.isfinite(outputs[-1]).all():
        raise InputError(f"{source}: a heatmap is not finite")
    return outputs


def _tflite_runner(path: Path, joints: int, input_hw: tuple[int, int]) -> Forward:
    """Return a function that runs a TFLite file image by image, on as many threads as PyTorch uses.

    The file's input and outputs have their channels last.
    """
    try:
        from ai_edge_litert.interpreter import Interpreter
    except ImportError:
        raise InputError(f"{path}: running it needs ai-edge-litert (the extra 'runtimes')") from None
    try:
        interpreter = Interpreter(str(path), num_threads=torch.get_num_threads())
        interpreter.allocate_tensors()
    except (ValueError, RuntimeError) as problem:
        raise InputError(f"{path}: not a TFLite file that can be run: {str(problem).splitlines()[0]}") from None
    inputs, outputs = interpreter.get_input_details(), interpreter.get_output_details()
    expected = [1, *input_hw, 3]
    if len(inputs) != 1 or inputs[0]["shape"].tolist() != expected:
        shapes = [details["shape"].tolist() for details in inputs]
        raise InputError(f"{path}: takes inputs of shape {shapes}, not one image of shape {expected}")

    def run_image(image: Tensor) -> list[Tensor]:
        interpreter.set_tensor(inputs[0]["index"], image.permute(1, 2, 0).contiguous().cpu().numpy()[None])
        interpreter.invoke()
        return [torch.from_numpy(interpreter.get_tensor(output["index"])).permute(0, 3, 1, 2) for output in outputs]

    def forward(images: Tensor) -> tuple[Tensor, ...]:
        per_output = zip(*map(run_image, images), strict=True)
        return _checked(tuple(torch.cat(heatmaps) for heatmaps in per_output), joints, str(path))

    return forward
