"""Networks of users are counted, each in a process of its own, and on the processor where they need values."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest

from benchmark.core.errors import InputError
from benchmark.cost.records import ExternalCost, count_external, describe_device, measure_external_cost
from benchmark.measure.cost import CostCommand, CostReport
from benchmark.models.external import resolve_model
from tests.json_reports import check_report

SIZE = 64
MACS = 16 * 16 * 3 * 16 * 16  # of a convolution with kernels of 4x4 pixels, one every 4
NET = """
import dataclasses, numpy, os, signal, sys
import torch
from torch import nn

class Net(nn.Module):
    def __init__(self, joints=16):
        super().__init__()
        self.conv = nn.Conv2d(3, joints, 4, stride=4)
        self.offset = torch.tensor(0.5)
        {at_init}

    def forward(self, x):
        y = self.conv(x)
        {forward}
        return y

    {method}
"""


def write_net(folder: Path, *, at_init: str = "pass", forward: str = "pass", method: str = "") -> str:
    path = folder / "a_users_net.py"
    path.write_text(NET.format(at_init=at_init, forward=forward, method=method))
    return f"{path}:Net"


def count_here(spec: str, device: str) -> ExternalCost:
    return ExternalCost(device=device, **count_external(resolve_model(spec), 16, SIZE, SIZE, device))  # type: ignore[arg-type]


NEEDS_VALUES = {
    "a value": "y = y * (y.abs().max().item() >= 0)",
    "a branch": "y = y if y.mean() < 1e9 else y * 2",
    "numpy": "y = y + torch.from_numpy(numpy.ones_like(y.numpy()))",
    "a gradient": "exec('with torch.enable_grad(): z = y.detach().requires_grad_(); torch.autograd.grad((z * 2).sum(), z)')",
    "non-maximum suppression": "import torchvision; torchvision.ops.nms(torch.rand(4, 4), torch.rand(4), 0.5)",
    "a tensor that is no buffer": "y = y + torch.ones(16, 1, 1, device='cpu') * self.offset.expand(16, 1, 1)",
    "a number of detections": "y = y + len((y > 9).nonzero())",
}


@pytest.mark.parametrize("name", NEEDS_VALUES)
def test_a_network_that_needs_values_is_counted_on_the_processor(tmp_path: Path, name: str) -> None:
    spec = write_net(tmp_path, forward=NEEDS_VALUES[name])
    failed = count_here(spec, "meta")
    assert re.match(r"a_users_net\.py:Net: \S+a_users_net\.py:\d+: \w+: ", failed.failure)
    assert failed.counts["flops"] == {}
    counted = count_here(spec, "cpu")
    assert (counted.failure, counted.counts["flops"]["macs"], counted.misfit) == ("", MACS, "")
    assert failed.counts["params"].items() < counted.counts["params"].items()  # trainable and stored ones need no run


RUNS_WITHOUT_VALUES = {
    "a train() that returns nothing": {"method": "def train(self, mode=True): self.training = mode"},
    "a to() that returns nothing": {"method": "def to(self, *args, **kwargs): super().to(*args, **kwargs)"},
    "another __call__": {"method": "def __call__(self, x): return self.forward(x)"},
    "a __call__ that does more": {"method": "def __call__(self, x): return [super().__call__(x)]"},
    "a dictionary": {"forward": "y = {'heatmaps': y}"},
    "a dataclass": {"forward": "y = dataclasses.make_dataclass('Output', ['maps', 'loss'], slots=True)(y, None)"},
    "nothing beside the maps": {"forward": "y = y, None"},
    "a dictionary of lists": {"forward": "y = {'heatmaps': [y, y]}"},
    "a buffer made on the way": {"forward": "self.register_buffer('g', torch.arange(16.)); y = y + self.g"},
    "a lazy layer": {"at_init": "self.conv = nn.LazyConv2d(joints, 4, stride=4)"},
    "half precision": {"at_init": "self.half()"},
    "double precision": {"at_init": "torch.set_default_dtype(torch.float64); self.conv = nn.Conv2d(3, joints, 4, stride=4)"},
}


@pytest.mark.parametrize("name", RUNS_WITHOUT_VALUES)
def test_an_unusual_network_is_counted_without_values(tmp_path: Path, name: str) -> None:
    cost = count_here(write_net(tmp_path, **RUNS_WITHOUT_VALUES[name]), "meta")
    assert (cost.failure, cost.misfit, cost.joints) == ("", "", 16)
    assert cost.counts["flops"]["macs"] == MACS


@pytest.mark.parametrize(
    "wrap",
    [
        "torch.export.export(net, (torch.zeros(1, 3, 64, 64),)).module()",
        "nn.Sequential(torch.export.export(net, (torch.zeros(1, 3, 64, 64),)).module())",
        "torch.fx.symbolic_trace(net)",
        "torch.jit.script(net)",
        "torch.jit.trace(net, torch.zeros(1, 3, 64, 64))",
        "torch.compile(net)",
        "nn.DataParallel(net)",
    ],
)
def test_a_wrapped_network_is_counted(tmp_path: Path, wrap: str) -> None:
    path = tmp_path / "a_wrapped_net.py"
    path.write_text(f"import torch\nfrom torch import nn\nnet = nn.Conv2d(3, 16, 4, stride=4)\ndef build(): return {wrap}\n")
    assert count_here(f"{path}:build", "meta").counts["flops"]["macs"] == MACS


# --- processes -------------------------------------------------------------------------------------------------------------


def test_two_checkouts_of_a_project_and_a_registry_are_counted_in_one_command(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for width in (8, 32):
        folder = tmp_path / f"v{width}"
        folder.mkdir()
        (folder / "layers.py").write_text(f"import torch\ntorch.set_default_dtype(torch.float{width * 2})\nWIDTH = {width}\n")
        (folder / "net.py").write_text(
            "from layers import WIDTH\nfrom torch import nn\nassert not hasattr(nn, 'registered')\nnn.registered = True\n"
            "def build(joints): return nn.Sequential(nn.Conv2d(3, WIDTH, 4, 4), nn.Conv2d(WIDTH, joints, 1))\n"
        )
    CostCommand((f"{tmp_path}/v8/net.py:build", f"{tmp_path}/v32/net.py:build"), input="64x64", json=True)()
    report = check_report(CostReport, capsys.readouterr().out)
    macs = {model["model"]: model["flops"]["macs"] for model in report["models"]}
    assert macs == {f"v{width}/net.py:build": 256 * width * (3 * 16 + 16) for width in (8, 32)}
    assert {model["counted_on"] for model in report["models"]} == {"meta"}


def test_the_second_run_is_again_the_first_of_its_process(tmp_path: Path) -> None:
    at_init = "assert 'built' not in sys.modules; sys.modules['built'] = sys"
    spec = write_net(tmp_path, at_init=at_init, forward="y = y + y.mean().item()")
    cost = measure_external_cost(resolve_model(spec), 16, SIZE, SIZE)
    assert (cost.device, cost.counts["flops"]["macs"]) == ("cpu", MACS)
    note = describe_device(cost)
    assert note.startswith("counted in a run on the processor, with an image of zeros; without values: a_users_net.py:Net: ")


@pytest.mark.usefixtures("same_process")
def test_text_and_json_say_where_a_network_ran(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    spec = write_net(tmp_path, forward="y = y + y.mean().item()")
    CostCommand((spec, "efficientpose/RT"), input="64x64")()
    lines = capsys.readouterr().out.splitlines()
    assert [line.split(":")[0] for line in lines if line.startswith("  ")][1:] == [
        "  counted in a run on the processor, with an image of zeros; without values"
    ]
    CostCommand((spec, "efficientpose/RT"), input="64x64", json=True)()
    report = check_report(CostReport, capsys.readouterr().out)
    assert [model["counted_on"] for model in report["models"]] == ["cpu", "meta"]


@pytest.mark.usefixtures("same_process")
def test_networks_that_fail_are_named_once_the_others_are_counted(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for name, line in {"built": "raise OSError('no file')", "run": "self.missing", "good": "pass"}.items():
        (tmp_path / name).mkdir()
        write_net(tmp_path / name, **{"at_init" if name == "built" else "forward": line})
    models = [f"{tmp_path}/{name}/a_users_net.py:Net" for name in ("built", "run", "good")]
    with pytest.raises(InputError, match=r"^baselines/hrnet-w32 takes no 65x64 image"):
        CostCommand((*models, "baselines/hrnet-w32"), input="65x64", json=True)()
    printed = capsys.readouterr()
    assert [model["model"] for model in json.loads(printed.out)["models"]] == ["good/a_users_net.py:Net"]
    assert re.findall(r"(?m)^error: (\w+)/a_users_net\.py:Net: \S+: (\w+): ", printed.err) == [
        ("built", "OSError"),
        ("run", "AttributeError"),
    ]


@pytest.mark.parametrize(
    ("parts", "message"),
    [
        ({"forward": "os.kill(os.getpid(), signal.SIGKILL)"}, r"^a_users_net\.py:Net: its process was ended by SIGKILL"),
        pytest.param(
            {"forward": "os._exit(7)"}, r"^a_users_net\.py:Net: its process ended with status 7", marks=pytest.mark.slow
        ),
        pytest.param(
            {"forward": "sys.exit('no')"},
            r"^a_users_net\.py:Net: \S+a_users_net\.py:\d+: SystemExit: no$",
            marks=pytest.mark.slow,
        ),
        ({"at_init": "raise OSError('no weights')"}, r"^a_users_net\.py:Net: \S+a_users_net\.py:\d+: OSError: no weights$"),
        ({"forward": "yield y"}, r"^a_users_net\.py:Net: its forward yields outputs one by one; it has to return them$"),
        pytest.param(
            {"at_init": "input()"}, r"^a_users_net\.py:Net: \S+a_users_net\.py:\d+: EOFError: ", marks=pytest.mark.slow
        ),
    ],
)
def test_a_network_that_cannot_be_counted_is_one_line(tmp_path: Path, parts: dict[str, str], message: str) -> None:
    with pytest.raises(InputError, match=message) as error:
        CostCommand((write_net(tmp_path, **parts),))()
    assert "\n" not in str(error.value)
