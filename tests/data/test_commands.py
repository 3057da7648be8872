"""``python -m benchmark.data``: check, fetch, synthetic."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from scipy.io import savemat

from benchmark.data.__main__ import main


@pytest.fixture
def run(capsys):
    """Run a command line, and return its status, its output and its output on stderr."""

    def command(*arguments: str | Path) -> tuple[int, str, str]:
        with pytest.raises(SystemExit) as exit_info:
            main([str(argument) for argument in arguments])
        out, err = capsys.readouterr()
        return exit_info.value.code, out, err

    return command


@pytest.fixture(scope="module")
def people(tmp_path_factory) -> Path:
    """Write a data root by the command."""
    out = tmp_path_factory.mktemp("root")
    with pytest.raises(SystemExit) as exit_info:
        main(["synthetic", "--out", str(out), "--people", "10", "--seed", "1", "--size", "96"])
    assert exit_info.value.code == 0
    return out


@pytest.mark.parametrize("dataset", ["mpii", "coco"])
def test_a_whole_dataset_is_status_0(run, people, dataset):
    for root in (people, people / dataset):
        status, out, _ = run("check", dataset, "--root", root, "--images")
        assert status == 0
        assert f"{dataset} in {people / dataset}: complete" in out
        assert "train     8 people" in out
        assert "val       2 people" in out


def test_what_is_missing_or_broken_is_named_and_is_status_1(run, tmp_path):
    run("synthetic", "--out", tmp_path, "--people", "6", "--validation", "3", "--size", "96", "--format", "coco")
    first, second, *_ = sorted((tmp_path / "coco/images").rglob("*.jpg"))
    first.unlink()
    second.write_bytes(second.read_bytes()[:-200])
    status, out, _ = run("check", "coco", "--root", tmp_path)
    assert status == 1
    assert f"missing: {first}" in out
    assert "obtain: https://cocodataset.org" in out
    assert "broken:" not in out  # images are read on request only
    status, out, err = run("check", "coco", "--root", tmp_path, "--images")
    assert status == 1
    assert f"broken: {second}" in out
    assert f"skipped: {second}: the image is truncated" in err


def test_json_lists_every_missing_file(run, tmp_path):
    joints = np.zeros((3, 14, 2000))
    (tmp_path / "lsp").mkdir()
    savemat(tmp_path / "lsp" / "joints.mat", {"joints": joints})
    status, out, _ = run("check", "lsp", "--root", tmp_path, "--json")
    report = json.loads(out)
    assert status == 1
    assert report["whole"] is False
    assert len(report["splits"]["test"]["missing"]) == 1000
    assert report["splits"]["test"]["people"] == 1000


def test_photographs_are_compared_with_the_digests_of_the_first_time(run, tmp_path):
    run("synthetic", "--out", tmp_path, "--people", "12", "--validation", "3", "--size", "64", "--format", "coco")
    images, manifest = sorted((tmp_path / "coco/images").rglob("*.jpg")), tmp_path / "coco" / "images.sha256"
    late = images.pop()
    content = late.read_bytes()
    late.unlink()
    status, out, _ = run("check", "coco", "--root", tmp_path, "--hash")
    assert status == 1  # one is missing from a split
    assert f"photographs: 0 as in {manifest}" in out
    assert f"... and {len(images) - 5} more new" in out
    assert len(manifest.read_text().splitlines()) == len(images)
    late.write_bytes(content)
    status, out, _ = run("check", "coco", "--root", tmp_path, "--hash")
    name = late.relative_to(tmp_path / "coco").as_posix()
    assert status == 0
    assert f"photographs: {len(images)} as in" in out
    assert f" new: {name}\n" in out
    assert run("check", "coco", "--root", tmp_path, "--hash")[1].endswith(f"photographs: {len(images) + 1} as in {manifest}\n")

    flipped = bytearray(images[0].read_bytes())
    flipped[-20] ^= 1  # within the scan, where no decoder sees it
    images[0].write_bytes(flipped)
    images[1].unlink()
    assert run("check", "coco", "--root", tmp_path, "--images")[1].count("broken:") == 0
    before = manifest.read_text()
    status, out, _ = run("check", "coco", "--root", tmp_path, "--hash", "--json")
    report = json.loads(out)
    assert status == 1
    assert report["whole"] is False
    assert report["photographs"]["changed"] == [images[0].relative_to(tmp_path / "coco").as_posix()]
    assert report["photographs"]["missing"] == [images[1].relative_to(tmp_path / "coco").as_posix()]
    assert manifest.read_text() == before


@pytest.mark.parametrize("line", ["no digest", f"{'0' * 64}  ../outside", f"{'0' * 64}  /etc/passwd", f"{'0' * 63}  a", "\xff"])
def test_a_malformed_manifest_is_one_line(run, people, line):
    (people / "mpii" / "images.sha256").write_bytes(f"{'0' * 64}  a\n{line}\n".encode("latin-1"))
    status, _, err = run("check", "mpii", "--root", people, "--hash")
    (people / "mpii" / "images.sha256").unlink()
    assert status == 2
    assert "images.sha256:" in err
    assert err.count("\n") == 1


@pytest.mark.parametrize("dataset", ["mpii", "coco", "lsp", "lspet"])
def test_an_empty_folder_is_incomplete_and_told_where_to_get_what(run, tmp_path, dataset):
    status, out, _ = run("check", dataset, "--root", tmp_path)
    assert status == 1
    assert "is missing" in out
    assert f"(fetch {dataset}" in out


def test_bad_input_is_status_2_in_one_line(run, tmp_path):
    (tmp_path / "annotations").mkdir()
    annotations = tmp_path / "annotations" / "person_keypoints_val2017.json"
    for content, message in (("{", "not JSON"), ("[" * 100_000 + "]" * 100_000, "nested too deeply")):
        annotations.write_text(content)
        status, _, err = run("check", "coco", "--root", tmp_path)
        assert status == 2
        assert err.startswith(f"error: {annotations}: ")
        assert message in err
        assert err.count("\n") == 1
    status, _, err = run("check", "mpii", "--root", tmp_path / "nowhere")
    assert (status, err.count("\n")) == (2, 1)


def test_the_default_root_may_be_absent(run, tmp_path, monkeypatch):
    monkeypatch.setenv("POSE_DATA", str(tmp_path / "not_yet"))
    status, out, _ = run("check", "lsp")
    assert status == 1
    assert str(tmp_path / "not_yet" / "lsp") in out


def test_fetch_without_a_name_lists_what_there_is_and_what_is_incomplete(run, tmp_path):
    (tmp_path / "coco" / "images" / "val2017").mkdir(parents=True)
    (tmp_path / "mpii").mkdir()
    (tmp_path / "mpii" / "valid.h5").touch()
    status, out, _ = run("fetch", "--root", tmp_path)
    assert status == 0
    rows = {line.split()[0]: line for line in out.splitlines()}
    states = {name: line.split()[1] for name, line in rows.items()}
    assert states["mpii-validation"] == "there"
    assert states["coco-val2017"] == "partly"
    assert "coco/images/val2017 has 0 of 5,000 files" in rows["coco-val2017"]
    assert states["coco-train2017"] == "absent"
    assert {"coco-annotations", "mpii-images", "mpii-annotations", "lsp", "lspet"} <= set(rows)


def test_fetch_of_what_is_there_does_nothing(run, tmp_path):
    for index in range(2000):
        path = tmp_path / "lsp" / "images" / f"{index}.jpg"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.touch()
    (tmp_path / "lsp" / "joints.mat").touch()
    status, out, _ = run("fetch", "lsp", "--root", tmp_path)
    assert status == 0
    assert "already there" in out


def test_fetch_of_something_unknown_names_what_is_known(run, tmp_path):
    status, _, err = run("fetch", "imagenet", "--root", tmp_path)
    assert status == 2
    assert "nothing called 'imagenet' can be fetched; known: coco-annotations" in err


def test_the_same_people_may_be_drawn_again_but_others_not_over_them(run, people):
    assert run("synthetic", "--out", people, "--people", "10", "--seed", "1", "--size", "96")[0] == 0
    status, _, err = run("synthetic", "--out", people, "--people", "10", "--seed", "2", "--size", "96")
    assert status == 2
    assert "contains Synthetic people of other settings" in err


def test_a_preview_is_drawn_on_request(run, tmp_path):
    status, out, _ = run("synthetic", "--out", tmp_path, "--people", "1", "--size", "64", "--preview")
    assert status == 0
    assert (tmp_path / "synthetic_people.png").is_file()
    assert str(tmp_path / "synthetic_people.png") in out


@pytest.mark.parametrize("command", [(), ("check",), ("fetch",), ("synthetic",)])
def test_help_shows_an_example(run, command):
    status, out, _ = run(*command, "--help")
    assert status == 0
    assert "example" in out
    assert "python -m benchmark.data" in out


def test_the_samples_are_read_from_the_data_root(run, pose_data):
    for dataset, line in (("mpii", "sample    5 people; 5 of 5 images"), ("coco", "sample    166 people; 64 of 64 images")):
        status, out, _ = run("check", dataset, "--root", pose_data)
        assert status == 1  # train and val are not in the sample
        assert line in out
    status, out, _ = run("check", "lsp", "--root", pose_data)
    assert status == 0
