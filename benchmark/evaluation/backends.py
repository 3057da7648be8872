"""A subject with its trained weights, ready to be evaluated."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

import torch
from torch import Tensor, nn

from benchmark.config.packages import package_of
from benchmark.config.protocols import WeightFile
from benchmark.core.errors import InputError
from benchmark.core.input_size import parse_size
from benchmark.core.keypoints import JOINT_NAMES
from benchmark.models.external import ExternalModel
from benchmark.models.outputs import iter_maps
from benchmark.models.registry import build_model, check_input_size, find_entry, import_object
from benchmark.models.weights import SAFETENSORS, TFLITE, load_safetensors, locate_weights

PYTORCH = (".pth", ".pt")


def load_external(
    subject: ExternalModel, weights: Path | None, *, joints: int, input_hw: tuple[int, int] | None, device: torch.device | str
) -> Backend:
    """A subject ready to be evaluated: one of this project's as ``benchmark.evaluate`` has it, any other as it was built.

    Raises:
        InputError: no weights for a network of this project, or they do not fit.
    """
    heads = {len(names): head for head, names in JOINT_NAMES.items()}
    if joints not in heads:
        raise InputError(f"--joints {joints}: accuracy needs the joints of {', '.join(JOINT_NAMES)}, which are {sorted(heads)}")
    if subject.model:
        if weights is None:
            raise InputError(f"{subject.name} has no trained weights of its own: give --weights, or MODEL@FILE after --against")
        return load_backend(subject.model, locate_weights(weights), head=heads[joints], input_hw=input_hw, device=device)
    assert input_hw is not None
    network = subject.build(joints, input_hw)
    if weights is not None:
        load_user_weights(network, locate_weights(weights), subject.name)
    maps = network_runner(network.to(device).eval(), subject.name, joints)
    return Backend(maps, JOINT_NAMES[heads[joints]], input_hw, network_fingerprint(subject, network))


def load_user_weights(network: nn.Module, path: Path, name: str) -> None:
    """Fill a user's network from a ``.safetensors`` file or a state dict that PyTorch saved.

    Raises:
        InputError: another kind of file, or it holds another network's weights.
    """
    if path.suffix.lower() not in PYTORCH:
        if path.suffix.lower() != SAFETENSORS:
            raise InputError(f"{path}: weights of {name} are a {SAFETENSORS} or {' or '.join(PYTORCH)} file")
        load_safetensors(network, path, name)
        return
    try:
        found = torch.load(path, map_location="cpu", weights_only=True)  # a pickle can run code: only tensors are let in
        found = next((found[key] for key in ("state_dict", "model") if key in found), found)
        network.load_state_dict({key.removeprefix("module."): value for key, value in found.items()})
    except Exception as problem:
        lines = [line.strip() for line in str(problem).splitlines() if line.strip()]
        raise InputError(f"{path} does not fit {name}: {' '.join(lines[:2]) or type(problem).__name__}") from None


def network_fingerprint(subject: ExternalModel, network: nn.Module) -> str:
    """What tells this network with these weights from any other, so that predictions kept on disk are its own."""
    digest = hashlib.sha256(subject.spec.encode())
    for source in (subject.onnx, subject.code):
        if source is not None:
            digest.update(source.read_bytes())
    for key, value in network.state_dict().items():
        digest.update(key.encode() + value.detach().cpu().contiguous().flatten().view(torch.uint8).numpy().tobytes())
    return digest.hexdigest()


class Backend(NamedTuple):
    """What evaluation runs.

    ``maps``: images ``[B, 3, H, W]`` to everything the network predicts, each ``[B, C, h, w]``, final heatmaps last.
    ``joints``: those of the final heatmaps, in their order.
    """

    maps: Callable[[Tensor], tuple[Tensor, ...]]
    joints: tuple[str, ...]
    input_hw: tuple[int, int]
    sha256: str  # of the weight file
    published: bool = False  # in a form that only the model's package can read or name the joints of


def load_backend(
    model: str,
    weights: Path,
    *,
    head: str = "mpii",
    input_hw: tuple[int, int] | None = None,
    device: torch.device | str = "cpu",
) -> Backend:
    """The network of an id with the weights of a file; the file's suffix says how it is read.

    Args:
        head: whose joints a ``.safetensors`` file predicts: a name in :data:`benchmark.core.keypoints.JOINT_NAMES`.
        input_hw: by default the first of the sizes that the model's entry names.

    Raises:
        InputError: an unknown model or kind of file, a size that the model does not take, or the file does not belong to the
            model; it is named.
    """
    entry = find_entry(model)
    input_hw = input_hw or parse_size(entry.inputs[0])
    check_input_size(model, input_hw)
    special = package_of(model).weight_files
    kinds = {SAFETENSORS: WeightFile(joints=JOINT_NAMES[head]), TFLITE: WeightFile(joints=JOINT_NAMES[head]), **special}
    suffix = weights.suffix.lower()
    if suffix not in kinds:
        raise InputError(f"{weights}: {model} takes no {suffix or 'such'} file; known: {', '.join(kinds)}")
    joints = kinds[suffix].joints
    if suffix == TFLITE:
        maps = _tflite(weights, len(joints), input_hw)
    else:
        network = build_model(model, joints=len(joints))
        if kinds[suffix].load:
            import_object(kinds[suffix].load)(network, weights)
        else:
            load_safetensors(network, weights, model)
        maps = network_runner(network.to(device).eval(), model, len(joints))
    return Backend(maps, joints, input_hw, hashlib.sha256(weights.read_bytes()).hexdigest(), suffix in special)


def network_runner(network: nn.Module, model: str, joints: int) -> Callable[[Tensor], tuple[Tensor, ...]]:
    """A network as a :class:`Backend` runs it, without gradients; its last output is checked to be the maps of ``joints``."""

    @torch.inference_mode()
    def maps(images: Tensor) -> tuple[Tensor, ...]:
        try:
            found = tuple(iter_maps(network(images)))
        except RuntimeError as problem:
            size = "x".join(str(side) for side in images.shape[2:])
            raise InputError(f"{model} failed on {size} images: {str(problem).splitlines()[0]}") from None
        return _checked(found, joints, model)

    return maps


def _checked(maps: tuple[Tensor, ...], joints: int, source: str) -> tuple[Tensor, ...]:
    if not maps or maps[-1].ndim != 4 or maps[-1].shape[1] != joints:
        raise InputError(f"{source}: its last output is {[list(m.shape) for m in maps[-1:]]}, not the maps of {joints} joints")
    if not torch.isfinite(maps[-1]).all():
        raise InputError(f"{source}: a heatmap is not finite")
    return maps


def _tflite(path: Path, joints: int, input_hw: tuple[int, int]) -> Callable[[Tensor], tuple[Tensor, ...]]:
    """Runs a TFLite file one image at a time, on as many threads as PyTorch; inputs and outputs have their channels last."""
    try:
        from ai_edge_litert.interpreter import Interpreter
    except ImportError:
        raise InputError(f"{path}: running it needs ai-edge-litert (the extra 'runtimes')") from None
    try:
        interpreter = Interpreter(str(path), num_threads=torch.get_num_threads())
        interpreter.allocate_tensors()
    except (ValueError, RuntimeError) as problem:
        raise InputError(f"{path}: not a TFLite file that can be run: {str(problem).splitlines()[0]}") from None
    source, outputs = interpreter.get_input_details(), interpreter.get_output_details()
    wanted = [1, *input_hw, 3]
    if len(source) != 1 or source[0]["shape"].tolist() != wanted:
        raise InputError(f"{path}: takes {[s['shape'].tolist() for s in source]}, not one image {wanted}")

    def one(image: Tensor) -> list[Tensor]:
        interpreter.set_tensor(source[0]["index"], image.permute(1, 2, 0).contiguous().cpu().numpy()[None])
        interpreter.invoke()
        return [torch.from_numpy(interpreter.get_tensor(output["index"])).permute(0, 3, 1, 2) for output in outputs]

    def maps(images: Tensor) -> tuple[Tensor, ...]:
        return _checked(tuple(torch.cat(m) for m in zip(*map(one, images), strict=True)), joints, str(path))

    return maps
