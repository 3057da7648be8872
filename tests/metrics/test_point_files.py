"""Predictions are read from every layout in which they are published, and what does not fit is told apart."""

from __future__ import annotations

import gzip
import io
import json
from collections.abc import Callable
from itertools import permutations
from pathlib import Path

import h5py
import numpy as np
import pytest
from scipy.io import savemat

from benchmark.core.errors import InputError
from benchmark.metrics.array_files import default_origin
from benchmark.metrics.point_files import AXES, read_points

N = 12
POINTS = np.random.default_rng(0).uniform(10, 400, (N, 16, 2))
SCORES = np.random.default_rng(1).uniform(size=(N, 16, 1))


def save_h5(path: Path, **arrays: np.ndarray) -> None:
    with h5py.File(path, "w") as file:
        for key, array in arrays.items():
            file[key] = array


def test_any_name_is_read_if_there_is_one_array(tmp_path: Path) -> None:
    savemat(tmp_path / "mine.mat", {"joints": POINTS.transpose(2, 1, 0)})
    np.testing.assert_array_equal(read_points(tmp_path / "mine.mat", N, "mpii"), POINTS)


@pytest.mark.parametrize("axes", AXES)
@pytest.mark.parametrize("extra", ["alone", "with a score"])
def test_every_axis_order_alone_or_with_a_score(tmp_path: Path, axes: tuple[int, ...], extra: str) -> None:
    array = POINTS if extra == "alone" else np.concatenate([POINTS, SCORES], axis=2)
    savemat(tmp_path / "pred.mat", {"preds": array.transpose(axes)})
    np.testing.assert_array_equal(read_points(tmp_path / "pred.mat", N, "mpii"), POINTS)


def test_the_orders_are_those_with_whole_people_or_whole_joints() -> None:
    """Leave out [2, N, K] and [K, N, 2], in which nothing is published."""
    assert {*permutations(range(3))} - {*AXES} == {(2, 0, 1), (1, 0, 2)}


def test_the_hourglass_file_has_the_images_pixels_in_columns_3_and_4(tmp_path: Path) -> None:
    save_h5(tmp_path / "preds.h5", preds=np.concatenate([POINTS / 6, POINTS, SCORES], axis=2))
    np.testing.assert_array_equal(read_points(tmp_path / "preds.h5", N, "mpii"), POINTS)


def npy_bytes() -> bytes:
    buffer = io.BytesIO()
    np.save(buffer, POINTS)
    return buffer.getvalue()


def mat_bytes() -> bytes:
    buffer = io.BytesIO()
    savemat(buffer, {"preds": POINTS})
    return buffer.getvalue()


PACKED: dict[str, Callable[[], bytes]] = {
    "preds.json.gz": lambda: json.dumps(POINTS.tolist()).encode(),
    "preds.npy.gz": npy_bytes,
    "preds.mat.gz": mat_bytes,
    "preds.mat": mat_bytes,  # gzipped under its plain name
}


@pytest.mark.parametrize("name", PACKED)
def test_gzipped_files_are_read_and_count_pixels_as_their_format_does(tmp_path: Path, name: str) -> None:
    (tmp_path / name).write_bytes(gzip.compress(PACKED[name]()))
    np.testing.assert_array_equal(read_points(tmp_path / name, N, "mpii"), POINTS)
    assert default_origin(tmp_path / name) == (1 if ".mat" in name else 0)


PERSON = {"image": "1.jpg", "center": [1, 2], "scale": 1.0, "joints": POINTS[0].tolist(), "joints_vis": [1] * 16}
GROUND_TRUTH = {
    "pos_gt_src": POINTS.transpose(1, 2, 0),
    "jnt_missing": np.zeros((16, N)),
    "headboxes_src": np.ones((2, 2, N)),
}


@pytest.mark.parametrize(
    ("name", "write", "message"),
    [
        (
            "valid.json",
            lambda path: path.write_text(json.dumps([PERSON])),
            r"holds annotations \(joints_vis\), not predictions",
        ),
        ("gt.mat", lambda path: savemat(path, GROUND_TRUTH), r"holds annotations \(pos_gt_src, jnt_missing, headboxes_src\)"),
        ("joints.mat", lambda path: savemat(path, {"joints": np.ones((3, 14, N))}), r"holds annotations \(joints\)"),
        ("valid.h5", lambda path: save_h5(path, part=POINTS, normalize=np.ones(N)), r"holds annotations \(.*part"),
        ("fewer.mat", lambda path: savemat(path, {"preds": POINTS[:9]}), "for 12 people: the file has 9 people"),
        ("more.mat", lambda path: savemat(path, {"pred": np.ones((2, 16, 30))}), "for 12 people: the file has 30 people"),
        ("lsp.mat", lambda path: savemat(path, {"pred": np.ones((2, 14, N))}), "the joints are as many as those of LSP"),
        ("coco.npy", lambda path: np.save(path, np.ones((N, 17, 3))), "the joints are as many as those of COCO"),
        ("lfs.mat", lambda path: path.write_bytes(b"version https://git-lfs.github.com/spec/v1\n"), "a Git-LFS pointer"),
        ("page.h5", lambda path: path.write_bytes(b"<!DOCTYPE html><title>404</title>"), r"a web page \(HTML\)"),
        ("cut.mat", lambda path: path.write_bytes(mat_bytes()[:900]), "truncated or damaged"),
        ("cut.npy", lambda path: path.write_bytes(npy_bytes()[:900]), "truncated or damaged"),
        ("cut.json", lambda path: path.write_text(json.dumps(POINTS.tolist())[:-9]), "truncated: "),
        ("cut.json.gz", lambda path: path.write_bytes(gzip.compress(npy_bytes())[:-20]), "truncated: its gzip stream"),
        ("other.h5", lambda path: path.write_bytes(mat_bytes()), "its content is of another format"),
        ("other.mat", lambda path: path.write_bytes(npy_bytes()), "its content is of another format"),
    ],
)
def test_what_cannot_be_scored_is_told_apart(tmp_path: Path, name: str, write: Callable[[Path], object], message: str) -> None:
    write(tmp_path / name)
    with pytest.raises(InputError, match=message) as error:
        read_points(tmp_path / name, N, "mpii")
    assert str(error.value).startswith(f"{tmp_path / name}: ")
