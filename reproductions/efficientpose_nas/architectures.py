"""The searched architectures as data: the two skeletons of Table 1, and the operation of each layer of A, B and C.

An operation is written ``k<kernel>e<expansion>`` for an inverted residual, or ``skip`` for none at all. Source: the released
architectures in github.com/hustvl/EfficientPose. They depart from Table 1 in two places, marked below.

An architecture of one's own is a small text file, ``<name>.arch``; what follows a # is a remark:

    skeleton: small
    stage 1: k3e6 k7e3 k3e6 k3e3
    stage 2: k3e6 k3e3 k5e3 k3e3 k3e3 k3e3
    stage 3: k5e6 k7e3 k7e3 k7e3 k7e3 skip skip skip
    stage 4: k5e6 k5e6 k7e6 k5e6 k7e3 k7e3 k7e3 skip
"""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from pathlib import Path
from typing import NamedTuple

from benchmark.config.searches import DiagramBox
from benchmark.core.errors import InputError
from benchmark.models.registry import ArchitectureFormat

SUFFIX = ".arch"
SKIP = "skip"
OPERATIONS = (*(f"k{kernel}e{expansion}" for kernel in (3, 5, 7) for expansion in (3, 6)), SKIP)


class Stage(NamedTuple):
    """``depth`` layers of ``width`` channels; the first layer has the stride."""

    width: int
    stride: int
    depth: int


@dataclass(frozen=True, kw_only=True)
class Skeleton:
    """What the search leaves fixed: widths in channels, and strides. The first convolution has stride 2."""

    first: int
    separable: int
    stages: tuple[Stage, ...]
    deconvs: tuple[int, int] = (64, 32)


SMALL = Skeleton(
    first=32,
    separable=16,
    stages=(
        Stage(24, 2, 4),
        Stage(32, 2, 6),
        Stage(64, 2, 8),  # Table 1 prints 1 + 9 layers; the release has 1 + 7
        Stage(96, 1, 8),
    ),
)
LARGE = Skeleton(
    first=32,
    separable=24,
    stages=(
        Stage(32, 2, 6),
        Stage(64, 2, 8),
        Stage(96, 2, 10),
        Stage(160, 1, 10),  # Table 1 prints stride 2; the release, and the text's four down-samplings, have 1
    ),
)
SKELETONS = {"small": SMALL, "large": LARGE}


@dataclass(frozen=True)
class Architecture:
    """A skeleton and the operations of its layers, stage by stage.

    Raises:
        InputError: an unknown operation, or more or fewer layers than the skeleton has.
    """

    skeleton: Skeleton
    stages: tuple[tuple[str, ...], ...]

    def __post_init__(self) -> None:
        depths = tuple(stage.depth for stage in self.skeleton.stages)
        given = tuple(map(len, self.stages))
        if given != depths:
            raise InputError(f"the architecture has {given} layers a stage; its skeleton has {depths}")
        for number, (fixed, operations) in enumerate(zip(self.skeleton.stages, self.stages, strict=True), 1):
            _check(fixed, operations, f"stage {number}")


def _check(fixed: Stage, operations: tuple[str, ...], where: str) -> None:
    if len(operations) != fixed.depth:
        raise InputError(
            f"{where}: {len(operations)} layers, but the skeleton has {fixed.depth}; one left out is written {SKIP}"
        )
    for operation in operations:
        if operation not in OPERATIONS:
            raise InputError(f"{where}: unknown operation {operation!r}; known: {', '.join(OPERATIONS)}")
    if operations[0] == SKIP:
        raise InputError(f"{where}: its first layer changes the width to {fixed.width} and cannot be skipped")


def _architecture(skeleton: Skeleton, *stages: str) -> Architecture:
    return Architecture(skeleton, tuple(tuple(stage.split()) for stage in stages))


A = _architecture(
    SMALL,
    "k3e6 k7e3 k3e6 k3e3",
    "k3e6 k3e3 k5e3 k3e3 k3e3 k3e3",
    "k5e6 k7e3 k7e3 k7e3 k7e3 k7e3 k7e3 k7e3",
    "k5e6 k5e6 k7e6 k5e6 k7e3 k7e3 k7e3 k7e6",
)
B = _architecture(
    LARGE,
    "k3e6 k3e6 k5e3 k7e3 k5e3 k7e3",
    "k5e6 k5e3 k7e3 k7e3 k7e3 k7e3 k7e3 k7e3",
    "k7e6 k5e6 k5e6 k7e3 k7e3 k3e6 k7e3 k7e6 k7e6 k7e3",
    "k7e3 k7e3 k7e3 k7e3 k7e3 k7e3 skip k7e3 k7e6 k7e3",
)
C = _architecture(
    LARGE,
    "k5e3 k3e6 k3e3 k3e3 skip k5e3",
    "k3e6 k7e6 k5e6 k3e6 k5e6 k3e6 k3e6 k3e6",
    "k7e6 k7e6 k7e6 k7e6 k7e6 k7e6 k7e6 k7e6 k7e3 k7e6",
    "k7e6 k7e6 k7e3 k7e3 k7e6 k7e6 k7e6 k7e6 k7e6 k7e6",
)
ARCHITECTURES = {"A": A, "B": B, "C": C}


def read(path: Path | str) -> Architecture:
    """The architecture in a text file; the module's docstring shows one.

    Raises:
        InputError: the file cannot be read, or is malformed; file and line are named.
    """
    try:
        text = Path(path).read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as problem:
        raise InputError(f"{path}: {problem}") from None
    return parsed(text, path)


def write(architecture: Architecture) -> str:
    """The text of an architecture's file, the inverse of :func:`parsed`.

    Raises:
        InputError: its skeleton is none that a file can name.
    """
    names = [name for name, skeleton in SKELETONS.items() if skeleton == architecture.skeleton]
    if not names:
        raise InputError(f"only architectures on the skeletons {' and '.join(SKELETONS)} can be written to a file")
    stages = [f"stage {number}: {' '.join(operations)}" for number, operations in enumerate(architecture.stages, 1)]
    return "\n".join([f"skeleton: {names[0]}", *stages]) + "\n"


def recipe_of(architecture: Architecture) -> str:
    """The id of the published network that an architecture is trained and fed like: that of its skeleton."""
    return "efficientpose_nas/A" if architecture.skeleton == SMALL else "efficientpose_nas/B"


def parsed(text: str, path: Path | str = "architecture") -> Architecture:
    """The architecture that a file's text says.

    Args:
        path: named where the text is malformed.

    Raises:
        InputError: it is; file and line are named.
    """
    fixed: Skeleton | None = None
    stages: list[tuple[str, ...]] = []
    for number, line in enumerate(text.splitlines(), 1):
        where, line = f"{path}:{number}", line.partition("#")[0].strip()
        key, _, value = (part.strip() for part in line.partition(":"))
        if not line:
            continue
        if fixed is None:
            if key != "skeleton" or value not in SKELETONS:
                raise InputError(
                    f"{where}: the first line names the skeleton, skeleton: {' or '.join(SKELETONS)}, not {line!r}"
                )
            fixed = SKELETONS[value]
        elif len(stages) == len(fixed.stages) or key != f"stage {len(stages) + 1}":
            wanted = f"stage {len(stages) + 1}: ..." if len(stages) < len(fixed.stages) else "nothing more"
            raise InputError(f"{where}: {wanted} is expected here, not {line!r}")
        else:
            stages.append(tuple(value.split()))
            _check(fixed.stages[len(stages) - 1], stages[-1], where)
    if fixed is None or len(stages) < len(fixed.stages):
        what = f"stage {len(stages) + 1}" if fixed else "the skeleton"
        raise InputError(f"{path}:{len(text.splitlines()) + 1}: the file ends before {what} is given")
    return Architecture(fixed, tuple(stages))


def boxes(text: str) -> list[DiagramBox]:
    """The picture of an architecture: its layers from left to right, a gap between stages; darker with the kernel, higher with
    the expansion, a line where a layer is skipped.

    Raises:
        InputError: the text is malformed.
    """
    found, x = [], 0.0
    for operations in parsed(text).stages:
        for operation in operations:
            if operation == SKIP:
                found.append(DiagramBox(x))
            else:
                kernel, expansion = parse(operation)
                found.append(
                    DiagramBox(x, height=expansion / 6, shade=(3, 5, 7).index(kernel), label=f"{kernel}\n×{expansion}")
                )
            x += 1
        x += 0.5
    return found


def as_printed(architecture: Architecture) -> Architecture:
    """The small architecture with the 1 + 9 layers that Table 1 prints for stage 3.

    What the two layers missing from the release were is not known; k7e3, the operation of all their neighbours, stands in.

    Raises:
        InputError: an architecture on another skeleton; only the small one has layers missing.
    """
    if architecture.skeleton != SMALL:
        raise InputError("only architectures on the small skeleton have a printed depth of their own")
    stages = list(architecture.skeleton.stages)
    stages[2] = stages[2]._replace(depth=stages[2].depth + 2)
    one, two, three, four = architecture.stages
    return Architecture(replace(architecture.skeleton, stages=tuple(stages)), (one, two, (*three, "k7e3", "k7e3"), four))


def parse(operation: str) -> tuple[int, int]:
    """``'k3e6' -> (3, 6)``: kernel and expansion.

    Raises:
        InputError: written otherwise, or ``skip``, which has neither.
    """
    match = re.fullmatch(r"k(\d)e(\d)", operation)
    if not match:
        raise InputError(f"{operation!r} is no inverted residual; write kernel and expansion as in k3e6")
    return int(match[1]), int(match[2])


def skeleton(size: str) -> tuple[str, ...]:
    """The rows of Table 1 for what is built here, top to bottom, in the paper's notation.

    Args:
        size: ``small`` or ``large``.

    Returns:
        ``'[32, s2]'``, ``'[16, s1]'``, ``'[24, s2]'``, ``'[24, s1]×3'``, ...: channels, stride and, after ×, repeats. A stage
        that keeps its stride throughout is one row, as in the paper. The last two are the transposed convolutions.

    Raises:
        InputError: another size.
    """
    if size not in SKELETONS:
        raise InputError(f"unknown skeleton {size!r}; known: {', '.join(SKELETONS)}")
    fixed = SKELETONS[size]
    rows = [f"[{fixed.first}, s2]", f"[{fixed.separable}, s1]"]
    for width, stride, depth in fixed.stages:
        if stride == 1:
            rows.append(f"[{width}, s1]×{depth}")
        else:
            rows += [f"[{width}, s{stride}]", f"[{width}, s1]×{depth - 1}"]
    return (*rows, *(f"[{width}, s2]" for width in fixed.deconvs))


FORMAT = ArchitectureFormat(
    suffix=SUFFIX,
    read=read,
    write=write,
    build="reproductions.efficientpose_nas.network:build_from_file",
    recipe_of=recipe_of,
    diagram=boxes,
)
