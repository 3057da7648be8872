"""Open the folder of a run, and save and load its checkpoint: everything that the next step depends on, in one file.

A checkpoint is a file of PyTorch's that is replaced as a whole and read with ``weights_only=True``: nothing in it is executed.
"""

from __future__ import annotations

import io
import json
import warnings
from collections.abc import Iterable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn
from torch.optim import Optimizer
from torch.optim.swa_utils import AveragedModel

from benchmark.core.errors import InputError
from benchmark.core.files import atomic_write, lock_file, remove_partials, write_file
from benchmark.evaluation.distributed import broadcast, process_rank
from benchmark.models.layouts import OWN, Layout
from benchmark.models.registry import build_on_meta
from benchmark.models.weights import describe_misfit, match_tensors, read_tensors

CHECKPOINT = "last.pt"  # its name in the folder of a run
CHECKPOINT_VERSION = 2
Stateful = Optimizer | AveragedModel
CONTENT = ("version", "network", "optimizers", "generators", "progress")


@contextmanager
def claim_folder(folder: Path) -> Iterator[None]:
    """Hold the folder of a run against other runs, in all processes of this one.

    Raises:
        InputError: Another run is using the folder.
    """
    with ExitStack() as stack:
        lock = lock_file(folder / "run.lock", wait=False)
        if not broadcast(stack.enter_context(lock) if process_rank() == 0 else None):
            raise InputError(f"{folder}: another run is using this folder; wait for it, or train into another with --out")
        yield


def open_run(
    folder: Path, identity: Mapping[str, Any], network: nn.Module, optimizers: Mapping[str, Stateful]
) -> dict[str, Any]:
    """Describe a new run in its folder, or resume the run there from its checkpoint; return its progress.

    The folder must be held by :func:`claim_folder`: what a process that was killed left half-written is removed.

    Args:
        identity: Fields that must match for a run to be resumed.

    Raises:
        InputError: The folder holds another run, or a checkpoint that cannot be used.
    """
    description, checkpoint = folder / "run.json", folder / CHECKPOINT
    start: dict[str, Any] = {"step": 0, "seconds": 0.0}
    identity = {**identity, "checkpoint_version": CHECKPOINT_VERSION}
    if broadcast(description.exists()):
        try:
            recorded = json.loads(description.read_text())
            different = [key for key in identity if recorded.get(key) != identity[key]]
        except (OSError, ValueError, AttributeError, RecursionError):
            raise InputError(f"{description}: not a description of a run; train into another folder with --out") from None
        if different:
            key = different[0]
            raise InputError(
                f"{folder} holds another run: {key} is {recorded.get(key)} there, {identity[key]} here; "
                "remove it or train into another folder with --out"
            )
    elif process_rank() == 0:
        write_file(description, (json.dumps(identity, indent=1) + "\n").encode())
    if process_rank() == 0:
        remove_partials(folder)
    if broadcast(checkpoint.exists()):
        return start | load_checkpoint(checkpoint, network, optimizers)
    return start


def save_checkpoint(path: Path, network: nn.Module, optimizers: Mapping[str, Stateful], progress: Mapping[str, Any]) -> None:
    """Write the state of the network, of its optimizers and average, and of the random number generators, and ``progress``.

    Args:
        progress: What else the run needs to be resumed, as JSON can hold it.
    """
    generators = {"cpu": torch.get_rng_state()}
    if torch.cuda.is_available():
        generators["cuda"] = torch.cuda.get_rng_state()
    content = {
        "version": CHECKPOINT_VERSION,
        "network": network.state_dict(),
        "optimizers": {name: optimizer.state_dict() for name, optimizer in optimizers.items()},
        "generators": generators,
        # A NumPy number, for example, could be written but not read: everything becomes JSON's types, or fails here.
        "progress": json.loads(json.dumps(progress)),
    }
    buffer = io.BytesIO()  # PyTorch reports a full disk in words of its own
    torch.save(content, buffer)
    with atomic_write(path) as partial:
        partial.write_bytes(buffer.getbuffer())


def load_checkpoint(path: Path, network: nn.Module, optimizers: Mapping[str, Stateful]) -> dict[str, Any]:
    """Restore everything that :func:`save_checkpoint` wrote, and return its ``progress``.

    Raises:
        InputError: The file is damaged, or belongs to another network or other optimizers.
    """
    content = _read(path)
    try:
        network.load_state_dict(content["network"])
        for name, optimizer in optimizers.items():
            optimizer.load_state_dict(content["optimizers"][name])
            if isinstance(optimizer, Optimizer):
                _check_shapes(optimizer)
                _match_memory_layout(optimizer)
        torch.set_rng_state(content["generators"]["cpu"])
        if torch.cuda.is_available() and "cuda" in content["generators"]:
            torch.cuda.set_rng_state(content["generators"]["cuda"])
    except (RuntimeError, KeyError, ValueError, IndexError, TypeError, AttributeError) as problem:
        raise InputError(f"{path}: the checkpoint of another network: {str(problem).splitlines()[0]}") from None
    return content["progress"]


def _check_shapes(optimizer: Optimizer) -> None:
    # PyTorch's fused optimizers write beyond the end of a state that is too small.
    for parameter, state in optimizer.state.items():
        for name, value in state.items():
            if isinstance(value, Tensor) and value.dim() and value.shape != parameter.shape:
                raise ValueError(f"the optimizer's {name} is {list(value.shape)}, of a parameter {list(parameter.shape)}")


def _match_memory_layout(optimizer: Optimizer) -> None:
    """Lay out an optimizer's tensors in memory as their parameters are.

    The run that wrote the checkpoint may have had another layout, and steps that mix layouts are slower.
    """
    for parameter, state in optimizer.state.items():
        for name, value in state.items():
            if isinstance(value, Tensor) and value.shape == parameter.shape:
                state[name] = torch.empty_like(parameter, dtype=value.dtype, device=value.device).copy_(value)


def read_progress(path: Path) -> dict[str, Any]:
    """Return the ``progress`` of a checkpoint; its tensors are not read from disk.

    Raises:
        InputError: The file is damaged.
    """
    return _read(path, mmap=True)["progress"]


def _read(path: Path, *, mmap: bool = False) -> dict[str, Any]:
    advice = "remove it, or train into another folder with --out"
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # a file that cannot be read is one line, this error
            content = torch.load(path, map_location="cpu", weights_only=True, mmap=mmap)
        content = {name: content[name] for name in CONTENT}
        version, progress = int(content["version"]), content["progress"]
        if not (isinstance(progress["step"], int) and progress["step"] >= 0 and progress.get("seconds", 0.0) >= 0):
            raise ValueError("progress")
    except OSError as problem:
        raise InputError(f"{path}: not a checkpoint that can be read: {problem.strerror}; {advice}") from None
    except Exception:  # a damaged file may raise anything; PyTorch's own advice, to load it unsafely, is not repeated
        raise InputError(f"{path}: not a checkpoint that can be read: damaged, or another program's; {advice}") from None
    if version != CHECKPOINT_VERSION:
        raise InputError(f"{path}: a checkpoint of version {version}, not {CHECKPOINT_VERSION}; {advice}")
    return content


def save_weights(path: Path, network: nn.Module, metadata: Mapping[str, str]) -> None:
    """Write the network's tensors alone, as ``python -m benchmark.evaluate --weights`` reads them."""
    from safetensors.torch import save

    tensors = {name: tensor.detach().cpu().contiguous().clone() for name, tensor in network.state_dict().items()}
    write_file(path, save(tensors, dict(metadata)))


def load_initial_weights(network: nn.Module, path: Path, model: str, layouts: Iterable[Layout] = ()) -> list[str]:
    """Load the weights to start from, except those of layers that differ only in their number of joints, or in their order.

    Args:
        layouts: In which the model's weights are published.

    Returns:
        The names of the tensors that keep their initial values.

    Raises:
        InputError: The file cannot be read, or belongs to another network.
    """
    match = match_tensors(read_tensors(path), network, (OWN, *layouts))
    initial = network.state_dict()
    # Only the first dimension may differ, and by the same number of joints in all layers.
    shapes = [(match.tensors[name].shape, initial[name].shape) for name in match.reshaped]
    same_joints = len({in_file[:1] for in_file, _ in shapes}) <= 1
    fits = same_joints and all(
        in_file[1:] == in_network[1:] and len(in_file) == len(in_network) for in_file, in_network in shapes
    )
    if match.missing or match.unexpected or not fits:
        raise InputError(describe_misfit(match, network, path, model))
    skipped = list(match.reshaped)
    if match.layout.joints:  # the file's joints are in an order of their own
        larger = build_on_meta(model, joints=len(match.layout.joints) + 1).state_dict()
        skipped = [name for name, tensor in match.tensors.items() if tensor.shape != larger[name].shape]
    network.load_state_dict(initial | {name: tensor for name, tensor in match.tensors.items() if name not in skipped})
    return skipped
