"""``python -m benchmark.data``: what data is there, downloading what may be downloaded, and drawing Synthetic people."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Literal

import tyro
from tqdm import tqdm

from benchmark.core.errors import InputError, run_command
from benchmark.core.files import data_root
from benchmark.data import dataset_folder
from benchmark.data.check import check_dataset, format_status, is_whole, require_folder, status_report
from benchmark.data.download import fetch_source, list_sources
from benchmark.data.synthetic.scenes import draw_preview
from benchmark.data.synthetic.write import write_datasets

DESCRIPTION = """Datasets: check what is there, fetch what may be downloaded, draw Synthetic people.

examples:
  python -m benchmark.data check mpii --root ~/datasets
  python -m benchmark.data fetch coco-annotations
  python -m benchmark.data synthetic --out /tmp/people --people 1000 --seed 0 --format both
"""
Flag = tyro.conf.FlagCreatePairsOff


@dataclass(frozen=True, kw_only=True)
class Check:
    """Say what of a dataset is there, what is missing and where to get it. Status: 0 whole, 1 incomplete, 2 bad input.

    example: python -m benchmark.data check mpii --root ~/datasets --images
    """

    dataset: tyro.conf.Positional[Literal["mpii", "coco", "lsp", "lspet"]]
    """Which dataset."""
    root: Path | None = None
    """The data root, or the dataset's own folder. If not given: POSE_DATA, else ~/.cache/pose-benchmark."""
    images: Annotated[bool, Flag] = False
    """Read every photograph too, and name the broken ones."""
    as_json: Annotated[bool, tyro.conf.arg(name="json"), Flag] = False
    """Print JSON; it lists all missing files."""

    def run(self) -> int:
        if self.root is not None:
            require_folder(self.root)
        folder = dataset_folder(self.dataset, self.root)
        found = check_dataset(self.dataset, folder, images=self.images)
        if self.as_json:
            print(json.dumps(status_report(self.dataset, folder, found)))
        else:
            print(format_status(self.dataset, folder, found))
        return 0 if is_whole(found) else 1


@dataclass(frozen=True, kw_only=True)
class Fetch:
    """Download a dataset, or a paper's released weights, from where it is officially published.

    An interrupted download goes on where it ended. Without a name: what there is, and whether it is there already.

    example: python -m benchmark.data fetch coco-val2017 --root ~/datasets
    """

    name: tyro.conf.Positional[str | None] = None
    """What to fetch, as listed without a name."""
    root: Path | None = None
    """The data root. If not given: POSE_DATA, else ~/.cache/pose-benchmark."""

    def run(self) -> int:
        known, root = list_sources(), self.root or data_root()
        if self.name is None:
            for name, files in known.items():
                there = all((root / path).exists() for file in files for path in file.provides)
                size = sum(file.bytes or 0 for file in files)
                megabytes = f"{size / 1e6:,.1f} MB" if size else ""
                print(f"{name:22} {'there' if there else 'absent':7} {megabytes:>12}  {files[0].url}")
            return 0
        if self.name not in known:
            raise InputError(f"nothing called {self.name!r} can be fetched; known: {', '.join(known)}")
        for source in known[self.name]:
            fresh = fetch_source(source, root)
            places = ", ".join(str(root / path) for path in source.provides)
            print(f"{source.name}: {'fetched' if fresh else 'already there'}: {places}")
            if fresh and source.licence:
                print(f"  licence: {source.licence}; {source.home}")
        return 0


@dataclass(frozen=True, kw_only=True)
class Synthetic:
    """Draw Synthetic people with MPII's and COCO's annotation files; the same seed draws the same.

    example: python -m benchmark.data synthetic --out /tmp/people --people 1000 --seed 0 --format mpii
    """

    out: Path
    """A data root to write into: it gets a folder mpii, coco, or both."""
    people: int = 1000
    """How many persons, both splits together."""
    seed: int = 0
    """Not negative."""
    layout: Annotated[Literal["mpii", "coco", "both"], tyro.conf.arg(name="format")] = "both"
    """Whose files to write."""
    validation: int | None = None
    """How many of the persons are the validation split; a fifth if not given."""
    size: int = 256
    """About the width and height of the pictures, pixels."""
    preview: Annotated[bool, Flag] = False
    """Also draw synthetic_people.png: 24 scenes with their joints."""

    def run(self) -> int:
        with tqdm(total=self.people, unit="person", desc="drawing") as bar:
            write_datasets(
                self.out,
                self.people,
                self.seed,
                self.layout,
                validation=self.validation,
                size=self.size,
                progress=bar.update,
            )
        if self.preview:
            print(draw_preview(self.out, self.seed))
        print(f"{self.people:,} persons drawn; use them by POSE_DATA={self.out}")
        return 0


def main(args: Sequence[str] | None = None) -> None:
    chosen = tyro.cli(
        Annotated[Check, tyro.conf.subcommand("check")]
        | Annotated[Fetch, tyro.conf.subcommand("fetch")]
        | Annotated[Synthetic, tyro.conf.subcommand("synthetic")],
        args=args,
        description=DESCRIPTION,
        prog="python -m benchmark.data",
    )
    status: list[int] = []
    run_command(lambda: status.append(chosen.run()))
    raise SystemExit(status[0])


if __name__ == "__main__":
    main()
