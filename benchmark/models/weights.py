"""Find weight files, and load them without executing any code."""

from __future__ import annotations

from pathlib import Path

from torch import Tensor, nn

from benchmark.core.errors import InputError
from benchmark.core.files import data_root

SAFETENSORS, TFLITE = ".safetensors", ".tflite"


def locate_weights(weights: Path) -> Path:
    """Find a weight file by its path, or by its path below the data root.

    Raises:
        InputError: there is no such file; the paths that were tried are named.
    """
    below_root = data_root() / weights
    for path in (weights, below_root):
        if path.is_file():
            return path
    raise InputError(f"no weights at {weights}" + ("" if below_root == weights else f", nor at {below_root}"))


def read_safetensors(path: Path) -> dict[str, Tensor]:
    """Load the tensors of a safetensors file, by name.

    Raises:
        InputError: the file is not a safetensors file.
    """
    from safetensors import SafetensorError
    from safetensors.torch import load_file

    try:
        return load_file(path)
    except (OSError, SafetensorError) as problem:
        raise InputError(f"{path}: not a safetensors file that can be read: {problem}") from None


def load_safetensors(network: nn.Module, path: Path, model: str) -> None:
    """Load the tensors of a safetensors file into a network; names and shapes must match exactly.

    Raises:
        InputError: the file is not a safetensors file, or holds the weights of a different network.
    """
    tensors = read_safetensors(path)
    parameters = network.state_dict()
    for name in [*parameters, *tensors]:
        parameter, tensor = parameters.get(name), tensors.get(name)
        if parameter is None or tensor is None or parameter.shape != tensor.shape:
            shapes = [f"{list(t.shape)}" if t is not None else "none" for t in (tensor, parameter)]
            raise InputError(f"{path} does not fit {model}: {name} is {shapes[0]} in the file, {shapes[1]} in the network")
    network.load_state_dict(tensors)
