"""The score command prints the right scores as tables and JSON, and one line for every mistake."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from scipy.io import savemat

from benchmark.config.conventions import PCKH_PRESETS
from benchmark.metrics.average_precision import AP_METRICS
from benchmark.metrics.score_files import CocoScores, MpiiScores
from benchmark.score import main
from tests.json_reports import check_report
from tests.metrics.coco_cases import perturb, pycocotools_metrics, random_case

N = 60


@pytest.fixture
def files(tmp_path: Path) -> Path:
    """Return a folder with ground truth, good predictions (1-based .mat and 0-based .npy), and worse ones."""
    generator = np.random.default_rng(0)
    truth = generator.uniform(50, 500, (N, 16, 2))
    boxes = np.zeros((2, 2, N))
    boxes[1] = [[30.0], [40.0]]  # head size 30
    missing = generator.uniform(size=(16, N)) < 0.1
    ground_truth = {"pos_gt_src": truth.transpose(1, 2, 0), "jnt_missing": missing, "headboxes_src": boxes}
    savemat(tmp_path / "gt.mat", ground_truth)
    good, worse = (truth + generator.normal(0, sigma, truth.shape) for sigma in (6, 10))
    savemat(tmp_path / "good.mat", {"preds": good})
    savemat(tmp_path / "worse.mat", {"preds": worse})
    np.save(tmp_path / "good.npy", good - 1)
    return tmp_path


@pytest.fixture
def command(files: Path, capsys: pytest.CaptureFixture[str]) -> Callable[..., str]:
    """Return a function that runs the command on the folder's gt.mat; arguments with a dot are files in the folder."""

    def run(predictions: str, *arguments: str) -> str:
        given = [str(files / argument) if "." in argument else argument for argument in arguments]
        main(["--annotations", str(files / "gt.mat"), "--predictions", str(files / predictions), *given])
        return capsys.readouterr().out

    return run


def test_json_follows_its_schema(command):
    for arguments in ([], ["--against", "worse.mat"], ["--preset", "hrnet"]):
        scores = check_report(MpiiScores, command("good.mat", "--json", *arguments))
        assert list(scores) == ["dataset", "n", "presets", "against"]
        assert list(scores["presets"]) == (["hrnet"] if "hrnet" in arguments else list(PCKH_PRESETS))
        assert list(scores["against"]) == (list(PCKH_PRESETS) if "worse.mat" in arguments else [])
    assert scores["n"] == N


def test_the_schema_refuses_what_the_command_never_prints(command):
    scores = json.loads(command("good.mat", "--json"))
    for path, value in {("n",): 0, ("dataset",): "flic", ("presets",): {}, ("presets", "hrnet", "0.5", "mean"): 100.1}.items():
        spoiled = json.loads(json.dumps(scores))
        inner = spoiled
        for key in path[:-1]:
            inner = inner[key]
        inner[path[-1]] = value
        with pytest.raises(ValueError, match="validation error"):
            check_report(MpiiScores, json.dumps(spoiled))


def test_output_is_the_same_every_time(command):
    assert command("good.mat", "--json") == command("good.mat", "--json")


def test_every_mean_lies_in_its_interval(command):
    scores = json.loads(command("good.mat", "--json"))
    for rows in scores["presets"].values():
        for row in rows.values():
            assert row["ci95"][0] < row["mean"] < row["ci95"][1]


def test_differences_are_of_the_two_files_own_figures(command):
    both = json.loads(command("good.mat", "--json", "--against", "worse.mat"))
    worse = json.loads(command("worse.mat", "--json"))
    for name, rows in both["against"].items():
        for threshold, row in rows.items():
            good_row, worse_row = both["presets"][name][threshold], worse["presets"][name][threshold]
            assert row["difference"] == pytest.approx(good_row["mean"] - worse_row["mean"])
            assert row["ci95"][0] < row["difference"] < row["ci95"][1]
            for part, cell in row["joints"].items():
                assert cell["difference"] == pytest.approx(good_row["joints"][part] - worse_row["joints"][part])
    assert both["against"]["hrnet"]["0.5"]["ci95"][0] > 0  # the second file's noise is clearly larger


def test_exchanging_the_files_changes_the_sign(command):
    forth = json.loads(command("good.mat", "--json", "--against", "worse.mat"))["against"]["mmpose"]["0.1"]
    back = json.loads(command("worse.mat", "--json", "--against", "good.mat"))["against"]["mmpose"]["0.1"]
    assert forth["difference"] == -back["difference"]
    assert forth["ci95"] == pytest.approx([-end for end in reversed(back["ci95"])])


def test_a_file_does_not_differ_from_itself(command):
    scores = json.loads(command("good.mat", "--json", "--against", "good.mat"))
    for rows in scores["against"].values():
        for row in rows.values():
            assert (row["difference"], row["ci95"]) == (0, [0, 0])


def test_the_kind_of_file_decides_where_pixels_are_counted_from(command):
    one_based, zero_based = (json.loads(command(name, "--json"))["presets"] for name in ("good.mat", "good.npy"))
    assert one_based == zero_based
    moved = json.loads(command("good.mat", "--json", "--origin", "0"))["presets"]
    assert moved["hrnet"]["0.1"]["mean"] != one_based["hrnet"]["0.1"]["mean"]
    assert json.loads(command("good.npy", "--json", "--origin", "0"))["presets"] == zero_based


def test_tables_show_the_figures_of_the_json(command):
    text = command("good.mat", "--against", "worse.mat")
    scores = json.loads(command("good.mat", "--against", "worse.mat", "--json"))
    lines = text.splitlines()
    for name, rows in scores["presets"].items():
        for threshold, row in rows.items():
            single, paired = (line for line in lines if line.startswith(f"{name} @{threshold}"))
            low, high = row["ci95"]
            assert single.endswith(f"{row['joints']['Ankle']:10.2f}{row['mean']:10.2f}    [{low:.2f}, {high:.2f}]")
            assert f"{scores['against'][name][threshold]['difference']:+.2f}" in paired
    assert any(line.startswith("hrnet @0.1 (=0.11)") for line in lines)


def test_published_figures_through_the_command(pose_data: Path, capsys: pytest.CaptureFixture[str]):
    paths = [pose_data / "mpii/gt_valid.mat", pose_data / "mpii/predictions/hourglass_s2_b1.mat"]
    for path in paths:
        if not path.is_file():
            pytest.skip(f"{path} does not exist")
    main(["--annotations", str(paths[0]), "--predictions", str(paths[1]), "--preset", "pytorch_pose"])
    row = next(line for line in capsys.readouterr().out.splitlines() if line.startswith("pytorch_pose @0.5"))
    published = ["95.80", "94.57", "88.12", "83.31", "86.24", "80.88", "77.44", "86.76"]  # README of pytorch-pose
    assert row.split()[2:10] == published


@pytest.mark.parametrize(
    ("predictions", "arguments", "message"),
    [
        ("absent.mat", [], "absent.mat: no such file"),
        ("absent.txt", [], "absent.txt: no such file"),
        ("broken.mat", [], "broken.mat: cannot be read as a .mat file"),
        ("short.npy", [], "short.npy: predictions have shape [59, 16, 2], expected [60, 16, 2]"),
        ("nan.npy", [], "nan.npy: person 4, joint 10 (right_wrist): y is nan"),
        ("pickled.npy", [], "only running the file's code could restore"),
        ("good.mat", ["--against", "nan.npy"], "nan.npy: person 4, joint 10 (right_wrist): y is nan"),
        ("good.mat", ["--annotations", "good.mat"], "good.mat: not MPII ground truth"),
        ("good.mat", ["--preset", "coco"], "--preset coco: unknown, choose from mpii_official, hrnet, mmpose, pytorch_pose"),
        ("good.mat", ["--preset"], "--preset: give at least one of mpii_official"),
    ],
)
def test_a_mistake_is_one_line_and_status_2(files: Path, command, capsys, predictions: str, arguments, message: str):
    points = np.load(files / "good.npy")
    np.save(files / "short.npy", points[:-1])
    (files / "broken.mat").write_bytes((files / "good.mat").read_bytes()[:300])
    np.save(files / "pickled.npy", np.array([{}]), allow_pickle=True)
    points[4, 10, 1] = np.nan
    np.save(files / "nan.npy", points)
    with pytest.raises(SystemExit) as exit_info:
        command(predictions, *arguments)
    output = capsys.readouterr()
    assert exit_info.value.code == 2
    assert output.out == ""
    assert output.err.startswith("error: ")
    assert message in output.err
    assert output.err.count("\n") == 1


@pytest.mark.parametrize("arguments", [[], ["--origin", "2"], ["--dataset", "flic"]])
def test_wrong_usage_is_status_2(arguments: list[str], files: Path):
    with pytest.raises(SystemExit) as exit_info:
        main([*arguments, "--predictions", str(files / "good.mat")])
    assert exit_info.value.code == 2


def test_as_a_program(files: Path):
    """Run as a program: the help shows an example, a mistake prints no traceback, and torch is never imported."""
    python = [sys.executable, "-c", "import sys, benchmark.score as s; s.main(sys.argv[1:]); assert 'torch' not in sys.modules"]
    arguments = ["--annotations", str(files / "gt.mat"), "--predictions"]
    assert subprocess.run([*python, *arguments, str(files / "good.mat")], capture_output=True).returncode == 0
    module = [sys.executable, "-m", "benchmark.score"]
    wrong = subprocess.run([*module, *arguments, str(files / "absent.h5")], capture_output=True, text=True)
    assert (wrong.returncode, wrong.stdout) == (2, "")
    assert wrong.stderr == f"error: {files / 'absent.h5'}: no such file\n"
    shown = subprocess.run([*module, "--help"], capture_output=True, text=True)
    assert shown.returncode == 0
    assert "python -m benchmark.score --annotations gt_valid.mat" in shown.stdout


# --dataset coco. This case has people of both sizes in several images.
ANNOTATIONS = random_case(7)[0]
BETTER, OTHER = perturb(ANNOTATIONS, 0), perturb(ANNOTATIONS, 1)


@pytest.fixture
def coco(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> Callable[..., str]:
    """Return a function that runs the command on files with these contents, in the order of its options."""

    def run(annotations: object, predictions: object, against: object = None, *arguments: str) -> str:
        given = ["--dataset", "coco"]
        for option, content in {"annotations": annotations, "predictions": predictions, "against": against}.items():
            if content is not None:
                (tmp_path / f"{option}.json").write_text(json.dumps(content))
                given += [f"--{option}", str(tmp_path / f"{option}.json")]
        main([*given, *arguments])
        return capsys.readouterr().out

    return run


def test_coco_json_follows_its_schema_and_equals_pycocotools(coco):
    alone = check_report(CocoScores, coco(ANNOTATIONS, BETTER, None, "--json"))
    paired = check_report(CocoScores, coco(ANNOTATIONS, BETTER, OTHER, "--json"))
    for scores in (alone, paired):
        assert {name: scores[name] for name in AP_METRICS} == pycocotools_metrics(ANNOTATIONS, BETTER)
    assert list(alone) == ["dataset", "n", *AP_METRICS, "ci95"]
    assert list(paired) == [*alone, "against"]
    assert alone["n"] == len(ANNOTATIONS["images"]) > 1
    assert alone["ci95"] == paired["ci95"]
    for name in AP_METRICS:
        low, high = alone["ci95"][name]
        assert low <= alone[name] <= high
    assert alone["ci95"]["AP"][0] < alone["ci95"]["AP"][1]


def test_coco_differences_are_of_the_two_files_own_figures_and_change_sign(coco):
    forth = json.loads(coco(ANNOTATIONS, BETTER, OTHER, "--json"))
    back = json.loads(coco(ANNOTATIONS, OTHER, BETTER, "--json"))
    for name in AP_METRICS:
        row = forth["against"][name]
        assert row["difference"] == forth[name] - back[name]
        assert row["ci95"] == pytest.approx([-end for end in reversed(back["against"][name]["ci95"])])
    same = json.loads(coco(ANNOTATIONS, BETTER, BETTER, "--json"))["against"]
    assert all(row == {"difference": 0, "ci95": [0, 0]} for row in same.values())


def test_coco_figures_for_which_no_person_counts_have_no_interval(coco):
    small = ANNOTATIONS | {"annotations": [entry | {"area": 2000.0} for entry in ANNOTATIONS["annotations"]]}
    scores = check_report(CocoScores, coco(small, BETTER, OTHER, "--json"))
    assert (scores["APL"], scores["ci95"]["APL"], scores["ARL"], scores["ci95"]["ARL"]) == (-1, None, -1, None)
    assert scores["against"]["APL"] == {"difference": None, "ci95": None}
    assert scores["ci95"]["APM"] is not None
    assert coco(small, BETTER, OTHER).count("undefined: no person to find") == 4


def test_the_schema_refuses_what_the_coco_command_never_prints(coco):
    scores = json.loads(coco(ANNOTATIONS, BETTER, OTHER, "--json"))
    for changes in ({"AP": 1.1}, {"AP": -0.5}, {"AP": None}, {"presets": {}}, {"n": 0}, {"ci95": {}}, {"against": {}}):
        with pytest.raises(ValueError, match=r"validation error|unknown fields"):
            check_report(CocoScores, json.dumps(scores | changes))


def test_coco_table_shows_the_figures_of_the_json(coco):
    scores = json.loads(coco(ANNOTATIONS, BETTER, OTHER, "--json"))
    lines = coco(ANNOTATIONS, BETTER, OTHER).splitlines()
    for name in AP_METRICS:
        single, paired = (line for line in lines if line.split()[:1] == [name])
        low, high = scores["ci95"][name]
        assert single == f"  {name:5}{scores[name]:8.4f}    [{low:.4f}, {high:.4f}]"
        assert paired.split()[1] == f"{scores['against'][name]['difference']:+.4f}"


def test_without_intervals_the_values_are_the_same_and_nothing_is_resampled(coco, monkeypatch: pytest.MonkeyPatch):
    whole = json.loads(coco(ANNOTATIONS, BETTER, OTHER, "--json"))
    monkeypatch.delattr("benchmark.metrics.average_precision.percentile_interval")
    scores = check_report(CocoScores, coco(ANNOTATIONS, BETTER, OTHER, "--json", "--intervals", "none"))
    assert {name: scores[name] for name in AP_METRICS} == {name: whole[name] for name in AP_METRICS}
    assert set(scores["ci95"].values()) == {None}
    differences = {name: row["difference"] for name, row in whole["against"].items()}
    assert scores["against"] == {name: {"difference": value, "ci95": None} for name, value in differences.items()}
    text = coco(ANNOTATIONS, BETTER, OTHER, "--intervals", "none")
    assert f"  AP   {scores['AP']:8.4f}\n" in text
    assert f"  AP   {differences['AP']:+8.4f}\n" in text
    assert "  [" not in text
    assert "95 %" not in text


@pytest.mark.parametrize("dataset", ["mpii", "lsp"])
def test_only_coco_goes_without_intervals(files: Path, capsys: pytest.CaptureFixture[str], dataset: str):
    for arguments in (["--predictions", str(files / "good.mat")], ["--published"]):
        with pytest.raises(SystemExit):
            main(["--dataset", dataset, "--annotations", str(files / "gt.mat"), "--intervals", "none", *arguments])
        assert "--intervals: " in capsys.readouterr().err


def test_the_public_coco_fixture_through_the_command(pose_data: Path, capsys: pytest.CaptureFixture[str]):
    paths = [pose_data / f"coco/oks_fixture/{name}_dataset.json" for name in ("gt", "dt")]
    for path in paths:
        if not path.is_file():
            pytest.skip(f"{path} does not exist")
    main(["--dataset", "coco", "--annotations", str(paths[0]), "--predictions", str(paths[1]), "--json"])
    scores = json.loads(capsys.readouterr().out)
    published = [0.504884, 0.722772, 0.633663, 0.466337, 0.750495, 0.518182, 0.727273, 0.636364, 0.466667, 0.75]
    assert [round(scores[name], 6) for name in AP_METRICS] == published


@pytest.mark.parametrize(
    ("spoil", "arguments", "message"),
    [
        ({"score": float("nan")}, [], "predictions.json: detection 0 (image {image}): scores is nan"),
        ({"keypoints": [float("nan")] * 51}, [], "predictions.json: detection 0 (image {image}): keypoints[0, 0] is nan"),
        ({"image_id": 999}, [], "predictions.json: detection 0: image 999 is not among the annotated images"),
        ({"keypoints": [1.0] * 48}, [], "predictions.json: detection 0: keypoints has 48 numbers, expected 51"),
        ({"score": "0.5"}, [], 'predictions.json: detection 0: score must be a number, not "0.5"'),
        ({}, ["--origin", "1"], "--origin: does not apply to COCO"),
        ({}, ["--preset", "hrnet"], "--preset: does not apply to COCO"),
    ],
)
def test_a_coco_mistake_is_one_line_and_status_2(coco, capsys, spoil: dict[str, object], arguments: list[str], message: str):
    with pytest.raises(SystemExit) as exit_info:
        coco(ANNOTATIONS, [BETTER[0] | spoil, *BETTER[1:]], None, *arguments)
    output = capsys.readouterr()
    assert (exit_info.value.code, output.out) == (2, "")
    assert output.err.startswith("error: ")
    assert message.format(image=BETTER[0]["image_id"]) in output.err
    assert output.err.count("\n") == 1


def test_coco_as_a_program(tmp_path: Path):
    """Run as a program: the help shows an example, and torch is never imported."""
    (tmp_path / "gt.json").write_text(json.dumps(ANNOTATIONS))
    (tmp_path / "dt.json").write_text(json.dumps(BETTER))
    python = [sys.executable, "-c", "import sys, benchmark.score as s; s.main(sys.argv[1:]); assert 'torch' not in sys.modules"]
    arguments = ["--dataset", "coco", "--annotations", str(tmp_path / "gt.json"), "--predictions", str(tmp_path / "dt.json")]
    ran = subprocess.run([*python, *arguments, "--json"], capture_output=True, text=True)
    assert (ran.returncode, ran.stderr) == (0, "")
    check_report(CocoScores, ran.stdout)
    shown = subprocess.run([sys.executable, "-m", "benchmark.score", "--help"], capture_output=True, text=True).stdout
    assert "python -m benchmark.score --dataset coco --annotations person_keypoints_val2017.json" in shown


def test_names_of_files_are_only_text_on_the_terminal(files: Path, command, capsys) -> None:
    strange = "mine\x1b[31m\nforged line.mat"
    shutil.copy(files / "good.mat", files / strange)
    output = command(strange, "--against", "worse.mat")
    assert "mine\\x1b[31m\\nforged line.mat" in output
    assert all(line.isprintable() for line in output.split("\n"))
    assert not re.search("^forged", output, re.MULTILINE)
    with pytest.raises(SystemExit):
        command(strange, "--against", strange.replace("mine", "absent"))
    error = capsys.readouterr().err
    assert error.startswith("error: ")
    assert error.rstrip("\n").isprintable()
