"""Whatever a user names as a network, resolved: an id of this project, a Python function, a library's model, or a file.

    efficientpose_nas/A+sic=off      an id of this project
    my_net.py:build                  a function, or class, in a file of one's own; importing the file runs it
    package.module:build             the same in an installed package
    torchvision:resnet18, timm:NAME  a library's model, untrained
    mine.arch, mine.autopose.toml    an architecture file that one of the packages reads
    mine.onnx                        an exported network

A function is called with ``joints=K`` if it takes that parameter, and with nothing otherwise.
"""

from __future__ import annotations

import contextlib
import difflib
import importlib
import importlib.util
import inspect
import sys
import traceback
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType
from typing import TYPE_CHECKING, Any

from benchmark.core.errors import InputError
from benchmark.models.registry import architecture_format, build_model, check_input_size, find_entry

if TYPE_CHECKING:
    from torch import nn


ONNX_SUFFIX = ".onnx"


@dataclass(frozen=True, kw_only=True)
class ExternalModel:
    """A network that is not built yet.

    ``spec`` finds it again from any folder. ``model`` is its id, if it is one of this project. ``code`` is the user's file, of
    which the line is named when something in it fails. ``pose`` is false of a library's model, which need not predict heatmaps.
    """

    spec: str
    name: str
    make: Callable[[int, tuple[int, int]], Any]
    model: str = ""
    code: Path | None = None
    pose: bool = True
    onnx: Path | None = None

    def build(self, joints: int, input_hw: tuple[int, int]) -> nn.Module:
        """The network, for images of ``input_hw`` pixels; an ONNX file's is one that onnxruntime runs.

        Raises:
            InputError: it cannot be built, or is no network, or does not take that size.
        """
        from torch import nn

        with user_code_errors(self):
            network = self.make(joints, input_hw)
        if not isinstance(network, nn.Module):
            raise InputError(f"{self.name} returned {type(network).__name__}, not a torch.nn.Module")
        return network


@contextlib.contextmanager
def user_code_errors(subject: ExternalModel) -> Iterator[None]:
    """What the user's code prints goes to stderr, and what it raises becomes one line that names where."""
    try:
        with contextlib.redirect_stdout(sys.stderr):
            yield
    except InputError:
        raise
    except (Exception, SystemExit) as problem:
        raise InputError(_line(problem, subject.code, subject.name)) from None


def resolve_model(spec: str) -> ExternalModel:
    """The network that ``spec`` names.

    Raises:
        InputError: there is none; the message names what is wrong with it, or the nearest known names.
    """
    source, colon, name = spec.rpartition(":")
    if colon and source in LIBRARIES:
        return LIBRARIES[source](name)
    if colon:
        return _function(source, name)
    suffix = Path(spec).suffix.lower()
    if suffix == ".py":
        raise InputError(f"{spec}: name the function in it that builds the network, as in {spec}:build")
    path, is_file = Path(spec), suffix == ONNX_SUFFIX or architecture_format(spec) is not None
    if is_file and not path.is_file():
        raise InputError(f"{spec}: no such file")
    if suffix == ONNX_SUFFIX:
        return ExternalModel(spec=str(path.resolve()), name=path.name, onnx=path, make=lambda joints, hw: _onnx(path, hw))
    model = find_entry(spec).id
    told = (str(path.resolve()), path.name) if is_file else (spec, spec)
    return ExternalModel(spec=told[0], name=told[1], model=model, make=lambda joints, hw: _own(model, joints, hw))


def _own(model: str, joints: int, input_hw: tuple[int, int]) -> nn.Module:
    check_input_size(model, input_hw)
    return build_model(model, joints=joints)


def _onnx(path: Path, input_hw: tuple[int, int]) -> nn.Module:
    from benchmark.models.onnx import load_onnx

    return load_onnx(path, input_hw)


# --- Python ------------------------------------------------------------------------------------------------------------


def _function(source: str, name: str) -> ExternalModel:
    """The function ``name`` of a Python file, or of a module that can be imported."""
    is_file = source.endswith(".py")
    module = _file(Path(source)) if is_file else _module(source)
    factory = getattr(module, name, None)
    if not callable(factory):
        own = [
            key
            for key, value in vars(module).items()
            if callable(value) and getattr(value, "__module__", "") == module.__name__
        ]
        near = difflib.get_close_matches(name, own, n=3, cutoff=0.4) or own[:3]
        what = "is not a function" if hasattr(module, name) else "is not there"
        raise InputError(
            f"{source}: {name or 'the function that builds the network'} {what}; it has {', '.join(near) or 'none'}"
        )
    code = Path(module.__file__) if module.__file__ else None
    spec = f"{Path(source).resolve()}:{name}" if is_file else f"{source}:{name}"
    return ExternalModel(
        spec=spec, name=f"{Path(source).name}:{name}", code=code, make=lambda joints, hw: _call(factory, joints)
    )


def _file(path: Path) -> ModuleType:
    """A Python file, run as a module; what stands beside it can be imported from it."""
    if not path.is_file():
        raise InputError(f"{path}: no such file")
    path = path.resolve()
    name = path.stem if path.stem not in sys.modules else f"{path.stem}_of_{path.parent.name}"
    loader = importlib.util.spec_from_file_location(name, path)
    assert loader is not None
    assert loader.loader is not None
    module = importlib.util.module_from_spec(loader)
    sys.modules[name] = module  # as dataclasses and pickle need it
    if str(path.parent) not in sys.path:
        sys.path.insert(0, str(path.parent))
    with user_code_errors(ExternalModel(spec=str(path), name=path.name, code=path, make=lambda joints, hw: None)):
        loader.loader.exec_module(module)
    return module


def _module(name: str) -> ModuleType:
    try:
        with contextlib.redirect_stdout(sys.stderr):
            return importlib.import_module(name)
    except ModuleNotFoundError as problem:
        if problem.name and (name == problem.name or name.startswith(problem.name + ".")):
            raise InputError(f"no module {name}; a file is named with its suffix, as in {name}.py:build") from None
        raise InputError(f"{name}: {problem}") from None
    except (Exception, SystemExit) as problem:
        raise InputError(_line(problem, None, name)) from None


def _call(factory: Callable[..., Any], joints: int) -> Any:
    try:
        told = "joints" in inspect.signature(factory).parameters
    except (TypeError, ValueError):  # some callables tell nothing of themselves
        told = False
    return factory(joints=joints) if told else factory()


def _line(problem: BaseException, code: Path | None, name: str) -> str:
    """Where in the user's code, or else in which file, something failed, and how."""
    frames = traceback.extract_tb(problem.__traceback__)
    own = [frame for frame in frames if code and Path(frame.filename) == code]
    where = name
    if isinstance(problem, SyntaxError) and problem.filename:
        where = f"{problem.filename}:{problem.lineno}"
    elif own:
        where = f"{own[-1].filename}:{own[-1].lineno}"
    said = problem.msg if isinstance(problem, SyntaxError) else str(problem)
    return f"{where}: {type(problem).__name__}: {said.strip().splitlines()[0] if said.strip() else 'without a message'}"


# --- libraries ---------------------------------------------------------------------------------------------------------


def _torchvision(name: str) -> ExternalModel:
    from torchvision import models as library

    try:
        builder = library.get_model_builder(name)
    except ValueError:
        raise InputError(f"torchvision has no model {name!r}{_near(name, library.list_models())}") from None
    # A detector's backbone would be downloaded unless it is told not to be.
    options = {key: None for key in ("weights", "weights_backbone") if key in inspect.signature(builder).parameters}
    options.setdefault("weights", None)
    spec = f"torchvision:{name}"
    return ExternalModel(spec=spec, name=spec, pose=False, make=lambda joints, hw: builder(**options))


def _timm(name: str) -> ExternalModel:
    try:
        import timm
    except ImportError:
        raise InputError(f"timm:{name} needs timm (the extra 'peers')") from None
    if not timm.is_model(name):
        raise InputError(f"timm has no model {name!r}{_near(name, timm.list_models())}")
    spec = f"timm:{name}"
    return ExternalModel(spec=spec, name=spec, pose=False, make=lambda joints, hw: timm.create_model(name, pretrained=False))


def _near(name: str, known: list[str]) -> str:
    near = difflib.get_close_matches(name, known, n=3, cutoff=0.4)
    return f"; did you mean {', '.join(near)}?" if near else ""


LIBRARIES: Mapping[str, Callable[[str], ExternalModel]] = {"torchvision": _torchvision, "timm": _timm}
