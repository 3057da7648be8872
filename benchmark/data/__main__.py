"""``python -m benchmark.data``: check datasets, download those that may be downloaded, and draw Synthetic people."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, Literal

import tyro
from tqdm import tqdm

from benchmark.core.errors import InputError, run_command
from benchmark.core.files import check_output_folder
from benchmark.data import dataset_folder
from benchmark.data.check import check_dataset, format_status, is_whole, status_report
from benchmark.data.fetch import Fetch
from benchmark.data.manifest import compare_photographs
from benchmark.data.synthetic.scenes import draw_preview
from benchmark.data.synthetic.write import write_datasets

DESCRIPTION = """Datasets: check that they are complete, download those that may be downloaded, draw Synthetic people.

examples:
  python -m benchmark.data check mpii --root ~/datasets
  python -m benchmark.data fetch coco-annotations
  python -m benchmark.data synthetic --out /tmp/people --people 1000 --seed 0 --format both
"""
Flag = tyro.conf.FlagCreatePairsOff


@dataclass(frozen=True, kw_only=True)
class Check:
    """Report which files of a dataset are missing and where to get them. Exit status: 0 complete, 1 not, 2 bad input.

    example: python -m benchmark.data check mpii --root ~/datasets --images
    """

    dataset: tyro.conf.Positional[Literal["mpii", "coco", "lsp", "lspet"]]
    """Which dataset."""
    root: Path | None = None
    """The data root, or the dataset's own folder. If not given: POSE_DATA, else ~/.cache/pose-benchmark."""
    images: Annotated[bool, Flag] = False
    """Also read every image, and list the broken ones."""
    hash: Annotated[bool, Flag] = False
    """Also compare every photograph with its digest in the dataset's images.sha256; the first time, that file is written."""
    as_json: Annotated[bool, tyro.conf.arg(name="json"), Flag] = False
    """Print JSON, which lists all missing files."""

    def run(self) -> int:
        """Check the dataset, print its status, and return the exit status."""
        if self.root is not None and not self.root.is_dir():
            raise InputError(f"{self.root}: no such folder")
        folder = dataset_folder(self.dataset, self.root)
        splits = check_dataset(self.dataset, folder, images=self.images)
        photographs = None
        if self.hash:
            photographs = compare_photographs(folder, (path for status in splits for path in status.paths))
        if self.as_json:
            print(json.dumps(status_report(self.dataset, folder, splits, photographs)))
        else:
            print(format_status(self.dataset, folder, splits, photographs))
        return 0 if is_whole(splits, photographs) else 1


@dataclass(frozen=True, kw_only=True)
class Synthetic:
    """Draw Synthetic people with annotation files of MPII and COCO; the same seed draws the same people.

    example: python -m benchmark.data synthetic --out /tmp/people --people 1000 --seed 0 --format mpii
    """

    out: Path
    """Data root to write to; it gets a folder mpii, coco, or both."""
    people: int = 1000
    """Number of people, both splits together."""
    seed: int = 0
    """Seed of the random numbers, not negative."""
    layout: Annotated[Literal["mpii", "coco", "both"], tyro.conf.arg(name="format")] = "both"
    """Dataset whose files are written."""
    validation: int | None = None
    """Number of these people in the validation split; a fifth if not given."""
    size: int = 256
    """Approximate width and height of the images, pixels."""
    preview: Annotated[bool, Flag] = False
    """Also draw synthetic_people.png: 24 scenes with their joints."""

    def run(self) -> int:
        """Draw the people, and return the exit status."""
        check_output_folder(self.out)
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
        print(f"{self.people:,} people drawn; to use them, set POSE_DATA={self.out}")
        return 0


def main(args: Sequence[str] | None = None) -> None:
    """Parse the command line, run the command, and exit with its status."""
    commands: Any = (
        Annotated[Check, tyro.conf.subcommand("check")]
        | Annotated[Fetch, tyro.conf.subcommand("fetch")]
        | Annotated[Synthetic, tyro.conf.subcommand("synthetic")]
    )

    def command() -> None:
        raise SystemExit(tyro.cli(commands, args=args, description=DESCRIPTION, prog="python -m benchmark.data").run())

    run_command(command)


if __name__ == "__main__":
    main()
