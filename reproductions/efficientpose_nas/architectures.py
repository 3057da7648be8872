"""The searched architectures as data: the two skeletons of Table 1, and the operation of each layer of A, B and C.

An operation is written ``k<kernel>e<expansion>`` for an inverted residual, or ``skip`` if the layer is left out. Source: the
released architectures in github.com/hustvl/EfficientPose. They differ from Table 1 in two places, marked below.

Your own architecture is a small text file, ``<name>.arch``; the rest of a line after a # is a comment:

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
    """Describe ``depth`` layers of ``width`` channels; the first layer has the stride."""

    width: int
    stride: int
    depth: int


@dataclass(frozen=True, kw_only=True)
class Skeleton:
    """Hold the part of a network that the search does not change; the first convolution has stride 2.

    Attributes:
        first: Channels of the first convolution.
        separable: Channels of the separable convolution after it.
        stages: Widths, strides and depths of the four stages.
        deconvs: Channels of the two transposed convolutions.
    """

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
    """Combine a skeleton with the operations of its layers, stage by stage.

    Raises:
        InputError: An operation is unknown, or there are more or fewer layers than the skeleton has.
    """

    skeleton: Skeleton
    stages: tuple[tuple[str, ...], ...]

    def __post_init__(self) -> None:
        depths = tuple(stage.depth for stage in self.skeleton.stages)
        counts = tuple(map(len, self.stages))
        if counts != depths:
            raise InputError(f"the architecture has {counts} layers a stage; its skeleton has {depths}")
        for number, (stage, operations) in enumerate(zip(self.skeleton.stages, self.stages, strict=True), 1):
            _check(stage, operations, f"stage {number}")


def _check(stage: Stage, operations: tuple[str, ...], location: str) -> None:
    if len(operations) != stage.depth:
        raise InputError(
            f"{location}: {len(operations)} layers, but the skeleton has {stage.depth}; write {SKIP} for a layer to leave out"
        )
    for operation in operations:
        if operation not in OPERATIONS:
            raise InputError(f"{location}: unknown operation {operation!r}; known: {', '.join(OPERATIONS)}")
    if operations[0] == SKIP:
        raise InputError(f"{location}: its first layer changes the width to {stage.width} and cannot be skipped")


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


def read_architecture(path: Path | str) -> Architecture:
    """Read the architecture in a text file; the module's docstring shows one.

    Raises:
        InputError: The file cannot be read or is malformed; the message names file and line.
    """
    try:
        text = Path(path).read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as problem:
        raise InputError(f"{path}: {problem}") from None
    return parse_architecture(text, path)


def format_architecture(architecture: Architecture) -> str:
    """Return the text of an architecture's file; the inverse of :func:`parse_architecture`.

    Raises:
        InputError: A file cannot name the architecture's skeleton.
    """
    names = [name for name, skeleton in SKELETONS.items() if skeleton == architecture.skeleton]
    if not names:
        raise InputError(f"only architectures on the skeletons {' and '.join(SKELETONS)} can be written to a file")
    stages = [f"stage {number}: {' '.join(operations)}" for number, operations in enumerate(architecture.stages, 1)]
    return "\n".join([f"skeleton: {names[0]}", *stages]) + "\n"


def recipe_of(architecture: Architecture) -> str:
    """Return the id of the published network on the same skeleton, whose recipes and inputs an architecture shares."""
    return "efficientpose_nas/A" if architecture.skeleton == SMALL else "efficientpose_nas/B"


def parse_architecture(text: str, path: Path | str = "architecture") -> Architecture:
    """Parse the text of an architecture's file.

    Args:
        text: The content of the file.
        path: The file to name in error messages.

    Raises:
        InputError: The text is malformed; the message names file and line.
    """
    base: Skeleton | None = None
    stages: list[tuple[str, ...]] = []
    for number, line in enumerate(text.splitlines(), 1):
        location, line = f"{path}:{number}", line.partition("#")[0].strip()
        key, _, value = (part.strip() for part in line.partition(":"))
        if not line:
            continue
        if base is None:
            if key != "skeleton" or value not in SKELETONS:
                raise InputError(
                    f"{location}: the first line names the skeleton, skeleton: {' or '.join(SKELETONS)}, not {line!r}"
                )
            base = SKELETONS[value]
        elif len(stages) == len(base.stages) or key != f"stage {len(stages) + 1}":
            expected = f"stage {len(stages) + 1}: ..." if len(stages) < len(base.stages) else "nothing more"
            raise InputError(f"{location}: {expected} is expected here, not {line!r}")
        else:
            stages.append(tuple(value.split()))
            _check(base.stages[len(stages) - 1], stages[-1], location)
    if base is None or len(stages) < len(base.stages):
        missing = f"stage {len(stages) + 1}" if base else "the skeleton"
        raise InputError(f"{path}:{len(text.splitlines()) + 1}: the file ends before {missing} is given")
    return Architecture(base, tuple(stages))


def diagram_architecture(text: str) -> list[DiagramBox]:
    """Return the boxes that draw an architecture: its layers from left to right, with a space between stages.

    A larger kernel makes a box darker, a larger expansion makes it higher; a skipped layer is a line.

    Raises:
        InputError: The text is malformed.
    """
    diagram, x = [], 0.0
    for operations in parse_architecture(text).stages:
        for operation in operations:
            if operation == SKIP:
                diagram.append(DiagramBox(x))
            else:
                kernel, expansion = parse_operation(operation)
                diagram.append(
                    DiagramBox(x, height=expansion / 6, shade=(3, 5, 7).index(kernel), label=f"{kernel}\n×{expansion}")
                )
            x += 1
        x += 0.5
    return diagram


def as_printed(architecture: Architecture) -> Architecture:
    """Return the small architecture with the 1 + 9 layers that Table 1 prints for stage 3.

    The operations of the two layers that the release lacks are not known; k7e3, which all their neighbours have, is used.

    Raises:
        InputError: The architecture is on another skeleton; only the small one lacks printed layers.
    """
    if architecture.skeleton != SMALL:
        raise InputError("only architectures on the small skeleton have another printed depth")
    stages = list(architecture.skeleton.stages)
    stages[2] = stages[2]._replace(depth=stages[2].depth + 2)
    first, second, third, fourth = architecture.stages
    operations = (first, second, (*third, "k7e3", "k7e3"), fourth)
    return Architecture(replace(architecture.skeleton, stages=tuple(stages)), operations)


def parse_operation(operation: str) -> tuple[int, int]:
    """Return kernel and expansion of an operation, as in ``'k3e6' -> (3, 6)``.

    Raises:
        InputError: The operation is written otherwise, or is ``skip``, which has neither.
    """
    match = re.fullmatch(r"k(\d)e(\d)", operation)
    if not match:
        raise InputError(f"{operation!r} is not an inverted residual; write kernel and expansion as in k3e6")
    return int(match[1]), int(match[2])


FORMAT = ArchitectureFormat(
    suffix=SUFFIX,
    read=read_architecture,
    write=format_architecture,
    build="reproductions.efficientpose_nas.network:build_from_file",
    recipe_of=recipe_of,
    diagram=diagram_architecture,
)
