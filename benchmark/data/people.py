"""People: what every reader of a dataset returns, one row a person."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, fields
from pathlib import Path

import numpy as np

from benchmark.core.errors import InputError


@dataclass(frozen=True, kw_only=True)
class People:
    """Annotated (or detected) persons as columns: N persons, K joints.

    All positions are image pixels, (x, y), and (0, 0) is the centre of the top-left pixel. ``sizes`` and ``centers`` are the
    person's box before any rule of aspect or padding: COCO's box, the box of LSP's joints, MPII's square of 200 x scale with
    the centre 15 x scale lower than annotated.
    """

    dataset: str  # mpii, coco, lsp, lspet, synthetic-mpii, synthetic-coco
    split: str
    images: tuple[Path, ...]  # the photograph of each person [N]
    image_ids: np.ndarray  # int64 [N]
    ids: np.ndarray  # int64 [N]
    joints: np.ndarray  # float64 [N, K, 2] pixels
    visible: np.ndarray  # uint8 [N, K]: 0 not annotated, 1 annotated but occluded, 2 visible
    centers: np.ndarray  # float64 [N, 2] pixels (x, y)
    sizes: np.ndarray  # float64 [N, 2] pixels (width, height)
    head_sizes: np.ndarray | None = None  # float64 [N] pixels: 0.6 x the diagonal of MPII's head box
    areas: np.ndarray | None = None  # float64 [N] square pixels: COCO's segment area
    scores: np.ndarray | None = None  # float64 [N]: where boxes come from a detector

    def __post_init__(self) -> None:
        people, joints = len(self.images), self.joints.shape[1] if self.joints.ndim == 3 else 0
        shapes = {"joints": (people, joints, 2), "visible": (people, joints), "centers": (people, 2), "sizes": (people, 2)}
        for field in fields(self):
            value = getattr(self, field.name)
            if isinstance(value, np.ndarray) and value.shape != shapes.get(field.name, (people,)):
                wanted = shapes.get(field.name, (people,))
                raise InputError(f"{self.dataset} {self.split}: {field.name} is {value.shape}, not {wanted}")

    def __len__(self) -> int:
        return len(self.images)

    def select(self, indices: Sequence[int] | np.ndarray) -> People:
        """The rows at ``indices`` (positions, or a boolean mask [N]), in that order."""
        rows = np.asarray(indices)
        rows = np.flatnonzero(rows) if rows.dtype == bool else rows.astype(np.int64)
        columns = {field.name: getattr(self, field.name) for field in fields(self)}
        chosen = {name: value[rows] for name, value in columns.items() if isinstance(value, np.ndarray)}
        return People(**columns | chosen | {"images": tuple(self.images[row] for row in rows)})

    def present(self) -> People:
        """The persons whose photograph is on disk."""
        there = {path: path.is_file() for path in set(self.images)}
        return self.select(np.array([there[path] for path in self.images], bool))


def join_people(parts: list[People]) -> People:
    """Persons of several data sets with the same joints as one; only what all of them know is kept."""
    if len(parts) == 1:
        return parts[0]

    def column(name: str) -> np.ndarray:
        return np.concatenate([getattr(part, name) for part in parts])

    return People(
        dataset="+".join(part.dataset for part in parts),
        split=parts[0].split,
        images=tuple(path for part in parts for path in part.images),
        image_ids=column("image_ids"),
        ids=column("ids"),
        joints=column("joints"),
        visible=column("visible"),
        centers=column("centers"),
        sizes=column("sizes"),
    )
