"""Test the prediction of people on anyone's photographs: upright, in boxes, and in the format of COCO's annotations."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
import torch
from PIL import Image
from pycocotools.coco import COCO
from torchvision.models.detection import fasterrcnn_mobilenet_v3_large_fpn

from benchmark.core.errors import InputError
from benchmark.core.keypoints import MPII_JOINTS
from benchmark.evaluation.person_detector import PERSON, detect_people, load_detector
from benchmark.predict import main
from tests.served import serve_folder

# A network whose heatmaps are the image's red channel at a quarter of its size, for each joint.
NET = """
from torch import nn
from torch.nn import functional as F

class Reds(nn.Module):
    def __init__(self, joints):
        super().__init__()
        self.joints = joints

    def forward(self, images):
        red = F.avg_pool2d(images[:, :1], 4)
        return red.expand(-1, self.joints, -1, -1)
"""
RED, GREY = (255, 0, 0), (124, 116, 104)  # the mean of normalisation, at which heatmaps are zero


@pytest.fixture
def photograph(tmp_path: Path) -> Callable[..., Path]:
    """Return a function that writes a grey photograph of 256x256 pixels with a red spot, with an orientation tag if given."""

    def write(name: str, x: int, y: int, size: tuple[int, int] = (256, 256), orientation: int = 1) -> Path:
        image = np.full((*size, 3), GREY, np.uint8)
        image[y - 4 : y + 5, x - 4 : x + 5] = RED
        exif = Image.Exif()
        exif[274] = orientation
        (tmp_path / name).parent.mkdir(exist_ok=True)
        Image.fromarray(image).save(tmp_path / name, exif=exif)
        return tmp_path / name

    return write


@pytest.fixture
def predict(tmp_path: Path) -> Callable[..., dict[str, Any]]:
    """Return a function that runs the command, and returns what it wrote to predictions.json."""
    (tmp_path / "reds.py").write_text(NET)

    def run(*arguments: object) -> dict[str, Any]:
        main([f"{tmp_path / 'reds.py'}:Reds", *map(str, arguments), "--out", str(tmp_path / "out"), "--device", "cpu"])
        return json.loads((tmp_path / "out" / "predictions.json").read_text())

    return run


def first_joints(content: dict[str, Any]) -> list[tuple[float, float]]:
    return [tuple(annotation["keypoints"][:2]) for annotation in content["annotations"]]


def test_one_person_fills_the_photograph_by_default(predict, photograph, tmp_path: Path) -> None:
    content = predict(photograph("spot.png", 160, 96))
    assert first_joints(content) == [pytest.approx((160, 96), abs=4)]
    assert content["annotations"][0]["bbox"] == [0, 0, 256, 256]
    assert cv2.imread(str(tmp_path / "out" / "spot.png")).shape[1] == 256


def test_a_photograph_is_turned_as_its_camera_was_held(predict, photograph, tmp_path: Path) -> None:
    """The stored image of 128x256 pixels has its top on the right: 6 stands for a quarter turn to the right."""
    content = predict(photograph("turned.jpg", 40, 30, size=(128, 256), orientation=6))
    assert (content["images"][0]["width"], content["images"][0]["height"]) == (128, 256)
    assert first_joints(content) == [pytest.approx((127 - 30, 40), abs=5)]


def test_each_box_is_a_person(predict, photograph) -> None:
    content = predict(photograph("spot.png", 60, 60), "--box", "20,20,100,100", "30,30,60,80")
    assert [annotation["bbox"] for annotation in content["annotations"]] == [[20, 20, 100, 100], [30, 30, 60, 80]]
    assert first_joints(content) == [pytest.approx((60, 60), abs=4)] * 2


def test_pycocotools_reads_the_file(predict, photograph, tmp_path: Path) -> None:
    predict(photograph("a.png", 60, 60), photograph("b.png", 90, 90))
    coco = COCO(str(tmp_path / "out" / "predictions.json"))
    assert [image["file_name"] for image in coco.loadImgs(coco.getImgIds())] == ["a.png", "b.png"]
    (person,) = coco.loadCats(coco.getCatIds(["person"]))
    assert tuple(person["keypoints"]) == MPII_JOINTS
    ends = [(MPII_JOINTS[start - 1], MPII_JOINTS[end - 1]) for start, end in person["skeleton"]]
    assert ("left_elbow", "left_wrist") in ends
    assert len(coco.loadAnns(coco.getAnnIds(imgIds=[2]))[0]["keypoints"]) == 3 * len(MPII_JOINTS)


def test_photographs_of_one_name_get_the_names_of_their_folders(predict, photograph, tmp_path: Path) -> None:
    content = predict(photograph("one/spot.png", 60, 60), photograph("two/spot.png", 90, 90))
    assert [image["file_name"] for image in content["images"]] == ["one/spot.png", "two/spot.png"]
    assert {path.name for path in (tmp_path / "out").iterdir()} == {"one-spot.png", "two-spot.png", "predictions.json"}


def test_joints_below_the_least_score_are_not_drawn(predict, photograph, tmp_path: Path) -> None:
    path = photograph("spot.png", 60, 60)
    predict(path, "--least-score", "1000")
    drawn = cv2.imread(str(tmp_path / "out" / "spot.png"))[:256]
    assert np.array_equal(drawn, cv2.imread(str(path)))


def test_no_person_is_a_note_and_an_empty_list(predict, photograph, monkeypatch, capsys) -> None:
    monkeypatch.setattr("benchmark.evaluation.person_detector.load_detector", lambda: torch.nn.Identity())
    monkeypatch.setattr("benchmark.evaluation.person_detector.detect_people", lambda *_: [np.empty((0, 4))])
    assert predict(photograph("spot.png", 60, 60), "--detect")["annotations"] == []
    assert "spot.png: no person found" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--box", "1,2,3"], "--box 1,2,3: give x,y,width,height in pixels"),
        (["--box", "1,2,0,5"], "--box 1,2,0,5: give x,y,width,height in pixels"),
        (["--box", "1,2,nan,5"], "--box 1,2,nan,5: give x,y,width,height in pixels"),
        (["--box", "1,2,3,4", "--detect"], "--box is for a single photograph, and without --detect"),
        (["--protocol", "none"], "no protocol 'none' for reds.py:Reds; known: hrnet"),
    ],
)
def test_a_mistake_is_one_line(predict, photograph, capsys, options: list[str], message: str) -> None:
    with pytest.raises(SystemExit) as status:
        predict(photograph("spot.png", 60, 60), *options)
    assert status.value.code == 2
    assert f"error: {message}" in capsys.readouterr().err


def test_a_broken_photograph_leaves_nothing(predict, photograph, tmp_path: Path, capsys) -> None:
    (tmp_path / "text.jpg").write_text("no image")
    with pytest.raises(SystemExit):
        predict(photograph("spot.png", 60, 60), tmp_path / "text.jpg")
    assert "text.jpg: not a readable image" in capsys.readouterr().err
    assert not list((tmp_path / "out").iterdir())


# --- the detector ------------------------------------------------------------------------------------------------------------


@pytest.fixture
def detector_url(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Any:
    """Serve untrained weights of the detector from a local server, under a name with their hash; use an empty cache."""
    torch.manual_seed(0)
    tensors = fasterrcnn_mobilenet_v3_large_fpn(weights=None, weights_backbone=None).state_dict()
    torch.save({name: tensor for name, tensor in tensors.items() if "num_batches" not in name}, tmp_path / "detector.pth")
    content = (tmp_path / "detector.pth").read_bytes()
    name = f"detector-{hashlib.sha256(content).hexdigest()[:8]}.pth"
    (tmp_path / "served").mkdir()
    (tmp_path / "served" / name).write_bytes(content)
    (tmp_path / "served" / "detector-00000000.pth").write_bytes(content)
    monkeypatch.setattr("torch.hub.get_dir", lambda: str(tmp_path / "hub"))

    with serve_folder(tmp_path / "served") as address:
        yield f"{address}/{name}"


def test_the_detectors_weights_are_downloaded_and_checked(detector_url: str) -> None:
    detector = load_detector(detector_url)
    image = np.random.default_rng(0).integers(0, 255, (64, 64, 3), np.uint8)
    assert [boxes.shape[1] for boxes in detect_people(detector, [image, image], 0.7)] == [4, 4]
    with pytest.raises(InputError, match=r"--detect: .*detector-00000000\.pth: invalid hash value"):
        load_detector(detector_url.rpartition("/")[0] + "/detector-00000000.pth")


def test_only_people_above_the_least_score_count() -> None:
    class Found(torch.nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.weight = torch.nn.Parameter(torch.zeros(1))

        def forward(self, images: list[torch.Tensor]) -> list[dict[str, torch.Tensor]]:
            assert images[0].shape == (3, 8, 6)
            boxes = torch.tensor([[1.0, 2, 4, 8], [0, 0, 1, 1], [0, 0, 2, 2]])
            return [
                {"boxes": boxes, "labels": torch.tensor([PERSON, PERSON + 1, PERSON]), "scores": torch.tensor([0.9, 0.9, 0.6])}
            ]

    (boxes,) = detect_people(Found(), [np.zeros((8, 6, 3), np.uint8)], 0.7)
    assert boxes.tolist() == [[1, 2, 3, 6]]


def test_published_weights_find_the_joints_of_a_photograph(pose_data: Path, tmp_path: Path) -> None:
    """EfficientPose RT on one of MPII's photographs, in the box of the person's joints: 13 of 16 within a third of the head."""
    annotation = json.loads((pose_data / "mpii" / "annotations_5_images.json").read_text())[0]
    truth = np.array(annotation["joints"])
    (x, y), (right, bottom) = truth.min(0), truth.max(0)
    main(
        [
            *("efficientpose/RT", "--weights", str(pose_data / "weights" / "efficientpose" / "EfficientPoseRT.h5")),
            *(str(pose_data / "mpii" / "images" / annotation["image"]), "--out", str(tmp_path), "--device", "cpu"),
            *("--box", f"{x},{y},{right - x},{bottom - y}"),
        ]
    )
    content = json.loads((tmp_path / "predictions.json").read_text())
    names = content["categories"][0]["keypoints"]
    points = np.array(content["annotations"][0]["keypoints"]).reshape(-1, 3)[:, :2]
    found = points[[names.index(name) for name in MPII_JOINTS]]
    head = np.linalg.norm(truth[9] - truth[8])
    assert (np.linalg.norm(found - truth, axis=1) < head / 3).sum() >= 13
