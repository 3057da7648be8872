"""Evaluation from images to metrics: exact results, resuming after a kill, and any number of processes."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
import torch
from pydantic import TypeAdapter
from safetensors.torch import save_file
from torch import Tensor

from benchmark.config.conventions import PCK_PRESETS
from benchmark.config.identities import describe_setting
from benchmark.config.protocols import Protocol, joint_mapping
from benchmark.core.errors import InputError
from benchmark.core.keypoints import JOINT_NAMES
from benchmark.core.records import load_records
from benchmark.data.annotation_files import SYNTHETIC, read_mat
from benchmark.data.coco import load_coco
from benchmark.data.mpii import load_mpii, split_mpii_ids
from benchmark.data.people import People
from benchmark.data.synthetic.write import write_datasets
from benchmark.evaluate import main
from benchmark.evaluation.arguments import EvaluateArguments
from benchmark.evaluation.backends import Backend
from benchmark.evaluation.inference import CHUNK, CPU_BATCH, Predictions, assemble_chunks, predict_people
from benchmark.evaluation.records import EvaluationReport, evaluation_report, format_evaluation
from benchmark.evaluation.run import evaluate_model, load_test_people
from benchmark.evaluation.scoring import metric_names, to_coco_detections
from benchmark.evaluation.submission import release_file, write_mpii
from benchmark.evaluation.visualize import CAPTION, SIDE
from benchmark.metrics.average_precision import AP_METRICS
from benchmark.metrics.coco_files import read_coco_annotations, read_coco_detections
from benchmark.models.registry import build_model
from benchmark.report.decoding import decoding_page

MODEL = "efficientpose/RT"  # the smallest network
PEOPLE = 40  # two chunks
ROOT = Path(__file__).parents[2]


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a data root with Synthetic people and the weights of an untrained network."""
    folder = tmp_path_factory.mktemp("root")
    write_datasets(folder, PEOPLE + 5, seed=1, validation=PEOPLE, size=96)
    torch.manual_seed(0)
    save_file(build_model(MODEL, joints=16).state_dict(), folder / "mpii.safetensors")
    save_file(build_model(MODEL, joints=17).state_dict(), folder / "coco.safetensors")
    return folder


def arguments(root: Path, kind: str = "mpii", **options: object) -> EvaluateArguments:
    options = {"protocol": ("hrnet",), "input": "64x64", "device": "cpu", "work": root / "work"} | options
    return EvaluateArguments(
        model=MODEL, weights=root / f"{kind}.safetensors", dataset=f"synthetic-{kind}", root=root, **options
    )


# A person with one joint, a bright spot on a black image. The "network" returns the brightness, whose peak is the joint.
SPOT = Protocol(crop="efficientpose", decoding="argmax", convention="center", description="test")


def people_with_spots(folder: Path, count: int = 5, sigma: float = 6.0) -> People:
    generator = np.random.default_rng(0)
    spots = generator.uniform(70, 130, (count, 2))
    y, x = np.mgrid[:160, :200]
    for person, (spot_x, spot_y) in enumerate(spots):
        brightness = 255 * np.exp(-((x - spot_x) ** 2 + (y - spot_y) ** 2) / (2 * sigma**2))
        cv2.imwrite(str(folder / f"{person}.png"), np.repeat(brightness.round().astype(np.uint8)[..., None], 3, 2))
    return People(
        dataset="spots",
        split="test",
        images=tuple(folder / f"{row}.png" for row in range(count)),
        image_ids=np.arange(count),
        ids=np.arange(count),
        joints=spots[:, None],
        visible=np.full((count, 1), 2, np.uint8),
        centers=np.full((count, 2), (100.0, 80.0)),
        sizes=np.full((count, 2), (90.0, 110.0)),
    )


def brightness_backend(stride: int = 1) -> Backend:
    def forward(images: Tensor) -> tuple[Tensor, ...]:
        grey = images.mean(1, keepdim=True) - images.amin()
        return (torch.nn.functional.avg_pool2d(grey, stride),)

    return Backend(forward, ("nose",), (128, 128), "")


@pytest.mark.parametrize(
    ("protocol", "stride", "within"),
    [
        (SPOT, 1, 1.0),
        (replace(SPOT, crop="picture"), 1, 1.2),
        (replace(SPOT, padding=2.0), 1, 1.5),
        (replace(SPOT, flip="plain"), 1, 1.0),
        (replace(SPOT, scales=(0.75, 1.0, 1.25)), 1, 1.0),
        (replace(SPOT, decoding="filtered", antialias=True), 1, 1.0),
        (replace(SPOT, decoding="dark"), 4, 0.6),
        (replace(SPOT, decoding="dark", flip="plain"), 4, 0.6),
        (replace(SPOT, decoding="quarter", crop="hrnet", convention="center"), 4, 2.5),
    ],
)
def test_a_bright_joint_is_found_where_it_is(tmp_path: Path, protocol: Protocol, stride: int, within: float) -> None:
    people = people_with_spots(tmp_path)
    chunks = predict_people(people, brightness_backend(stride), {"p": protocol}, tmp_path / "work")
    predicted = assemble_chunks([chunks], len(people))["p"]
    assert np.abs(predicted.joints - people.joints).max() < within  # pixels of the image
    assert predicted.scores.min() > 0


def test_protocols_share_the_networks_work(tmp_path: Path) -> None:
    calls = []
    backend = brightness_backend()

    def count_call(images: Tensor) -> tuple[Tensor, ...]:
        calls.append(len(images))
        return backend.forward(images)

    protocols = {
        "one": SPOT,
        "two": replace(SPOT, decoding="dark"),
        "flip": replace(SPOT, flip="plain"),
        "shifted": replace(SPOT, flip="shifted"),
    }
    predict_people(people_with_spots(tmp_path), backend._replace(forward=count_call), protocols, tmp_path / "work")
    assert calls == [5, 5]  # the images, and the mirrored images


def test_a_kill_loses_one_chunk_at_most(tmp_path: Path) -> None:
    people = people_with_spots(tmp_path, count=2)
    people = people.select(np.arange(3 * CHUNK) % 2)
    calls, batches = [], CHUNK // CPU_BATCH
    backend = brightness_backend()

    def die_once(images: Tensor) -> tuple[Tensor, ...]:
        calls.append(len(images))
        if len(calls) == 2 * batches + 2:  # inside the third chunk
            raise KeyboardInterrupt
        return backend.forward(images)

    dying = backend._replace(forward=die_once)
    # Move the boxes of each chunk a little, or the cache would take the three chunks for the same.
    people = replace(people, centers=people.centers + np.repeat(np.arange(3.0), CHUNK)[:, None])
    with pytest.raises(KeyboardInterrupt):
        predict_people(people, dying, {"p": SPOT}, tmp_path / "work")
    resumed = assemble_chunks([predict_people(people, dying, {"p": SPOT}, tmp_path / "work")], len(people))
    assert len(calls) == 2 * batches + 2 + batches
    fresh = assemble_chunks([predict_people(people, backend, {"p": SPOT}, tmp_path / "fresh")], len(people))
    assert resumed["p"].sha256() == fresh["p"].sha256()


def test_a_torn_chunk_is_made_again(tmp_path: Path) -> None:
    people = people_with_spots(tmp_path)
    first = predict_people(people, brightness_backend(), {"p": SPOT}, tmp_path / "work")[0]["p"]
    [chunk] = (tmp_path / "work" / "p").iterdir()
    chunk.write_bytes(chunk.read_bytes()[:100])
    again = predict_people(people, brightness_backend(), {"p": SPOT}, tmp_path / "work")[0]["p"]
    assert np.array_equal(first.joints, again.joints)


def test_lost_and_doubled_chunks_do_not_pass() -> None:
    chunk = {"p": Predictions(np.zeros((CHUNK, 1, 2)), np.zeros((CHUNK, 1)))}
    assert len(assemble_chunks([{0: chunk}, {1: chunk}], 2 * CHUNK)["p"].joints) == 2 * CHUNK
    with pytest.raises(RuntimeError, match="no process"):
        assemble_chunks([{0: chunk}], 2 * CHUNK)
    with pytest.raises(RuntimeError, match="two processes"):
        assemble_chunks([{0: chunk, 1: chunk}, {1: chunk}], 2 * CHUNK)


def test_a_broken_photograph_is_fatal_or_left_out_as_asked(tmp_path: Path) -> None:
    people = people_with_spots(tmp_path)
    people.images[2].write_bytes(b"not an image")
    with pytest.raises(InputError, match=r"2\.png"):
        predict_people(people, brightness_backend(), {"p": SPOT}, tmp_path / "work")
    chunks = predict_people(people, brightness_backend(), {"p": SPOT}, tmp_path / "work", broken="skip")
    predicted = assemble_chunks([chunks], len(people))["p"]
    readable = predicted.readable()
    assert readable.tolist() == [True, True, False, True, True]
    assert np.abs((predicted.joints - people.joints)[readable]).max() < 1


@pytest.mark.parametrize("kind", ["mpii", "coco"])
def test_evaluating_again_reads_the_records(root: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, kind: str) -> None:
    options = arguments(root, kind, protocol=("hrnet-single", "hrnet-argmax"), split="val")
    evaluation, records = evaluate_model(options, tmp_path)
    assert len(records) == len(list(evaluation.parts())) == 3 * len(metric_names(kind))
    assert all(describe_setting(record) == f"64x64; weights {evaluation.sha256[:8]}" for record in records)
    validate(json.loads(json.dumps(evaluation_report(evaluation, records))))
    assert format_evaluation(records)

    monkeypatch.setattr("benchmark.evaluation.run.predict_people", None)
    assert evaluate_model(options, tmp_path)[1] == list(load_records(tmp_path).values())


def validate(printed: Any) -> None:
    """Check the printed JSON against its type; equality shows that it holds no other keys."""
    assert TypeAdapter(EvaluationReport).validate_python(printed, strict=True) == printed
    assert printed["n"] is None or printed["n"] >= 1
    for result in printed["results"]:
        assert result["ci95"] is None or len(result["ci95"]) == 2
        assert re.fullmatch("[0-9a-f]{12}", result["record"])


def test_figures_are_those_of_the_written_predictions(root: Path, tmp_path: Path) -> None:
    """Score the submission of the validation split by pycocotools: the values are those that were printed."""
    path = tmp_path / "person_keypoints_val2017_test_results.json"
    _, records = evaluate_model(arguments(root, "coco", split="val", submission=path), tmp_path)
    truth = root / "coco" / "annotations" / "person_keypoints_val2017.json"
    read_coco_detections(path, read_coco_annotations(truth))
    from pycocotools.coco import COCO
    from pycocotools.cocoeval import COCOeval

    annotations = COCO(str(truth))
    oracle = COCOeval(annotations, annotations.loadRes(str(path)), "keypoints")
    oracle.evaluate()
    oracle.accumulate()
    oracle.summarize()
    values = {record.metric: record.value for record in records}
    assert [values[name] for name in AP_METRICS] == oracle.stats.tolist()


def test_hidden_labels_give_a_file_and_no_figures(root: Path, tmp_path: Path) -> None:
    """Evaluate on COCO's test-dev: images without annotations, and a detector's boxes."""
    folder = tmp_path / "coco"
    (folder / "annotations").mkdir(parents=True)
    everyone = load_coco(root / "coco", "val")
    (folder / "images").symlink_to(everyone.images[0].parent)
    content = json.loads((root / "coco" / "annotations" / "person_keypoints_val2017.json").read_text())
    (folder / "annotations" / "image_info_test-dev2017.json").write_text(json.dumps({"images": content["images"][:3]}))
    (folder / SYNTHETIC).write_text("{}")
    boxes = [
        {"image_id": image["id"], "category_id": 1, "bbox": [10 * n, 5, 40, 60], "score": 0.9 - n / 10}
        for image in content["images"][:3]
        for n in range(2)
    ]
    (tmp_path / "boxes.json").write_text(json.dumps(boxes))
    path = tmp_path / "results.json"
    options = replace(
        arguments(root, "coco", split="test-dev", submission=path, detections=tmp_path / "boxes.json"), root=tmp_path
    )
    evaluation, records = evaluate_model(options, tmp_path / "records")
    assert records == []
    validate(json.loads(json.dumps(evaluation_report(evaluation, records))))
    entries = json.loads(path.read_text())
    assert {entry["image_id"] for entry in entries} == {image["id"] for image in content["images"][:3]}
    assert all(len(entry["keypoints"]) == 51 and entry["category_id"] == 1 for entry in entries)


def test_mpiis_file_holds_every_person_where_the_server_looks(root: Path, tmp_path: Path) -> None:
    path = tmp_path / "pred_keypoints_mpii.mat"
    people = load_mpii(root / "mpii", "val", annotations=release_file(root / "mpii"))
    joints = np.random.default_rng(0).uniform(0, 96, (len(people), 16, 2))
    write_mpii(path, people, joints, root / "mpii")
    pred = read_mat(path, "pred", squeeze_me=True, struct_as_record=False)
    release = read_mat(release_file(root / "mpii"), "RELEASE", squeeze_me=True, struct_as_record=False)
    images = {image.image.name: np.atleast_1d(image.annorect) for image in np.atleast_1d(pred)}
    assert list(images) == [i.image.name for i in release.annolist if i.image.name in {p.name for p in people.images}]
    written = []
    for image, person in zip(people.images, split_mpii_ids(people.ids)[1], strict=True):
        points = images[image.name][person].annopoints.point
        assert [point.id for point in points] == list(range(16))
        written.append([(point.x - 1, point.y - 1) for point in points])  # MATLAB counts from 1
    np.testing.assert_allclose(written, joints, atol=1e-9)
    assert sum(np.size(getattr(person, "annopoints", ())) > 0 for all_ in images.values() for person in all_) == len(people)


def test_two_processes_give_what_one_gives(root: Path, tmp_path: Path) -> None:
    def command(launcher: Sequence[str], name: str) -> dict[str, object]:
        options = (
            f"--weights {root}/mpii.safetensors --dataset synthetic-mpii --root {root} --input 64x64 --protocol hrnet-single"
        )
        program = [sys.executable, *launcher, "-m", "benchmark.evaluate", MODEL]
        variables = {"POSE_RECORDS": str(tmp_path / f"records-{name}"), "OMP_NUM_THREADS": "1", "CUDA_VISIBLE_DEVICES": ""}
        process = subprocess.run(
            [*program, *options.split(), "--work", str(tmp_path / name), "--json"],
            env=os.environ | variables,
            cwd=ROOT,
            capture_output=True,
            text=True,
        )
        assert process.returncode == 0, process.stderr
        return json.loads(process.stdout)

    torchrun = ("-m", "torch.distributed.run", "--standalone", "--nproc-per-node", "2")
    assert command(torchrun, "two") == command((), "one")
    lines = [
        [json.loads(line) for line in (tmp_path / f"records-{name}" / "evaluation.jsonl").open()] for name in ("one", "two")
    ]
    assert [r["samples"] for r in lines[0]] == [r["samples"] for r in lines[1]]
    assert {r["n"] for r in lines[1]} == {PEOPLE}


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"protocol": ("hrnt",)}, "no protocol 'hrnt'"),
        ({"protocol": ("hrnet", "hrnet")}, "named twice"),
        ({"limit": 0}, "--limit 0"),
        ({"weights": Path("nowhere.safetensors")}, r"no weights at nowhere\.safetensors"),
        ({"split": "tset"}, "no split 'tset'"),
        ({"dataset": "mpii"}, "holds synthetic-mpii, not mpii"),
        ({"input": "64"}, "'64' is not an input size"),
        ({"detections": Path("boxes.json")}, "--detections: only COCO has detected boxes"),
        ({"split": "test"}, "labels of mpii test are hidden"),
        ({"device": "tpu9"}, "--device tpu9"),
        ({"draw": ROOT / "drawings"}, "git does not ignore"),
        ({"submission": Path("a.mat"), "protocol": ("hrnet", "hrnet-dark")}, "--submission needs a single protocol"),
        ({"model": "efficientpose/RTT"}, "unknown model"),
    ],
)
def test_a_mistake_is_one_clear_line(root: Path, tmp_path: Path, options: dict[str, object], message: str) -> None:
    with pytest.raises(InputError, match=message) as raised:
        evaluate_model(replace(arguments(root), **options), tmp_path)
    assert "\n" not in str(raised.value)


def test_a_limit_is_not_recorded_and_drawings_show_who_was_evaluated(root: Path, tmp_path: Path) -> None:
    _, records = evaluate_model(arguments(root, limit=3, draw=tmp_path / "drawn"), tmp_path / "records")
    assert {record.split for record in records} == {"val[:3]"}
    assert not (tmp_path / "records").exists()
    drawings = [cv2.imread(str(path)) for path in (tmp_path / "drawn").iterdir()]
    assert [drawing.shape for drawing in drawings] == [(SIDE + CAPTION, 2 * SIDE, 3)] * 3


def test_cocos_limit_takes_whole_images(root: Path) -> None:
    people, folder = load_test_people(arguments(root, "coco", limit=1))
    everyone = load_coco(folder, "val")
    assert len(people) == (everyone.image_ids == everyone.image_ids[0]).sum()


def test_coco_rescores_and_drops_who_is_there_twice(root: Path) -> None:
    people = load_coco(root / "coco", "val").select([0, 0, 1])
    joints = np.where(people.visible[..., None] > 0, people.joints, people.centers[:, None])
    predicted = Predictions(joints, np.full(people.visible.shape, 0.5) * [[1], [0.8], [1]])
    detections = to_coco_detections(people, predicted, Protocol(description="test"), (64, 64))
    assert [detection["score"] for detection in detections] == [0.5, 0.5]


def test_help_shows_an_example(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit, match="0"):
        main(["--help"])
    assert "--dataset lsp" in capsys.readouterr().out


def test_the_page_sets_every_protocol_beside_the_first(root: Path, tmp_path: Path) -> None:
    evaluation, records = evaluate_model(arguments(root, protocol=("hrnet-single", "hrnet-argmax"), split="val"), tmp_path)
    page = decoding_page(load_records(tmp_path))
    assert page == decoding_page({record.id: record for record in reversed(records)})
    assert f"`{MODEL}` on synthetic-mpii val" in page
    rows = [line for line in page.splitlines() if line.startswith("| `hrnet")]
    assert [row.split("`")[1] for row in rows] == ["hrnet-single", "hrnet-argmax"]
    difference = next(r for r in records if r.metric == "pckh@0.5 (hrnet)" and r.setting["over"] == "hrnet-single")
    assert f"{difference.value:+.2f}" in rows[1]
    values = {(r.protocol, r.metric): r.value for r in records if not r.setting["over"]}
    first, second = (values[name, "pckh@0.5 (hrnet)"] for name in evaluation.names)
    assert difference.value == pytest.approx(second - first)


def test_lsp_test_images_are_scored_by_pck(root: Path, tmp_path: Path) -> None:
    data = Path(os.environ.get("POSE_DATA", "~/.cache/pose-benchmark")).expanduser()
    if not (data / "lsp" / "joints.mat").is_file():
        pytest.skip(f"Leeds Sports Pose is not under {data}")
    options = replace(arguments(root), dataset="lsp", root=data, head="mpii", limit=3)
    _, records = evaluate_model(options, tmp_path)
    assert [record.metric for record in records][:3] == ["pck@0.2", "pck@0.1", "pck@0.05"]
    assert [record.metric for record in records] == metric_names("lsp")
    section = decoding_page({record.id: record for record in records}).partition("## Effect of the definition of PCK")[2]
    rows = [line for line in section.splitlines() if line.startswith("| pck@0.2")]
    assert len(rows) == len(PCK_PRESETS) >= 5
    longer, plain = (next(r.value for r in records if r.metric == f"pck@0.2{name}") for name in (" (longer torso)", ""))
    assert f"({longer - plain:+.2f})" in rows[1]
    assert {record.n for record in records} == {3}
    assert joint_mapping(JOINT_NAMES["mpii"], JOINT_NAMES["lsp"])
