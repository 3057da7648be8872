"""The command ``python -m benchmark.data fetch``: list what can be downloaded, or download it."""

from __future__ import annotations

import difflib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import tyro

from benchmark.core.errors import InputError
from benchmark.core.files import check_output_folder, data_root
from benchmark.core.text import printable
from benchmark.data.download import digest_file, fetch_source
from benchmark.data.sources import list_sources


@dataclass(frozen=True, kw_only=True)
class Fetch:
    """Download a dataset, or published weights, from the official source.

    An interrupted download is resumed. Without a name, list everything that can be downloaded and whether it is present.

    example: python -m benchmark.data fetch coco-val2017 --root ~/datasets
    example: python -m benchmark.data fetch weights/mmpose/hrnet-w32_mpii_256x256
    """

    name: tyro.conf.Positional[str | None] = None
    """Which download, as listed without a name."""
    root: Path | None = None
    """The data root. If not given: POSE_DATA, else ~/.cache/pose-benchmark."""

    def run(self) -> int:
        """Download the files, or list what can be downloaded, and return the exit status."""
        root = self.root or data_root()
        for line in list_downloads(root) if self.name is None else fetch_all(self.name, root):
            print(line)
        return 0


def list_downloads(root: Path) -> Iterator[str]:
    """Yield a line for each download: its name, whether it is complete below the data root, its size and its first URL."""
    for name, sources in list_sources().items():
        missing = [part for source in sources for part in source.missing_parts(root)]
        begun = any((root / part.path).exists() for source in sources for part in source.provides)
        size = sum(source.bytes or 0 for source in sources)
        megabytes = f"{size / 1e6:,.1f} MB" if size else ""
        address = sources[0].url or f"by hand, from {sources[0].home}"
        state = "there" if not missing else "partly" if begun else "absent"
        yield f"{name:50} {state:7} {megabytes:>12}  {address}{f' ({missing[0]})' if missing and begun else ''}"


def fetch_all(name: str, root: Path) -> Iterator[str]:
    """Download the files of a name below the data root; yield lines about each file when it is there.

    Raises:
        InputError: nothing has this name, or see :func:`benchmark.data.download.fetch_source`.
    """
    downloads = list_sources()
    if name not in downloads:
        datasets = [known for known in downloads if not known.startswith("weights/")]
        nearest = difflib.get_close_matches(name, downloads, n=3, cutoff=0.6) or [*datasets, "weights/ID"]
        raise InputError(f"nothing called {name!r} can be fetched; known: {', '.join(nearest)}")
    check_output_folder(root)
    for source in downloads[name]:
        digest = fetch_source(source, root)
        paths = ", ".join(printable(root / part.path) for part in source.provides)
        yield f"{source.name}: {'fetched' if digest else 'already there'}: {paths}"
        if digest and not source.sha256:
            recorded = printable(digest_file(root / source.file))
            yield f"  no digest is published; SHA-256 {digest} is now in {recorded}, and expected later"
        if digest and source.licence:
            yield f"  licence: {source.licence}; {source.home}"
