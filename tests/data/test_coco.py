"""COCO: annotated people, a detector's boxes, and the folders of the images."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from pycocotools.coco import COCO

from benchmark.core.errors import InputError
from benchmark.data.coco import load_coco
from benchmark.data.synthetic.write import write_datasets
from benchmark.training.loader import load_annotated_people


def annotation(number: int = 1, **changes) -> dict:
    keypoints = [10, 20, 2, 30, 40, 1] + [0, 0, 0] * 15
    base = {"id": number, "image_id": 5, "category_id": 1, "iscrowd": 0, "area": 600.0, "keypoints": keypoints}
    return base | {"num_keypoints": 2, "bbox": [10.0, 20.0, 30.0, 40.0]} | changes


def write_annotations(folder: Path, *annotations: dict, name: str = "person_keypoints_val2017.json") -> Path:
    path = folder / "annotations" / name
    path.parent.mkdir(exist_ok=True)
    images = [{"id": 5, "file_name": "000000000005.jpg", "width": 100, "height": 80}]
    path.write_text(json.dumps({"images": images, "annotations": list(annotations)}))
    return path


def test_the_columns_of_an_annotated_person(tmp_path):
    write_annotations(tmp_path, annotation(77))
    people = load_coco(tmp_path, "val")
    assert (people.dataset, people.split) == ("coco", "val")
    assert people.ids.tolist() == [77]
    assert people.image_ids.tolist() == [5]
    assert people.centers.tolist() == [[25.0, 40.0]]
    assert people.sizes.tolist() == [[30.0, 40.0]]
    assert people.areas.tolist() == [600.0]
    assert people.visible[0, :3].tolist() == [2, 1, 0]
    assert people.joints[0, :3].tolist() == [[10, 20], [30, 40], [0, 0]]
    assert people.images == (tmp_path / "images/val2017/000000000005.jpg",)


def test_crowds_and_persons_without_keypoints_are_left_out(tmp_path):
    nobody = annotation(3, keypoints=[0] * 51, num_keypoints=0)
    write_annotations(
        tmp_path, annotation(1), annotation(2, iscrowd=1), nobody, annotation(4, area=0), annotation(5, category_id=2)
    )
    assert load_coco(tmp_path, "val").ids.tolist() == [1]


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"bbox": [10.0, 20.0, 0.0, 40.0]}, "no area, or no box inside the image"),
        ({"bbox": [500.0, 20.0, 30.0, 40.0]}, "no area, or no box inside the image"),
        ({"area": 0}, "no area, or no box inside the image"),
        ({"iscrowd": "0"}, "iscrowd is text, and so true"),
    ],
)
def test_annotated_people_that_are_left_out_are_said(tmp_path, capsys, changes, reason):
    path = write_annotations(tmp_path, annotation(1), annotation(2, **changes), annotation(3, **changes))
    assert load_coco(tmp_path, "val").ids.tolist() == [1]
    assert capsys.readouterr().err == f"warning: {path}: annotation 1: {reason} (2 of 3 annotations): left out\n"


@pytest.mark.parametrize(
    ("categories", "found"), [([0, 0], "category_id 0"), ([3, 17], "category_id 3, 17"), (["person"], "category_id person")]
)
def test_a_file_without_people_says_what_it_holds(tmp_path, categories, found):
    write_annotations(tmp_path, *(annotation(number, category_id=value) for number, value in enumerate(categories)))
    with pytest.raises(InputError, match=rf"no annotation is of category 1 \(person\): all have {found}$"):
        load_coco(tmp_path, "val")
    path = tmp_path / "detections.json"
    rows = [{"bbox": [1, 2, 3, 4], "image_id": 5, "score": 0.9, "category_id": value} for value in categories]
    path.write_text(json.dumps(rows))
    with pytest.raises(InputError, match=rf"no detection is of category 1 \(person\): all have {found}$"):
        load_coco(tmp_path, "val", detections=path)


def test_training_on_nobody_is_one_line(tmp_path):
    write_annotations(tmp_path, annotation(1, keypoints=[0] * 51), name="person_keypoints_train2017.json")
    with pytest.raises(InputError, match="the split train has no annotated people"):
        load_annotated_people("coco", "train", tmp_path)


def test_boxes_are_cut_at_the_photograph_s_borders(tmp_path):
    write_annotations(tmp_path, annotation(1, bbox=[90.0, 60.0, 30.0, 40.0]))
    people = load_coco(tmp_path, "val")
    assert people.sizes.tolist() == [[10.0, 20.0]]
    assert people.centers.tolist() == [[95.0, 70.0]]


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"keypoints": [1, 2]}, r"annotation 9: keypoints has shape \[2\], expected \[51\]"),
        ({"keypoints": [1, 2, 3] * 17}, "annotation 9: a visibility is not 0, 1 or 2"),
        ({"bbox": [0, 0, None, 1]}, "annotation 9: bbox contains something other than numbers"),
        ({"bbox": [0, 0, 1e999, 1]}, "annotation 9: bbox is not finite"),
        ({"bbox": [0, 0, True, 1]}, "annotation 9: bbox contains something other than numbers"),
        ({"keypoints": [50.0, 60.0, True] * 17}, "annotation 9: keypoints contains something other than numbers"),
        ({"area": True}, "annotation 9: area contains something other than numbers"),
        ({"image_id": 6}, "annotation 9: image 6 is not among the images"),
        ({"area": "big"}, "annotation 9: area contains something other than numbers"),
    ],
)
def test_a_malformed_annotation_is_named_with_the_file(tmp_path, changes, message):
    write_annotations(tmp_path, annotation(1), annotation(9, **changes))
    with pytest.raises(InputError, match=rf"person_keypoints_val2017\.json: {message}"):
        load_coco(tmp_path, "val")


@pytest.mark.parametrize(
    "changes",
    [{"iscrowd": False}, {"id": "9"}, {"id": 9.0}, {"image_id": 5.0}, {"image_id": "5"}, {"category_id": "1"}],
)
def test_values_in_another_notation_are_read(tmp_path, changes):
    write_annotations(tmp_path, annotation(9, **changes))
    people = load_coco(tmp_path, "val")
    assert (people.ids.tolist(), people.image_ids.tolist()) == ([9], [5])


def test_of_annotations_with_the_same_id_the_last_is_loaded_and_it_is_said(tmp_path, capsys):
    write_annotations(tmp_path, *(annotation(number, area=area) for number, area in [(1, 6), (2, 7), (1, 8), (1, 9)]))
    people = load_coco(tmp_path, "val")
    assert (people.ids.tolist(), people.areas.tolist()) == ([2, 1], [7, 9])
    path = tmp_path / "annotations/person_keypoints_val2017.json"
    assert capsys.readouterr().err == (
        f"warning: {path}: annotation 0: a later annotation has the same id (2 of 4 annotations): left out\n"
    )


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("5.jpg", "images/val2017/5.jpg"),
        ("street/5.jpg", "images/val2017/street/5.jpg"),
        ("a/b/5.jpg", "images/val2017/a/b/5.jpg"),
        ("val2017/5.jpg", "images/val2017/5.jpg"),
        ("images/val2017/5.jpg", "images/val2017/5.jpg"),
        ("val2017/a/5.jpg", "images/val2017/a/5.jpg"),
        ("/home/someone/coco/5.jpg", "images/val2017/5.jpg"),
        ("../../5.jpg", "images/val2017/5.jpg"),
    ],
)
def test_folders_of_a_file_name_are_kept(tmp_path, name, expected):
    path = write_annotations(tmp_path, annotation())
    content = json.loads(path.read_text())
    content["images"][0]["file_name"] = name
    path.write_text(json.dumps(content))
    assert load_coco(tmp_path, "val").images == (tmp_path / expected,)


def test_a_missing_field_is_named(tmp_path):
    broken = annotation(9)
    del broken["bbox"]
    write_annotations(tmp_path, broken)
    with pytest.raises(InputError, match="annotation 9: 'bbox' is missing"):
        load_coco(tmp_path, "val")


@pytest.mark.parametrize("layout", ["images/val2017", "val2017", "images"])
def test_photographs_are_found_where_people_keep_them(tmp_path, layout):
    (tmp_path / layout).mkdir(parents=True)
    write_annotations(tmp_path, annotation())
    assert load_coco(tmp_path, "val").images == (tmp_path / layout / "000000000005.jpg",)


class TestDetections:
    """Lists as HRNet publishes in COCO_val2017_detections_AP_H_56_person.json."""

    def write(self, folder: Path, *rows: dict) -> Path:
        path = folder / "COCO_val2017_detections_AP_H_56_person.json"
        path.write_text(json.dumps(rows))
        return path

    def row(self, **changes) -> dict:
        return {"bbox": [1.0, 2.0, 10.0, 20.0], "category_id": 1, "image_id": 5, "score": 0.9} | changes

    def test_they_become_persons_without_joints(self, tmp_path):
        path = self.write(tmp_path, self.row(), self.row(category_id=2), self.row(score=0.1))
        people = load_coco(tmp_path, "val", detections=path)  # no annotations needed
        assert people.scores.tolist() == [0.9, 0.1]
        assert people.ids.tolist() == [0, 2]
        assert people.centers[0].tolist() == [6.0, 12.0]
        assert people.images[0] == tmp_path / "images/val2017/000000000005.jpg"
        assert people.areas is None
        assert not people.visible.any()

    def test_empty_boxes_are_left_out_and_it_is_said(self, tmp_path, capsys):
        boxes = [[0, 0, 5, 5], [0, 0, 0, 5], [0, 0, 5, 0], [1, 1, 0, 0], [0, 0, -3, 5], [2, 2, 5, 5]]
        path = self.write(tmp_path, *(self.row(bbox=box) for box in boxes))
        assert load_coco(tmp_path, "val", detections=path).ids.tolist() == [0, 5]
        assert capsys.readouterr().err == (
            f"warning: {path}: detection 1: bbox has no width or no height (4 of 6 detections): left out\n"
        )

    def test_test_dev_is_made_of_them_alone(self, tmp_path):
        people = load_coco(tmp_path, "test-dev", detections=self.write(tmp_path, self.row()))
        assert people.images == (tmp_path / "images/test2017/000000000005.jpg",)
        write_annotations(tmp_path, name="image_info_test-dev2017.json")
        with pytest.raises(InputError, match="a file of detections is needed"):
            load_coco(tmp_path, "test-dev")

    @pytest.mark.parametrize(
        ("changes", "message"),
        [
            ({"image_id": 6}, "detection 1: image 6 is not among the annotated images"),
            ({"score": float("nan")}, "detection 1: score is not finite"),
        ],
    )
    def test_a_malformed_one_is_named(self, tmp_path, changes, message):
        write_annotations(tmp_path, annotation())
        with pytest.raises(InputError, match=message):
            load_coco(tmp_path, "val", detections=self.write(tmp_path, self.row(), self.row(**changes)))


def test_what_is_absent_is_named(tmp_path):
    with pytest.raises(InputError, match=r"no COCO annotations of val: none of annotations/person_keypoints_val2017\.json"):
        load_coco(tmp_path, "val")
    with pytest.raises(InputError, match="no split 'test'; known: train, val, test-dev, sample"):
        load_coco(tmp_path, "test")


def test_pycocotools_reads_synthetic_people_as_we_do(tmp_path):
    write_datasets(tmp_path, 20, seed=1, layout="coco", validation=8)
    api = COCO(str(tmp_path / "coco/annotations/person_keypoints_train2017.json"))
    people = load_coco(tmp_path / "coco", "train")
    assert sorted(api.anns) == sorted(people.ids.tolist())
    assert len(people) == len(people.present()) == 12
    for row, number in enumerate(people.ids.tolist()):
        truth = api.anns[number]
        assert truth["bbox"][2:] == people.sizes[row].tolist()
        assert truth["num_keypoints"] == (people.visible[row] > 0).sum()
        mask = api.annToMask(truth)  # outlines pass through the centres of border pixels, and so exclude half of each
        assert mask.sum() == pytest.approx(truth["area"], rel=0.2)


def test_the_sample_is_what_pycocotools_finds_in_it(pose_data):
    path = pose_data / "coco" / "person_keypoints_60_images.json"
    people = load_coco(pose_data / "coco", "sample")
    annotations = COCO(str(path)).anns.values()
    expected = [row["id"] for row in annotations if row["num_keypoints"] > 0 and not row["iscrowd"]]
    assert people.ids.tolist() == expected
    assert len(people) == len(people.present()) == 166


def test_an_annotation_file_may_be_named(pose_data):
    path = pose_data / "coco" / "person_keypoints_val2017_538_images.json"
    people = load_coco(pose_data / "coco", "val", annotations=path)
    assert len(people) == 1354
    assert np.isfinite(people.joints).all()
