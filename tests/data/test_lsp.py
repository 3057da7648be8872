"""LSP and its extension: two layouts of joints.mat, in which the third number has opposite meanings."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.io import savemat

from benchmark.core.errors import InputError
from benchmark.core.keypoints import LSP_JOINTS
from benchmark.data.lsp import load_lsp, load_lspet


def test_lsp_is_split_in_halves_and_flags_what_is_occluded(tmp_path):
    joints = np.random.default_rng(0).uniform(1, 100, (3, 14, 2000))
    joints[2] = 0
    joints[2, 4, 1000] = 1  # left knee of image 1001
    savemat(tmp_path / "joints.mat", {"joints": joints})
    train, test = load_lsp(tmp_path, "train"), load_lsp(tmp_path, "test")
    assert [path.name for path in (train.images[0], train.images[-1])] == ["im0001.jpg", "im1000.jpg"]
    assert [path.name for path in (test.images[0], test.images[-1])] == ["im1001.jpg", "im2000.jpg"]
    assert (train.visible == 2).all()
    assert test.visible[0, LSP_JOINTS.index("left_knee")] == 1
    assert (test.visible == 1).sum() == 1
    np.testing.assert_array_equal(test.joints[0], joints[:2, :, 1000].T)  # occluded ones too
    np.testing.assert_allclose(test.sizes[0], np.ptp(joints[:2, :, 1000], axis=1))
    np.testing.assert_allclose(test.centers[0], (joints[:2, :, 1000].min(1) + joints[:2, :, 1000].max(1)) / 2)


def test_the_extension_flags_what_is_visible_and_the_others_have_no_position(tmp_path):
    joints = np.zeros((14, 3, 3))
    joints[:, :2, :] = -50
    joints[[0, 13], :, 0] = [[10, 20, 1], [30, 80, 1]]
    joints[:, 2, 2] = 1
    savemat(tmp_path / "joints.mat", {"joints": joints})
    people = load_lspet(tmp_path)
    assert people.ids.tolist() == [1, 3]  # the second image has no visible joint
    assert people.images[1].name == "im00003.jpg"
    assert people.visible[0].tolist() == [2] + [0] * 12 + [2]
    assert people.joints[0, 1].tolist() == [0, 0]
    assert people.centers[0].tolist() == [20, 50]
    assert people.sizes[0].tolist() == [20, 60]


def test_one_layout_is_not_taken_for_the_other(tmp_path):
    savemat(tmp_path / "joints.mat", {"joints": np.zeros((14, 3, 10))})
    with pytest.raises(InputError, match=r"joints\.mat: joints has shape \[14, 3, 10\], expected \[3, 14, N\]"):
        load_lsp(tmp_path, "train")
    savemat(tmp_path / "joints.mat", {"joints": np.zeros((3, 14, 10))})
    with pytest.raises(InputError, match=r"joints\.mat: joints has shape \[3, 14, 10\], expected \[14, 3, N\]"):
        load_lspet(tmp_path)


@pytest.mark.parametrize(("value", "message"), [(2.0, "a visibility is neither 0 nor 1"), (np.nan, "a visibility")])
def test_a_malformed_image_is_named(tmp_path, value, message):
    joints = np.zeros((3, 14, 2000))
    joints[2, 0, 41] = value
    savemat(tmp_path / "joints.mat", {"joints": joints})
    with pytest.raises(InputError, match=rf"joints\.mat: image 42: {message}"):
        load_lsp(tmp_path, "train")


def test_what_is_absent_is_named(tmp_path):
    with pytest.raises(InputError, match=r"joints\.mat: no such file; download it by python -m benchmark\.data fetch lsp"):
        load_lsp(tmp_path, "train")
    with pytest.raises(InputError, match=r"joints\.mat: no such file; download it by python -m benchmark\.data fetch lspet"):
        load_lspet(tmp_path)
    with pytest.raises(InputError, match="LSP has no split 'val'; known: train, test"):
        load_lsp(tmp_path, "val")
    with pytest.raises(InputError, match="LSP-extended has no split 'test'; known: train"):
        load_lspet(tmp_path, "test")


class TestRealFiles:
    def test_lsp_has_1000_images_a_split_and_few_occluded_joints(self, pose_data):
        for split in ("train", "test"):
            people = load_lsp(pose_data / "lsp", split)
            assert len(people) == len(people.present()) == 1000
            assert 0.05 < (people.visible == 1).mean() < 0.1
            assert (people.sizes > 10).all()

    def test_right_is_the_person_s_own(self, pose_data):
        """Upright people who face the camera, as most do, have their right shoulder on the left of the image."""
        people = load_lsp(pose_data / "lsp", "train")
        right, left = (people.joints[:, LSP_JOINTS.index(f"{side}_shoulder"), 0] for side in ("right", "left"))
        assert (right < left).mean() > 0.6

    def test_the_extension_shows_most_joints(self, pose_data):
        people = load_lspet(pose_data / "lspet")
        assert len(people) == 10_000
        assert (people.visible == 2).sum() == 123_213
        listed = (pose_data / "lspet" / "images_3000.txt").read_text().split()
        present = people.present()
        assert [path.name for path in present.images] == sorted(listed)
        assert (present.visible == 2).all()
