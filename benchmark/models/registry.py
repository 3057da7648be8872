"""Find and build the models under ``reproductions/`` by id, without naming any paper here.

An id is ``<package>/<variant>[+switch=value]...``, as in ``efficientpose_nas/A+sic=off``. Head, dataset and input size are
arguments, not part of the id. The path of an architecture file can be given instead of an id if a package reads such files;
the model then gets the id ``<package>/file:<name>-<hash of its content>``, which is valid within the process that read the
file. A user's own network has no id until :func:`benchmark.models.external.register_external` gives it one in this process.

Everything else that a package declares is described in :mod:`benchmark.config.packages`.
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


FILE_PREFIX = "file:"  # of the variant in the id of an architecture file
LIST_MODELS = "python -m benchmark.measure models"
Evidence = Literal["author code", "released parts", "paper text", "reconstruction"]


@dataclass(frozen=True, kw_only=True)
class Entry:
    """Describe one buildable variant.

    Attributes:
        id: ``<package>/<variant>``.
        build: Constructor as ``module:function``, imported only when a network is built; it takes ``num_joints`` and
            ``kwargs``.
        kwargs: Further keyword arguments of the constructor.
        switches: By switch and value, the keyword arguments that the value changes.
        scopes: By name of a part (``backbone``, ``head``), the submodules that it consists of.
        unreleased: By switch, the values with which the authors never released the network. What has one of them is built
            from released parts, not author code.
        no_effect_on_heatmaps: Switches that do not change the final heatmaps.
        inputs: Input sizes as ``HxW`` in pixels; the first is the default.
        multiple: Both sides of an image must be multiples of this many pixels; with others the network fails, or its
            heatmaps do not cover the image evenly.
        smallest: Minimum side of an image in pixels.
        evidence: Kind of source that the network was built from.
        source: Where to find that source.
        fitted: What of the network was chosen so that it has a printed cost or structure, which it can then not confirm; empty
            if nothing was.
        version: Raised when the network computes something else, so that old records do not count for it; 0
            for a user's network, which has none.
        init_version: Raised when the same network starts from other initial weights, which only trainings rest on.
        recipe_of: Variant whose training recipes this one shares.
    """

    id: str
    build: str
    kwargs: Mapping[str, Any] = field(default_factory=dict)
    switches: Mapping[str, Mapping[str, Mapping[str, Any]]] = field(default_factory=dict)
    scopes: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    unreleased: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    no_effect_on_heatmaps: tuple[str, ...] = ()
    inputs: tuple[str, ...] = ("256x256", "256x192")
    multiple: int = 1
    smallest: int = 1
    evidence: Evidence
    source: str
    fitted: str = ""
    version: int = 1
    init_version: int = 1
    recipe_of: str = ""


@dataclass(frozen=True, kw_only=True)
class ArchitectureFormat:
    """File format in which a package stores architectures.

    Attributes:
        suffix: Suffix of the file names.
        read: Returns the architecture in a file; refuses a malformed file.
        write: Returns an architecture as text, which is the same for all files that describe the same one.
        build: Constructor as ``module:function``, called with ``path`` and ``num_joints``.
        recipe_of: Returns the id of the variant whose recipes and input sizes an architecture shares.
        diagram: Returns the boxes of a diagram of an architecture's text.
    """

    suffix: str
    read: Callable[[Path], Any]
    write: Callable[[Any], str]
    build: str
    recipe_of: Callable[[Any], str]
    diagram: Callable[[str], Any]


@cache
def packages() -> Mapping[str, ModuleType]:
    """Import the packages that declare models, ``reproductions/*`` and entry points of ``pose_benchmark``, by name.

    Raises:
        InputError: a package cannot be imported, declares nothing, or has the name of another.
    """
    import reproductions

    paths = [f"reproductions.{module.name}" for module in pkgutil.iter_modules(reproductions.__path__) if module.ispkg]
    paths += [point.module for point in entry_points(group="pose_benchmark")]
    by_name: dict[str, ModuleType] = {}
    for path in dict.fromkeys(paths):
        name = path.rsplit(".", 1)[-1]
        try:
            module = importlib.import_module(path)
        except (ImportError, SyntaxError) as problem:
            raise InputError(f"package {path} cannot be imported: {problem}") from None
        if not hasattr(module, "PACKAGE") and not hasattr(module, "ENTRIES"):
            raise InputError(
                f"package {path} declares nothing: it needs PACKAGE = PaperPackage(...) or ENTRIES = (Entry(...),)"
            )
        if name in by_name:
            raise InputError(f"packages {by_name[name].__name__} and {path} have the same name {name!r}; rename one")
        by_name[name] = module
    return by_name


@cache
def entries() -> Mapping[str, Entry]:
    """Return the entries of all packages by id.

    Raises:
        InputError: an id is listed twice, or does not begin with its package's name.
    """
    by_id: dict[str, Entry] = {}
    for name, module in packages().items():
        for entry in module.PACKAGE.entries if hasattr(module, "PACKAGE") else module.ENTRIES:
            if entry.id.split("/")[0] != name:
                raise InputError(f"{name}: entry {entry.id!r} does not begin with the package's name")
            if entry.id in by_id:
                raise InputError(f"{name}: entry {entry.id!r} is listed twice")
            by_id[entry.id] = entry
    return by_id


def architecture_format(name: Path | str) -> ArchitectureFormat | None:
    """Return the format of an architecture file by its name; None if no package reads such files."""
    formats = (module.PACKAGE.architectures for module in packages().values() if hasattr(module, "PACKAGE"))
    return next((candidate for candidate in formats if candidate and str(name).lower().endswith(candidate.suffix)), None)


def is_architecture_id(model: str) -> bool:
    """Return whether an id is that of an architecture file, which only the process that read the file can build."""
    return model.partition("/")[2].startswith(FILE_PREFIX)


_LOCAL_ENTRIES: dict[str, Entry] = {}  # by id: entries of architecture files and users' networks, known to this process only


def register_entry(entry: Entry) -> None:
    """Make an entry known within this process by its id."""
    _LOCAL_ENTRIES[entry.id] = entry


def _architecture_entry(path: Path, file_format: ArchitectureFormat) -> Entry:
    """Build the entry of an architecture file, and remember it by its id.

    Raises:
        InputError: the file is missing or malformed; file and line are named.
    """
    architecture = file_format.read(path)
    base_entry = entries()[file_format.recipe_of(architecture)]
    name = re.sub(r"[^\w.-]", "-", path.name[: -len(file_format.suffix)])
    digest = hashlib.sha256(file_format.write(architecture).encode()).hexdigest()[:8]
    entry = replace(
        base_entry,
        id=f"{base_entry.id.split('/')[0]}/{FILE_PREFIX}{name}-{digest}",
        build=file_format.build,
        kwargs={"path": str(path.resolve())},
        switches={},
        evidence="reconstruction",
        source=str(path),
        fitted="",
        recipe_of=base_entry.id,
    )
    register_entry(entry)
    return entry


def find_entry(model: str) -> Entry:
    """Return the entry of a model id, with its switches applied to ``kwargs``, or of an architecture file.

    Raises:
        InputError: unknown package, variant, switch or value, with the nearest known ones; or a malformed file.
    """
    if model in _LOCAL_ENTRIES:
        return _LOCAL_ENTRIES[model]
    base = model.partition("+")[0]
    if base in entries():
        return _entry_with_switches(model) if model != base else entries()[base]
    if file_format := architecture_format(model):
        return _architecture_entry(Path(model), file_format)
    if base in _LOCAL_ENTRIES:
        raise InputError(f"{base} has no switches")
    if is_architecture_id(base):
        raise InputError(f"{base} is the id of an architecture file; give the path of the file instead")
    near = difflib.get_close_matches(base, [*entries(), *_LOCAL_ENTRIES], n=3, cutoff=0.4)
    hint = f" did you mean {', '.join(near)}?" if near else ""
    raise InputError(f"unknown model {base!r};{hint} {LIST_MODELS} lists all")


def is_known(model: str) -> bool:
    """Return whether a model's id, without its switches, is that of an entry."""
    return model in _LOCAL_ENTRIES or model.partition("+")[0] in entries()


@cache
def _entry_with_switches(model: str) -> Entry:
    base, *settings = model.split("+")
    entry = entries()[base]
    values: dict[str, str] = {}
    for setting in settings:
        switch, _, value = setting.partition("=")
        if switch not in entry.switches:
            raise InputError(f"{base} has no switch {switch!r}; it has: {', '.join(entry.switches) or 'none'}")
        if value not in entry.switches[switch]:
            raise InputError(f"{base}+{switch} takes {', '.join(entry.switches[switch])}, not {value!r}")
        if switch in values:
            raise InputError(f"{model} sets the switch {switch} twice")
        values[switch] = value
    # One network has one id: switches come in the order in which the entry lists them.
    ordered = {switch: values[switch] for switch in entry.switches if switch in values}
    kwargs = dict(entry.kwargs)
    for switch, value in ordered.items():
        kwargs |= entry.switches[switch][value]
    variant = replace(entry, id="+".join([base, *(f"{switch}={value}" for switch, value in ordered.items())]), kwargs=kwargs)
    changed = [f"{switch}={value}" for switch, value in ordered.items() if value in entry.unreleased.get(switch, ())]
    if not changed or entry.evidence != "author code":
        return variant
    return replace(variant, evidence="released parts", source=f"{entry.source}, which has no {' or '.join(changed)}")


def single_switch_variants(model: str) -> Iterator[str]:
    """Iterate over the ids of the variants that differ from ``model`` in one switch."""
    base, *settings = model.split("+")
    current = dict(setting.split("=") for setting in settings)
    for switch, values in entries()[base].switches.items():
        for value in values:
            if current.get(switch) != value:
                yield find_entry("+".join([base, *(f"{k}={v}" for k, v in (current | {switch: value}).items())])).id


def canonical_id(model: str) -> str:
    """Return the id under which a model's accuracy is recorded: without switches that do not change the final heatmaps."""
    base, *settings = model.split("+")
    ignored = find_entry(model).no_effect_on_heatmaps
    return "+".join([base, *(setting for setting in settings if setting.partition("=")[0] not in ignored)])


def build_model(model: str, *, joints: int) -> nn.Module:
    """Build a randomly initialised network ``images [N, 3, H, W] -> heatmaps [N, joints, h, w]``.

    Raises:
        InputError: unknown id (see :func:`find_entry`).
    """
    entry = find_entry(model)
    return import_object(entry.build)(num_joints=joints, **entry.kwargs)


def import_object(name: str) -> Callable[..., Any]:
    """Import the function that ``module:function`` names."""
    module, _, function = name.partition(":")
    return getattr(importlib.import_module(module), function)


def build_on_meta(model: str, *, joints: int) -> nn.Module:
    """Build the network on the meta device: shapes without weights, in a fraction of the time.

    Raises:
        InputError: unknown id (see :func:`find_entry`).
    """
    import torch
    from torch.overrides import TorchFunctionMode

    class SkipInitialisation(TorchFunctionMode):
        """Skip random initialisation, which has no effect on the meta device but costs seconds of imports."""

        def __torch_function__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
            kwargs = kwargs or {}
            if getattr(func, "__name__", "") in ("normal_", "uniform_", "erfinv_"):
                return args[0] if args else kwargs["tensor"]
            return func(*args, **kwargs)

    with torch.device("meta"), SkipInitialisation():
        return build_model(model, joints=joints)


def check_input_size(model: str, size: tuple[int, int]) -> None:
    """Check that a model takes images of ``(height, width)`` pixels, before the network is built.

    Raises:
        InputError: unknown id (see :func:`find_entry`), or a side that does not fit; the nearest sizes that do are named.
    """
    entry = find_entry(model)
    step, minimum = entry.multiple, max(entry.multiple, entry.smallest)
    rounded_down = [max(side // step * step, minimum) for side in size]
    rounded_up = [max(-(-side // step) * step, minimum) for side in size]
    if rounded_down == rounded_up == list(size):
        return
    rules = [f"multiples of {step}"] * (step > 1) + [f"at least {minimum}"] * (minimum > step)
    nearest = " or ".join(dict.fromkeys(f"{height}x{width}" for height, width in (rounded_down, rounded_up)))
    raise InputError(f"{model} takes no {size[0]}x{size[1]} image: sides must be {' and '.join(rules)} pixels, as in {nearest}")
