"""A training run on disk: everything that the next step depends on, in one safetensors file that is replaced whole.

Nothing in a checkpoint is ever executed: tensors are bytes, and what is not a tensor is JSON in the file's header.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn
from torch.optim import Optimizer

from benchmark.core.errors import InputError
from benchmark.core.files import atomic_write
from benchmark.models.weights import read_safetensors

CHECKPOINT_VERSION = 1
NETWORK, OPTIMIZER, GENERATOR = "network.", "optimizer.", "generator."


def save_checkpoint(path: Path, network: nn.Module, optimizer: Optimizer, progress: Mapping[str, Any]) -> None:
    """Write the run's state: weights, the optimizer's moments, the states of all generators, and ``progress``.

    Args:
        progress: whatever else the run needs to go on; JSON.
    """
    state = optimizer.state_dict()
    tensors = {NETWORK + name: tensor for name, tensor in network.state_dict().items()}
    scalars: dict[str, Any] = {}
    for number, values in state["state"].items():
        for name, value in values.items():
            if isinstance(value, Tensor):
                tensors[f"{OPTIMIZER}{number}.{name}"] = value
            else:
                scalars[f"{number}.{name}"] = value
    tensors[GENERATOR + "cpu"] = torch.get_rng_state()
    if torch.cuda.is_available():
        tensors[GENERATOR + "cuda"] = torch.cuda.get_rng_state()
    groups = [{key: value for key, value in group.items() if key != "params"} for group in state["param_groups"]]
    header = {"version": CHECKPOINT_VERSION, "scalars": scalars, "groups": groups, "progress": dict(progress)}
    write_safetensors(path, tensors, {"state": json.dumps(header)})


def load_checkpoint(path: Path, network: nn.Module, optimizer: Optimizer) -> dict[str, Any]:
    """Bring a run back to where :func:`save` left it, and return its ``progress``.

    Raises:
        InputError: the file is damaged, or another network's or optimizer's.
    """
    header, tensors = _read(path)
    if header.get("version") != CHECKPOINT_VERSION:
        raise InputError(
            f"{path}: a checkpoint of version {header.get('version')}, not {CHECKPOINT_VERSION}; train into another folder"
        )
    try:
        network.load_state_dict(_part(tensors, NETWORK))
        _load_optimizer(optimizer, _part(tensors, OPTIMIZER), header)
    except (RuntimeError, KeyError, ValueError, IndexError) as problem:
        raise InputError(f"{path}: the checkpoint of another network: {str(problem).splitlines()[0]}") from None
    generators = _part(tensors, GENERATOR)
    torch.set_rng_state(generators["cpu"])
    if torch.cuda.is_available() and "cuda" in generators:
        torch.cuda.set_rng_state(generators["cuda"])
    return header["progress"]


def read_progress(path: Path) -> dict[str, Any]:
    """How far the run is, without its tensors.

    Raises:
        InputError: the file is damaged.
    """
    return _read(path, only=())[0]["progress"]


def _read(path: Path, only: tuple[str, ...] | None = None) -> tuple[dict[str, Any], dict[str, Tensor]]:
    from safetensors import SafetensorError, safe_open

    try:
        with safe_open(path, framework="pt") as file:
            header = json.loads((file.metadata() or {})["state"])
            return header, {name: file.get_tensor(name) for name in (file.keys() if only is None else only)}
    except (OSError, SafetensorError, ValueError, KeyError) as problem:
        raise InputError(f"{path}: no checkpoint that can be read: {problem}") from None


def _part(tensors: Mapping[str, Tensor], prefix: str) -> dict[str, Tensor]:
    return {name.removeprefix(prefix): tensor for name, tensor in tensors.items() if name.startswith(prefix)}


def _load_optimizer(optimizer: Optimizer, tensors: Mapping[str, Tensor], header: Mapping[str, Any]) -> None:
    state: dict[int, dict[str, Any]] = {}
    parameters = [parameter for group in optimizer.param_groups for parameter in group["params"]]
    for key, value in {**tensors, **header["scalars"]}.items():
        number, _, name = key.partition(".")
        if isinstance(value, Tensor) and value.shape == parameters[int(number)].shape:
            # In memory it lies as its parameter does, or the next steps would be slower than the ones before.
            value = torch.empty_like(parameters[int(number)]).copy_(value)
        state.setdefault(int(number), {})[name] = value
    current = optimizer.state_dict()["param_groups"]
    groups = [{**saved, "params": own["params"]} for saved, own in zip(header["groups"], current, strict=True)]
    optimizer.load_state_dict({"state": state, "param_groups": groups})


def save_weights(path: Path, network: nn.Module, metadata: Mapping[str, str]) -> None:
    """The network's tensors alone, as ``python -m benchmark.evaluate --weights`` reads them."""
    write_safetensors(path, network.state_dict(), metadata)


def write_safetensors(path: Path, tensors: Mapping[str, Tensor], metadata: Mapping[str, str]) -> None:
    """A safetensors file that is either the old one or the new one, whenever the machine stops."""
    from safetensors.torch import save_file

    copies = {name: tensor.detach().cpu().contiguous().clone() for name, tensor in tensors.items()}
    with atomic_write(path) as temporary:
        save_file(copies, temporary, dict(metadata))


def load_initial_weights(network: nn.Module, path: Path, model: str) -> list[str]:
    """Start from the weights of a file, perhaps one for other joints: what only differs in the number of maps is left out.

    Returns:
        The names of the tensors left as they were.

    Raises:
        InputError: the file is no safetensors file, or another network's.
    """
    tensors = read_safetensors(path)
    own = network.state_dict()
    if names := sorted(own.keys() ^ tensors.keys()):
        raise InputError(f"{path} does not fit {model}: {names[0]} is in one of them only")
    other = [name for name, tensor in tensors.items() if tensor.shape != own[name].shape]
    for name in other:
        theirs, ours = tensors[name].shape, own[name].shape
        differing = [place for place, pair in enumerate(zip(theirs, ours, strict=False)) if pair[0] != pair[1]]
        if len(theirs) != len(ours) or differing != [0] or theirs[0] != tensors[other[0]].shape[0]:
            raise InputError(f"{path} does not fit {model}: {name} is {list(theirs)} in the file, {list(ours)} in the network")
    network.load_state_dict({name: own[name] if name in other else tensor for name, tensor in tensors.items()})
    return other
