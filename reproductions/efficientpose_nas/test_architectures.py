"""Architectures as text files: a written file builds the same network, and errors name file and line."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from benchmark.core.errors import InputError
from reproductions.efficientpose_nas.architectures import ARCHITECTURES, SMALL, Architecture, read_architecture
from reproductions.efficientpose_nas.network import build_from_file


def text(architecture: Architecture) -> str:
    """Write an architecture as a user would."""
    size = "small" if architecture.skeleton == SMALL else "large"
    stages = [f"stage {number}: {' '.join(stage)}" for number, stage in enumerate(architecture.stages, 1)]
    return "\n".join([f"skeleton: {size}", *stages]) + "\n"


GOOD = text(ARCHITECTURES["A"])


@pytest.mark.parametrize("name", ARCHITECTURES)
def test_the_published_architectures_can_be_written_down(tmp_path: Path, name: str) -> None:
    path = tmp_path / "mine.arch"
    path.write_text(text(ARCHITECTURES[name]))
    assert read_architecture(path) == ARCHITECTURES[name]


def test_remarks_and_empty_lines_say_nothing(tmp_path: Path) -> None:
    path = tmp_path / "mine.arch"
    path.write_text("# mine\n\n" + GOOD.replace("\n", "  # remark\n\n"))
    assert read_architecture(path) == ARCHITECTURES["A"]


def test_a_skipped_layer_is_left_out_of_the_network(tmp_path: Path) -> None:
    path = tmp_path / "mine.arch"
    counts = []
    for content in (GOOD, GOOD.replace("k7e3 k7e3 k7e3 k7e6", "skip k7e3 k7e3 k7e6")):
        path.write_text(content)
        counts.append(sum(p.numel() for p in build_from_file(path, num_joints=16).parameters()))
    assert counts[0] == 1_299_360
    # k7e3 on 96 channels: 96 to 288, 49 depthwise, 288 to 96, and three batch norms.
    assert counts[0] - counts[1] == 2 * 96 * 288 + 49 * 288 + 2 * (288 + 288 + 96)


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        (
            "skeleton: small",
            "skeleton: tiny",
            r"mine\.arch:1: the first line names the skeleton, .*small or large.*'skeleton: tiny'",
        ),
        ("skeleton: small\n", "", r"mine\.arch:1: the first line names the skeleton"),
        ("k3e6 k7e3 k3e6 k3e3", "k3e6 k9e3 k3e6 k3e3", r"mine\.arch:2: unknown operation 'k9e3'"),
        ("k3e6 k7e3 k3e6 k3e3", "skip k7e3 k3e6 k3e3", r"mine\.arch:2: its first layer changes the width to 24"),
        ("k3e6 k7e3 k3e6 k3e3", "k3e6 k7e3 k3e6", r"mine\.arch:2: 3 layers, but the skeleton has 4"),
        ("stage 1: k3e6 k7e3 k3e6 k3e3", "stage 1:", r"mine\.arch:2: 0 layers, but the skeleton has 4"),
        ("stage 3", "stage 4", r"mine\.arch:4: stage 3: \.\.\. is expected here, not 'stage 4"),
        ("stage 2", "# stage 2", r"mine\.arch:4: stage 2: \.\.\. is expected here"),
        ("\nstage 4", "\n# stage 4", r"mine\.arch:6: the file ends before stage 4 is given"),
        (GOOD, "", r"mine\.arch:1: the file ends before the skeleton is given"),
        (GOOD, GOOD + "stage 5: k3e6\n", r"mine\.arch:6: nothing more is expected here, not 'stage 5: k3e6'"),
    ],
)
def test_what_is_wrong_is_named_by_file_and_line(tmp_path: Path, old: str, new: str, message: str) -> None:
    path = tmp_path / "mine.arch"
    assert old in GOOD
    path.write_text(GOOD.replace(old, new))
    with pytest.raises(InputError, match=message):
        read_architecture(path)


@pytest.mark.parametrize("content", [None, b"\xff\xfe"])
def test_an_unreadable_file_is_named(tmp_path: Path, content: bytes | None) -> None:
    path = tmp_path / "mine.arch"
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(InputError, match=r"mine\.arch"):
        read_architecture(path)


def test_reading_does_not_import_torch(tmp_path: Path) -> None:
    path = tmp_path / "mine.arch"
    path.write_text(GOOD)
    code = f"import sys; from reproductions.efficientpose_nas import architectures as a; a.read_architecture({str(path)!r})"
    subprocess.run([sys.executable, "-c", code + "; assert 'torch' not in sys.modules"], check=True)
