"""Test the comparison of a user's network with the papers': each value is measured as in its table, or left empty."""

from __future__ import annotations

import csv
import json
import re
import resource
import subprocess
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from markdown_it import MarkdownIt
from safetensors.torch import save_file
from scipy.io import savemat
from torch import nn

from benchmark.compare import example_net
from benchmark.compare.__main__ import main
from benchmark.compare.accuracy import Accuracy, Estimate, Trial, accuracy_from_weights
from benchmark.compare.example_net import build
from benchmark.compare.output import ComparisonReport
from benchmark.compare.run import CompareArguments, compare_networks, resolve_candidates
from benchmark.compare.table_row import accuracy_in_column, format_like_column
from benchmark.config.latency import Setting
from benchmark.config.packages import default_protocol, find_protocol
from benchmark.config.protocols import PROTOCOLS
from benchmark.core.errors import InputError
from benchmark.cost.counters import count_cost
from benchmark.data.synthetic.write import write_datasets
from benchmark.evaluation.inference import assemble_chunks, predict_people
from benchmark.evaluation.scoring import MetricResult, score_predictions
from benchmark.latency.timer import Timing
from benchmark.models.external import resolve_model
from benchmark.models.outputs import heatmap_misfit
from benchmark.models.registry import build_model
from benchmark.papers.tables import load_papers
from tests.json_reports import check_report

ROOT = Path(__file__).parents[2]
EXAMPLE = f"{ROOT / 'benchmark/compare/example_net.py'}:build"
TABLE2 = "efficientpose_nas/table2"
PAPERS = load_papers()
PEOPLE = 12

NETS = """
import torch
from torch import nn

def good(joints):
    return nn.Conv2d(3, joints, 8, stride=4, padding=2)

def seventeen():
    return nn.Conv2d(3, 17, 8, stride=4, padding=2)

class Returning(nn.Conv2d):
    def __init__(self, what):
        super().__init__(3, 16, 8, stride=4, padding=2)
        self.what = what

    def forward(self, images):
        maps = super().forward(images)
        if self.what == "error":
            raise KeyError("maps")
        outputs = {"dict": {"maps": maps, "points": maps.flatten(2)}, "flat": maps.flatten(1), "none": None}
        return [maps.flatten(1), (maps,)] if self.what == "list" else outputs[self.what]

class Positions(nn.Conv2d):
    def forward(self, images):
        return super().forward(images + torch.arange(images.shape[-1]))

def a_list(): return Returning("list")
def a_dict(): return Returning("dict")
def flat(): return Returning("flat")
def nothing(): return Returning("none")
def error(): return Returning("error")
def positions(joints): return Positions(3, joints, 8, stride=4, padding=2)
"""


@pytest.fixture
def nets(tmp_path: Path) -> Path:
    path = tmp_path / "nets.py"
    path.write_text(NETS)
    return path


@pytest.fixture
def command_with_processes(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> Callable[..., Any]:
    """Return a function that runs the command without latency and returns its output; JSON is checked against its schema."""

    def run(*arguments: str) -> Any:
        main([*arguments, "--no-latency", "--out", str(tmp_path / "out")])
        printed = capsys.readouterr().out
        if "--json" not in arguments:
            return printed
        return check_report(ComparisonReport, printed)

    return run


@pytest.fixture
def command(command_with_processes: Callable[..., Any], same_process: None) -> Callable[..., Any]:
    """Return the same function, for what does not depend on the processes of networks."""
    return command_with_processes


def cells(report: dict[str, Any]) -> dict[str, str]:
    return {column["name"]: column["cell"] for column in report["table"]["columns"]}


# --- cost ------------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("table", "row", "convention"),
    [
        (TABLE2, "efficientpose_b", "hrnet"),  # 1.5 G; true MACs would be 1.4
        ("efficientpose_nas/table3", "resnet50", "hrnet"),
        ("efficientpose_nas/table8", "mbv1", "hrnet"),  # in M
        ("efficientpose/table3", "efficientpose_iii", "tf_profiler"),  # and two columns that follow from others
        ("heatmap_weighting/table1", "ours_256", "mmcv"),
    ],
)
def test_a_network_of_the_table_gets_the_row_that_is_printed(command, table: str, row: str, convention: str) -> None:
    paper, name = table.split("/")
    printed = PAPERS[paper].tables[name]
    assert {c.convention for c in printed.columns.values() if c.metric == "flops"} == {convention}
    size = printed.rows[row].input or printed.input
    report = command(printed.rows[row].model, "--table", table, "--input", size, "--against", "--json")
    counted = {key for key, column in printed.columns.items() if column.kind in ("cost", "derived")}
    counted_cells = {key: cell for key, cell in cells(report).items() if key in counted}
    printed_cells = {key: printed.printed[row, key] for key in counted}
    # A known difference, explained in the ledger: the paper prints 9.70 for 9.68.
    assert counted_cells == printed_cells | ({"gflops": "9.68"} if row == "resnet50" else {})


def test_the_columns_are_the_tables(command) -> None:
    report = command(EXAMPLE, "--table", "efficientpose/table3", "--name", "MyNet", "--against", "--json")
    table = PAPERS["efficientpose"].tables["table3"]
    assert list(cells(report)) == list(table.columns)
    counts = count_cost(build(), 256, 256)
    parameters, flops = counts["params"]["stored"] / 1e6, counts["flops"]["tf_profiler"] / 1e9
    assert cells(report) == {
        "model": "MyNet",
        "params": f"{parameters:.2f}M",
        "param_reduction": f"{25.94 / round(parameters, 2):.0f}×",
        "flops": f"{flops:.2f}G",
        "flop_reduction": f"{160.36 / round(flops, 2):.0f}×",
        "pckh50": "",
        "pckh10": "",
    }


def test_what_was_not_measured_stays_empty_and_says_why(command) -> None:
    report = command(EXAMPLE, "--table", "heatmap_weighting/table5", "--against", "--json")
    why = {column["name"]: column["why_empty"] for column in report["table"]["columns"]}
    assert {name for name, cell in cells(report).items() if not cell} == {name for name, reason in why.items() if reason}
    assert "no accuracy was measured" in why["ap"]
    assert why["fps_cpu"] == "timed on another device"
    assert report["accuracy"] is None


def test_a_part_that_the_network_does_not_name_is_not_counted(command) -> None:
    report = command(EXAMPLE, "--table", "efficientpose_nas/table7", "--against", "--json")
    why = {column["name"]: column["why_empty"] for column in report["table"]["columns"]}
    assert (cells(report)["backbone"], why["backbone"]) == ("", "not counted: backbone, hrnet_1e9")


def test_all_conventions_beside_each_other(command) -> None:
    report = command(EXAMPLE, "--against", "efficientpose_nas/A", "baselines/simple_baseline-r50", "--json")
    assert [network["name"] for network in report["networks"]] == [
        "example_net.py:build",
        "efficientpose_nas/A",
        "baselines/simple_baseline-r50",
    ]
    networks = [build(), build_model("efficientpose_nas/A", joints=16)]
    for network, network_report in zip(networks, report["networks"], strict=False):
        counts = count_cost(network, 256, 256)
        assert (network_report["params"], network_report["flops"]) == (counts["params"], counts["flops"])


def test_a_tensor_made_on_the_way_is_no_obstacle(command, nets: Path) -> None:
    assert command(f"{nets}:positions", "--against", "--json")["networks"][0]["flops"]["macs"] == 16 * 3 * 64 * 64**2


def test_a_classifier_is_compared_by_cost_alone(command) -> None:
    report = command("torchvision:resnet18", "--against", "--input", "224x224", "--json")
    assert report["networks"][0]["flops"]["macs"] / 1e9 == pytest.approx(1.814, abs=0.0005)  # as torchvision declares
    assert report["notes"] == [
        "torchvision:resnet18 returns [1, 1000], not heatmaps [1, 16, h, w], so only its cost and latency are compared"
    ]
    assert report["files"] == []


@pytest.mark.parametrize(
    ("name", "output"),
    [
        pytest.param("flat", "[1, 65536]", marks=pytest.mark.slow),
        pytest.param("a_dict", "dict of maps, points", marks=pytest.mark.slow),
        ("nothing", "NoneType"),
    ],
)
def test_what_returns_something_else_is_compared_by_cost(command, nets: Path, name: str, output: str) -> None:
    report = command(f"{nets}:{name}", "--against", "--json")
    misfit = f"nets.py:{name} returns {output}, not heatmaps [1, 16, h, w]"
    assert report["notes"] == [f"{misfit}, so only its cost and latency are compared"]
    assert report["networks"][0]["flops"]["macs"] == 16 * 3 * 64 * 64**2


def test_text_json_and_markdown_say_that_a_network_needed_values(command, nets: Path, tmp_path: Path) -> None:
    nets.write_text(NETS.replace("torch.arange(images.shape[-1])", "images.mean().item()"))
    options = [f"{nets}:positions", "--against", "--table", TABLE2]
    report = command(*options, "--json")
    assert report["networks"][0]["counted_on"] == "cpu"
    line = nets.read_text()[: nets.read_text().index(".item()")].count("\n") + 1
    note = "nets.py:positions: counted in a run on the processor, with an image of zeros; without values: "
    note += f"nets.py:positions: {nets}:{line}: RuntimeError: Tensor.item() cannot be called on meta tensors"
    assert note in report["notes"]
    assert f"- {note}\n" in (tmp_path / "out/table.md").read_text()
    assert f"- {note}\n" in command(*options)
    for name in ("row.md", "row.tex", "row.csv"):
        assert "counted in a run on the processor, with an image of zeros" in (tmp_path / "out" / name).read_text(), name


def test_an_export_shows_what_can_be_counted(command, tmp_path: Path) -> None:
    pytest.importorskip("onnxruntime", reason="onnxruntime (the extra 'runtimes') is not installed")
    from reproductions.network_checks import export_onnx

    path = tmp_path / "example.onnx"
    export_onnx(build().eval(), torch.zeros(1, 3, 256, 256), path)
    report = command(str(path), "--table", TABLE2, "--against", "--json")
    counts = count_cost(build(), 256, 256)
    assert cells(report)["gflops"] == f"{counts['flops']['hrnet'] / 2**30:.1f}"
    assert cells(report)["params"] == ""  # batch norms are folded into the convolutions
    assert set(report["networks"][0]["flops"]) == {"hrnet", "hrnet_1e9", "macs"}
    assert "batch norms" in report["networks"][0]["not_counted"]
    assert (tmp_path / "out/row.md").read_text().endswith("\n\ncounted from the nodes of an ONNX file\n")


# --- baselines -------------------------------------------------------------------------------------------------------------


def test_the_rows_nearest_in_cost_are_the_baselines(command) -> None:
    report = command(EXAMPLE, "--table", TABLE2, "--json")
    assert [network["name"] for network in report["networks"][1:]] == [f"efficientpose_nas/{variant}" for variant in "ABC"]
    report = command("baselines/hrnet-w32", "--table", TABLE2, "--json")
    nearest = {"baselines/du_net+nets=8", "baselines/simple_baseline-r101", "baselines/simple_baseline-r50"}
    assert {network["name"] for network in report["networks"][1:]} == nearest


def test_each_row_is_counted_at_its_own_size(command) -> None:
    report = command(EXAMPLE, "--table", "efficientpose/table3", "--json")
    table = PAPERS["efficientpose"].tables["table3"]
    sizes = {row.model: row.input for row in table.rows.values()}
    assert all(network["input"] == sizes[network["name"]] for network in report["networks"][1:])


def test_without_a_table_there_are_two_baselines(command) -> None:
    report = command(EXAMPLE, "--json")
    assert [network["name"] for network in report["networks"][1:]] == ["efficientpose_nas/A", "baselines/simple_baseline-r50"]


def checkouts(folder: Path, *widths: int) -> list[str]:
    """Write checkouts of one project, each with its own width; return the specs of their networks."""
    for width in widths:
        (folder / f"v{width}").mkdir()
        (folder / f"v{width}/layers.py").write_text(f"WIDTH = {width}\n")
        net = "from torch import nn\nfrom layers import WIDTH\n"
        net += "def build(joints): return nn.Sequential(nn.Conv2d(3, WIDTH, 4, 4), nn.Conv2d(WIDTH, joints, 1))\n"
        (folder / f"v{width}/net.py").write_text(net)
    return [f"{folder}/v{width}/net.py:build" for width in widths]


def test_checkouts_of_one_project_are_told_apart(command_with_processes, tmp_path: Path) -> None:
    specs = checkouts(tmp_path, 8, 16)
    report = command_with_processes(specs[0], "--against", *specs[1:], "efficientpose_nas/A", "--input", "64x64", "--json")
    counted = {network["name"]: network["flops"]["macs"] for network in report["networks"]}
    assert counted.pop("efficientpose_nas/A") > 0
    assert counted == {f"v{width}/net.py:build": 256 * width * (3 * 16 + 16) for width in (8, 16)}


def test_one_network_with_several_weights_has_several_names(tmp_path: Path) -> None:
    (spec,) = checkouts(tmp_path, 8)
    against = tuple(f"{spec}@{tmp_path}/{file}" for file in ("a/best.pth", "b/best.pth", "last.pth"))
    arguments = CompareArguments(model=spec, weights=tmp_path / "first.pth", against=against)
    names = [candidate.name for candidate in resolve_candidates(arguments, "64x64")]
    assert names == ["net.py:build", "net.py:build@a/best.pth", "net.py:build@b/best.pth", "net.py:build@last.pth"]


@pytest.mark.parametrize("again", ["{spec}", "{spec}@w.pth", "{folder}/v8/../v8/net.py:build"])
def test_the_same_network_twice_is_refused(tmp_path: Path, again: str) -> None:
    (spec,) = checkouts(tmp_path, 8)
    weights = Path("w.pth") if "@" in again else None
    arguments = CompareArguments(model=spec, weights=weights, against=(again.format(spec=spec, folder=tmp_path),))
    with pytest.raises(InputError, match=r"net\.py:build is given twice"):
        resolve_candidates(arguments, "64x64")


@pytest.mark.parametrize("name", ["efficientpose_nas/A", "baselines/simple_baseline-r50", "EfficientPose-A", "CPMs"])
def test_a_name_that_another_row_has_is_refused(command, capsys, name: str) -> None:
    table = [] if "/" in name else ["--table", TABLE2, "--against"]
    with pytest.raises(SystemExit):
        command("efficientpose/RT", "--name", name, *table)
    assert f"--name {name}: another row has this name" in capsys.readouterr().err


def test_a_default_baseline_is_not_compared_with_itself(command) -> None:
    report = command("efficientpose_nas/A", "--input", "64x64", "--json")
    assert [network["name"] for network in report["networks"]] == ["efficientpose_nas/A", "baselines/simple_baseline-r50"]


# --- files and text --------------------------------------------------------------------------------------------------------


def test_rows_ready_to_paste(command, tmp_path: Path) -> None:
    report = command(EXAMPLE, "--table", TABLE2, "--name", "My_Net & 100%", "--against", "--json")
    out = tmp_path / "out"
    assert [Path(name).name for name in report["files"]] == ["row.md", "row.tex", "row.csv", "table.md", "pareto.svg"]
    with open(out / "row.csv", newline="") as file:
        header, row = csv.reader(file)
    assert header == ["Method", "Params", "GFLOPs", "PCKh@0.5"]
    assert row == list(cells(report).values()) == ["My_Net & 100%", "0.4M", "0.3", ""]
    assert (out / "row.md").read_text().splitlines()[-1] == "| My_Net & 100% | 0.4M | 0.3 |  |"
    assert (out / "row.tex").read_text().splitlines()[-1] == r"My\_Net \& 100\% & 0.4M & 0.3 &  \\"
    lines = [line for line in (out / "table.md").read_text().splitlines() if line.startswith("|")]
    assert len(lines) == 2 + 16 + 1  # heading, what Table 2 prints, and the new row
    assert lines[2] == "| CPMs | 31.0M | 175.0 | 88.0 | 85.1 |"
    assert lines[-1].startswith("| **My_Net & 100%** | **0.4M** | **0.3** |  | **0.33")


@pytest.mark.parametrize("name", ["<img src=x>|a", "=SUM(A1)", "*`$x_{$`*\\\\|b"])
def test_a_name_is_text_in_each_file(command, tmp_path: Path, name: str) -> None:
    command(EXAMPLE, "--table", TABLE2, "--name", name, "--against")
    out = tmp_path / "out"
    for file in ("row.md", "table.md"):
        tokens = MarkdownIt("commonmark").enable("table").parse((out / file).read_text())
        cells = [token.children or [] for token in tokens if token.type == "inline"]
        (cell,) = [cell for cell in cells if "".join(child.content for child in cell) == name]
        assert {child.type for child in cell} <= {"text", "text_special", "strong_open", "strong_close"}
    with open(out / "row.csv", newline="") as csv_file:
        assert list(csv.reader(csv_file))[1][0] == (f"'{name}" if name.startswith("=") else name)
    assert name.replace("<", "&lt;").replace(">", "&gt;") in (out / "pareto.svg").read_text()


@pytest.mark.parametrize("name", ["two\nlines", "\x1b[31mred", "half \udcff", "\u202eturned"])
def test_a_name_that_cannot_be_seen_is_refused(command, capsys, name: str) -> None:
    with pytest.raises(SystemExit) as status:
        command(EXAMPLE, "--table", TABLE2, "--name", name, "--against")
    assert status.value.code == 2
    error = capsys.readouterr().err.splitlines()[-1]
    assert error.startswith("error: --name ")
    assert error.isprintable()


def test_the_terminal_shows_printed_rows_and_ours(command) -> None:
    text = command(EXAMPLE, "--table", TABLE2, "--name", "MyNet", "--against")
    assert re.search(r"^   EfficientPose-A +1\.3M +0\.7 +88\.1 +0\.542$", text, re.M)
    assert re.search(r"^ → MyNet +0\.4M +0\.3 +0\.332$", text, re.M)
    assert "empty: PCKh@0.5: no accuracy was measured" in text


def test_the_figure_shows_the_network_at_its_cost(command, tmp_path: Path) -> None:
    command(EXAMPLE, "--table", TABLE2, "--name", "MyNet", "--against")
    figure = (tmp_path / "out/pareto.svg").read_text()
    assert "MyNet: 0.332 GMACs, accuracy not measured" in figure
    command(EXAMPLE, "--table", TABLE2, "--name", "MyNet", "--against")
    assert (tmp_path / "out/pareto.svg").read_text() == figure


# --- accuracy of predictions -----------------------------------------------------------------------------------------------


@pytest.fixture
def predictions(tmp_path: Path) -> Path:
    """Write ground truth of a few people, good predictions and worse predictions into a folder."""
    generator = np.random.default_rng(0)
    truth = generator.uniform(50, 500, (PEOPLE, 16, 2))
    boxes = np.zeros((2, 2, PEOPLE))
    boxes[1] = [[30.0], [40.0]]
    ground_truth = {"pos_gt_src": truth.transpose(1, 2, 0), "jnt_missing": np.zeros((16, PEOPLE)), "headboxes_src": boxes}
    savemat(tmp_path / "gt.mat", ground_truth)
    for name, sigma in (("good", 6), ("worse", 14)):
        savemat(tmp_path / f"{name}.mat", {"preds": truth + generator.normal(0, sigma, truth.shape)})
    return tmp_path


def test_predictions_are_scored_as_the_score_command_scores_them(command, predictions: Path, capsys) -> None:
    from benchmark.score import main

    files = ["--annotations", str(predictions / "gt.mat"), "--predictions", str(predictions / "good.mat")]
    accuracy = command(EXAMPLE, *files, "--against", f"efficientpose_nas/A@{predictions / 'worse.mat'}", "--json")["accuracy"]
    main([*files, "--against", str(predictions / "worse.mat"), "--json"])
    scores = json.loads(capsys.readouterr().out)
    row = scores["presets"]["mpii_official"]["0.1"]
    estimate = accuracy["figures"]["pckh@0.1 (mpii_official)"]
    assert (estimate["value"], estimate["ci95"], estimate["parts"]) == (row["mean"], row["ci95"], row["joints"])
    expected = scores["against"]["hrnet"]["0.5"]
    difference = accuracy["over"]["efficientpose_nas/A"]["pckh@0.5 (hrnet)"]
    assert (difference["value"], difference["ci95"]) == (expected["difference"], expected["ci95"])
    assert difference["ci95"][0] > 0


def test_a_few_persons_do_not_fill_the_tables_cell(command, predictions: Path) -> None:
    files = ["--annotations", str(predictions / "gt.mat"), "--predictions", str(predictions / "good.mat")]
    report = command(EXAMPLE, *files, "--table", TABLE2, "--against", "--json")
    assert report["accuracy"]["n"] == PEOPLE
    assert report["table"]["columns"][-1]["why_empty"] == f"measured on {PEOPLE} people, not on the 2958 of the table's split"
    assert cells(report)["pckh"] == ""


@pytest.mark.slow
def test_published_predictions_stand_in_each_table_by_its_own_mean(command, pose_data: Path, tmp_path: Path) -> None:
    paths = [pose_data / "mpii/gt_valid.mat", pose_data / "mpii/predictions/hourglass_s2_b1.mat"]
    for path in paths:
        if not path.is_file():
            pytest.skip(f"{path} is not there")
    files = ["--annotations", str(paths[0]), "--predictions", str(paths[1]), "--against", "--json"]
    rows = {table: cells(command(EXAMPLE, "--table", table, *files)) for table in (TABLE2, "efficientpose/table3")}
    assert rows[TABLE2]["pckh"] == "87.3"  # the mean of HRNet's code; pytorch-pose's own is 86.76
    # "0.1" is really 0.11 in HRNet's code, 28.08 %, and 0.1 in MPII's, 23.91 %.
    assert (rows["efficientpose/table3"]["pckh50"], rows["efficientpose/table3"]["pckh10"]) == ("87.30", "23.91")
    wrist = cells(command(EXAMPLE, "--table", "heatmap_weighting/table3", *files))
    assert wrist["wrist"] == "83.3"  # published: 83.31
    files = ["--dataset", "mpii", "--root", str(pose_data), *files[2:-1]]  # finds the annotations below the data root
    command(EXAMPLE, "--table", TABLE2, "--name", "MyNet", *files)
    assert "MyNet, 95 % interval" in (tmp_path / "out/pareto.svg").read_text()


def test_an_accuracy_of_other_data_is_no_cell(command) -> None:
    table = PAPERS["efficientpose_nas"].tables["table2"]
    estimates = {"pckh@0.5 (hrnet)": Estimate(88.04, (87.0, 89.0), {"Head": 96.0})}
    measured = Accuracy(dataset="mpii", split="val", n=2958, how="", estimates=estimates)
    column = table.columns["pckh"]
    assert accuracy_in_column(table, column, measured) == (88.04, "")
    assert format_like_column(88.04, table, column) == "88.0"
    for accuracy in (
        replace(measured, dataset="lsp", split="test"),
        replace(measured, dataset="synthetic-mpii"),
        replace(measured, not_comparable_reason="x"),
    ):
        assert accuracy_in_column(table, column, accuracy)[0] is None
    hidden = PAPERS["efficientpose"].tables["table4"]
    assert "its labels are hidden" in accuracy_in_column(hidden, hidden.columns["mean"], measured)[1]


def test_fractions_of_coco_are_percent_in_the_table() -> None:
    table = PAPERS["efficientpose_nas"].tables["table4"]
    measured = Accuracy(dataset="coco", split="val", n=5000, how="", estimates={"AP": Estimate(0.70449, None)})
    value, _ = accuracy_in_column(table, table.columns["ap"], measured)
    assert value is not None
    assert format_like_column(value, table, table.columns["ap"]) == "70.4"


# --- accuracy from weights -------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Write a data root with Synthetic people, and weights of untrained networks."""
    folder = tmp_path_factory.mktemp("root")
    write_datasets(folder, PEOPLE + 2, seed=1, validation=PEOPLE, size=96)
    torch.manual_seed(0)
    save_file(build().state_dict(), folder / "mine.safetensors")
    torch.save({"state_dict": {f"module.{k}": v for k, v in build().state_dict().items()}}, folder / "mine.pth")
    save_file(build_model("efficientpose/RT", joints=16).state_dict(), folder / "rt.safetensors")
    return folder


@pytest.mark.usefixtures("same_process")
def test_weights_are_tested_on_photographs_with_paired_differences(root: Path, tmp_path: Path) -> None:
    mine, rt = resolve_model(EXAMPLE), resolve_model("efficientpose/RT")
    trial = Trial.load("synthetic-mpii", root=root, input_hw=(64, 64), joints=16, work=tmp_path)
    accuracy = accuracy_from_weights(trial, mine, root / "mine.safetensors", [(rt, root / "rt.safetensors")])
    assert (accuracy.dataset, accuracy.split, accuracy.n) == ("synthetic-mpii", "val", PEOPLE)
    # The same two sets of predictions, scored together.
    protocol = PROTOCOLS["hrnet"]
    rt_protocol = find_protocol("efficientpose/RT", default_protocol("efficientpose/RT", "mpii"))
    from benchmark.evaluation.backends import load_external

    sets = {}
    for name, external, file, used_protocol, size in (
        ("mine", mine, "mine.safetensors", protocol, (64, 64)),
        ("rt", rt, "rt.safetensors", rt_protocol, None),
    ):
        backend = load_external(external, root / file, joints=16, input_hw=size, device="cpu")
        chunks = predict_people(trial.people, backend, {name: used_protocol}, tmp_path / "again")
        sets |= assemble_chunks([chunks], PEOPLE)
    together = score_predictions(trial.people, sets, {"mine": protocol, "rt": rt_protocol}, trial.folder, (64, 64))
    for metric, result in together["mine"].items():
        assert accuracy.estimates[metric] == Estimate(result.value, result.interval(), result.parts)
        rt_result = together["rt"][metric]
        paired = MetricResult(result.value - rt_result.value, result.replicates - rt_result.replicates, {})
        assert accuracy.differences["efficientpose/RT"][metric] == Estimate(paired.value, paired.interval(), {})


def test_two_checkouts_are_tested_each_in_a_process_of_its_own(root: Path, tmp_path: Path) -> None:
    from benchmark.evaluation.backends import load_external

    candidates, accuracies = [], {}
    for version, kernel in (("v1", 4), ("v2", 8)):
        (tmp_path / version).mkdir()
        (tmp_path / version / "layers_of_a_checkout.py").write_text(f"KERNEL = {kernel}\n")
        path = tmp_path / version / "net.py"
        path.write_text(
            "import sys\nfrom torch import nn\nfrom layers_of_a_checkout import KERNEL\n"
            "assert 'a registry of nets' not in sys.modules\nsys.modules['a registry of nets'] = sys\n"
            "def build(joints): return nn.Conv2d(3, joints, KERNEL, stride=4, padding=KERNEL // 2 - 2)\n"
        )
        torch.manual_seed(kernel)
        save_file(nn.Conv2d(3, 16, kernel).state_dict(), path.with_suffix(".safetensors"))
        candidates.append((resolve_model(f"{path}:build"), path.with_suffix(".safetensors")))
    trial = Trial.load("synthetic-mpii", root=root, input_hw=(64, 64), joints=16, work=tmp_path / "work")
    done: list[int] = []
    accuracy = accuracy_from_weights(trial, *candidates[0], [candidates[1]], done.append)
    assert (sum(done), "layers_of_a_checkout" in sys.modules) == (2 * PEOPLE, False)

    # The same in this process.
    protocol = {"hrnet": PROTOCOLS["hrnet"]}
    for external, file in candidates:
        backend = load_external(external, file, joints=16, input_hw=(64, 64), device="cpu")
        predictions = assemble_chunks([predict_people(trial.people, backend, protocol, tmp_path / "again")], PEOPLE)
        accuracies[file] = score_predictions(trial.people, predictions, protocol, trial.folder, (64, 64))["hrnet"]
        sys.modules.pop("a registry of nets")
    for metric, (first, second) in ((m, [a[m] for a in accuracies.values()]) for m in accuracy.estimates):
        assert accuracy.estimates[metric].value == first.value
        assert accuracy.differences[candidates[1][0].name][metric].value == first.value - second.value


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("os._exit(3)", "its process ended with status 3"),
        ("raise KeyError('maps')", "KeyError: 'maps'"),
        ("images.no_such_method()", "AttributeError: 'Tensor' object has no attribute 'no_such_method'"),
    ],
)
def test_a_network_that_fails_on_an_image_is_one_line(
    root: Path, tmp_path: Path, request: pytest.FixtureRequest, line: str, message: str
) -> None:
    if "os._exit" not in line:
        request.getfixturevalue("same_process")
    path = tmp_path / "failing_net.py"
    path.write_text(
        "import os\nfrom torch import nn\nclass Net(nn.Conv2d):\n    def __init__(self): super().__init__(3, 16, 4, 4)\n"
        f"    def forward(self, images):\n        {line}\n"
    )
    trial = Trial.load("synthetic-mpii", root=root, input_hw=(64, 64), joints=16, work=tmp_path / "work")
    with pytest.raises(InputError, match=rf"^failing_net\.py:Net: {message}") as error:
        accuracy_from_weights(trial, resolve_model(f"{path}:Net"), None)
    assert "\n" not in str(error.value)


def test_every_kind_of_weight_file_is_filled_in(root: Path, tmp_path: Path) -> None:
    from benchmark.evaluation.backends import load_external, network_fingerprint
    from benchmark.models.weights import load_weights

    mine = resolve_model(EXAMPLE)
    fingerprints = set()
    for name in ("mine.safetensors", "mine.pth"):
        network = mine.build(16, (64, 64))
        load_weights(network, root / name, "mine")
        fingerprints.add(network_fingerprint(mine, network))
    assert len(fingerprints) == 2  # two files with other weights
    assert load_external(mine, root / "mine.pth", joints=16, input_hw=(64, 64), device="cpu").sha256 in fingerprints


def test_the_command_tests_on_photographs(command, root: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.chdir(tmp_path)
    options = ["--dataset", "synthetic-mpii", "--root", str(root), "--input", "64x64", "--against", "--json"]
    report = command(EXAMPLE, "--weights", str(root / "mine.safetensors"), "--table", TABLE2, *options)
    assert report["accuracy"]["how"] == "mine.safetensors, 64x64, protocol hrnet"
    assert report["table"]["columns"][-1]["why_empty"] == "measured on synthetic-mpii val, the table is mpii val"


# --- latency ---------------------------------------------------------------------------------------------------------------


@pytest.mark.usefixtures("same_process")
def test_all_networks_take_turns_under_one_setting(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    timed = []

    def measure(settings, *, rounds, progress, failed):
        timed.extend(settings)
        progress(1, 1)
        return [
            Timing(setting=setting, rounds=np.full((rounds, 2), seconds), cpu=np.full((rounds, 2), seconds))
            for setting, seconds in zip(settings, (0.1, 0.3), strict=True)
        ]

    monkeypatch.setattr("benchmark.compare.run.measure_latency", measure)
    arguments = CompareArguments(
        model=EXAMPLE, against=("efficientpose_nas/A",), threads=2, rounds=3, out=tmp_path, input="128x128"
    )
    comparison = compare_networks(arguments)
    assert timed == [Setting(model=model, input="128x128", threads=2, joints=16) for model in (EXAMPLE, "efficientpose_nas/A")]
    from benchmark.compare.output import comparison_report, format_comparison

    report = check_report(ComparisonReport, json.dumps(comparison_report(comparison)))
    new_network, baseline = (network["latency"] for network in report["networks"])
    assert (new_network["ms"], new_network["ratio"]) == (pytest.approx(100), 1)
    assert baseline["ratio"] == pytest.approx(3)
    text = format_comparison(comparison)
    assert re.search(r"efficientpose_nas/A +128x128 +300\.00 .* 3\.00\n", text)
    assert "10th percentile of the calls of one run, so without intervals" in text


def test_an_onnx_file_takes_all_networks_into_its_runtime(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    pytest.importorskip("onnxruntime", reason="onnxruntime (the extra 'runtimes') is not installed")
    from reproductions.network_checks import export_onnx

    timed = []

    def measure(settings, **options):
        timed.extend(settings)
        return [Timing(setting=cell, rounds=np.full((2, 1), 0.1), cpu=np.full((2, 1), 0.1)) for cell in settings]

    monkeypatch.setattr("benchmark.compare.run.measure_latency", measure)
    path = tmp_path / "example.onnx"
    export_onnx(build().eval(), torch.zeros(1, 3, 64, 64), path)
    comparison = compare_networks(
        CompareArguments(model=str(path), input="64x64", against=("efficientpose_nas/A",), out=tmp_path)
    )
    assert {cell.backend for cell in timed} == {"onnxruntime"}
    assert any("exported and timed there too" in note for note in comparison.notes)


@pytest.mark.slow
def test_what_cannot_be_timed_or_counted_is_left_out_with_a_note(nets: Path, tmp_path: Path) -> None:
    nets.write_text(NETS + "\ndef without_values(): return Returning('values')\n")
    nets.write_text(
        nets.read_text().replace(
            'if self.what == "error":',
            'if self.what == "values" and images.any():\n            return maps\n        if self.what in ("error", "values"):',
        )
    )
    comparison = compare_networks(
        CompareArguments(model=f"{nets}:without_values", against=(f"{nets}:error", f"{nets}:good"), out=tmp_path, rounds=2)
    )
    from benchmark.compare.output import comparison_report, format_comparison

    report = check_report(ComparisonReport, json.dumps(comparison_report(comparison)))
    timed_only, neither, good = report["networks"]
    assert (timed_only["flops"], neither["flops"]) == ({}, {})
    assert timed_only["params"] == neither["params"]
    assert neither["params"].items() < good["params"].items()
    assert timed_only["latency"]["ms"] > 0
    assert (neither["latency"], good["not_timed"]) == (None, "")
    assert "nets.py:error failed at " in neither["not_timed"]
    text = format_comparison(comparison)
    assert re.search(r"^- nets\.py:error: not timed: .*KeyError: 'maps'$", text, re.M)
    assert re.search(r"^- nets\.py:without_values: empty cells were not counted: .*KeyError: 'maps'$", text, re.M)


@pytest.mark.parametrize("options", [pytest.param("", marks=pytest.mark.slow, id="as in the README"), "--rounds 3"])
def test_the_example_is_compared_in_under_a_minute(tmp_path: Path, options: str) -> None:
    """Run the README's command in its own process: it takes under a minute of one processor's time."""
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    command_line = (
        f"-m benchmark.compare benchmark/compare/example_net.py:build --table {TABLE2} --out {tmp_path} --json {options}"
    )
    completed = subprocess.run([sys.executable, *command_line.split()], capture_output=True, text=True, cwd=ROOT, timeout=300)
    assert completed.returncode == 0, completed.stderr
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    report = check_report(ComparisonReport, completed.stdout)
    assert cells(report) == {"method": "example_net.py:build", "params": "0.4M", "gflops": "0.3", "pckh": ""}
    assert [network["name"] for network in report["networks"][1:]] == [f"efficientpose_nas/{variant}" for variant in "ABC"]
    times = [network["latency"]["ms"] for network in report["networks"]]
    assert times[0] < times[1] < times[3]  # 0.33, 0.54 and 1.86 true GMACs
    assert report["networks"][3]["latency"]["ratio"] > 1
    assert after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime < 60


def test_the_example_is_short() -> None:
    lines = Path(example_net.__file__).read_text().splitlines()
    assert sum(bool(line.strip()) for line in lines) <= 45


# --- mistakes --------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("output", "message"),
    [
        (torch.zeros(1, 16, 4, 4), ""),
        ([torch.zeros(1, 3), (torch.zeros(1), torch.zeros(1, 16, 4, 4))], ""),
        (torch.zeros(1, 17, 4, 4), "returns [1, 17, 4, 4], not heatmaps [1, 16, h, w]; give --joints 17 if that is intended"),
        (torch.zeros(1, 18, 4, 4), "returns [1, 18, 4, 4], not heatmaps [1, 16, h, w]"),
        (torch.zeros(1, 1000), "returns [1, 1000], not heatmaps [1, 16, h, w]"),
        ({"maps": torch.zeros(1, 16, 4, 4)}, ""),
        ([torch.zeros(1, 3), {"maps": [torch.zeros(1, 16, 4, 4)]}], ""),
        ({"maps": torch.zeros(1, 16, 4, 4), "points": 1}, "returns dict of maps, points, not heatmaps [1, 16, h, w]"),
        ([{"boxes": 1, "scores": 2}], "returns dict of boxes, scores, not heatmaps [1, 16, h, w]"),
        ((), "returns tuple, not heatmaps [1, 16, h, w]"),
    ],
)
def test_outputs_that_are_no_heatmaps(output: Any, message: str) -> None:
    assert heatmap_misfit(output, 16, "--joints") == message


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["{nets}:seventeen"], "nets.py:seventeen returns [1, 17, 64, 64], not heatmaps [1, 16, h, w]; give --joints 17"),
        (["{nets}:error"], "nets.py:error: {nets}:19: KeyError: 'maps'"),
        (["{nets}:good", "--input", "2x2"], "nets.py:good: RuntimeError: "),
        (["{nets}:good", "--input", "256"], "'256' is not an input size"),
        (["{nets}:good", "--joints", "0"], "--joints 0: at least one keypoint is needed"),
        (["{nets}:good", "--rounds", "1"], "--rounds 1: at least two are needed"),
        (["{nets}:good", "--table", "nobody/table2"], "--table nobody/table2: no paper 'nobody'; known: efficientpose_nas"),
        (["{nets}:good", "--table", "efficientpose_nas/table99"], "efficientpose_nas has the tables table1, "),
        (["{nets}:good", "--against", "efficientpose_nas/D"], "unknown model 'efficientpose_nas/D'"),
        (["{nets}:good", "--against", "efficientpose_nas/A", "efficientpose_nas/A"], "efficientpose_nas/A is given twice"),
        (["{nets}:good", "--against", "efficientpose_nas/A@x.mat"], "--against MODEL@FILE needs --predictions or --dataset"),
        (["{nets}:good", "--predictions", "x.mat"], "--predictions: give --annotations, or --dataset to find them"),
        (
            ["{nets}:good", "--predictions", "x.mat", "--dataset", "mpii", "--root", "{nets}"],
            "no annotations to score predictions",
        ),
        (["{nets}:good", "--annotations", "x.mat"], "--annotations are for --predictions"),
        (["{nets}:good", "--weights", "x.pth"], "--weights: give --dataset, the images to test on"),
        (["{nets}:good", "--dataset", "lsp", "--root", "{nets}/no"], "no"),
        (["efficientpose_nas/A", "--input", "250x250"], "efficientpose_nas/A takes no 250x250 image"),
        (
            ["torchvision:resnet18", "--dataset", "lsp"],
            "resnet18 returns [1, 1000], not heatmaps [1, 14, h, w]: cost and latency can",
        ),
    ],
)
def test_a_mistake_is_one_line_and_status_2(command, nets: Path, capsys, arguments: list[str], message: str) -> None:
    with pytest.raises(SystemExit) as exit_info:
        command(*(argument.format(nets=nets) for argument in arguments))
    output = capsys.readouterr()
    assert exit_info.value.code == 2
    assert output.out == ""
    assert output.err.startswith("error: ")
    assert message.format(nets=nets) in output.err
    assert output.err.count("\n") == 1


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("rt.safetensors", "rt.safetensors does not fit"),
        pytest.param("broken.pth", "broken.pth is not a weight file", marks=pytest.mark.slow),
        ("absent.pth", "no weights at"),
        pytest.param("weights.txt", "weights.txt is empty", marks=pytest.mark.slow),
    ],
)
def test_weights_that_do_not_fit_are_named(command, root: Path, monkeypatch, tmp_path: Path, capsys, name, message) -> None:
    monkeypatch.chdir(tmp_path)
    (root / "broken.pth").write_bytes(b"no pickle")
    (root / "weights.txt").write_text("")
    options = ["--dataset", "synthetic-mpii", "--root", str(root), "--input", "64x64", "--against"]
    with pytest.raises(SystemExit):
        command(EXAMPLE, "--weights", str(root / name), *options)
    error_lines = capsys.readouterr().err.strip().splitlines()
    assert message in error_lines[-1]


def test_untrained_networks_of_this_project_have_no_accuracy(command, root: Path, capsys) -> None:
    options = ["--dataset", "synthetic-mpii", "--root", str(root), "--input", "64x64", "--against"]
    with pytest.raises(SystemExit):
        command("efficientpose_nas/A", *options)
    assert "efficientpose_nas/A has no trained weights of its own: give --weights" in capsys.readouterr().err


def test_a_folder_that_cannot_be_written_is_named(nets: Path, capsys) -> None:
    with pytest.raises(SystemExit):
        main([f"{nets}:good", "--no-latency", "--against", "--out", str(nets / "below"), "--table", TABLE2])
    assert f"{nets / 'below'}: cannot be written: {nets} is a file, not a folder" in capsys.readouterr().err


def test_help_shows_an_example() -> None:
    completed = subprocess.run([sys.executable, "-m", "benchmark.compare", "--help"], capture_output=True, text=True, cwd=ROOT)
    assert completed.returncode == 0
    assert (
        "python -m benchmark.compare benchmark/compare/example_net.py:build --table efficientpose_nas/table2"
        in completed.stdout
    )
