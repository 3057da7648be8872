"""A known file that stands in another one's place is one line that says what it is and what to do; packed files are read."""

from __future__ import annotations

import gzip
import json
import zipfile
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from scipy.io import savemat

from benchmark.metrics.mpii_files import read_mpii_predictions
from benchmark.score import main
from tests.metrics.coco_cases import pycocotools_metrics, random_case

COCO, DETECTIONS = random_case(3)
MPII = [
    {"image": "1.jpg", "center": [50, 60], "scale": 1.5, "joints": [[1.0, 2.0]] * 16, "joints_vis": [1] * 16} for _ in range(3)
]
TEST = [{"image": "1.jpg", "center": [50, 60], "scale": 1.5} for _ in range(3)]  # HRNet's test.json has no joints
HRNETS = (
    "these are MPII annotations in the format of HRNet's valid.json, without the head boxes that PCKh needs; give gt_valid.mat"
)
OF_COCO = "these are COCO annotations, for --dataset coco --annotations"
DETECTED = "these are COCO detections, for --dataset coco --predictions"


@pytest.mark.parametrize(
    ("dataset", "option", "content", "message"),
    [
        ("mpii", "annotations", MPII, HRNETS),
        ("mpii", "annotations", TEST, HRNETS),
        ("coco", "annotations", MPII, HRNETS),
        ("coco", "predictions", TEST, HRNETS),
        ("mpii", "annotations", COCO, OF_COCO),
        ("mpii", "predictions", COCO, OF_COCO),
        ("coco", "predictions", COCO, OF_COCO),
        ("mpii", "annotations", DETECTIONS, DETECTED),
        ("mpii", "predictions", DETECTIONS, DETECTED),
        ("coco", "annotations", DETECTIONS, DETECTED),
    ],
)
@pytest.mark.parametrize("packed", [False, True])
def test_it_is_named(tmp_path: Path, capsys, dataset: str, option: str, content: Any, message: str, packed: bool):
    boxes = np.arange(12).reshape(2, 2, 3)
    savemat(tmp_path / "gt.mat", {"pos_gt_src": np.ones((16, 2, 3)), "jnt_missing": np.zeros((16, 3)), "headboxes_src": boxes})
    (tmp_path / "gt.json").write_text(json.dumps(COCO))
    path = tmp_path / ("wrong.json.gz" if packed else "wrong.json")
    path.write_bytes(gzip.compress(json.dumps(content).encode()) if packed else json.dumps(content).encode())
    files = {"annotations": tmp_path / ("gt.mat" if dataset == "mpii" else "gt.json"), "predictions": path} | {option: path}
    with pytest.raises(SystemExit) as exit_info:
        main(["--dataset", dataset, *(word for name, file in files.items() for word in (f"--{name}", str(file)))])
    lines = capsys.readouterr().err.splitlines()
    assert (exit_info.value.code, len(lines)) == (2, 1)
    assert lines[0].startswith(f"error: {path}: ")
    assert message in lines[0]


def archive(path: Path, name: str, content: bytes) -> Path:
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as file:
        file.writestr(name, content)
    return path


@pytest.mark.parametrize("suffix", [".json", ".json.gz", ".zip", ".json.zip", ""])
def test_packed_results_have_the_same_metrics(tmp_path: Path, capsys, suffix: str):
    paths = []
    for name, content in (("gt", COCO), ("dt", DETECTIONS)):
        plain = json.dumps(content).encode()
        paths.append(tmp_path / (name + suffix))
        if suffix.endswith("zip"):
            archive(paths[-1], "person_keypoints_results.json", plain)
        else:
            paths[-1].write_bytes(plain if suffix == ".json" else gzip.compress(plain))
    main(["--dataset", "coco", "--annotations", str(paths[0]), "--predictions", str(paths[1]), "--json"])
    output = capsys.readouterr()
    assert pycocotools_metrics(COCO, DETECTIONS).items() <= json.loads(output.out).items()
    assert output.err == ""


@pytest.mark.parametrize("suffix", [".mat", ".npy", ".json"])
def test_zipped_predictions_of_mpii_are_read(tmp_path: Path, suffix: str):
    points, plain = np.arange(96.0).reshape(3, 16, 2), tmp_path / f"preds{suffix}"
    if suffix == ".mat":
        savemat(plain, {"preds": points})
    elif suffix == ".npy":
        np.save(plain, points)
    else:
        plain.write_text(json.dumps(points.tolist()))
    packed = archive(tmp_path / f"preds{suffix}.zip", plain.name, plain.read_bytes())
    np.testing.assert_array_equal(read_mpii_predictions(packed, people=3), points)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"[NaN]", "detection 0: not an object"),
        (b'[{"score": NaN}]', "detection 0: category_id is missing"),
        (b"[Infinity, -Infinity", "not JSON: Expecting ',' delimiter"),
        (b'[{"score": 1', "not JSON: Expecting ',' delimiter"),
        (b"[" * 5000, "not readable JSON: nested too deeply"),
        (b"\xff\xfe\x00", "not JSON: "),
        (json.dumps([DETECTIONS[0] | {"score": float("nan")}]).encode(), "scores is nan, must be finite"),
        (json.dumps([DETECTIONS[0] | {"score": float("inf")}]).encode(), "scores is inf, must be finite"),
        (json.dumps([DETECTIONS[0] | {"bbox": [0, 0, 1, float("-inf")]}]).encode(), "areas is -inf, must be finite"),
        (json.dumps([DETECTIONS[0] | {"image_id": float("nan")}]).encode(), "detection 0: image_id is nan, must be finite"),
        (json.dumps([DETECTIONS[0]]).replace('"score": ', '"score": 1e999, "id": ').encode(), "scores is inf, must be finite"),
    ],
)
def test_json_that_is_none_or_has_no_finite_numbers_is_refused(tmp_path: Path, capsys, content: bytes, message: str):
    (tmp_path / "gt.json").write_text(json.dumps(COCO))
    (tmp_path / "dt.json").write_bytes(content)
    with pytest.raises(SystemExit):
        main(["--dataset", "coco", "--annotations", str(tmp_path / "gt.json"), "--predictions", str(tmp_path / "dt.json")])
    assert message in capsys.readouterr().err


@pytest.mark.parametrize("encoding", ["utf-8-sig", "utf-16", "utf-32"])
def test_json_in_other_encodings_and_with_repeated_keys_is_read_as_before(tmp_path: Path, capsys, encoding: str):
    (tmp_path / "gt.json").write_text(json.dumps(COCO), encoding=encoding)
    (tmp_path / "dt.json").write_text(
        json.dumps(DETECTIONS).replace('"score": ', '"score": 0.123, "score": '), encoding=encoding
    )
    main(
        ["--dataset", "coco", "--annotations", str(tmp_path / "gt.json"), "--predictions", str(tmp_path / "dt.json"), "--json"]
    )
    assert pycocotools_metrics(COCO, DETECTIONS).items() <= json.loads(capsys.readouterr().out).items()
