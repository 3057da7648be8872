"""Check of a dataset: which annotations and images are present, which are missing, and where to get them."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from tqdm import tqdm

from benchmark.core.text import printable
from benchmark.data.annotation_files import first_existing
from benchmark.data.coco import COCO_PERSON_COUNTS, annotation_names, load_coco
from benchmark.data.images import read_image
from benchmark.data.lsp import load_lsp, load_lspet
from benchmark.data.manifest import PhotographStatus
from benchmark.data.mpii import H5, PERSON_COUNTS, SPLITS, load_mpii
from benchmark.data.people import People


@dataclass(frozen=True, kw_only=True)
class Layout:
    """The parts of a dataset.

    Attributes:
        load: reader of a split.
        splits: splits that a complete dataset has.
        optional: other splits.
        people: published number of people of a split.
        obtain: one line on where to get the files.
        head_sizes: splits that need head sizes for scoring.
    """

    load: Callable[[Path, str], People]
    splits: tuple[str, ...]
    optional: tuple[str, ...] = ()
    people: dict[str, int] = field(default_factory=dict)
    obtain: str
    head_sizes: tuple[str, ...] = ()


SHOWN = 5  # missing and broken files that are listed as text, for each split
LAYOUTS = {
    "mpii": Layout(
        load=load_mpii,
        splits=("train", "val"),
        optional=("trainval", "test", "sample"),
        people=PERSON_COUNTS,
        head_sizes=("val",),
        obtain="images and annotations: http://human-pose.mpi-inf.mpg.de/#download (fetch mpii-images, mpii-annotations, "
        "mpii-validation); HRNet's annot/*.json: linked from github.com/leoxiaobin/deep-high-resolution-net.pytorch",
    ),
    "coco": Layout(
        load=load_coco,
        splits=("train", "val"),
        optional=("sample",),
        people=COCO_PERSON_COUNTS,
        obtain="https://cocodataset.org/#download (fetch coco-annotations, coco-val2017, coco-train2017); person detections: "
        "linked from github.com/leoxiaobin/deep-high-resolution-net.pytorch",
    ),
    "lsp": Layout(
        load=load_lsp,
        splits=("train", "test"),
        people={"train": 1000, "test": 1000},
        obtain="https://sam.johnson.io/research/lsp.html (fetch lsp)",
    ),
    "lspet": Layout(
        load=load_lspet,
        splits=("train",),
        obtain="https://sam.johnson.io/research/lspet.html (fetch lspet)",
    ),
}


@dataclass
class SplitStatus:
    """The state of one split.

    Attributes:
        split: its name.
        needed: a complete dataset has it.
        people: number of annotated people.
        images: number of annotated images.
        present: number of these that exist.
        missing: paths of all images that do not exist.
        broken: paths of all images that cannot be read.
        problem: the reason why the split could not be read; None if it could.
        notes: remarks for the user.
        paths: of all annotated images, whether they exist or not.
    """

    split: str
    needed: bool
    people: int = 0
    images: int = 0
    present: int = 0
    missing: list[str] = field(default_factory=list)
    broken: list[str] = field(default_factory=list)
    problem: str | None = None
    notes: list[str] = field(default_factory=list)
    paths: list[Path] = field(default_factory=list)

    @property
    def whole(self) -> bool:
        """Return whether the split could be read and no image is missing or broken."""
        return not (self.problem or self.missing or self.broken)


def check_dataset(dataset: str, folder: Path, *, images: bool = False) -> list[SplitStatus]:
    """Check every split of a dataset.

    Args:
        images: also read each image.

    Raises:
        InputError: annotations are present but malformed.
    """
    layout = LAYOUTS[dataset]
    splits = (_check_split(layout, dataset, folder, split, images) for split in layout.splits + layout.optional)
    return [split for split in splits if split is not None]


def _check_split(layout: Layout, dataset: str, folder: Path, split: str, images: bool) -> SplitStatus | None:
    """Check one split; return None for an optional split without annotated people."""
    needed = split in layout.splits
    problem = _missing_annotations(dataset, folder, split)
    if problem:
        return SplitStatus(split=split, needed=True, problem=problem) if needed else None
    people = layout.load(folder, split)
    if not needed and not len(people):
        return None
    paths = sorted(set(people.images))
    present = [path for path in paths if path.is_file()]
    status = SplitStatus(split=split, needed=needed, people=len(people), images=len(paths), present=len(present))
    status.paths = paths
    status.missing = [str(path) for path in paths if not path.is_file()]
    if images:
        bar = tqdm(present, desc=f"{dataset} {split}", unit="image", leave=False)
        status.broken = [str(path) for path in bar if read_image(path, "skip") is None]
    published = layout.people.get(split)
    if published and published != len(people) and not people.dataset.startswith("synthetic"):
        status.notes.append(f"the files that papers use have {published:,} people")
    if split in layout.head_sizes and people.head_sizes is None:
        status.notes.append("no head sizes, so PCKh cannot be computed: gt_valid.mat or valid.h5 is missing")
    return status


def _missing_annotations(dataset: str, folder: Path, split: str) -> str | None:
    """Return a message that names the missing annotation files of a split, or None if they are present."""
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


def status_report(
    dataset: str, folder: Path, splits: list[SplitStatus], photographs: PhotographStatus | None = None
) -> dict[str, Any]:
    """Return the content of ``check --json``."""
    rows = {
        status.split: {key: value for key, value in vars(status).items() if key not in ("split", "paths")}
        | {"whole": status.whole}
        for status in splits
    }
    return {
        "dataset": dataset,
        "folder": str(folder),
        "whole": is_whole(splits, photographs),
        "splits": rows,
        "photographs": vars(photographs) if photographs else None,
    }


def is_whole(splits: list[SplitStatus], photographs: PhotographStatus | None = None) -> bool:
    """Return whether all needed splits, and optional ones that have annotations, are complete, and no photograph changed."""
    return all(status.whole for status in splits if status.needed or status.images) and (not photographs or photographs.sound)


def format_status(dataset: str, folder: Path, splits: list[SplitStatus], photographs: PhotographStatus | None = None) -> str:
    """Format the status as text, with the first few of the files that are missing, broken or changed."""
    state = "complete" if is_whole(splits) else "incomplete"
    if photographs and not photographs.sound:
        state += ", and not what it was"
    lines = [f"{dataset} in {printable(folder)}: {state}"]
    for status in splits:
        if status.problem:
            lines.append(f"  {status.split:9} {status.problem}")
            continue
        lines.append(f"  {status.split:9} {status.people:,} people; {status.present:,} of {status.images:,} images")
        for title, paths in (("missing", status.missing), ("broken", status.broken)):
            lines += _first_few(title, paths)
        lines += [f"            {note}" for note in status.notes]
    if photographs:
        lines.append(f"  photographs: {photographs.equal:,} as in {printable(photographs.manifest)}")
        for title in ("changed", "missing", "new"):
            lines += _first_few(title, getattr(photographs, title))
    if not is_whole(splits):
        lines.append(f"  obtain: {LAYOUTS[dataset].obtain}")
    return "\n".join(lines)


def _first_few(title: str, paths: list[str]) -> list[str]:
    lines = [f"            {title}: {printable(path)}" for path in paths[:SHOWN]]
    return lines + [f"            ... and {len(paths) - SHOWN:,} more {title}"] * (len(paths) > SHOWN)
