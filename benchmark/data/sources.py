"""List what can be downloaded, from where, and what is there afterwards: datasets, published weights, published predictions."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Any

from pydantic import ConfigDict, StrictInt, TypeAdapter, ValidationError, with_config

from benchmark.core.errors import InputError
from benchmark.core.files import read_toml
from benchmark.models.checkpoints import checkpoints
from benchmark.models.registry import packages

TABLE = Path(__file__).with_name("sources.toml")


@with_config(ConfigDict(extra="forbid"))
@dataclass(frozen=True, kw_only=True)
class Part:
    """A file, or a folder of files, that a source provides.

    Attributes:
        path: below the data root.
        files: number of files in a folder, where the publisher's is known.
        bytes: size of a file, where the publisher's is known.
    """

    path: str
    files: StrictInt | None = None
    bytes: StrictInt | None = None

    def missing_from(self, root: Path) -> str:
        """Say what of this part is missing below a data root; an empty string if nothing is."""
        place = root / self.path
        if not place.exists():
            return f"{self.path} is missing"
        files = sum(entry.is_file() for entry in os.scandir(place)) if self.files and place.is_dir() else 0
        return self._shortfall(files, place.stat().st_size)

    def missing_from_archive(self, sizes: Mapping[str, int]) -> str:
        """Say what of this part is missing among files whose bytes are given by path below the data root."""
        inside = [path for path in sizes if path == self.path or path.startswith(f"{self.path}/")]
        return self._shortfall(len(inside), sizes.get(self.path, 0)) if inside else f"{self.path} is missing"

    def _shortfall(self, files: int, size: int) -> str:
        if self.files is not None and files < self.files:
            return f"{self.path} has {files:,} of {self.files:,} files"
        if self.bytes is not None and size != self.bytes:
            return f"{self.path} has {size:,} bytes, not {self.bytes:,}"
        return ""


@with_config(ConfigDict(extra="forbid"))
@dataclass(frozen=True, kw_only=True)
class Source:
    """One file to download.

    Attributes:
        name: as ``python -m benchmark.data fetch`` lists it.
        file: path of the download below the data root; an archive is removed once it is unpacked.
        provides: what is below the data root afterwards.
        url: empty where the file can only be had by hand, from its page.
        sha256: the digest or its beginning; None where none is publicly known.
        bytes: size of the download.
        into: folder below the data root into which an archive is unpacked.
        home: the page that publishes the file.
    """

    name: str
    url: str
    file: str
    provides: tuple[Part, ...]
    sha256: str | None = None
    bytes: StrictInt | None = None
    into: str | None = None
    home: str = ""
    licence: str = ""

    def missing_parts(self, root: Path) -> list[str]:
        """Say what this source would add to a data root; nothing if all is there, and complete as far as that is known."""
        return [missing for part in self.provides if (missing := part.missing_from(root))]


def list_sources() -> dict[str, tuple[Source, ...]]:
    """Return all sources by name.

    These are the table's rows, ``weights/<id>`` for each published checkpoint that has a file, and ``predictions/<dataset>``
    for published predictions.

    Raises:
        InputError: a table is malformed.
    """
    sources: dict[str, tuple[Source, ...]] = {}
    for name, row in read_toml(TABLE).items():
        columns = dict(row) if isinstance(row, dict) else {"url": row}
        columns.setdefault("file", f"downloads/{PurePosixPath(str(columns.get('url'))).name}")
        columns.setdefault("provides", [{"path": columns["file"]}])
        sources[name] = (_source(TABLE, name, columns),)
    for checkpoint in checkpoints().values():
        if checkpoint.file:
            file, name = str(checkpoint.path), f"weights/{checkpoint.id}"
            source = Source(
                name=name,
                url=checkpoint.url,
                file=file,
                provides=(Part(path=file, bytes=checkpoint.bytes or None),),
                sha256=checkpoint.sha256 or None,
                bytes=checkpoint.bytes or None,
                home=checkpoint.page,
            )
            sources[name] = (source,)
    for listing in _listings("published_predictions.toml"):
        for key, row in read_toml(listing).items():
            name = f"predictions/{row.get('dataset')}"
            columns = {column: row.get(column) for column in ("file", "sha256", "url")}
            columns |= {"home": row.get("source"), "provides": [{"path": row.get("file")}]}
            source = _source(listing, f"{name}/{key}", columns)
            sources[name] = (*sources.get(name, ()), source)
    return sources


def _listings(file: str) -> Iterator[Path]:
    """Yield the listing of this name of each package that has one."""
    for module in packages().values():
        if module.__file__ and (listing := Path(module.__file__).with_name(file)).is_file():
            yield listing


def _source(path: Path, name: str, columns: dict[str, Any]) -> Source:
    try:
        return TypeAdapter(Source).validate_python({"name": name, **columns})
    except ValidationError as problem:
        error = problem.errors()[0]
        raise InputError(f"{path}: {name}: {'.'.join(map(str, error['loc']))}: {error['msg']}") from None
