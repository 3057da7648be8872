"""The searched architectures as data: the two skeletons of Table 1, and the operation of each layer of A, B and C.

An operation is written ``k<kernel>e<expansion>`` for an inverted residual, or ``skip`` for none at all. Source: the released
architectures in github.com/hustvl/EfficientPose. They depart from Table 1 in two places, marked below.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from typing import NamedTuple

from benchmark.errors import InputError

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
            for operation in operations:
                if operation not in OPERATIONS:
                    raise InputError(f"stage {number}: unknown operation {operation!r}; known: {', '.join(OPERATIONS)}")
            if operations[0] == SKIP:
                raise InputError(f"stage {number}: its first layer changes the width to {fixed.width} and cannot be skipped")


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
