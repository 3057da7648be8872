"""The zoo is data: every row is sound, and a file is known by its digest, or by its place where none is published."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from benchmark.core.errors import InputError
from benchmark.core.input_size import parse_size
from benchmark.core.keypoints import JOINT_COUNTS
from benchmark.models import checkpoints as zoo
from benchmark.models.checkpoints import (
    AUTHORS,
    RETRAINING,
    Checkpoint,
    checkpoints,
    find_published,
    published_commands,
    published_for,
)
from benchmark.models.registry import check_input_size, find_entry

BIG = Checkpoint(
    id="lab/big",
    model="baselines/hrnet-w32",
    evidence=AUTHORS,
    dataset="mpii",
    input="256x256",
    file="big.pth",
    sha256="abcd",
    bytes=10,
    url="https://example.org/big.pth",
    page="https://example.org",
    reported="Mean=0.9",
)


def use(monkeypatch: pytest.MonkeyPatch, *rows: Checkpoint) -> None:
    """Make these rows the zoo."""
    monkeypatch.setattr(zoo, "checkpoints", lambda: {row.id: row for row in rows})


@pytest.mark.parametrize("checkpoint", checkpoints().values(), ids=lambda checkpoint: checkpoint.id)
def test_a_row_of_the_zoo_is_sound(checkpoint: Checkpoint) -> None:
    find_entry(checkpoint.model)
    check_input_size(checkpoint.model, parse_size(checkpoint.input))
    assert checkpoint.dataset in JOINT_COUNTS
    assert checkpoint.page.startswith("https://")
    assert checkpoint.url == "" or checkpoint.url.startswith("http")
    assert bool(checkpoint.file) or not checkpoint.url
    assert not set(checkpoint.sha256) - set("0123456789abcdef")
    assert ".." not in checkpoint.path.parts
    for value in checkpoint.figures().values():
        assert 0 < float(value) <= 100


def test_no_two_files_share_a_place() -> None:
    places = [checkpoint.path for checkpoint in checkpoints().values() if checkpoint.file]
    assert len(set(places)) == len(places)


def test_a_digest_in_a_files_name_is_that_of_its_row() -> None:
    for checkpoint in checkpoints().values():
        if checkpoint.publisher == "mmpose" and checkpoint.file:
            assert f"-{checkpoint.sha256}_" in checkpoint.file


def test_mmposes_files_are_never_taken_for_the_authors() -> None:
    assert {c.evidence for c in checkpoints().values() if c.publisher == "mmpose"} == {RETRAINING}
    assert {c.evidence for c in checkpoints().values() if c.publisher in ("hrnet", "hustvl", "efficientpose")} == {AUTHORS}


def test_a_file_is_known_by_its_digest(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    use(monkeypatch, BIG)
    assert find_published("baselines/hrnet-w32", tmp_path / "other-name", "abcdef") == BIG
    assert find_published("baselines/hrnet-w48", tmp_path / "other-name", "abcdef") is None
    assert find_published("baselines/hrnet-w32", tmp_path / "other-name", "0000") is None


@pytest.mark.parametrize(
    ("size", "message"), [(4, "is truncated: 4 of 10 bytes"), (10, "is not the published file: sha256 00")]
)
def test_a_file_with_a_published_name_and_another_digest_is_refused(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, size: int, message: str
) -> None:
    use(monkeypatch, BIG)
    path = tmp_path / "big.pth"
    path.write_bytes(bytes(size))
    with pytest.raises(InputError, match=message):
        find_published("baselines/hrnet-w32", path, "00")


def test_without_a_published_digest_the_place_in_the_data_root_counts(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    use(monkeypatch, row := replace(BIG, sha256=""))
    monkeypatch.setenv("POSE_DATA", str(tmp_path))
    assert find_published("baselines/hrnet-w32", tmp_path / "weights" / "lab" / "big.pth", "00") == row
    assert find_published("baselines/hrnet-w32", tmp_path / "big.pth", "00") is None


def test_commands_name_the_authors_file_first_and_every_option(monkeypatch: pytest.MonkeyPatch) -> None:
    other = replace(BIG, id="mm/big", evidence=RETRAINING, file="a.pth")
    large = replace(BIG, id="lab/large", input="384x288", url="")
    use(monkeypatch, other, BIG, large)
    assert [c.id for c in published_for("baselines/hrnet-w32", "mpii", "256x256")] == ["lab/big", "mm/big"]
    assert published_commands("baselines/hrnet-w32", "mpii", "256x256") == (
        "authors' weights: python -m benchmark.data fetch weights/lab/big, then python -m benchmark.evaluate "
        "baselines/hrnet-w32 --weights weights/lab/big.pth --dataset mpii; or another publisher's retraining: python -m "
        "benchmark.data fetch weights/mm/big, then python -m benchmark.evaluate baselines/hrnet-w32 --weights "
        "weights/mm/a.pth --dataset mpii"
    )
    commands = published_commands("baselines/hrnet-w32", "mpii", "384x288", " --submission FILE")
    assert "fetch weights/lab/large (by hand), then" in commands
    assert commands.endswith("--dataset mpii --input 384x288 --submission FILE")
    assert published_commands("baselines/hrnet-w32", "coco", "256x256") == ""
    assert published_commands("baselines/hrnet-w48", "mpii", "256x256") == ""


def test_a_variant_with_published_weights_stands_in_for_a_network_without_any(monkeypatch: pytest.MonkeyPatch) -> None:
    use(monkeypatch, row := replace(BIG, model="baselines/hourglass-8+after=residual"))
    assert published_for("baselines/hourglass-8", "mpii", "256x256") == [row]
    assert published_for("baselines/hourglass-8+after=none", "mpii", "256x256") == []


def test_a_malformed_row_is_named(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    from types import SimpleNamespace

    module = SimpleNamespace(__file__=str(tmp_path / "__init__.py"))
    monkeypatch.setattr(zoo, "packages", lambda: {"mine": module})
    head = "id,model,evidence,dataset,input,file,sha256,bytes,url,page,reported\n"
    (tmp_path / "checkpoints.csv").write_text(head + "a/b,m,rumour,mpii,256x256,f,,0,,https://e.org,\n")
    with pytest.raises(InputError, match=r"checkpoints\.csv:2: evidence: "):
        checkpoints.__wrapped__()
    row = "a/b,m,authors' weights,mpii,256x256,f,,0,,https://e.org,\n"
    (tmp_path / "checkpoints.csv").write_text(head + row + row)
    with pytest.raises(InputError, match=r"checkpoints\.csv:3: checkpoint a/b is listed twice"):
        checkpoints.__wrapped__()
