"""Datasets: their folders, and readers that return :class:`benchmark.data.people.People`. Nothing here imports torch.

A data root holds one folder for each dataset, laid out as officially published (or as Synthetic people writes it):

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
from benchmark.core.keypoints import joint_set_of
from benchmark.data.annotation_files import first_existing
from benchmark.data.coco import annotation_names, load_coco
from benchmark.data.lsp import load_lsp, load_lspet
from benchmark.data.mpii import H5, HEADS, load_mpii
from benchmark.data.people import People

READERS: dict[str, Callable[[Path, str], People]] = {
    "mpii": load_mpii,
    "coco": load_coco,
    "lsp": load_lsp,
    "lspet": load_lspet,
}


def dataset_folder(dataset: str, base: Path | None = None) -> Path:
    """Return a dataset's folder inside ``base`` (default: the data root), or ``base`` itself if it has no such folder."""
    base = base or data_root()
    folder = base / dataset
    return base if base.is_dir() and not folder.is_dir() else folder


def find_dataset(dataset: str, base: Path | None = None) -> tuple[str, Path]:
    """Return the kind and the folder of a dataset, whose name may begin with ``synthetic-``; see :func:`dataset_folder`.

    Synthetic people are read from the folder ``synthetic`` of the data root unless ``base`` is given.
    """
    kind = joint_set_of(dataset)
    return kind, dataset_folder(kind, base or (data_root() / "synthetic" if kind != dataset else None))


SCORED_FILES = {"mpii": (*HEADS, *H5), "coco": annotation_names("val"), "lsp": ("joints.mat",)}


def find_annotations(dataset: str, base: Path | None = None) -> Path:
    """Find the file that a dataset's predictions are scored against, of MPII's and COCO's validation or LSP's test split.

    Raises:
        InputError: there is none.
    """
    _, folder = find_dataset(dataset, base)
    path = first_existing(folder, SCORED_FILES[dataset])
    if path is None:
        raise InputError(f"{folder}: no annotations to score predictions against; give --annotations")
    return path


def load_people(dataset: str, split: str, base: Path | None = None) -> People:
    """Load the people of a split of a dataset, whose name and folder are as in :func:`find_dataset`.

    Raises:
        InputError: the dataset or the split is unknown, its annotations are missing, or an entry in them is malformed.
    """
    kind, folder = find_dataset(dataset, base)
    if kind not in READERS:
        raise InputError(f"no dataset {dataset!r}; known: {', '.join(READERS)}")
    return READERS[kind](folder, split)
