"""Synthetic people: the same seed draws the same, joints lie on the drawn bodies, and poses stay within human limits."""

from __future__ import annotations

import json
import time
from pathlib import Path

import cv2
import numpy as np
import pytest

from benchmark.core.errors import InputError
from benchmark.core.keypoints import COCO_JOINTS, MPII_JOINTS
from benchmark.data import load_people
from benchmark.data.synthetic.poses import KINDS, LIMITS, SHIN, THIGH, UPPER_ARM, draw_pose, place_joints
from benchmark.data.synthetic.scenes import SPLITS, Scene, draw_preview, draw_scene
from benchmark.data.synthetic.write import write_datasets


@pytest.fixture(scope="module")
def scenes() -> list[Scene]:
    return [draw_scene(5, "train", number) for number in range(60)]


@pytest.fixture(scope="module")
def poses() -> list[dict[str, float]]:
    random = np.random.default_rng(0)
    return [draw_pose(random) for _ in range(300)]


def files(folder: Path) -> dict[str, bytes]:
    """Every written file except the .mat files, whose header contains the date."""
    return {
        str(path.relative_to(folder)): path.read_bytes()
        for path in sorted(folder.rglob("*"))
        if path.is_file() and path.suffix != ".mat"
    }


class TestSameSeedSamePeople:
    def test_two_runs_write_the_same_bytes(self, tmp_path):
        for name in ("a", "b"):
            write_datasets(tmp_path / name, 12, seed=4, size=96)
        assert files(tmp_path / "a") == files(tmp_path / "b")

    def test_another_seed_or_split_draws_others(self):
        image = draw_scene(0, "train", 0).pixels
        for seed, split in ((1, "train"), (0, "val")):
            assert not np.array_equal(image, draw_scene(seed, split, 0).pixels)

    def test_more_people_change_none_of_those_before(self, tmp_path):
        write_datasets(tmp_path / "few", 6, seed=4, layout="mpii", validation=0, size=96)
        write_datasets(tmp_path / "many", 12, seed=4, layout="mpii", validation=0, size=96)
        few, many = (load_people("mpii", "train", tmp_path / name) for name in ("few", "many"))
        np.testing.assert_array_equal(many.joints[:5], few.joints[:5])
        assert [path.name for path in many.images[:5]] == [path.name for path in few.images[:5]]


class TestWrittenFiles:
    def test_both_formats_hold_as_many_people_as_asked_in_each_split(self, tmp_path):
        write_datasets(tmp_path, 23, seed=0, validation=7, size=96)
        for dataset in ("mpii", "coco"):
            for split, count in (("train", 16), ("val", 7)):
                people = load_people(dataset, split, tmp_path)
                assert len(people) == len(people.present()) == count
                assert people.dataset == f"synthetic-{dataset}"

    def test_both_formats_tell_the_same_persons(self, tmp_path):
        write_datasets(tmp_path, 15, seed=0, validation=0, size=128)
        mpii, coco = load_people("mpii", "train", tmp_path), load_people("coco", "train", tmp_path)
        shared = [name for name in MPII_JOINTS if name in COCO_JOINTS]
        assert len(shared) == 12
        of_mpii, of_coco = ([names.index(name) for name in shared] for names in (MPII_JOINTS, COCO_JOINTS))
        np.testing.assert_allclose(mpii.joints[:, of_mpii], coco.joints[:, of_coco], atol=0.0051)  # COCO's are rounded
        np.testing.assert_array_equal(mpii.visible[:, of_mpii] > 0, coco.visible[:, of_coco] > 0)
        for mpii_image, coco_image in zip(mpii.images, coco.images, strict=True):
            assert mpii_image.read_bytes() == coco_image.read_bytes()

    def test_the_crop_of_mpii_s_rule_holds_the_person(self, tmp_path):
        write_datasets(tmp_path, 40, seed=2, layout="mpii", validation=0)
        people = load_people("mpii", "train", tmp_path)
        distances = np.abs(people.joints - people.centers[:, None]) / (people.sizes[:, None] / 2)
        inside = (distances <= 1.25).all(axis=-1)[people.visible > 0]
        assert inside.mean() > 0.99

    def test_the_same_folder_may_be_written_again_but_not_with_other_people(self, tmp_path):
        write_datasets(tmp_path, 3, seed=0, layout="mpii", size=96)
        write_datasets(tmp_path, 3, seed=0, layout="mpii", size=96)
        with pytest.raises(InputError, match="mpii: contains Synthetic people of other settings"):
            write_datasets(tmp_path, 3, seed=1, layout="mpii", size=96)

    def test_a_folder_with_something_else_is_left_alone(self, tmp_path):
        (tmp_path / "mpii" / "images").mkdir(parents=True)
        with pytest.raises(InputError, match="not empty, and not written by Synthetic people"):
            write_datasets(tmp_path, 3, seed=0, layout="mpii")
        assert [path.name for path in (tmp_path / "mpii").iterdir()] == ["images"]

    @pytest.mark.parametrize("arguments", [(0, 0), (5, -1)])
    def test_numbers_without_sense_are_refused(self, tmp_path, arguments):
        with pytest.raises(InputError):
            write_datasets(tmp_path, *arguments)

    def test_the_marker_says_what_was_written(self, tmp_path):
        write_datasets(tmp_path, 10, seed=9, layout="coco", size=96)
        marker = json.loads((tmp_path / "coco" / "synthetic.json").read_text())
        assert marker["seed"] == 9
        assert marker["people"] == {"train": 8, "val": 2}


class TestAnnotations:
    def test_a_visible_joint_lies_on_what_is_seen_of_its_person(self, scenes):
        for scene in scenes:
            for person in scene.people:
                mask = np.zeros(scene.pixels.shape[:2], np.uint8)
                cv2.fillPoly(mask, person.outlines, 1)
                mask = cv2.dilate(mask, np.ones((3, 3), np.uint8))
                joints, visible = person.arrays(MPII_JOINTS)
                for x, y in np.round(joints[visible == 2]).astype(int):
                    assert mask[y, x]

    def test_joints_outside_the_picture_are_not_annotated(self, scenes):
        for scene in scenes:
            height, width = scene.pixels.shape[:2]
            for person in scene.people:
                joints, visible = person.arrays(MPII_JOINTS)
                assert ((joints[visible > 0] >= 0) & (joints[visible > 0] <= (width - 1, height - 1))).all()

    def test_boxes_and_areas_are_of_what_is_seen(self, scenes):
        for scene in scenes:
            height, width = scene.pixels.shape[:2]
            for person in scene.people:
                x, y, w, h = person.box
                assert x >= 0
                assert y >= 0
                assert x + w <= width
                assert y + h <= height
                assert 0 < person.area <= w * h

    def test_there_are_occluded_and_cut_off_joints_and_groups(self, scenes):
        visible = np.concatenate([person.arrays(COCO_JOINTS)[1] for scene in scenes for person in scene.people])
        shares = [(visible == value).mean() for value in (0, 1, 2)]
        assert 0.02 < shares[0] < 0.25
        assert 0.05 < shares[1] < 0.3
        assert shares[2] > 0.55
        assert {len(scene.people) for scene in scenes} >= {1, 2, 3}

    def test_the_head_box_holds_both_ends_of_the_head(self, scenes):
        for person in (person for scene in scenes for person in scene.people):
            left, top, right, bottom = person.head_box
            for name in ("head_top", "upper_neck"):
                x, y = person.joints[name]
                assert left - 1e-6 <= x <= right + 1e-6
                assert top - 1e-6 <= y <= bottom + 1e-6


class TestBodies:
    def test_angles_stay_within_their_limits(self, poses):
        for pose in poses:
            for name, angle in pose.items():
                low, high = LIMITS[name.removeprefix("left_").removeprefix("right_")]
                assert low <= angle <= high

    def test_every_kind_of_pose_bends_within_the_limits(self):
        for ranges in KINDS.values():
            for name, (low, high) in ranges.items():
                assert LIMITS[name][0] <= low < high <= LIMITS[name][1]

    def test_bones_keep_their_length_and_knees_bend_backwards(self, poses):
        for pose in poses:
            at = place_joints(pose)
            for side in ("left_", "right_"):
                assert np.linalg.norm(at[side + "elbow"] - at[side + "shoulder"]) == pytest.approx(UPPER_ARM)
                assert np.linalg.norm(at[side + "ankle"] - at[side + "knee"]) == pytest.approx(SHIN)
                thigh, shin = at[side + "knee"] - at[side + "hip"], at[side + "ankle"] - at[side + "knee"]
                angle = np.degrees(np.arccos(np.clip(thigh @ shin / THIGH / SHIN, -1, 1)))
                assert angle == pytest.approx(pose[side + "knee_flexion"], abs=1e-4)
                straight = place_joints(pose | {side + "knee_flexion": 0.0})
                toes = straight[side + "toe"] - straight[side + "ankle"]  # point forward
                assert (shin - thigh * SHIN / THIGH) @ toes <= 1e-9

    def test_a_standing_body_is_about_1_high_with_its_left_on_the_picture_s_right(self):
        rest = dict.fromkeys((f"{side}{name}" for name in LIMITS for side in ("", "left_", "right_")), 0.0)
        at = place_joints(rest)
        assert at["head_top"][1] < at["thorax"][1] < at["pelvis"][1] < at["left_knee"][1] < at["left_ankle"][1]
        assert at["left_ankle"][1] - at["head_top"][1] == pytest.approx(0.97, abs=0.01)  # the sole lies below the ankle
        assert at["left_shoulder"][0] > 0 > at["right_shoulder"][0]
        assert at["nose"][2] > at["head"][2]

    def test_flexion_lifts_the_arm_forward_and_abduction_to_its_own_side(self):
        rest = dict.fromkeys((f"{side}{name}" for name in LIMITS for side in ("", "left_", "right_")), 0.0)
        assert place_joints(rest | {"left_shoulder_flexion": 90.0})["left_wrist"][2] > 0.3
        assert place_joints(rest | {"left_elbow_flexion": 90.0})["left_wrist"][2] > 0.1
        assert place_joints(rest | {"left_shoulder_abduction": 90.0})["left_wrist"][0] > 0.4
        assert place_joints(rest | {"right_hip_abduction": 40.0})["right_ankle"][0] < -0.3


def test_50_scenes_a_second_are_drawn_on_one_core():
    threads = cv2.getNumThreads()
    cv2.setNumThreads(1)
    try:
        seconds = []
        for _ in range(4):  # the fastest of several, as the machine may be busy
            started = time.process_time()
            for number in range(20):
                draw_scene(0, SPLITS[0], number)
            seconds.append(time.process_time() - started)
        assert 20 / min(seconds) >= 50
    finally:
        cv2.setNumThreads(threads)


def test_the_preview_is_a_sheet_of_scenes(tmp_path):
    path = draw_preview(tmp_path)
    assert cv2.imread(str(path)).shape == (4 * 256, 6 * 256, 3)
