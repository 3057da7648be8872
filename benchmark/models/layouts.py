"""Publishers' names of a network's tensors, as data: rules that rewrite the names in a weight file into those of our network.

A package declares its layouts in :class:`benchmark.config.packages.PaperPackage`. Its folder ``manifests`` has a file for
each network: the names and shapes of all tensors that the publisher's own code builds. A test checks that the rules cover
them exactly.
"""

from __future__ import annotations

import gzip
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path

from benchmark.core.files import write_file

Rule = tuple[str, str]
_FIELD = re.compile(r"\{(\d)((?:(?:\+|-|\*|//|%)\d+)*)\}")
_STEP = re.compile(r"(\+|-|\*|//|%)(\d+)")
COUNTER = "num_batches_tracked"  # ends the name of a batch norm's counter: absent from older files, and never read


@dataclass(frozen=True, kw_only=True)
class Layout:
    """One publisher's names for the tensors of one or several networks.

    Attributes:
        name: Short name, unique among the layouts of a network.
        source: Public code whose networks have these names.
        models: Ids of the networks, without switches that do not concern the names.
        rules: Pairs of a regular expression and what replaces it wherever it matches, applied one after the other. In the
            replacement, ``{1}`` is the first group, and ``{1*3-1}`` a number computed from it, from left to right.
        axes: By a regular expression for names in the file, the order of axes that makes the tensor one of PyTorch's.
        optional: Regular expressions for rewritten names that the network may lack, as it does where the publisher's network
            has layers that do not contribute to the heatmaps.
        joints: Names of the joints that the network predicts; empty for those of the dataset, in its order.
    """

    name: str
    source: str
    models: tuple[str, ...]
    rules: tuple[Rule, ...] = ()
    axes: Mapping[str, tuple[int, ...]] = field(default_factory=dict)
    optional: tuple[str, ...] = ()
    joints: tuple[str, ...] = ()

    def rename(self, name: str) -> str:
        """Return our network's name for a tensor of the file."""
        for pattern, replacement in self.rules:
            name = re.sub(pattern, partial(_expand, replacement), name)
        return name

    def is_optional(self, name: str) -> bool:
        """Return whether a network may lack a tensor, by its rewritten name."""
        return any(re.search(pattern, name) for pattern in self.optional)

    def axes_of(self, name: str) -> tuple[int, ...]:
        """Return the order of axes for a tensor of the file; empty if it is PyTorch's already."""
        return next((axes for pattern, axes in self.axes.items() if re.search(pattern, name)), ())


OWN = Layout(name="our own", source="this project", models=())


def _expand(replacement: str, match: re.Match[str]) -> str:
    """Fill in the groups of a replacement."""

    def compute(part: re.Match[str]) -> str:
        text = match[int(part[1])]
        if not part[2]:
            return text
        value = int(text)
        for operator, number in _STEP.findall(part[2]):
            operand = int(number)
            match operator:
                case "+":
                    value += operand
                case "-":
                    value -= operand
                case "*":
                    value *= operand
                case "//":
                    value //= operand
                case "%":
                    value %= operand
        return str(value)

    return _FIELD.sub(compute, replacement)


def manifest_path(folder: Path, layout: Layout, model: str) -> Path:
    """Return the path of a network's manifest under a layout, below its package's folder."""
    return folder / "manifests" / f"{layout.name}-{model.partition('/')[2]}.txt.gz".replace(" ", "_")


def read_manifest(path: Path) -> dict[str, tuple[int, ...]]:
    """Read a manifest: the shapes of all tensors by name.

    Raises:
        OSError: there is no such file.
    """
    lines = gzip.decompress(path.read_bytes()).decode().splitlines()
    return {name: tuple(map(int, shape)) for name, *shape in (line.split(" ") for line in lines)}


def write_manifest(path: Path, shapes: Mapping[str, tuple[int, ...]]) -> None:
    """Write a manifest; the same tensors give the same bytes."""
    text = "".join(" ".join([name, *map(str, shape)]) + "\n" for name, shape in shapes.items())
    write_file(path, gzip.compress(text.encode(), mtime=0))
