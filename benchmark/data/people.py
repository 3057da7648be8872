"""People: the table that every reader of a dataset returns, with one row for each person."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from dataclasses import dataclass, fields
from pathlib import Path

import numpy as np

from benchmark.core.errors import InputError


@dataclass(frozen=True, kw_only=True)
class People:
    """Annotated or detected people as columns: N people, K joints.

    All positions are pixels of the image, (x, y), and (0, 0) is the centre of the top-left pixel.

    Attributes:
        dataset: mpii, coco, lsp, lspet, synthetic-mpii or synthetic-coco.
        split: its name.
        images: path of each person's image, N of them.
        image_ids: int64 ``[N]``.
        ids: int64 ``[N]``.
        joints: float64 ``[N, K, 2]`` pixels.
        visible: uint8 ``[N, K]``: 0 not annotated, 1 annotated but occluded, 2 visible.
        centers: of the boxes, float64 ``[N, 2]`` pixels (x, y). A box is the dataset's, before any rule of aspect or padding:
            COCO's box, the box of LSP's joints, or MPII's square of 200 x scale, whose centre is 15 x scale below the
            annotated position.
        sizes: of the boxes, float64 ``[N, 2]`` pixels (width, height).
        head_sizes: 0.6 x the diagonal of MPII's head box, float64 ``[N]`` pixels.
        areas: COCO's segment area, float64 ``[N]`` square pixels.
        scores: of a detector's boxes, float64 ``[N]``.
    """

    dataset: str
    split: str
    images: tuple[Path, ...]
    image_ids: np.ndarray
    ids: np.ndarray
    joints: np.ndarray
    visible: np.ndarray
    centers: np.ndarray
    sizes: np.ndarray
    head_sizes: np.ndarray | None = None
    areas: np.ndarray | None = None
    scores: np.ndarray | None = None

    def __post_init__(self) -> None:
        people, joints = len(self.images), self.joints.shape[1] if self.joints.ndim == 3 else 0
        shapes = {"joints": (people, joints, 2), "visible": (people, joints), "centers": (people, 2), "sizes": (people, 2)}
        for field in fields(self):
            value = getattr(self, field.name)
            expected = shapes.get(field.name, (people,))
            if isinstance(value, np.ndarray) and value.shape != expected:
                raise InputError(f"{self.dataset} {self.split}: {field.name} is {value.shape}, not {expected}")

    def __len__(self) -> int:
        return len(self.images)

    def select(self, indices: Sequence[int] | np.ndarray) -> People:
        """Return the people at ``indices`` (row numbers, or a boolean mask ``[N]``), in that order."""
        rows = np.asarray(indices)
        rows = np.flatnonzero(rows) if rows.dtype == bool else rows.astype(np.int64)
        columns = {field.name: getattr(self, field.name) for field in fields(self)}
        selected = {name: value[rows] for name, value in columns.items() if isinstance(value, np.ndarray)}
        return People(**columns | selected | {"images": tuple(self.images[row] for row in rows)})

    def present(self) -> People:
        """Return the people whose image exists."""
        exists = {path: path.is_file() for path in set(self.images)}
        return self.select(np.array([exists[path] for path in self.images], bool))


def content_digest(people: People, photographs: str = "") -> str:
    """Compute a digest of the annotations and photographs of people, which do not depend on where files lie and on their times.

    Args:
        photographs: a digest that stands for the photographs; without it, their files are read.

    Raises:
        OSError: a photograph cannot be read.
    """
    digest = hashlib.sha256(photographs.encode())
    for field in fields(people):
        if isinstance(value := getattr(people, field.name), np.ndarray):
            digest.update(np.ascontiguousarray(value).tobytes())
    for image in () if photographs else dict.fromkeys(people.images):
        digest.update(image.read_bytes())
    return digest.hexdigest()[:16]


def inventory_digest(people: People) -> str:
    """Compute a digest of annotations and of the names and bytes of photographs, without reading them; "" if one is missing.

    It is the same on another machine. Files that replace others of exactly the same number of bytes are not told apart.
    """
    try:
        files = [(image.name, image.stat().st_size) for image in dict.fromkeys(people.images)]
    except FileNotFoundError:
        return ""
    return content_digest(people, json.dumps(files))


def join_people(parts: list[People]) -> People:
    """Join people of several datasets with the same joints; head sizes, areas and scores are dropped."""
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
