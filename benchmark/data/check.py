"""What of a dataset is there, what is missing, and where to get it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from tqdm import tqdm

from benchmark.core.errors import InputError
from benchmark.data.annotation_files import first_existing
from benchmark.data.coco import COCO_PERSON_COUNTS, annotation_names, load_coco
from benchmark.data.images import read_image
from benchmark.data.lsp import load_lsp, load_lspet
from benchmark.data.mpii import H5, PERSON_COUNTS, SPLITS, load_mpii
from benchmark.data.people import People


@dataclass(frozen=True, kw_only=True)
class Layout:
    """What a dataset is made of, as ``check`` asks for it."""

    load: Callable[[Path, str], People]
    splits: tuple[str, ...]  # without which the dataset is not whole
    optional: tuple[str, ...] = ()
    persons: dict[str, int] = field(default_factory=dict)  # a split's published number
    obtain: str  # one line
    head_sizes: tuple[str, ...] = ()  # splits that need head sizes to be scored


LAYOUTS = {
    "mpii": Layout(
        load=load_mpii,
        splits=("train", "val"),
        optional=("trainval", "test", "sample"),
        persons=PERSON_COUNTS,
        head_sizes=("val",),
        obtain="images and annotations: http://human-pose.mpi-inf.mpg.de/#download (fetch mpii-images, mpii-annotations, "
        "mpii-validation); HRNet's annot/*.json: linked from github.com/leoxiaobin/deep-high-resolution-net.pytorch",
    ),
    "coco": Layout(
        load=load_coco,
        splits=("train", "val"),
        optional=("sample",),
        persons=COCO_PERSON_COUNTS,
        obtain="https://cocodataset.org/#download (fetch coco-annotations, coco-val2017, coco-train2017); person detections: "
        "linked from github.com/leoxiaobin/deep-high-resolution-net.pytorch",
    ),
    "lsp": Layout(
        load=load_lsp,
        splits=("train", "test"),
        persons={"train": 1000, "test": 1000},
        obtain="http://sam.johnson.io/research/lsp.html (fetch lsp)",
    ),
    "lspet": Layout(
        load=load_lspet,
        splits=("train",),
        obtain="http://sam.johnson.io/research/lspet.html (fetch lspet)",
    ),
}


@dataclass
class SplitStatus:
    """One split: who is annotated, and which photographs are there. ``problem`` stands where it could not be read."""

    split: str
    needed: bool
    persons: int = 0
    images: int = 0
    present: int = 0
    missing: list[str] = field(default_factory=list)  # paths, all of them
    broken: list[str] = field(default_factory=list)
    problem: str | None = None
    notes: list[str] = field(default_factory=list)

    @property
    def whole(self) -> bool:
        return not (self.problem or self.missing or self.broken)


def check_dataset(dataset: str, folder: Path, *, images: bool = False) -> list[SplitStatus]:
    """Every split of a dataset; with ``images`` each photograph is read as well.

    Raises:
        InputError: annotations are there but malformed.
    """
    layout = LAYOUTS[dataset]
    return [
        found
        for split in layout.splits + layout.optional
        if (found := _check_split(layout, dataset, folder, split, images)) is not None
    ]


def _check_split(layout: Layout, dataset: str, folder: Path, split: str, images: bool) -> SplitStatus | None:
    needed = split in layout.splits
    problem = _absent(dataset, folder, split)
    if problem:
        return SplitStatus(split=split, needed=True, problem=problem) if needed else None
    people = layout.load(folder, split)
    if not needed and not len(people):
        return None
    paths = sorted(set(people.images))
    present = [path for path in paths if path.is_file()]
    found = SplitStatus(split=split, needed=needed, persons=len(people), images=len(paths), present=len(present))
    found.missing = [str(path) for path in paths if not path.is_file()]
    if images:
        bar = tqdm(present, desc=f"{dataset} {split}", unit="image", leave=False)
        found.broken = [str(path) for path in bar if read_image(path, "skip") is None]
    published = layout.persons.get(split)
    if published and published != len(people) and not people.dataset.startswith("synthetic"):
        found.notes.append(f"in the files that papers use: {published:,} persons")
    if split in layout.head_sizes and people.head_sizes is None:
        found.notes.append("no head sizes, so no PCKh: gt_valid.mat or valid.h5 is missing")
    return found


def _absent(dataset: str, folder: Path, split: str) -> str | None:
    """What is missing for the split to be read at all; None where its annotations are there."""
    if dataset == "mpii":
        names = SPLITS[split]
        path = first_existing(folder, names)
        if path is not None and path.suffix == ".mat" and split in ("train", "val"):
            names = ("annot/valid.json", *H5)
            path = first_existing(folder, names)
    elif dataset == "coco":
        names = annotation_names(split)
        path = first_existing(folder, names)
    else:
        names = ("joints.mat",)
        path = first_existing(folder, names)
    return None if path else f"no annotations: {' or '.join(names)} is missing"


def status_report(dataset: str, folder: Path, found: list[SplitStatus]) -> dict[str, Any]:
    """What ``check --json`` prints."""
    splits = {
        one.split: {key: value for key, value in vars(one).items() if key != "split"} | {"whole": one.whole} for one in found
    }
    return {"dataset": dataset, "folder": str(folder), "whole": is_whole(found), "splits": splits}


def is_whole(found: list[SplitStatus]) -> bool:
    """Whether all needed splits are there, and none that is there lacks a photograph."""
    return all(one.whole for one in found if one.needed or one.images)


def format_status(dataset: str, folder: Path, found: list[SplitStatus], *, shown: int = 5) -> str:
    """The same for reading."""
    lines = [f"{dataset} in {folder}: {'whole' if is_whole(found) else 'incomplete'}"]
    for one in found:
        if one.problem:
            lines.append(f"  {one.split:9} {one.problem}")
            continue
        lines.append(f"  {one.split:9} {one.persons:,} persons; {one.present:,} of {one.images:,} images")
        for title, paths in (("missing", one.missing), ("broken", one.broken)):
            lines += [f"            {title}: {path}" for path in paths[:shown]]
            if len(paths) > shown:
                lines.append(f"            ... and {len(paths) - shown:,} more {title}")
        lines += [f"            {note}" for note in one.notes]
    if not is_whole(found):
        lines.append(f"  obtain: {LAYOUTS[dataset].obtain}")
    return "\n".join(lines)


def require_folder(path: Path) -> Path:
    """``path`` if it is a folder.

    Raises:
        InputError: it is not.
    """
    if not path.is_dir():
        raise InputError(f"{path}: no such folder")
    return path
