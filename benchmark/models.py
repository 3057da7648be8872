"""Finding and building the models under ``reproductions/`` by id, without naming any paper here.

An id is ``<package>/<variant>[+switch=value]...``, as in ``efficientpose_nas/A+sic=off``. Head, dataset and input size are
arguments, not part of the id. A package lists its entries in ``ENTRIES``; importing it must not import torch, so that a
report can read the entries' evidence in milliseconds. Other distributions add packages through the entry-point group
``pose_benchmark``, each naming a module with ``ENTRIES``.

Instead of an id an architecture file can be named, if a package reads it. Such a package has a module ``architectures`` with
``SUFFIX``, how the files' names end; ``read(path)``, which refuses a malformed one; ``write(architecture)``, the same for all
files that say the same; ``build(path, num_joints=K)``; and ``like(architecture)``, the id of the variant that it is trained
and fed like. Its id is ``<package>/file:<name>-<hash of what the file says>``, by which the process that found it knows it
from then on.
"""

from __future__ import annotations

import difflib
import hashlib
import importlib
import pkgutil
import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from functools import cache
from importlib.metadata import entry_points
from pathlib import Path
from types import ModuleType
from typing import TYPE_CHECKING, Any, Literal

from benchmark.errors import InputError

if TYPE_CHECKING:
    from torch import nn

Evidence = Literal["author code", "paper text", "reconstruction"]
JOINTS = {"mpii": 16, "coco": 17, "lsp": 14}


@dataclass(frozen=True, kw_only=True)
class Entry:
    """One buildable variant.

    ``build`` names the constructor as ``module:function``; it is imported only when a network is built and takes
    ``num_joints`` and the keywords in ``kwargs``. ``switches`` maps a switch to its values, and each value to the keywords
    that it changes; ``scopes`` maps a part's name (``backbone``, ``head``) to the submodules it consists of. ``inert`` are the
    switches that leave the final heatmaps as they are. ``inputs`` are sizes as ``HxW`` in pixels. The network takes images
    whose sides are multiples of ``multiple`` pixels and at least ``smallest``, whatever the switches: on others it fails, or
    its maps do not cover them evenly. ``version`` goes up when the network changes, so that old records are not taken for its
    own. ``like`` is the variant whose recipes are meant for this one too.
    """

    id: str
    build: str
    kwargs: Mapping[str, Any] = field(default_factory=dict)
    switches: Mapping[str, Mapping[str, Mapping[str, Any]]] = field(default_factory=dict)
    scopes: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    inert: tuple[str, ...] = ()
    inputs: tuple[str, ...] = ("256x256", "256x192")
    multiple: int = 1
    smallest: int = 1
    evidence: Evidence
    source: str
    version: int = 1
    like: str = ""


@cache
def packages() -> Mapping[str, ModuleType]:
    """The packages that hold models, by name: ``reproductions/*`` and those of the entry-point group ``pose_benchmark``."""
    import reproductions

    names = [f"reproductions.{m.name}" for m in pkgutil.iter_modules(reproductions.__path__) if m.ispkg]
    names += [point.value for point in entry_points(group="pose_benchmark")]
    return {name.rsplit(".", 1)[-1]: importlib.import_module(name) for name in names}


@cache
def entries() -> Mapping[str, Entry]:
    """All entries by id.

    Raises:
        InputError: an id is listed twice, or does not begin with its package's name.
    """
    found: dict[str, Entry] = {}
    for name, module in packages().items():
        for entry in getattr(module, "ENTRIES", ()):
            if entry.id.split("/")[0] != name:
                raise InputError(f"{name}: entry {entry.id!r} does not begin with the package's name")
            if entry.id in found:
                raise InputError(f"{name}: entry {entry.id!r} is listed twice")
            found[entry.id] = entry
    return found


@cache
def readers() -> Mapping[str, Any]:
    """The packages' modules that read architecture files, by the files' suffix."""
    modules = [getattr(package, "architectures", None) for package in packages().values()]
    return {module.SUFFIX: module for module in modules if module is not None and hasattr(module, "SUFFIX")}


def reader(name: Path | str) -> Any:
    """The module that reads the file of that name; None where it is no architecture file."""
    return next((module for suffix, module in readers().items() if str(name).lower().endswith(suffix)), None)


_FILES: dict[str, Entry] = {}  # the architecture files that this process has found, by id


def _of_file(path: Path) -> Entry:
    """The entry of an architecture file.

    Raises:
        InputError: the file is not there or malformed; file and line are named.
    """
    package = reader(path)
    architecture = package.read(path)
    like = entries()[package.like(architecture)]
    name = re.sub(r"[^\w.-]", "-", path.name[: -len(package.SUFFIX)])
    digest = hashlib.sha256(package.write(architecture).encode()).hexdigest()[:8]
    entry = replace(
        like,
        id=f"{like.id.split('/')[0]}/file:{name}-{digest}",
        build=f"{package.__name__}:build",
        kwargs={"path": str(path.resolve())},
        switches={},
        evidence="reconstruction",
        source=str(path),
        like=like.id,
    )
    _FILES[entry.id] = entry
    return entry


def find(model: str) -> Entry:
    """The entry of an id, its switches applied to ``kwargs``; of an architecture file the one made for it.

    Raises:
        InputError: unknown package, variant, switch or value; the message offers the nearest known ones. A malformed file.
    """
    if reader(model):
        return _of_file(Path(model))
    base, *settings = model.split("+")
    known = {**entries(), **_FILES}
    if base not in known and "/file:" in base:
        raise InputError(f"{base} is an architecture file's; name the file itself")
    if base not in known:
        near = difflib.get_close_matches(base, known, n=3, cutoff=0.4)
        raise InputError(f"unknown model {base!r}" + (f"; did you mean {', '.join(near)}?" if near else ""))
    entry = known[base]
    kwargs = dict(entry.kwargs)
    for setting in settings:
        switch, _, value = setting.partition("=")
        if switch not in entry.switches:
            raise InputError(f"{base} has no switch {switch!r}; it has: {', '.join(entry.switches) or 'none'}")
        if value not in entry.switches[switch]:
            raise InputError(f"{base}+{switch} takes {', '.join(entry.switches[switch])}, not {value!r}")
        kwargs |= entry.switches[switch][value]
    return replace(entry, id=model, kwargs=kwargs)


def neighbours(model: str) -> Iterator[str]:
    """The ids of the variants that differ from ``model`` in one switch."""
    base, *settings = model.split("+")
    chosen = dict(setting.split("=") for setting in settings)
    for switch, values in entries()[base].switches.items():
        for value in values:
            if chosen.get(switch) != value:
                yield "+".join([base, *(f"{k}={v}" for k, v in (chosen | {switch: value}).items())])


def tested_as(model: str) -> str:
    """The id under which a model's accuracy is kept: without the switches that do not touch the final heatmaps."""
    base, *settings = model.split("+")
    inert = find(model).inert
    return "+".join([base, *(setting for setting in settings if setting.partition("=")[0] not in inert)])


def build(model: str, *, joints: int) -> nn.Module:
    """A freshly initialised network ``images [N, 3, H, W] -> heatmaps [N, joints, h, w]``.

    Raises:
        InputError: unknown id (see :func:`find`).
    """
    entry = find(model)
    return imported(entry.build)(num_joints=joints, **entry.kwargs)


def imported(name: str) -> Callable[..., Any]:
    """The function that ``module:function`` names."""
    module, _, function = name.partition(":")
    return getattr(importlib.import_module(module), function)


def outline(model: str, *, joints: int) -> nn.Module:
    """The network on the meta device: shapes without weights, in a fraction of the time that building takes.

    Raises:
        InputError: unknown id (see :func:`find`).
    """
    import torch
    from torch.overrides import TorchFunctionMode

    class Uninitialised(TorchFunctionMode):
        """There is nothing to fill, and random numbers on the meta device cost seconds of imports."""

        def __torch_function__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
            kwargs = kwargs or {}
            if getattr(func, "__name__", "") in ("normal_", "uniform_", "erfinv_"):
                return args[0] if args else kwargs["tensor"]
            return func(*args, **kwargs)

    with torch.device("meta"), Uninitialised():
        return build(model, joints=joints)


def parse_size(text: str) -> tuple[int, int]:
    """``'256x192' -> (256, 192)``: height and width in pixels.

    Raises:
        InputError: not two positive whole numbers joined by ``x``.
    """
    match = re.fullmatch(r"([1-9]\d{0,4})x([1-9]\d{0,4})", text)
    if not match:
        raise InputError(f"{text!r} is no input size; write height x width in pixels, as in 256x192")
    return int(match[1]), int(match[2])


def check_size(model: str, size: tuple[int, int]) -> None:
    """Refuse an image (height, width) that the model does not take, before the network is built.

    Raises:
        InputError: unknown id (see :func:`find`), or a side that does not fit; the message names the nearest sizes that do.
    """
    entry = find(model)
    step, least = entry.multiple, max(entry.multiple, entry.smallest)
    down = [max(side // step * step, least) for side in size]
    up = [max(-(-side // step) * step, least) for side in size]
    if down == up == list(size):
        return
    rules = [f"multiples of {step}"] * (step > 1) + [f"at least {least}"] * (least > step)
    near = " or ".join(dict.fromkeys(f"{height}x{width}" for height, width in (down, up)))
    raise InputError(f"{model} takes no {size[0]}x{size[1]} image: sides must be {' and '.join(rules)} pixels, as in {near}")
