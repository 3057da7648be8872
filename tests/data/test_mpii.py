"""MPII: the official MATLAB file, HRNet's JSON, gt_valid.mat and valid.h5 describe the same people."""

from __future__ import annotations

import gzip
import json
import zipfile
from pathlib import Path

import h5py
import numpy as np
import pytest
from scipy.io import loadmat, savemat

from benchmark.core.errors import InputError
from benchmark.core.keypoints import LSP_FROM_MPII, LSP_JOINTS, MPII_JOINTS
from benchmark.data.mpii import PERSON_COUNTS, load_mpii, split_mpii_ids
from benchmark.data.synthetic.write import write_datasets


@pytest.fixture(scope="module")
def folder(tmp_path_factory) -> Path:
    """MPII's official layout, with Synthetic people."""
    out = tmp_path_factory.mktemp("people")
    write_datasets(out, 24, seed=3, layout="mpii", validation=8, size=128)
    return out / "mpii"


def person(**changes) -> dict:
    joints = [[10.0 + joint, 20.0] for joint in range(16)]
    return {"image": "000000007.jpg", "center": [101.0, 51.0], "scale": 2.0, "joints": joints, "joints_vis": [1] * 16} | changes


def write_json(folder: Path, *people: dict, name: str = "valid.json") -> Path:
    path = folder / "annot" / name
    path.parent.mkdir(exist_ok=True)
    path.write_text(json.dumps(people))
    return path


def test_positions_lose_matlab_s_one_and_the_centre_goes_down_by_15_scales(tmp_path):
    write_json(tmp_path, person(joints_vis=[0] + [1] * 15))
    people = load_mpii(tmp_path, "val")
    assert people.centers.tolist() == [[100.0, 50.0 + 30.0]]
    assert people.sizes.tolist() == [[400.0, 400.0]]
    assert people.joints[0, 1].tolist() == [10.0, 19.0]
    assert people.joints[0, 0].tolist() == [0.0, 0.0]  # not annotated
    assert people.visible[0].tolist() == [0] + [2] * 15
    assert people.image_ids.tolist() == [7]
    assert people.images == (tmp_path / "images" / "000000007.jpg",)
    assert people.head_sizes is None


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("a/7.jpg", "images/a/7.jpg"),
        ("images/7.jpg", "images/7.jpg"),
        ("images/b/7.jpg", "images/b/7.jpg"),
        ("7.jpg", "images/7.jpg"),
    ],
)
def test_folders_of_an_image_s_name_are_kept(tmp_path, name, expected):
    write_json(tmp_path, person(image=name))
    people = load_mpii(tmp_path, "val")
    assert people.images == (tmp_path / expected,)
    assert people.image_ids.tolist() == [7]


@pytest.mark.parametrize("suffix", [".json", ".json.gz", ".json.zip"])
def test_packed_annotations_are_read(tmp_path, suffix):
    path, plain = tmp_path / f"people{suffix}", json.dumps([person()]).encode()
    if suffix.endswith("zip"):
        with zipfile.ZipFile(path, "w") as archive:
            archive.writestr("people.json", plain)
    else:
        path.write_bytes(gzip.compress(plain) if suffix.endswith("gz") else plain)
    assert load_mpii(tmp_path, "val", annotations=path).image_ids.tolist() == [7]


def test_head_sizes_come_from_gt_valid_row_by_row(tmp_path):
    write_json(tmp_path, person(), person())
    boxes = np.array([[[0, 0], [30, 40]], [[5, 5], [11, 13]]], float).transpose(1, 2, 0)
    savemat(tmp_path / "gt_valid.mat", {"headboxes_src": boxes})
    np.testing.assert_allclose(load_mpii(tmp_path, "val").head_sizes, [0.6 * 50, 0.6 * 10])
    savemat(tmp_path / "gt_valid.mat", {"headboxes_src": boxes[..., :1]})
    with pytest.raises(InputError, match=r"gt_valid.mat: headboxes_src has shape \[2, 2, 1\], expected \[2, 2, 2\]"):
        load_mpii(tmp_path, "val")


def test_test_persons_have_no_joints(tmp_path):
    test = {key: value for key, value in person().items() if not key.startswith("joints")}
    write_json(tmp_path, test, name="test.json")
    people = load_mpii(tmp_path, "test")
    assert not people.visible.any()
    assert people.sizes[0, 0] == 400


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"joints": [[1, 2]] * 15}, r"person 1: joints has shape \[15, 2\], expected \[16, 2\]"),
        ({"center": [1, float("nan")]}, "person 1: center is not finite"),
        ({"center": "here"}, "person 1: center contains something other than numbers"),
        ({"scale": 0}, "person 1: scale is 0, not positive"),
        ({"image": "cat.jpg"}, "MPII image 'cat.jpg': the name is not a number"),
    ],
)
def test_a_malformed_person_is_named_with_the_file(tmp_path, changes, message):
    write_json(tmp_path, person(), person(**changes))
    with pytest.raises(InputError, match=message):
        load_mpii(tmp_path, "val")


def test_a_missing_field_is_named(tmp_path):
    broken = person()
    del broken["scale"]
    path = write_json(tmp_path, broken)
    with pytest.raises(InputError, match=f"{path}: person 0: 'scale' is missing"):
        load_mpii(tmp_path, "val")


@pytest.mark.parametrize("content", ["{", '{"a": 1}'])
def test_a_file_that_is_no_list_of_persons_is_refused(tmp_path, content):
    write_json(tmp_path).write_text(content)
    with pytest.raises(InputError, match=r"valid\.json: (not JSON|expected a list of people)"):
        load_mpii(tmp_path, "val")


def test_what_is_absent_is_named(tmp_path):
    with pytest.raises(
        InputError, match=r"no MPII annotations of train: none of annot/train\.json, mpii_human_pose_v1_u12_1\.mat"
    ):
        load_mpii(tmp_path, "train")
    with pytest.raises(InputError, match="no split 'valid'; known: train, val"):
        load_mpii(tmp_path, "valid")


class TestTheOfficialMatlabFile:
    def test_it_tells_the_same_persons_as_the_json(self, folder):
        for split, count in (("train", 16), ("val", 8)):
            from_json = load_mpii(folder, split)
            people = load_mpii(folder, split, annotations=folder / "mpii_human_pose_v1_u12_1.mat")
            assert len(people) == len(from_json) == count
            assert people.images == from_json.images
            np.testing.assert_allclose(people.joints, from_json.joints, atol=1e-4)
            np.testing.assert_allclose(people.centers, from_json.centers, atol=1e-3)
            np.testing.assert_allclose(people.sizes, from_json.sizes, atol=1e-3)
            np.testing.assert_array_equal(people.visible > 0, from_json.visible > 0)

    def test_it_alone_tells_occluded_joints_from_visible_ones(self, folder):
        people = load_mpii(folder, "trainval")
        assert set(np.unique(people.visible)) == {0, 1, 2}
        heads = [MPII_JOINTS.index("upper_neck"), MPII_JOINTS.index("head_top")]
        assert not (people.visible[:, heads] == 1).any()  # MPII states no visibility for these two

    def test_its_head_sizes_are_those_of_gt_valid(self, folder):
        from_boxes = load_mpii(folder, "val").head_sizes
        people = load_mpii(folder, "val", annotations=folder / "mpii_human_pose_v1_u12_1.mat")
        np.testing.assert_allclose(people.head_sizes, from_boxes)

    def test_ids_lead_back_into_annolist(self, folder):
        people = load_mpii(folder, "trainval")
        release = loadmat(folder / "mpii_human_pose_v1_u12_1.mat")["RELEASE"][0, 0]
        for row, (image, person) in enumerate(zip(*split_mpii_ids(people.ids), strict=True)):
            entry = release["annolist"][0, image]
            assert str(entry["image"][0, 0]["name"][0]) == people.images[row].name
            assert entry["annorect"][0, person]["scale"].item() * 200 == pytest.approx(people.sizes[row, 0])

    def test_it_needs_a_list_of_the_validation_persons(self, folder, tmp_path):
        path = tmp_path / "mpii_human_pose_v1_u12_1.mat"
        path.write_bytes((folder / path.name).read_bytes())
        assert len(load_mpii(tmp_path, "trainval")) == 24
        with pytest.raises(
            InputError, match=r"does not distinguish train from val; put valid\.h5 or annot/valid\.json beside it"
        ):
            load_mpii(tmp_path, "train")

    def test_a_malformed_person_is_named_as_in_matlab(self, folder, tmp_path):
        release = loadmat(folder / "mpii_human_pose_v1_u12_1.mat")["RELEASE"]
        release[0, 0]["annolist"][0, 2]["annorect"][0, 0]["annopoints"][0, 0]["point"][0, 0]["id"][:] = 99
        savemat(tmp_path / "mpii_human_pose_v1_u12_1.mat", {"RELEASE": release})
        with pytest.raises(InputError, match=r"annolist\(3\)\.annorect\(1\): joint id 99"):
            load_mpii(tmp_path, "trainval")

    def test_a_file_that_is_none_is_refused(self, tmp_path):
        path = tmp_path / "mpii_human_pose_v1_u12_1.mat"
        path.write_bytes(b"MATLAB no more")
        with pytest.raises(InputError, match="not a readable MATLAB file"):
            load_mpii(tmp_path, "trainval")
        savemat(path, {"other": 1})
        with pytest.raises(InputError, match="contains no variable 'RELEASE'"):
            load_mpii(tmp_path, "trainval")

    def test_test_images_and_persons_without_position_are_left_out(self, folder, tmp_path):
        release = loadmat(folder / "mpii_human_pose_v1_u12_1.mat")["RELEASE"]
        content = release[0, 0]
        content["img_train"][0, 0] = 0
        content["annolist"][0, 1]["annorect"][0, 0]["objpos"] = np.zeros((0, 0))
        first = content["annolist"][0, 0]["annorect"].size
        savemat(tmp_path / "mpii_human_pose_v1_u12_1.mat", {"RELEASE": release})
        assert len(load_mpii(tmp_path, "trainval")) == 24 - first - 1
        assert len(load_mpii(tmp_path, "test")) == first


def test_valid_h5_holds_padded_scales_and_lowered_centres(tmp_path):
    part = np.full((1, 16, 2), 5.0)
    part[0, 3] = 0
    seen = np.ones((1, 16))
    seen[0, [3, 4]] = 0
    with h5py.File(tmp_path / "valid.h5", "w") as file:
        file["imgname"] = np.array([b"000000009.jpg"])
        file["part"], file["visible"] = part, seen
        file["center"], file["scale"] = [[101.0, 81.0]], [2.5]
        file["normalize"], file["index"], file["person"] = [33.0], [6.0], [2.0]
    people = load_mpii(tmp_path, "val")
    assert people.centers.tolist() == [[100.0, 80.0]]
    assert people.sizes.tolist() == [[400.0, 400.0]]
    assert people.visible[0, :6].tolist() == [2, 2, 2, 0, 1, 2]
    assert people.head_sizes.tolist() == [33.0]
    assert people.ids.tolist() == [602]


class TestRealFiles:
    def test_valid_h5_agrees_with_gt_valid(self, pose_data):
        people = load_mpii(pose_data / "mpii", "val")
        truth = loadmat(pose_data / "mpii" / "gt_valid.mat")
        assert len(people) == PERSON_COUNTS["val"]
        np.testing.assert_array_equal(people.visible == 0, truth["jnt_missing"].T == 1)
        assert (people.visible > 0).sum() == 44_240

    def test_valid_h5_has_whole_pixels_for_the_head_s_two_joints_and_shows_ten_other_persons(self, pose_data):
        people = load_mpii(pose_data / "mpii", "val")
        points = loadmat(pose_data / "mpii" / "gt_valid.mat")["pos_gt_src"].transpose(2, 0, 1)
        distances = np.where(people.visible[..., None] > 0, np.abs(people.joints + 1 - points), 0)
        others = distances.max(axis=(1, 2)) > 20
        assert others.sum() == 10
        head = [MPII_JOINTS.index("upper_neck"), MPII_JOINTS.index("head_top")]
        assert 0.9 < distances[~others][:, head].max() < 1
        assert np.delete(distances[~others], head, axis=1).max() < 1e-4

    def test_the_sample_s_crops_are_those_of_valid_h5(self, pose_data):
        sample, val = load_mpii(pose_data / "mpii", "sample"), load_mpii(pose_data / "mpii", "val")
        assert len(sample) == len(sample.present()) == 5
        rows = [val.images.index(path) for path in sample.images]
        np.testing.assert_allclose(sample.centers, val.centers[rows], atol=1e-3)
        np.testing.assert_allclose(sample.sizes, val.sizes[rows], atol=1e-3)
        np.testing.assert_array_equal(sample.head_sizes, val.head_sizes[rows])
        np.testing.assert_allclose(sample.joints, val.joints[rows], atol=1.0)


def test_lsp_s_joints_are_found_among_mpii_s():
    counterparts = [LSP_FROM_MPII[joint] for joint in LSP_JOINTS]
    assert counterparts == [*LSP_JOINTS[:12], "upper_neck", "head_top"]
    assert set(counterparts) <= set(MPII_JOINTS)
