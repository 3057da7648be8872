"""Find and build the models under ``reproductions/`` by id, without naming any paper here.

An id is ``<package>/<variant>[+switch=value]...``, as in ``efficientpose_nas/A+sic=off``. Head, dataset and input size are
arguments, not part of the id. Instead of an id an architecture file can be named, if a package reads it; the file's id is
``<package>/file:<name>-<hash of its content>``, by which the process that read it knows it from then on.

What a package declares beside its entries stands in :mod:`benchmark.config.packages`.
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

from benchmark.core.errors import InputError

if TYPE_CHECKING:
    from torch import nn


Evidence = Literal["author code", "paper text", "reconstruction"]


@dataclass(frozen=True, kw_only=True)
class Entry:
    """Describe one buildable variant.

    Attributes:
        id: ``<package>/<variant>``.
        build: The constructor as ``module:function``, imported only when a network is built; it takes ``num_joints`` and
            ``kwargs``.
        kwargs: Further keywords of the constructor.
        switches: By switch and value, the keywords that the value changes.
        scopes: By the name of a part (``backbone``, ``head``), the submodules that it consists of.
        no_effect_on_heatmaps: Switches that leave the final heatmaps as they are.
        inputs: Sizes as ``HxW`` in pixels; the first is the default.
        multiple: The sides of an image are multiples of this many pixels; with others the network fails, or its heatmaps do
            not cover the image evenly.
        smallest: The least side of an image, pixels.
        evidence: What the network was built from.
        source: Where that is found.
        version: Raised when the network changes, so that old records do not count for it.
        recipe_of: The variant whose recipes this one shares.
    """

    id: str
    build: str
    kwargs: Mapping[str, Any] = field(default_factory=dict)
    switches: Mapping[str, Mapping[str, Mapping[str, Any]]] = field(default_factory=dict)
    scopes: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    no_effect_on_heatmaps: tuple[str, ...] = ()
    inputs: tuple[str, ...] = ("256x256", "256x192")
    multiple: int = 1
    smallest: int = 1
    evidence: Evidence
    source: str
    version: int = 1
    recipe_of: str = ""


@dataclass(frozen=True, kw_only=True)
class ArchitectureFormat:
    """How a package writes architectures as files.

    Attributes:
        suffix: How the files' names end.
        read: Returns the architecture of a path; refuses a malformed file.
        write: Returns an architecture's text, the same for all files that describe the same one.
        build: ``module:function``, called with ``path`` and ``num_joints``.
        recipe_of: Returns the id of the variant whose recipes and inputs an architecture shares.
        diagram: Returns the boxes that picture an architecture's text.
    """

    suffix: str
    read: Callable[[Path], Any]
    write: Callable[[Any], str]
    build: str
    recipe_of: Callable[[Any], str]
    diagram: Callable[[str], Any]


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
        for entry in module.PACKAGE.entries if hasattr(module, "PACKAGE") else module.ENTRIES:
            if entry.id.split("/")[0] != name:
                raise InputError(f"{name}: entry {entry.id!r} does not begin with the package's name")
            if entry.id in found:
                raise InputError(f"{name}: entry {entry.id!r} is listed twice")
            found[entry.id] = entry
    return found


def architecture_format(name: Path | str) -> ArchitectureFormat | None:
    """Return the format of an architecture file by its name; None where it is no such file."""
    declared = (module.PACKAGE.architectures for module in packages().values() if hasattr(module, "PACKAGE"))
    return next((found for found in declared if found and str(name).lower().endswith(found.suffix)), None)


_FILES: dict[str, Entry] = {}  # the architecture files that this process has found, by id


def _architecture_entry(path: Path, file_format: ArchitectureFormat) -> Entry:
    """The entry of an architecture file.

    Raises:
        InputError: the file is not there or malformed; file and line are named.
    """
    architecture = file_format.read(path)
    trained_like = entries()[file_format.recipe_of(architecture)]
    name = re.sub(r"[^\w.-]", "-", path.name[: -len(file_format.suffix)])
    digest = hashlib.sha256(file_format.write(architecture).encode()).hexdigest()[:8]
    entry = replace(
        trained_like,
        id=f"{trained_like.id.split('/')[0]}/file:{name}-{digest}",
        build=file_format.build,
        kwargs={"path": str(path.resolve())},
        switches={},
        evidence="reconstruction",
        source=str(path),
        recipe_of=trained_like.id,
    )
    _FILES[entry.id] = entry
    return entry


def find_entry(model: str) -> Entry:
    """The entry of an id, its switches applied to ``kwargs``; of an architecture file the one made for it.

    Raises:
        InputError: unknown package, variant, switch or value; the message offers the nearest known ones. A malformed file.
    """
    if file_format := architecture_format(model):
        return _architecture_entry(Path(model), file_format)
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


def single_switch_variants(model: str) -> Iterator[str]:
    """The ids of the variants that differ from ``model`` in one switch."""
    base, *settings = model.split("+")
    chosen = dict(setting.split("=") for setting in settings)
    for switch, values in entries()[base].switches.items():
        for value in values:
            if chosen.get(switch) != value:
                yield "+".join([base, *(f"{k}={v}" for k, v in (chosen | {switch: value}).items())])


def canonical_id(model: str) -> str:
    """The id under which a model's accuracy is kept: without the switches that do not touch the final heatmaps."""
    base, *settings = model.split("+")
    ignored = find_entry(model).no_effect_on_heatmaps
    return "+".join([base, *(setting for setting in settings if setting.partition("=")[0] not in ignored)])


def build_model(model: str, *, joints: int) -> nn.Module:
    """A freshly initialised network ``images [N, 3, H, W] -> heatmaps [N, joints, h, w]``.

    Raises:
        InputError: unknown id (see :func:`find`).
    """
    entry = find_entry(model)
    return import_object(entry.build)(num_joints=joints, **entry.kwargs)


def import_object(name: str) -> Callable[..., Any]:
    """The function that ``module:function`` names."""
    module, _, function = name.partition(":")
    return getattr(importlib.import_module(module), function)


def build_on_meta(model: str, *, joints: int) -> nn.Module:
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
        return build_model(model, joints=joints)


def check_input_size(model: str, size: tuple[int, int]) -> None:
    """Refuse an image (height, width) that the model does not take, before the network is built.

    Raises:
        InputError: unknown id (see :func:`find`), or a side that does not fit; the message names the nearest sizes that do.
    """
    entry = find_entry(model)
    step, least = entry.multiple, max(entry.multiple, entry.smallest)
    down = [max(side // step * step, least) for side in size]
    up = [max(-(-side // step) * step, least) for side in size]
    if down == up == list(size):
        return
    rules = [f"multiples of {step}"] * (step > 1) + [f"at least {least}"] * (least > step)
    near = " or ".join(dict.fromkeys(f"{height}x{width}" for height, width in (down, up)))
    raise InputError(f"{model} takes no {size[0]}x{size[1]} image: sides must be {' and '.join(rules)} pixels, as in {near}")
