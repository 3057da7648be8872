"""Compare a dataset's photographs with a manifest of their digests, which the first comparison writes.

A JPEG with a flipped bit is decoded to other pixels without an error; only its digest shows it. ``sha256sum --check`` reads the
manifest, too.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath

from tqdm import tqdm

from benchmark.core.errors import InputError
from benchmark.core.files import check_output_file, sha256_of_file, write_file
from benchmark.core.text import printable

NAME = "images.sha256"
_LINE = re.compile(r"([0-9a-f]{64})  (.+)")


@dataclass(kw_only=True)
class PhotographStatus:
    """The photographs of a dataset compared with its manifest.

    Attributes:
        manifest: Path of the manifest.
        equal: Number of photographs with the digest of the manifest.
        changed: Names, below the dataset's folder, of those with another digest.
        missing: Names of those in the manifest that are not there.
        new: Names of those that were not in the manifest; it has them now.
    """

    manifest: str
    equal: int = 0
    changed: list[str] = field(default_factory=list)
    missing: list[str] = field(default_factory=list)
    new: list[str] = field(default_factory=list)

    @property
    def sound(self) -> bool:
        """Return whether nothing in the manifest is changed or missing."""
        return not (self.changed or self.missing)


def compare_photographs(folder: Path, images: Iterable[Path]) -> PhotographStatus:
    """Compare the photographs of a dataset, and those of its manifest, with the manifest; add those that it does not have.

    Args:
        folder: The dataset's, in which the manifest lies.

    Raises:
        InputError: the manifest is malformed or cannot be written, or a photograph cannot be read.
    """
    manifest = folder / NAME
    recorded = read_manifest(manifest) if manifest.exists() else {}
    check_output_file(manifest)
    names = sorted(recorded.keys() | {path.relative_to(folder).as_posix() for path in images if path.is_file()})
    status, digests = PhotographStatus(manifest=str(manifest)), dict(recorded)
    for name in tqdm(names, desc="photographs", unit="image", leave=False, disable=None):
        if not (folder / name).is_file():
            status.missing.append(name)
            continue
        digest = sha256_of_file(folder / name)
        if name not in recorded:
            status.new.append(name)
            digests[name] = digest
        elif digest == recorded[name]:
            status.equal += 1
        else:
            status.changed.append(name)
    if odd := next((name for name in status.new if printable(name) != name), None):
        raise InputError(f"{folder / odd}: a name with such characters cannot be listed")
    if status.new:
        lines = (f"{digest}  {name}\n" for name, digest in sorted(digests.items()))
        write_file(manifest, "".join(lines).encode())
    return status


def read_manifest(path: Path) -> dict[str, str]:
    """Return the digests in a manifest by name.

    Raises:
        InputError: the file cannot be read, or a line is no digest and name of a file below its folder, or repeats a name.
    """
    try:
        lines = path.read_text(encoding="utf-8").split("\n")
    except (OSError, UnicodeDecodeError) as problem:
        raise InputError(f"{path}: {problem}") from None
    digests: dict[str, str] = {}
    for number, line in enumerate(lines[:-1] if lines[-1] == "" else lines, start=1):
        match = _LINE.fullmatch(line)
        if not match or PurePosixPath(match[2]).is_absolute() or ".." in PurePosixPath(match[2]).parts or match[2] in digests:
            raise InputError(f"{path}:{number}: not a SHA-256 and the name of another file below the folder")
        digests[match[2]] = match[1]
    return digests
