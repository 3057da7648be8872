"""Resolve a model spec: an id of this project, a Python function, a model of a library, or a file.

    efficientpose_nas/A+sic=off      an id of this project
    my_net.py:build                  a function or class in a file of your own; the file is executed
    package.module:build             a function or class of an installed package
    torchvision:resnet18, timm:NAME  a model of a library, untrained
    mine.arch, mine.autopose.toml    an architecture file that one of the packages reads
    mine.onnx                        an exported network

A function is called with ``joints=K`` if it has that parameter, and without arguments otherwise. A user's code is executed when
the network is built, not when its spec is resolved.
"""

from __future__ import annotations

import contextlib
import difflib
import hashlib
import importlib
import importlib.util
import inspect
import sys
import traceback
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cache
from pathlib import Path
from types import ModuleType
from typing import TYPE_CHECKING, Any

from benchmark.core.errors import InputError
from benchmark.core.file_content import missing_reason
from benchmark.core.files import file_stamp
from benchmark.core.text import printable
from benchmark.models.registry import (
    Entry,
    architecture_format,
    build_model,
    check_input_size,
    find_entry,
    register_entry,
)

if TYPE_CHECKING:
    from torch import nn


ONNX_SUFFIX = ".onnx"
_OWN_PACKAGES = ("benchmark", "reproductions")
# The help of every command that takes a network; cost, latency and comparison also take an exported one.
_SPECS = (
    "an id of this project (efficientpose_nas/A+sic=off), net.py:FUNCTION, package.module:FUNCTION, timm:NAME, torchvision:NAME"
)
MODEL_SPECS = f"{_SPECS} or an architecture file"
MODEL_SPECS_ONNX = f"{_SPECS}, an architecture file or an .onnx file"
USER_NETWORK_SIZE = (256, 256)  # height and width where nothing else is said


@dataclass(frozen=True, kw_only=True)
class ExternalModel:
    """A resolved model whose network is not built yet.

    Attributes:
        spec: Spec that resolves to the same model from any folder.
        name: Name to show.
        factory: Builds the network from the number of joints and the input size (height, width).
        model: Id, for a model of this project.
        source: The Python file or module of a function.
        predicts_heatmaps: False for a model of a library, which may predict something else.
        onnx: The ONNX file, for an exported network.
    """

    spec: str
    name: str
    factory: Callable[[int, tuple[int, int]], Any]
    model: str = ""
    source: str = ""
    predicts_heatmaps: bool = True
    onnx: Path | None = None

    def __post_init__(self) -> None:
        object.__setattr__(self, "name", printable(self.name))  # of a file

    @property
    def code(self) -> Path | None:
        """The user's Python file, in which errors are reported with their line; that of a module is known once it is loaded."""
        if self.source.endswith(".py"):
            return Path(self.source)
        file = getattr(sys.modules.get(self.source), "__file__", None)
        return Path(file) if file else None

    def build(self, joints: int, input_hw: tuple[int, int]) -> nn.Module:
        """Build the network for images of ``input_hw`` pixels; onnxruntime runs that of an ONNX file.

        Its weights are float32, and what its code changes in this process is put back: see
        :mod:`benchmark.models.process_state`.

        Raises:
            InputError: the network cannot be built, is not a module, or does not take images of that size.
        """
        from torch import nn

        from benchmark.models.process_state import kept_state

        with user_code_errors(self), kept_state(self.source):
            network = self.factory(joints, input_hw)
            if isinstance(network, nn.Module) and not self.model:
                _complete(network, input_hw)
        if not isinstance(network, nn.Module):
            raise InputError(f"{self.name} returned {type(network).__name__}, not a torch.nn.Module")
        if inspect.isgeneratorfunction(network.forward):  # a call would run nothing
            raise InputError(f"{self.name}: its forward yields outputs one by one; it has to return them")
        return network


@contextlib.contextmanager
def user_code_errors(model: ExternalModel) -> Iterator[None]:
    """Redirect the output of the user's code to stderr, and turn its errors into one line with file and line number.

    Raises:
        InputError: the user's code failed.
    """
    try:
        with contextlib.redirect_stdout(sys.stderr):
            yield
    except InputError:
        raise
    except (Exception, SystemExit) as problem:
        raise InputError(_format_problem(problem, model.code, model.name)) from None


def resolve_model(spec: str) -> ExternalModel:
    """Resolve a model spec without building the network (see the module's docstring).

    Raises:
        InputError: there is no such model; the message says what is wrong, or lists the nearest known names.
    """
    source, colon, name = spec.rpartition(":")
    if colon and source in LIBRARIES:
        return LIBRARIES[source](name)
    if colon:
        return _resolve_function(source, name)
    suffix = Path(spec).suffix.lower()
    if suffix == ".py":
        raise InputError(f"{spec}: add the function that builds the network, as in {spec}:build")
    path, is_file = Path(spec), suffix == ONNX_SUFFIX or architecture_format(spec) is not None
    if is_file and not path.is_file():
        raise InputError(f"{spec}: {missing_reason(path)}")
    if suffix == ONNX_SUFFIX:
        return ExternalModel(
            spec=str(path.resolve()), name=path.name, onnx=path, factory=lambda joints, hw: _load_onnx(path, hw)
        )
    model = find_entry(spec).id
    return ExternalModel(
        spec=str(path.resolve()) if is_file else spec,
        name=path.name if is_file else spec,
        model=model,
        factory=lambda joints, hw: _build_registered(model, joints, hw),
    )


def resolve_models(specs: Sequence[str]) -> list[ExternalModel]:
    """Resolve model specs; where files of the same name lie in several folders, the models' names begin with these folders.

    Raises:
        InputError: see :func:`resolve_model`.
    """
    models = [resolve_model(spec) for spec in specs]
    depths = [len(Path(model.name).parts) for model in models]
    names = distinct_names([model.spec for model in models], depths)
    return [replace(model, name=name) for model, name in zip(models, names, strict=True)]


def distinct_names(paths: Sequence[str], depths: Sequence[int]) -> list[str]:
    """Return the end of each path, with as many folders as tell it from all other paths.

    Args:
        depths: Smallest number of parts of each name.
    """

    def end(path: str, depth: int) -> str:
        return "/".join(Path(path).parts[-depth:])

    names = []
    for path, smallest in zip(paths, depths, strict=True):
        others = {other for other in paths if other != path}
        lengths = range(smallest, len(Path(path).parts) + 1)
        names.append(next(end(path, n) for n in lengths if end(path, n) not in {end(other, n) for other in others}))
    return names


def _complete(network: nn.Module, input_hw: tuple[int, int]) -> None:
    """Turn weights of half or double precision to float32, and give lazy layers their weights, in place.

    A module whose mode was fixed when it was exported refuses ``train`` and ``eval``; these then do nothing.
    """
    import torch
    from torch.nn.parameter import is_lazy

    for module in network.modules():
        if "train" in vars(module) and "eval" in vars(module):
            module.__dict__ |= {"train": lambda mode=True, of=module: of, "eval": lambda of=module: of}
    if any(is_lazy(tensor) for tensor in (*network.parameters(), *network.buffers())):
        was_training = network.training
        network.eval()
        with torch.no_grad():
            network(torch.zeros(1, 3, *input_hw, dtype=torch.float32))
        network.train(was_training)
    dtypes = {parameter.dtype for parameter in network.parameters() if parameter.is_floating_point()}
    if len(dtypes) == 1 and dtypes != {torch.float32}:
        network.float()


# --- users' networks in the place of a model of this project ------------------------------------------------------------------


def register_external(external: ExternalModel, recipe_of: str = "") -> str:
    """Make a user's network known to this process under its name, and return that name.

    It can then be given wherever the id of a model is expected. It has no version.

    Args:
        recipe_of: Id of the model whose recipes it shares; empty for the general recipes.

    Raises:
        InputError: it is an exported network, which has no parameters that could be trained or loaded.
    """
    if external.onnx:
        raise InputError(f"{external.name} is an exported network; give the Python function that builds it")
    register_entry(
        Entry(
            id=external.name,
            build="benchmark.models.external:build_external",
            kwargs={"external": external},
            inputs=("{}x{}".format(*USER_NETWORK_SIZE),),
            evidence="author code",
            source=external.spec,
            version=0,
            recipe_of=recipe_of,
        )
    )
    return external.name


def build_external(num_joints: int, external: ExternalModel) -> nn.Module:
    """Build a registered network; a Python function does not know the input size."""
    return external.build(num_joints, USER_NETWORK_SIZE)


def source_files(external: ExternalModel) -> list[Path]:
    """List the files that a user's network comes from: its Python file with those that it imports from beside it, or below.

    The network must be built. An exported network is its file and those that hold its weights. This project's own modules are
    not listed: they have versions.
    """
    if external.onnx:
        from benchmark.models.onnx import external_data

        return [external.onnx, *external_data(external.onnx)]
    if external.code is None:
        return []
    imported = {
        Path(file)
        for name, module in list(sys.modules.items())
        if name.partition(".")[0] not in _OWN_PACKAGES and (file := getattr(module, "__file__", None))
    }
    folder = external.code.parent
    beside = (file for file in imported if file.is_relative_to(folder) and "site-packages" not in file.parts and file.is_file())
    return sorted({external.code, *beside})


def identify_external(model: str) -> dict[str, str]:
    """Return what tells a registered network from others of its name; nothing for a model of this project.

    Returns:
        ``code``: hash of the user's files, or the spec of a model of a library; ``recipe_of``, if it shares a model's recipes.
    """
    entry = find_entry(model)
    external = entry.kwargs.get("external")
    if not isinstance(external, ExternalModel):
        return {}
    content = b"".join(file.read_bytes() for file in source_files(external))
    code = hashlib.sha256(content).hexdigest()[:8] if content else external.spec
    return {"code": code} | ({"recipe_of": entry.recipe_of} if entry.recipe_of else {})


def check_heatmaps(external: ExternalModel, joints: int, input_hw: tuple[int, int]) -> Any:
    """Return a network's output for an image of zeros, after checking that it is heatmaps of ``joints`` joints.

    Raises:
        InputError: the network cannot be built, does not run on images of that size, or predicts something else.
    """
    import torch

    from benchmark.models.outputs import heatmap_misfit

    network = external.build(joints, input_hw)
    network.eval()
    with user_code_errors(external), torch.no_grad():
        output = network(torch.zeros(1, 3, *input_hw))
    if misfit := heatmap_misfit(output, joints):
        raise InputError(f"{external.name} {misfit}")
    return output


def _build_registered(model: str, joints: int, input_hw: tuple[int, int]) -> nn.Module:
    check_input_size(model, input_hw)
    return build_model(model, joints=joints)


def _load_onnx(path: Path, input_hw: tuple[int, int]) -> nn.Module:
    from benchmark.models.onnx import load_onnx

    return load_onnx(path, input_hw)


# --- Python ------------------------------------------------------------------------------------------------------------


def _resolve_function(source: str, name: str) -> ExternalModel:
    """Resolve the function ``name`` of a Python file or of an importable module, which is not executed yet."""
    is_file = source.endswith(".py")
    if is_file and not Path(source).is_file():
        raise InputError(f"{source}: {missing_reason(Path(source))}")
    resolved = str(Path(source).resolve()) if is_file else source
    return ExternalModel(
        spec=f"{resolved}:{name}",
        name=f"{Path(source).name}:{name}",
        source=resolved,
        factory=lambda joints, hw: _call_builder(_load_function(resolved, name), joints),
    )


def _load_function(source: str, name: str) -> Callable[..., Any]:
    """Return a function of a Python file or module, which is executed unless it was already."""
    module = _import_file(Path(source), file_stamp(Path(source))) if source.endswith(".py") else _import_module(source)
    function = getattr(module, name, None)
    if callable(function):
        return function
    defined = [
        key for key, value in vars(module).items() if callable(value) and getattr(value, "__module__", "") == module.__name__
    ]
    nearest = difflib.get_close_matches(name, defined, n=3, cutoff=0.4) or defined[:3]
    problem = f"{name} is {'not a function' if hasattr(module, name) else 'not defined'}"
    if not name:
        problem = "add the function that builds the network after the colon"
    raise InputError(f"{source}: {problem}; the file defines {', '.join(nearest) or 'no function'}")


_FOLDERS: set[Path] = set()  # of the files that were executed


@cache
def _import_file(path: Path, stamp: object) -> ModuleType:
    """Execute a Python file as a module, which can import the files beside it; once, as it may register what it defines."""
    _forget_namesakes(path.parent)
    name = path.stem if path.stem not in sys.modules else f"{path.stem}_of_{path.parent.name}"
    module_spec = importlib.util.spec_from_file_location(name, path)
    assert module_spec is not None
    assert module_spec.loader is not None
    module = importlib.util.module_from_spec(module_spec)
    sys.modules[name] = module  # needed by dataclasses and pickle
    sys.path.insert(0, str(path.parent))
    try:
        module_spec.loader.exec_module(module)
    except BaseException:
        del sys.modules[name]
        raise
    return module


def _forget_namesakes(folder: Path) -> None:
    """Make imports from a folder find its own modules, not those of the same names in the folders of other networks."""
    for name, module in list(sys.modules.items()):
        top, file = name.partition(".")[0], getattr(module, "__file__", None)
        is_here = (folder / f"{top}.py").is_file() or (folder / top).is_dir()
        if file and is_here and _FOLDERS.intersection(Path(file).parents) and folder not in Path(file).parents:
            del sys.modules[name]
    _FOLDERS.add(folder)


def _import_module(name: str) -> ModuleType:
    try:
        return importlib.import_module(name)
    except ModuleNotFoundError as problem:
        if problem.name and (name == problem.name or name.startswith(problem.name + ".")):
            raise InputError(f"no module {name}; give a file with its suffix, as in {name}.py:build") from None
        raise


def _call_builder(function: Callable[..., Any], joints: int) -> Any:
    """Call the user's function, with ``joints`` if it has that parameter."""
    try:
        takes_joints = "joints" in inspect.signature(function).parameters
    except (TypeError, ValueError):  # some callables have no signature
        takes_joints = False
    return function(joints=joints) if takes_joints else function()


def _format_problem(problem: BaseException, code: Path | None, name: str) -> str:
    """Format an error as one line that begins with the network's name, and the failing line of the user's code if known."""
    frames = traceback.extract_tb(problem.__traceback__)
    user_frames = [frame for frame in frames if code and Path(frame.filename) == code]
    where = name
    if isinstance(problem, SyntaxError) and problem.filename:
        where = f"{name}: {problem.filename}:{problem.lineno}"
    elif user_frames:
        where = f"{name}: {user_frames[-1].filename}:{user_frames[-1].lineno}"
    message = (problem.msg if isinstance(problem, SyntaxError) else str(problem)).strip()
    return f"{where}: {type(problem).__name__}: {message.splitlines()[0] if message else 'without a message'}"


# --- libraries ---------------------------------------------------------------------------------------------------------


def _resolve_torchvision(name: str) -> ExternalModel:
    from torchvision import models

    try:
        builder = models.get_model_builder(name)
    except ValueError:
        raise InputError(f"torchvision has no model {name!r}{_suggest(name, models.list_models())}") from None
    # Without weights_backbone=None, the weights of a detector's backbone would be downloaded.
    options = {key: None for key in ("weights", "weights_backbone") if key in inspect.signature(builder).parameters}
    options.setdefault("weights", None)
    spec = f"torchvision:{name}"
    return ExternalModel(spec=spec, name=spec, predicts_heatmaps=False, factory=lambda joints, hw: builder(**options))


def _resolve_timm(name: str) -> ExternalModel:
    try:
        import timm
    except ImportError:
        raise InputError(f"timm:{name} needs timm (the extra 'peers')") from None
    if not timm.is_model(name):
        raise InputError(f"timm has no model {name!r}{_suggest(name, timm.list_models())}")
    spec = f"timm:{name}"
    return ExternalModel(
        spec=spec,
        name=spec,
        predicts_heatmaps=False,
        factory=lambda joints, hw: timm.create_model(name, pretrained=False),
    )


def _suggest(name: str, known: list[str]) -> str:
    """Return the end of an error message, with the known names nearest to a misspelt one."""
    nearest = difflib.get_close_matches(name, known, n=3, cutoff=0.4)
    return f"; did you mean {', '.join(nearest)}?" if nearest else ""


LIBRARIES: Mapping[str, Callable[[str], ExternalModel]] = {"torchvision": _resolve_torchvision, "timm": _resolve_timm}
