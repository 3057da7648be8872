"""Datasets: where they lie, and reading them into :class:`benchmark.data.people.People`. No torch here.

A data root holds one folder a dataset, each laid out as officially published (or as Synthetic people writes it):

    mpii/   images/*.jpg, mpii_human_pose_v1_u12_1.mat, annot/{train,valid,trainval,test}.json, gt_valid.mat, valid.h5
    coco/   images/{train,val}2017/*.jpg, annotations/person_keypoints_{train,val}2017.json
    lsp/    images/im0001.jpg ..., joints.mat
    lspet/  images/im00001.jpg ..., joints.mat
    weights/<package>/
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from benchmark.core.errors import InputError
from benchmark.core.files import data_root
from benchmark.data.coco import load_coco
from benchmark.data.lsp import load_lsp, load_lspet
from benchmark.data.mpii import load_mpii
from benchmark.data.people import People

READERS: dict[str, Callable[[Path, str], People]] = {
    "mpii": load_mpii,
    "coco": load_coco,
    "lsp": load_lsp,
    "lspet": load_lspet,
}


def dataset_folder(dataset: str, base: Path | None = None) -> Path:
    """A dataset's folder below ``base`` (default: the data root); ``base`` itself where there is none below it."""
    base = base or data_root()
    below = base / dataset
    return base if base.is_dir() and not below.is_dir() else below


def find_dataset(dataset: str, base: Path | None = None) -> tuple[str, Path]:
    """A data set by the name that may begin with ``synthetic-``: its kind, and its folder, see :func:`folder`.

    Synthetic people lie in the data root's folder ``synthetic``, unless ``base`` says otherwise.
    """
    kind = dataset.removeprefix("synthetic-")
    return kind, dataset_folder(kind, base or (data_root() / "synthetic" if kind != dataset else None))


def load_people(dataset: str, split: str, base: Path | None = None) -> People:
    """The annotated persons of a split: ``load("mpii", "val")``.

    Args:
        base: a data root, or the dataset's own folder.

    Raises:
        InputError: no such dataset or split, its annotations are absent, or a record in them is malformed.
    """
    if dataset not in READERS:
        raise InputError(f"no dataset {dataset!r}; known: {', '.join(READERS)}")
    return READERS[dataset](dataset_folder(dataset, base), split)
