"""A network with its weights, ready to be run: built here, or inside a TFLite file that its own runtime executes."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

import torch
from torch import Tensor, nn

from benchmark import data, models, protocols
from benchmark.errors import InputError
from benchmark.losses import tensors
from benchmark.protocols import HEADS, WeightFile

SAFETENSORS, TFLITE = ".safetensors", ".tflite"


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


def locate(weights: Path) -> Path:
    """A weight file by its path, or by its path below the data root.

    Raises:
        InputError: there is none; the places are named.
    """
    below = data.root() / weights
    for path in (weights, below):
        if path.is_file():
            return path
    raise InputError(f"no weights at {weights}" + ("" if below == weights else f", nor at {below}"))


def load(
    model: str,
    weights: Path,
    *,
    head: str = "mpii",
    input_hw: tuple[int, int] | None = None,
    device: torch.device | str = "cpu",
) -> Backend:
    """The network of an id with the weights of a file; the file's suffix says how it is read.

    Args:
        head: whose joints a ``.safetensors`` file predicts: a name in :data:`benchmark.protocols.HEADS`.
        input_hw: by default the first of the sizes that the model's entry names.

    Raises:
        InputError: an unknown model or kind of file, a size that the model does not take, or the file does not belong to the
            model; it is named.
    """
    entry = models.find(model)
    input_hw = input_hw or models.parse_size(entry.inputs[0])
    models.check_size(model, input_hw)
    special = getattr(protocols.package(model), "WEIGHTS", {})
    kinds = {SAFETENSORS: WeightFile(joints=HEADS[head]), TFLITE: WeightFile(joints=HEADS[head]), **special}
    suffix = weights.suffix.lower()
    if suffix not in kinds:
        raise InputError(f"{weights}: {model} takes no {suffix or 'such'} file; known: {', '.join(kinds)}")
    joints = kinds[suffix].joints
    if suffix == TFLITE:
        maps = _tflite(weights, len(joints), input_hw)
    else:
        network = models.build(model, joints=len(joints))
        if kinds[suffix].load:
            models.imported(kinds[suffix].load)(network, weights)
        else:
            load_safetensors(network, weights, model)
        maps = runner(network.to(device).eval(), model, len(joints))
    return Backend(maps, joints, input_hw, hashlib.sha256(weights.read_bytes()).hexdigest(), suffix in special)


def read_safetensors(path: Path) -> dict[str, Tensor]:
    """The tensors of a file by name.

    Raises:
        InputError: it is no safetensors file.
    """
    from safetensors import SafetensorError
    from safetensors.torch import load_file

    try:
        return load_file(path)
    except (OSError, SafetensorError) as problem:
        raise InputError(f"{path}: not a safetensors file that can be read: {problem}") from None


def load_safetensors(network: nn.Module, path: Path, model: str) -> None:
    """Fill a network with the tensors of a file, all of them and no others.

    Raises:
        InputError: the file is no safetensors file, or holds another network's weights.
    """
    tensors = read_safetensors(path)
    wanted = network.state_dict()
    for name in [*wanted, *tensors]:
        ours, theirs = wanted.get(name), tensors.get(name)
        if ours is None or theirs is None or ours.shape != theirs.shape:
            shapes = [f"{list(t.shape)}" if t is not None else "none" for t in (theirs, ours)]
            raise InputError(f"{path} does not fit {model}: {name} is {shapes[0]} in the file, {shapes[1]} in the network")
    network.load_state_dict(tensors)


def runner(network: nn.Module, model: str, joints: int) -> Callable[[Tensor], tuple[Tensor, ...]]:
    """A network as a :class:`Backend` runs it, without gradients; its last output is checked to be the maps of ``joints``."""

    @torch.inference_mode()
    def maps(images: Tensor) -> tuple[Tensor, ...]:
        try:
            found = tuple(tensors(network(images)))
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
