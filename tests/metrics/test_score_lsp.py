"""``score --dataset lsp``: published files give their official PCK, under either way of naming left and right."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from scipy.io import savemat

from benchmark.config.conventions import PCK_PRESETS
from benchmark.core.keypoints import LSP_JOINTS, mirrored_indices
from benchmark.metrics.pck import observer_order
from benchmark.metrics.score_files import LspScores
from benchmark.papers.rounding import round_half_up
from benchmark.score import main
from tests.json_reports import check_report

# PCK@0.2 of the methods' files, as the benchmark printed it.
OFFICIAL = {
    "TompsonNIPS14": "72.3",
    "FanCVPR15": "73.0",
    "ChenYuilleNIPS14": "73.4",
    "RafiBMVC16": "83.8",
    "LifshitzECCV16": "86.7",
    "PishchulinCVPR16": "87.1",
    "WeiCVPR16": "90.5",
    "BulatTzimiropoulosECCV16": "90.7",
    "WangLiCVPR13": "54.6",
}
N = 40
AT = {name: index for index, name in enumerate(LSP_JOINTS)}


@pytest.fixture
def lsp(pose_data: Path) -> Path:
    if not (pose_data / "lsp/predictions").is_dir():
        pytest.skip(f"{pose_data / 'lsp/predictions'} does not exist")
    return pose_data / "lsp"


@pytest.mark.parametrize("method", OFFICIAL)
def test_a_published_file_gives_its_official_value(lsp: Path, capsys: pytest.CaptureFixture[str], method: str) -> None:
    main(["--dataset", "lsp", "--predictions", str(lsp / f"predictions/{method}.mat"), "--threshold", "0.2", "--json"])
    scores = check_report(LspScores, capsys.readouterr().out)
    assert scores["n"] == 1000
    mean = scores["presets"]["default"]["0.2"]["mean"]
    assert round_half_up(round(mean, 9), 1) == OFFICIAL[method]
    assert list(scores["missing"].values()) == [25 if method == "FanCVPR15" else 0]


# --- generated people --------------------------------------------------------------------------------------------------------


def upright(people: int, generator: np.random.Generator) -> np.ndarray:
    """Return people ``[N, 14, 2]`` of random poses, half of them seen from behind, with torsos of 40 pixels or more."""
    joints = generator.uniform(20, 180, (people, 14, 2))
    for name, place in {"shoulder": 60.0, "hip": 120.0}.items():
        joints[:, AT[f"right_{name}"]] = [80.0, place]
        joints[:, AT[f"left_{name}"]] = [110.0, place]
    joints[::2] = joints[::2][:, mirrored_indices(LSP_JOINTS)]
    return joints


@pytest.fixture
def files(tmp_path: Path) -> Path:
    """Return a folder with annotations, good and worse predictions."""
    generator = np.random.default_rng(0)
    joints = upright(N, generator)
    savemat(tmp_path / "joints.mat", {"joints": np.concatenate([joints, np.zeros((N, 14, 1))], axis=2).transpose(2, 1, 0)})
    savemat(tmp_path / "good.mat", {"pred": (joints + generator.normal(0, 4, joints.shape)).transpose(2, 1, 0)})
    savemat(tmp_path / "worse.mat", {"pred": joints + generator.normal(0, 9, joints.shape)})
    return tmp_path


@pytest.fixture
def command(files: Path, capsys: pytest.CaptureFixture[str]) -> Callable[..., str]:
    def run(predictions: str, *arguments: str) -> str:
        given = [str(files / argument) if argument.endswith((".mat", ".npy")) else argument for argument in arguments]
        where = ["--dataset", "lsp", "--annotations", str(files / "joints.mat"), "--predictions", str(files / predictions)]
        main([*where, *given])
        return capsys.readouterr().out

    return run


def test_json_follows_its_schema(command) -> None:
    alone = check_report(LspScores, command("good.mat", "--json"))
    assert list(alone["presets"]) == ["default", *list(PCK_PRESETS)[1:]]
    assert all(list(rows) == ["0.2", "0.1", "0.05"] for rows in alone["presets"].values())
    assert alone["against"] == {}
    paired = check_report(LspScores, command("good.mat", "--json", "--against", "worse.mat", "--threshold", "0.15"))
    assert all(list(rows) == ["0.15"] for rows in paired["against"].values())
    assert list(paired["presets"]) == list(paired["against"])


def test_values_are_those_of_a_plain_loop_at_any_threshold(command, files: Path) -> None:
    from scipy.io import loadmat

    truth = loadmat(files / "joints.mat")["joints"].transpose(2, 1, 0)[..., :2]
    points = loadmat(files / "good.mat")["pred"].transpose(2, 1, 0)
    scores = json.loads(command("good.mat", "--threshold", "0.13", "0.4", "--preset", "default", "--json"))["presets"][
        "default"
    ]
    for threshold, row in scores.items():
        hits = []
        for person in range(N):
            torso = np.hypot(*(truth[person, AT["left_shoulder"]] - truth[person, AT["right_hip"]]))
            hits.append(
                [np.hypot(*(a - b)) <= float(threshold) * torso for a, b in zip(points[person], truth[person], strict=True)]
            )
        assert row["mean"] == pytest.approx(100 * np.mean(hits))
        wrists = [AT["right_wrist"], AT["left_wrist"]]
        assert row["joints"]["Wrist"] == pytest.approx(100 * np.mean(np.array(hits)[:, wrists]))
        assert row["joints_ci95"]["Wrist"][0] <= row["joints"]["Wrist"] <= row["joints_ci95"]["Wrist"][1]
    assert scores["0.13"]["joints_ci95"]["Wrist"][0] < scores["0.13"]["joints_ci95"]["Wrist"][1]


def test_differences_are_paired_and_change_sign(command) -> None:
    forth = json.loads(command("good.mat", "--json", "--against", "worse.mat"))["against"]["default"]["0.1"]
    back = json.loads(command("worse.mat", "--json", "--against", "good.mat"))["against"]["default"]["0.1"]
    assert forth["difference"] == -back["difference"]
    assert forth["ci95"] == pytest.approx([-end for end in reversed(back["ci95"])])
    assert forth["ci95"][0] > 0
    same = json.loads(command("good.mat", "--json", "--against", "good.mat"))["against"]
    assert all(row["difference"] == 0 == row["ci95"][1] for rows in same.values() for row in rows.values())


def test_tables_show_the_values_of_the_json(command) -> None:
    scores = json.loads(command("good.mat", "--against", "worse.mat", "--json"))
    lines = command("good.mat", "--against", "worse.mat").splitlines()
    for name, rows in scores["presets"].items():
        for threshold, row in rows.items():
            single, paired = (line for line in lines if line.startswith(f"{name} @{threshold} "))
            low, high = row["ci95"]
            assert single.endswith(f"{row['mean']:10.2f}    [{low:.2f}, {high:.2f}]")
            assert f"{scores['against'][name][threshold]['difference']:+.2f}" in paired


def test_a_joint_without_a_prediction_is_missed_and_counted(command, files: Path) -> None:
    from scipy.io import loadmat

    points = loadmat(files / "joints.mat")["joints"].transpose(2, 1, 0)[..., :2].copy()
    points[3, AT["left_knee"]] = np.nan
    np.save(files / "missing.npy", points)
    scores = json.loads(command("missing.npy", "--json"))
    assert list(scores["missing"].values()) == [1]
    assert scores["presets"]["default"]["0.05"]["mean"] == pytest.approx(100 * (1 - 1 / (14 * N)))
    assert "counted as missed: 1" in command("missing.npy")


# --- person-centric and observer-centric ------------------------------------------------------------------------------------


def observer_centric(joints: np.ndarray) -> np.ndarray:
    return np.take_along_axis(joints, observer_order(joints)[..., None], axis=1)


def test_the_observers_right_is_where_a_person_seen_from_the_front_has_the_right() -> None:
    joints = upright(2, np.random.default_rng(1))  # the first is seen from behind, the second from the front
    front_view = joints[1]
    assert front_view[AT["right_hip"], 0] < front_view[AT["left_hip"], 0]
    converted = observer_centric(joints)
    np.testing.assert_array_equal(converted[1], joints[1])
    np.testing.assert_array_equal(converted[0], joints[0][list(mirrored_indices(LSP_JOINTS))])


def test_arms_and_legs_change_sides_alone_and_a_rotation_of_the_image_changes_nothing() -> None:
    joints = upright(1, np.random.default_rng(2))
    joints = joints[:, mirrored_indices(LSP_JOINTS)]  # seen from the front
    legs = [AT[f"{side}_{name}"] for side in ("right", "left") for name in ("ankle", "knee", "hip")]
    twisted = joints.copy()
    twisted[:, legs] = joints[:, [legs[3], legs[4], legs[5], legs[0], legs[1], legs[2]]]
    np.testing.assert_array_equal(observer_centric(twisted), joints)
    for angle in np.linspace(0, 2 * np.pi, 7):
        rotation = np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]])
        np.testing.assert_array_equal(observer_order(twisted @ rotation.T), observer_order(twisted))


def test_converting_twice_changes_nothing_on_the_real_annotations(lsp: Path) -> None:
    from benchmark.data.lsp import read_lsp_test

    joints, _ = read_lsp_test(lsp / "joints.mat")
    once = observer_centric(joints)
    np.testing.assert_array_equal(observer_centric(once), once)
    assert 200 < (once[:, 0] != joints[:, 0]).any(-1).sum() < 500, "a third of the people are seen from behind"


def test_confused_sides_cost_person_centric_points_only(command, files: Path) -> None:
    from scipy.io import loadmat

    truth = loadmat(files / "joints.mat")["joints"].transpose(2, 1, 0)[..., :2]
    np.save(files / "confused.npy", truth[:, mirrored_indices(LSP_JOINTS)])
    scores = json.loads(command("confused.npy", "--json"))["presets"]
    assert scores["observer-centric"]["0.2"]["mean"] == 100
    assert scores["default"]["0.2"]["mean"] < 50
    np.save(files / "observer.npy", observer_centric(truth))
    scores = json.loads(command("observer.npy", "--json", "--sides", "observer"))["presets"]
    assert list(scores) == ["observer-centric"]
    assert scores["observer-centric"]["0.05"]["mean"] == 100


# --- mistakes -----------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("predictions", "arguments", "message"),
    [
        ("absent.mat", [], "absent.mat: no such file"),
        ("half.npy", [], "half.npy: person 2: left_wrist is not finite"),
        ("infinite.npy", [], "infinite.npy: person 2: left_wrist is not finite"),
        (
            "mpii.npy",
            [],
            "mpii.npy: predictions have shape [40, 16, 2], expected [40, 14, 2] or [14, 2, 40] for 40 people: the joints",
        ),
        ("fewer.npy", [], "the file has 39 people"),
        ("joints.mat", [], "joints.mat: holds annotations (joints), not predictions"),
        ("good.mat", ["--threshold", "0"], "--threshold 0.0: give positive fractions"),
        ("good.mat", ["--threshold", "nan"], "--threshold nan: give positive fractions"),
        ("good.mat", ["--threshold"], "--threshold : give positive fractions"),
        ("good.mat", ["--preset", "hrnet"], "--preset hrnet: unknown, choose from default, longer torso"),
        ("good.mat", ["--origin", "1"], "--origin: only applies to MPII"),
        ("good.mat", ["--keep"], "--keep: only applies to --published"),
        ("good.mat", ["--sides", "observer", "--preset", "default"], "names joints by the person's left and right"),
        ("good.mat", ["--annotations", "lspet.mat"], "[14, 3, 40], expected [3, 14, N]; this is the layout of LSP-extended"),
        ("good.mat", ["--annotations", "good.mat"], "good.mat: contains no variable 'joints'"),
    ],
)
def test_a_mistake_is_one_line_and_status_2(files: Path, command, capsys, predictions: str, arguments, message: str) -> None:
    points = np.ones((N, 14, 2))
    np.save(files / "fewer.npy", points[:-1])
    np.save(files / "mpii.npy", np.ones((N, 16, 2)))
    for name, value in {"half": [np.nan, 1], "infinite": [np.inf, np.inf]}.items():
        points[2, AT["left_wrist"]] = value
        np.save(files / f"{name}.npy", points)
    savemat(files / "lspet.mat", {"joints": np.ones((14, 3, N))})
    with pytest.raises(SystemExit) as exit_info:
        command(predictions, *arguments)
    output = capsys.readouterr()
    assert (exit_info.value.code, output.out) == (2, "")
    assert output.err.startswith("error: ")
    assert message in output.err
    assert output.err.count("\n") == 1


def test_as_a_program_without_torch(files: Path) -> None:
    python = [sys.executable, "-c", "import sys, benchmark.score as s; s.main(sys.argv[1:]); assert 'torch' not in sys.modules"]
    arguments = ["--dataset", "lsp", "--annotations", str(files / "joints.mat"), "--predictions", str(files / "good.mat")]
    ran = subprocess.run([*python, *arguments], capture_output=True, text=True)
    assert (ran.returncode, ran.stderr) == (0, "")
    assert "observer-centric: left and right as the observer sees them" in ran.stdout
