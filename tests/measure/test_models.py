"""The list of models is complete and can be typed as it stands, and every command that is given an unknown one points to it."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path

import pytest

from benchmark.compare.run import CompareArguments, resolve_candidates
from benchmark.config.packages import find_recipe
from benchmark.core.errors import InputError
from benchmark.core.input_size import parse_size
from benchmark.measure.cost import CostCommand
from benchmark.measure.latency import LatencyCommand
from benchmark.measure.models import ModelsCommand, ModelsReport
from benchmark.models.external import resolve_model
from benchmark.models.registry import check_input_size, entries, find_entry
from tests.json_reports import check_report


def test_every_listed_id_switch_and_size_is_accepted(capsys: pytest.CaptureFixture[str]) -> None:
    ModelsCommand(json=True)()
    report = check_report(ModelsReport, capsys.readouterr().out)
    assert [model["id"] for model in report["models"]] == list(entries())
    for model in report["models"]:
        for switch, values in model["switches"].items():
            for value in values:
                assert find_entry(f"{model['id']}+{switch}={value}").id == f"{model['id']}+{switch}={value}"
        for size in model["inputs"]:
            check_input_size(model["id"], parse_size(size))
        check_input_size(model["id"], (model["multiple"] * -(-model["smallest"] // model["multiple"]),) * 2)


def test_the_text_lists_ids_sizes_and_switches_with_their_values(capsys: pytest.CaptureFixture[str]) -> None:
    ModelsCommand("efficientpose_nas/A")()
    lines = capsys.readouterr().out.splitlines()
    assert lines[0].split()[:3] == ["efficientpose_nas/A", "256x256,", "256x192,"]
    assert "    +sic=on|off" in lines or "    +sic=off" in lines
    entry = find_entry("efficientpose_nas/A")
    assert lines[1:] == [f"    +{switch}={'|'.join(values)}" for switch, values in entry.switches.items()]


def test_a_text_that_no_id_has_is_one_line() -> None:
    with pytest.raises(InputError, match=r"no model has 'resnext' in its id; python -m benchmark\.measure models lists all"):
        ModelsCommand("resnext")()


UNKNOWN: dict[str, Callable[[str], object]] = {
    "any command": resolve_model,
    "cost": lambda model: CostCommand((model,))(),
    "latency": lambda model: LatencyCommand((model,))(),
    "compare --against": lambda model: resolve_candidates(
        CompareArguments(model="efficientpose/RT", against=(model,)), "256x256"
    ),
    "train --recipe": lambda model: find_recipe(model, "mpii"),
}


@pytest.mark.parametrize("model", ["efficientpose_nas/Q", "completely different"])
@pytest.mark.parametrize("command", UNKNOWN)
def test_an_unknown_model_points_to_the_list(command: str, model: str) -> None:
    with pytest.raises(InputError, match=rf"unknown model '{model}'; .*python -m benchmark\.measure models lists all$"):
        UNKNOWN[command](model)


NETWORKS = {
    "asks for a value": "y = y * 2 if y.abs().max().item() > 1e9 else y",
    "branches on a value": "y = y if (y >= 0).all() else y + 1",
    "counts what it finds": "y = y + len(y.nonzero()) / 1e9",
    "goes through numpy": "import numpy; y = y + float(numpy.abs(y.numpy()).max())",
}
CODE = """
from torch import nn

class Net(nn.Module):
    def __init__(self, joints):
        super().__init__()
        self.conv = nn.Conv2d(3, joints, 3, stride=4, padding=1)

    def forward(self, x):
        y = self.conv(x)
        {line}
        return y
"""


@pytest.mark.parametrize(
    "name", [name if name.startswith(("asks", "goes")) else pytest.param(name, marks=pytest.mark.slow) for name in NETWORKS]
)
@pytest.mark.usefixtures("same_process")
def test_a_users_network_that_needs_the_values_of_its_tensors_is_counted(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], name: str
) -> None:
    path = tmp_path / f"{name.replace(' ', '_')}.py"
    path.write_text(CODE.format(line=NETWORKS[name]))
    CostCommand((f"{path}:Net",), json=True)()
    assert re.search(r'"macs": (\d+)', capsys.readouterr().out)[1] == str(64 * 64 * 16 * 27)  # type: ignore[index]


@pytest.mark.usefixtures("same_process")
def test_the_error_of_a_users_network_is_that_of_a_real_run(tmp_path: Path) -> None:
    path = tmp_path / "wrong_net.py"
    path.write_text(CODE.format(line="y = y.item()"))
    with pytest.raises(InputError, match=r"wrong_net\.py:11: RuntimeError: a Tensor with 65536 elements cannot be converted"):
        CostCommand((f"{path}:Net",))()
