"""Every file format is read as the same [N, 16, 2] array, and a mistake in a file is one line that names it."""

from __future__ import annotations

import json
import pickle
from collections.abc import Callable
from pathlib import Path

import h5py
import numpy as np
import pytest
from scipy.io import loadmat, savemat

from benchmark.core.errors import InputError
from benchmark.metrics.array_files import default_origin
from benchmark.metrics.mpii_files import read_mpii_annotations, read_mpii_predictions
from benchmark.metrics.point_files import read_points

N = 5
POINTS = np.random.default_rng(0).uniform(0, 500, (N, 16, 2))


def save_h5(path: Path, **arrays: np.ndarray) -> None:
    with h5py.File(path, "w") as file:
        for key, array in arrays.items():
            file[key] = array


WRITERS: dict[str, Callable[[Path], object]] = {
    "preds.mat": lambda path: savemat(path, {"preds": POINTS}),
    "joints_first.mat": lambda path: savemat(path, {"preds": POINTS.transpose(1, 2, 0)}),
    "coordinates_first.mat": lambda path: savemat(path, {"preds": POINTS.transpose(2, 1, 0)}),
    "pred.mat": lambda path: savemat(path, {"pred": POINTS, "other": POINTS + 1}),
    "any_name.mat": lambda path: savemat(path, {"pos_pred_src": POINTS.transpose(1, 2, 0), "scores": POINTS[..., 0]}),
    "version_7_3.mat": lambda path: save_h5(path, preds=POINTS.transpose(2, 1, 0)),  # MATLAB reverses the axes in HDF5
    "preds.h5": lambda path: save_h5(path, preds=POINTS),
    "torch.h5": lambda path: save_h5(path, preds=POINTS, index=np.arange(N)),
    "preds.npy": lambda path: np.save(path, POINTS),
    "fortran.npy": lambda path: np.save(path, np.asfortranarray(POINTS)),
    "list.json": lambda path: path.write_text(json.dumps(POINTS.tolist())),
    "object.json": lambda path: path.write_text(json.dumps({"model": "mine", "preds": POINTS.tolist()})),
}


@pytest.mark.parametrize("name", WRITERS)
def test_every_format_reads_the_same(tmp_path: Path, name: str):
    WRITERS[name](tmp_path / name)
    points = read_mpii_predictions(tmp_path / name, people=N)
    assert points.dtype == np.float64
    np.testing.assert_array_equal(points, POINTS)


@pytest.mark.parametrize("people", [2, 16])
def test_persons_come_first_where_sizes_coincide(tmp_path: Path, people: int):
    points = np.random.default_rng(1).uniform(0, 500, (people, 16, 2))
    np.save(tmp_path / "preds.npy", points)
    np.testing.assert_array_equal(read_mpii_predictions(tmp_path / "preds.npy", people), points)


def test_other_joint_sets_are_read_too(tmp_path: Path):
    np.save(tmp_path / "lsp.npy", POINTS[:, :14])
    assert read_points(tmp_path / "lsp.npy", people=N, dataset="lsp").shape == (N, 14, 2)


def test_files_of_matlab_and_torch_count_from_one():
    assert {suffix: default_origin(Path("x" + suffix)) for suffix in (".mat", ".h5", ".npy", ".json", ".MAT")} == {
        ".mat": 1,
        ".h5": 1,
        ".npy": 0,
        ".json": 0,
        ".MAT": 1,
    }


def cut(path: Path, write: Callable[[Path], object]) -> None:
    write(path)
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])


class Payload:
    """A pickle that runs code when it is loaded."""

    def __reduce__(self):
        return (Path.touch, (Path("pwned"),))


def broken(joint: tuple[int, int, int], value: float) -> np.ndarray:
    points = POINTS.copy()
    points[joint] = value
    return points


BROKEN: dict[str, tuple[Callable[[Path], object], str]] = {
    "missing.mat": (lambda path: None, "no such file"),
    "folder.mat": (lambda path: path.mkdir(), "it is a folder; name a file in it"),
    "unknown.csv": (lambda path: path.write_text("1,2"), r"unknown file type, must be one of \.mat, \.h5, \.npy, \.json"),
    "none": (lambda path: path.write_text("1,2"), "unknown file type"),
    "empty.mat": (lambda path: path.touch(), "the file is empty"),
    "text.mat": (lambda path: path.write_text("no matlab\n" * 100), "cannot be read as a .mat file"),
    "cut.mat": (lambda path: cut(path, WRITERS["preds.mat"]), "cannot be read as a .mat file"),
    "empty.h5": (lambda path: path.touch(), "the file is empty"),
    "text.h5": (lambda path: path.write_text("no hdf5"), "cannot be read as a .h5 file"),
    "cut.h5": (lambda path: cut(path, WRITERS["preds.h5"]), "cannot be read as a .h5 file"),
    "empty.npy": (lambda path: path.touch(), "the file is empty"),
    "cut.npy": (lambda path: cut(path, WRITERS["preds.npy"]), "cannot be read as a .npy file"),
    "objects.npy": (
        lambda path: np.save(path, np.array([Payload()]), allow_pickle=True),
        "only running the file's code could restore",
    ),
    "pickled.npy": (lambda path: path.write_bytes(pickle.dumps(Payload())), "cannot be read as a .npy file"),
    "empty.json": (lambda path: path.touch(), "the file is empty"),
    "cut.json": (lambda path: cut(path, WRITERS["list.json"]), "cannot be read as a .json file"),
    "binary.json": (lambda path: path.write_bytes(b"\xff\xfe\x00"), "cannot be read as a .json file"),
    "number.json": (lambda path: path.write_text("3"), "expected a list or an object with preds"),
    "keyless.json": (lambda path: path.write_text('{"a": 1}'), "expected a list or an object with preds"),
    "ragged.json": (lambda path: path.write_text("[[[1, 2], [3]]]"), "cannot be read as a .json file"),
    "strings.json": (lambda path: path.write_text('[["1", "2"]]'), "must only contain numbers"),
    "nulls.json": (lambda path: path.write_text("[[null, 2]]"), "must only contain numbers"),
    "deep.json": (lambda path: path.write_text("[" * 100_000), "cannot be read as a .json file"),
    "joints.npy": (lambda path: np.save(path, POINTS[:, :15]), r"shape \[5, 15, 2\], expected \[5, 16, 2\] or \[16, 2, 5\]"),
    "flat.npy": (lambda path: np.save(path, POINTS.reshape(N, 32)), r"shape \[5, 32\]"),
    "scored.npy": (lambda path: np.save(path, np.ones((N, 16, 4))), r"shape \[5, 16, 4\]"),
    "fewer.mat": (lambda path: savemat(path, {"preds": POINTS[:4]}), r"shape \[4, 16, 2\].* for 5 people"),
    "more.npy": (lambda path: np.save(path, np.ones((6, 16, 2))), r"shape \[6, 16, 2\].* for 5 people"),
    "nobody.npy": (lambda path: np.save(path, POINTS[:0]), r"shape \[0, 16, 2\]"),
    "two.mat": (lambda path: savemat(path, {"a": POINTS, "b": POINTS}), r"a \[5, 16, 2\], b \[5, 16, 2\]"),
    "words.mat": (lambda path: savemat(path, {"preds": "none"}), "no array of numbers"),
    "complex.npy": (lambda path: np.save(path, POINTS * 1j), "no array of numbers"),
    "nan.npy": (lambda path: np.save(path, broken((3, 9, 1), np.nan)), r"person 3, joint 9 \(head_top\): y is nan"),
    "inf.mat": (
        lambda path: savemat(path, {"preds": broken((4, 0, 0), np.inf)}),
        r"person 4, joint 0 \(right_ankle\): x is inf",
    ),
    "nan.json": (lambda path: path.write_text(json.dumps(broken((0, 5, 0), np.nan).tolist())), "person 0, joint 5"),
}


@pytest.mark.parametrize("name", BROKEN)
def test_broken_predictions_are_refused_by_name(tmp_path: Path, name: str, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.chdir(tmp_path)
    write, message = BROKEN[name]
    write(tmp_path / name)
    with pytest.raises(InputError, match=message) as error:
        read_mpii_predictions(tmp_path / name, people=N)
    assert str(error.value).startswith(str(tmp_path / name))
    assert not (tmp_path / "pwned").exists()


# ---- ground truth ----


def ground_truth(**changes: np.ndarray) -> dict[str, np.ndarray]:
    boxes = np.zeros((2, 2, N))
    boxes[1] = [[30.0], [40.0]]  # a diagonal of 50 pixels
    missing = np.zeros((16, N), dtype=np.uint8)
    missing[2, 1] = 1
    return {"pos_gt_src": POINTS.transpose(1, 2, 0), "jnt_missing": missing, "headboxes_src": boxes} | changes


def test_ground_truth_of_both_layouts(tmp_path: Path):
    savemat(tmp_path / "gt.mat", ground_truth())
    save_h5(tmp_path / "version_7_3.mat", **{key: array.T for key, array in ground_truth().items()})
    part = POINTS.copy()
    part[1, 2] = 0  # how valid.h5 marks a joint that was not annotated
    occluded = np.zeros((N, 16))
    save_h5(tmp_path / "valid.h5", part=part, normalize=np.full(N, 30.0), visible=occluded)
    for name in ("gt.mat", "version_7_3.mat", "valid.h5"):
        joints, head_size, annotated = read_mpii_annotations(tmp_path / name)
        np.testing.assert_allclose(head_size, np.full(N, 30.0))
        assert np.argwhere(~annotated).tolist() == [[1, 2]]
        np.testing.assert_array_equal(joints[annotated], POINTS[annotated])


def with_nan(person: int) -> np.ndarray:
    return broken((person, 2, 0), np.nan).transpose(1, 2, 0)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"headboxes_src": np.zeros((2, 2, N))}, "person 0: head size is 0, must be positive"),
        ({"headboxes_src": np.full((2, 2, N), np.nan)}, "person 0: head size is nan"),
        ({"headboxes_src": np.ones((2, 2, N - 1))}, r"headboxes_src has shape \[2, 2, 4\], expected \[2, 2, 5\]"),
        ({"jnt_missing": np.zeros((16, N + 1))}, r"jnt_missing has shape \[16, 6\], expected \[16, 5\]"),
        ({"pos_gt_src": POINTS[:, :14].transpose(1, 2, 0)}, r"pos_gt_src has shape \[14, 2, 5\], expected \[16, 2, 5\]"),
        ({"pos_gt_src": with_nan(person=3)}, r"person 3, joint 2 \(right_hip\): x is nan"),
        ({"jnt_missing": "text"}, "contains neither pos_gt_src, jnt_missing, headboxes_src nor part, normalize"),
    ],
)
def test_impossible_ground_truth_is_refused(tmp_path: Path, changes: dict, message: str):
    savemat(tmp_path / "gt.mat", ground_truth(**changes))
    with pytest.raises(InputError, match=message):
        read_mpii_annotations(tmp_path / "gt.mat")


def test_ground_truth_of_nobody_is_refused(tmp_path: Path):
    save_h5(tmp_path / "valid.h5", part=np.ones((0, 16, 2)), normalize=np.ones(0))
    with pytest.raises(InputError, match="contains no people"):
        read_mpii_annotations(tmp_path / "valid.h5")


def test_coordinates_of_joints_that_are_not_annotated_may_be_anything(tmp_path: Path):
    savemat(tmp_path / "gt.mat", ground_truth(pos_gt_src=with_nan(person=1)))
    assert not read_mpii_annotations(tmp_path / "gt.mat").annotated[1, 2]


@pytest.fixture
def paths(pose_data: Path) -> tuple[Path, Path]:
    paths = (pose_data / "mpii/gt_valid.mat", pose_data / "mpii/valid.h5")
    for path in paths:
        if not path.is_file():
            pytest.skip(f"{path} does not exist")
    return paths


class TestTheTwoMpiiFiles:
    """gt_valid.mat and valid.h5 describe the same 2,958 people."""

    def test_the_same_44240_joints_are_annotated(self, paths):
        mat, h5 = map(read_mpii_annotations, paths)
        assert mat.annotated.shape == (2958, 16)
        assert mat.annotated.sum() == 44_240
        np.testing.assert_array_equal(mat.annotated, h5.annotated)
        np.testing.assert_array_equal(mat.annotated, 1 - loadmat(paths[0])["jnt_missing"].T)

    def test_the_visible_of_valid_h5_leaves_out_occluded_joints(self, paths):
        annotated = read_mpii_annotations(paths[1]).annotated
        with h5py.File(paths[1]) as file:
            visible = file["visible"][()] == 1
        assert visible.sum() == 33_997
        assert not (visible & ~annotated).any()

    def test_normalize_is_six_tenths_of_the_head_boxes_diagonal(self, paths):
        mat, h5 = map(read_mpii_annotations, paths)
        np.testing.assert_allclose(h5.head_size, mat.head_size, atol=1e-4)

    def test_joints_differ_by_less_than_a_pixel_but_for_ten_persons(self, paths):
        mat, h5 = map(read_mpii_annotations, paths)
        furthest = np.where(mat.annotated[..., None], np.abs(mat.joints - h5.joints), 0).max(axis=(1, 2))
        differing = furthest[furthest >= 1]
        assert len(differing) == 10
        assert (round(differing.min()), round(differing.max())) == (22, 571)
