"""Find weight files, read them without executing any code, and load them into our networks.

A file is recognised by its content: safetensors, a file of PyTorch's (.pth, .pth.tar, .pt, .ckpt, .bin) or Keras's HDF5 (.h5).
The names of its tensors are those of our network, or those of a publisher's :class:`benchmark.models.layouts.Layout`.
"""

from __future__ import annotations

import re
import warnings
import zipfile
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NoReturn

import torch
from torch import Tensor, nn

from benchmark.core.errors import InputError
from benchmark.core.file_content import ZIP_METHODS, is_lfs_pointer, is_web_page, missing_reason, unpacked_limit
from benchmark.core.files import data_root
from benchmark.core.hdf5_files import get_item, read_arrays
from benchmark.models.layouts import COUNTER, OWN, Layout

TFLITE = ".tflite"
# Under which name programs keep the tensors in a file that holds more, and what they put before the name of each.
WRAPPERS = ("state_dict", "model_state_dict", "model", "network", "net", "weights")
PREFIXES = ("module.", "model.", "_orig_mod.")
MAX_HEADER = 100_000_000  # bytes of a safetensors header
ZIP, HDF5, PICKLE = b"PK\x03\x04", b"\x89HDF\r\n\x1a\n", b"\x80"
# What PyTorch and safetensors say of a file that runs code, and of one whose end is missing.
_REFUSED = re.compile(r"GLOBAL (\S+)")
_ENDS_EARLY = re.compile(
    "central directory|truncated|unexpected EOF|corrupt|ran out of|incomplete|header ?length|not fully covered", re.IGNORECASE
)


def locate_weights(weights: Path) -> Path:
    """Find a weight file by its path, or by its path below the data root.

    Raises:
        InputError: there is no such file; the paths that were tried are named.
    """
    if weights.is_dir():
        raise InputError(f"no weights at {weights}: {missing_reason(weights)}")
    below_root = data_root() / weights
    for path in (weights, below_root):
        if path.is_file():
            return path
    raise InputError(f"no weights at {weights}" + ("" if below_root == weights else f", nor at {below_root}"))


# --- from a file to named tensors ------------------------------------------------------------------------------------------


def read_tensors(path: Path) -> dict[str, Tensor]:
    """Return the tensors of a weight file by name, as the file has them; nothing in it is executed.

    Raises:
        InputError: the file is not a weight file, is cut off, or holds something that only running code could restore.
    """
    try:
        with open(path, "rb") as file:
            start = file.read(512)
    except OSError as problem:
        raise InputError(f"{path}: {problem.strerror}") from None
    if not start:
        raise InputError(f"{path} is empty")
    if is_lfs_pointer(start):
        size = re.search(rb"size (\d+)", start)
        whole = f", {int(size[1]):,} bytes" if size else ""
        raise InputError(f"{path} is a pointer of Git LFS; the weights{whole}, are at its source: run `git lfs pull` there")
    if is_web_page(start):
        raise InputError(f"{path} is a web page, saved in place of the weights; download the file itself")
    if start.startswith(HDF5):
        return _read_keras(path)
    # The length of safetensors' header may begin as a pickle does; no pickle has so small a number there.
    is_safetensors = start[8:9] == b"{" and int.from_bytes(start[:8], "little") < MAX_HEADER
    if start.startswith((ZIP, PICKLE)) and not is_safetensors:
        return _find_tensors(_read_pytorch(path), path)
    if start[8:9] == b"{":  # after the length of the header
        return _read_safetensors(path)
    raise InputError(f"{path} is not a weight file: neither safetensors nor a file of PyTorch's or Keras's")


def _cut_off(path: Path) -> NoReturn:
    raise InputError(f"{path} is truncated: its end, at {path.stat().st_size:,} bytes, is missing") from None


def _read_safetensors(path: Path) -> dict[str, Tensor]:
    from safetensors import SafetensorError
    from safetensors.torch import load_file

    try:
        return load_file(path)
    except (OSError, SafetensorError) as problem:
        if _ENDS_EARLY.search(str(problem)):
            _cut_off(path)
        raise InputError(f"{path} is not a safetensors file that can be read: {problem}") from None


def _read_pytorch(path: Path) -> Any:
    """Return the content of a file of PyTorch's: tensors, plain data, and numbers and arrays of numpy's."""
    try:
        with open(path, "rb") as file, torch.serialization.safe_globals(_numpy_data()), warnings.catch_warnings():
            warnings.simplefilter("ignore")  # on pickle protocols: what cannot be read is said below
            _check_entries(path)
            return torch.load(file, map_location="cpu", weights_only=True)
    except InputError:
        raise
    except Exception as problem:  # a damaged file may raise anything
        message = " ".join(str(problem).split())
    if refused := _REFUSED.search(message):
        raise InputError(f"{path} holds {refused[1]}, which only running the file's code could restore; save its tensors alone")
    if "Unsupported operand" in message:
        raise InputError(
            f"{path} has a pickle protocol that is not read here; save its tensors by torch.save as it is by default"
        )
    if "TorchScript" in message:
        raise InputError(f"{path} is a TorchScript program; save the network's state_dict instead")
    if not message or _ENDS_EARLY.search(message):
        _cut_off(path)
    raise InputError(f"{path} is not a file of tensors: {message.rpartition('error: ')[2][:120]}")


def _check_entries(path: Path) -> None:
    """Check the size of what is packed in a file of PyTorch's, and compare the checksums in it, which PyTorch does not."""
    if zipfile.is_zipfile(path):
        with zipfile.ZipFile(path) as archive:
            size, limit = sum(entry.file_size for entry in archive.infolist()), unpacked_limit(path.stat().st_size)
            if size > limit or any(entry.compress_type not in ZIP_METHODS for entry in archive.infolist()):
                raise InputError(f"{path} unpacks to {size:,} bytes, out of proportion to its size")
            if damaged := archive.testzip():
                raise InputError(f"{path} is damaged: the checksum of {damaged} is wrong")


def _numpy_data() -> list[Any]:
    """List what may be restored besides tensors and plain data: numbers and arrays of numpy's.

    An accuracy is such a number, and mmpose keeps the sigmas of its joints beside the weights.
    """
    import numpy as np

    scalar, reconstruct = np.float64(0).__reduce__()[0], np.zeros(0).__reduce__()[0]
    dtypes = [value for value in vars(np.dtypes).values() if isinstance(value, type)]
    names = [
        (function, f"numpy.{core}.multiarray.{name}")
        for core in ("core", "_core")  # numpy's name for it before version 2, and since
        for function, name in ((scalar, "scalar"), (reconstruct, "_reconstruct"))
    ]
    return [*names, np.ndarray, np.dtype, *dtypes]


def _find_tensors(content: Any, path: Path) -> dict[str, Tensor]:
    """Return the named tensors in the content of a file, which may be wrapped in entries of :data:`WRAPPERS`."""
    if isinstance(content, Mapping):
        if content and all(isinstance(value, Tensor) for value in content.values()):
            return {str(name): tensor for name, tensor in content.items()}
        for name in WRAPPERS:
            if isinstance(content.get(name), Mapping):
                return _find_tensors(content[name], path)
        others = [f"its {name} is {type(value).__name__}" for name, value in content.items() if not isinstance(value, Tensor)]
        raise InputError(f"{path} has no named tensors: {next(iter(others), 'it is empty')}")
    raise InputError(f"{path} has no named tensors: it holds {type(content).__name__}")


def _read_keras(path: Path) -> dict[str, Tensor]:
    """Return the arrays of a file of Keras's by layer and name (``conv/kernel``); the model's description is not opened."""
    import h5py

    datasets: dict[str, Any] = {}

    def visit(name: str, item: Any) -> None:
        if isinstance(item, h5py.Dataset):
            *layer, array = name.split("/")  # the layer's name, which may contain slashes, stands twice: conv/conv/kernel:0
            layer = layer[: (len(layer) + 1) // 2]
            datasets["/".join([*layer, array.removesuffix(":0")])] = item

    try:
        with h5py.File(path) as file:
            (get_item(file, "model_weights") if "model_weights" in list(file) else file).visititems(visit)  # follows no links
            arrays = read_arrays(datasets, path.stat().st_size)
        tensors = {name: torch.from_numpy(array) for name, array in arrays.items()}
    except (OSError, TypeError, KeyError, ValueError, AttributeError, RuntimeError) as problem:
        if "truncated" in str(problem):
            _cut_off(path)
        raise InputError(f"{path} is not a file of Keras's weights that can be read: {problem}") from None
    if not tensors:
        raise InputError(f"{path} has no named tensors: it is empty")
    return tensors


# --- from named tensors to a network ---------------------------------------------------------------------------------------


@dataclass(frozen=True, kw_only=True)
class Match:
    """A file's tensors under one layout, compared with a network.

    Attributes:
        layout: The layout.
        tensors: The file's tensors by our names, but for the unexpected ones.
        missing: Names of the network's tensors that the file lacks.
        unexpected: Names, in the file, of tensors that the network lacks.
        reshaped: Our names of tensors whose shapes differ.
    """

    layout: Layout
    tensors: Mapping[str, Tensor]
    missing: tuple[str, ...]
    unexpected: tuple[str, ...]
    reshaped: tuple[str, ...]

    @property
    def distance(self) -> tuple[int, int]:
        """Return how far the file is from fitting: tensors without a counterpart, and those of another shape."""
        return len(self.missing) + len(self.unexpected), len(self.reshaped)


def match_tensors(tensors: Mapping[str, Tensor], network: nn.Module, layouts: Iterable[Layout]) -> Match:
    """Return the file's tensors under the layout that comes nearest to the network."""
    state = network.state_dict()
    matches = (_match(names, state, layout) for layout in layouts for names in _unprefixed(tensors))
    return min(matches, key=lambda match: match.distance)


def _unprefixed(tensors: Mapping[str, Tensor]) -> Iterator[Mapping[str, Tensor]]:
    """Iterate over the tensors as they are, and without each prefix that all of their names have."""
    yield tensors
    while prefix := next((prefix for prefix in PREFIXES if all(name.startswith(prefix) for name in tensors)), ""):
        tensors = {name.removeprefix(prefix): tensor for name, tensor in tensors.items()}
        yield tensors


def _match(tensors: Mapping[str, Tensor], state: Mapping[str, Tensor], layout: Layout) -> Match:
    renamed: dict[str, Tensor] = {}
    unexpected = []
    for name, tensor in tensors.items():
        target = layout.rename(name)
        if target not in state:
            if not (target.endswith(COUNTER) or layout.is_optional(target)):
                unexpected.append(name)
        elif target in renamed:
            unexpected.append(name)
        else:
            axes = layout.axes_of(name)
            renamed[target] = tensor.permute(axes) if axes and tensor.ndim == len(axes) else tensor
    missing = [name for name in state if name not in renamed and not name.endswith(COUNTER)]
    reshaped = [name for name, tensor in renamed.items() if tensor.shape != state[name].shape]
    return Match(layout=layout, tensors=renamed, missing=tuple(missing), unexpected=tuple(unexpected), reshaped=tuple(reshaped))


def load_weights(network: nn.Module, path: Path, model: str, layouts: Iterable[Layout] = ()) -> Layout:
    """Load a weight file into a network, and return the layout that it has; names and shapes must match exactly.

    Args:
        layouts: Those of the model's publishers, see :func:`benchmark.config.packages.layouts_of`.

    Raises:
        InputError: the file cannot be read (see :func:`read_tensors`), or does not fit; the differences are named.
    """
    match = match_tensors(read_tensors(path), network, (OWN, *layouts))
    fill_network(network, match, path, model)
    return match.layout


def fill_network(network: nn.Module, match: Match, path: Path, model: str) -> None:
    """Load the tensors of a match into its network.

    Raises:
        InputError: they do not fit; the differences are named.
    """
    if any(match.distance):
        raise InputError(describe_misfit(match, network, path, model))
    for name, tensor in match.tensors.items():
        if tensor.layout != torch.strided or tensor.is_meta or tensor.is_complex():
            raise InputError(
                f"{path}: {name} is no plain tensor of numbers, but {tensor.dtype}, {tensor.layout}, {tensor.device}"
            )
    network.load_state_dict({**network.state_dict(), **match.tensors})


def describe_misfit(match: Match, network: nn.Module, path: Path, model: str) -> str:
    """Say in one line how a file differs from a network: how many tensors, and the first of each kind."""
    state = network.state_dict()
    differences = [
        f"{kind} {len(names)} ({names[0]})"
        for names, kind in ((match.missing, "missing"), (match.unexpected, "unexpected"))
        if names
    ]
    if match.reshaped:
        name = match.reshaped[0]
        shapes = f"{list(match.tensors[name].shape)} in the file, {list(state[name].shape)} in the network"
        differences.append(f"of another shape {len(match.reshaped)} ({name} is {shapes})")
    fitting = len(match.tensors) - len(match.reshaped)
    needed = sum(not name.endswith(COUNTER) for name in state)
    other = "" if 2 * fitting >= needed else "another network's weights; "
    layout = f"nearest layout: {match.layout.name} ({match.layout.source})"
    return f"{path} does not fit {model}: {other}tensors {', '.join(differences)}; {layout}"
