"""A network is timed as its label says, whatever its code sets, and one that cannot be is left out or refused by name."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import torch

from benchmark.config.latency import Setting
from benchmark.core.errors import InputError
from benchmark.latency.timer import measure_latency
from benchmark.latency.worker import PreparedNetwork
from benchmark.models.process_state import read_state

NET = """
import json, os
import cv2, torch
from torch import nn

class Net(nn.Module):
    def __init__(self, joints):
        super().__init__()
        {at_init}
        self.conv = nn.Conv2d(3, joints, 4, stride=4)

    def forward(self, x):
        y = self.conv(x)
        {forward}
        return y

    {method}
"""
NOTES = """
        with open({path!r}, "w") as file:
            variables = [os.environ[name] for name in ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS")]
            json.dump([torch.get_num_threads(), cv2.getNumThreads(), str(y.dtype), variables, os.getcwd(),
                       torch.are_deterministic_algorithms_enabled(), torch.backends.mkldnn.enabled], file)
"""


def write_net(folder: Path, at_init: str = "pass", forward: str = "pass", method: str = "") -> str:
    path = folder / "a_timed_net.py"
    path.write_text(NET.format(at_init=at_init, forward=forward, method=method))
    return f"{path}:Net"


SETTINGS = """
torch.set_num_threads(8)
cv2.setNumThreads(8)
torch.set_default_dtype(torch.float64)
os.environ.update(OMP_NUM_THREADS="8", MKL_NUM_THREADS="8")
del os.environ["OPENBLAS_NUM_THREADS"]
os.chdir("/")
torch.use_deterministic_algorithms(True)
torch.backends.mkldnn.enabled = False
torch.set_num_interop_threads(1)
torch.manual_seed(torch.seed())
"""


def test_a_network_is_timed_under_the_setting_and_not_under_its_own(tmp_path: Path) -> None:
    notes = tmp_path / "notes.json"
    at_init = "; ".join(SETTINGS.strip().splitlines())
    measure_latency([Setting(model=write_net(tmp_path, at_init, NOTES.format(path=str(notes))), input="32x32")], rounds=2)
    assert json.loads(notes.read_text()) == [1, 1, "torch.float32", ["1"] * 3, str(Path.cwd()), False, True]


CHANGES_AS_IT_RUNS = {
    "threads": ("torch.set_num_threads(2)", "number of threads 2 instead of 1"),
    "dtype": ("torch.set_default_dtype(torch.float64)", "default dtype torch.float64 instead of torch.float32"),
    "variable": ("os.environ['OMP_NUM_THREADS'] = '9'", "OMP_NUM_THREADS 9 instead of "),
    "precision": ("torch.set_float32_matmul_precision('medium')", "precision of products medium instead of highest"),
}


@pytest.mark.parametrize("name", CHANGES_AS_IT_RUNS)
def test_a_network_that_changes_the_setting_as_it_runs_is_refused(tmp_path: Path, name: str) -> None:
    line, message = CHANGES_AS_IT_RUNS[name]
    state, dtype, precision = read_state(), torch.get_default_dtype(), torch.get_float32_matmul_precision()
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("OMP_NUM_THREADS", "1")
        patch.setattr(torch, "set_num_interop_threads", lambda number: None)
        prepared = PreparedNetwork(Setting(model=write_net(tmp_path, forward=line), input="32x32"), "")
        try:
            prepared.check_state()
            prepared.call()
            with pytest.raises(InputError, match=f"a_timed_net.py:Net cannot be timed at .*: as it runs, it sets {message}"):
                prepared.check_state()
        finally:
            torch.set_default_dtype(dtype)
            torch.set_float32_matmul_precision(precision)
            torch.set_flush_denormal(state["denormal numbers"])


UNUSUAL = {
    "a dictionary": {"forward": "return {'maps': y, 'points': y.flatten(2)}"},
    "detections": {"forward": "return [{'boxes': y.flatten(2)}]"},
    "a train() that returns nothing": {"method": "def train(self, mode=True): self.training = mode"},
    "half precision": {"at_init": "torch.set_default_dtype(torch.half)"},
}


@pytest.mark.parametrize("name", UNUSUAL)
def test_an_unusual_network_is_timed(tmp_path: Path, name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch, "set_num_interop_threads", lambda number: None)
    flush = read_state()["denormal numbers"]
    prepared = PreparedNetwork(Setting(model=write_net(tmp_path, **UNUSUAL[name]), input="32x32"), "")
    parts, _ = prepared.call()
    torch.set_flush_denormal(flush)
    assert parts["forward"] > 0


def test_networks_that_fail_are_left_out_with_their_reasons(tmp_path: Path) -> None:
    for name, forward in {
        "good": "pass",
        "killed": "os.kill(os.getpid(), 9)",
        "late": "self.n = getattr(self, 'n', 0) + 1",
    }.items():
        (tmp_path / name).mkdir()
        late = "; assert self.n < 40, 'too late'" if name == "late" else ""
        write_net(tmp_path / name, forward=forward + late)
    names = ("killed", "good", "late", "absent")
    reasons: dict[int, str] = {}
    settings = [Setting(model=f"{tmp_path}/{name}/a_timed_net.py:Net", input="32x32") for name in names]
    timings = measure_latency(settings, rounds=3, failed=lambda number, problem: reasons.setdefault(number, str(problem)))
    assert [timing.setting for timing in timings] == [settings[1]]
    assert timings[0].rounds.shape[0] == 3
    assert sorted(reasons) == [0, 2, 3]
    for number, message in ((0, "ended by SIGKILL"), (2, "AssertionError: too late"), (3, "no such file")):
        assert message in reasons[number]
        assert names[number] in reasons[number]
