"""Find weight files and read them without executing anything."""

from __future__ import annotations

from pathlib import Path

from torch import Tensor, nn

from benchmark.core.errors import InputError
from benchmark.core.files import data_root

SAFETENSORS, TFLITE = ".safetensors", ".tflite"


def locate_weights(weights: Path) -> Path:
    """A weight file by its path, or by its path below the data root.

    Raises:
        InputError: there is none; the places are named.
    """
    below = data_root() / weights
    for path in (weights, below):
        if path.is_file():
            return path
    raise InputError(f"no weights at {weights}" + ("" if below == weights else f", nor at {below}"))


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
