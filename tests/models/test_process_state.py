"""The code of a network changes nothing in our process, and a network is the same whatever it set before it was built."""

from __future__ import annotations

import sys
import warnings
from pathlib import Path

import cv2  # noqa: F401 (so that its threads are compared)
import pytest
import torch
from torch import nn

from benchmark.models.external import distinct_names, resolve_model, resolve_models
from benchmark.models.process_state import changed_values, read_state

HW = (64, 64)
NET = """
import os, sys, warnings
import cv2
import torch
from torch import nn

{at_import}

def build(joints):
    {when_built}
    return nn.Conv2d(3, joints, 4, stride=4)
"""
CHANGES = {
    "threads": "torch.set_num_threads(8)",
    "threads of OpenCV": "cv2.setNumThreads(7)",
    "double precision": "torch.set_default_dtype(torch.float64)",
    "another device": "torch.set_default_device('meta'); torch.set_default_device('cpu')",
    "deterministic operators": "torch.use_deterministic_algorithms(True, warn_only=True)",
    "no gradients": "torch.set_grad_enabled(False)",
    "anomaly detection": "torch.autograd.set_detect_anomaly(True)",
    "lower precision of products": "torch.set_float32_matmul_precision('medium')",
    "cuDNN": "torch.backends.cudnn.benchmark = not torch.backends.cudnn.benchmark; torch.backends.cudnn.deterministic = True",
    "autocast": "torch.set_autocast_enabled('cpu', True)",
    "oneDNN": "torch.backends.mkldnn.enabled = False",
    "denormal numbers": "torch.set_flush_denormal(True)",
    "variables": "os.environ['OMP_NUM_THREADS'] = '8'; os.environ['MALLOC_MMAP_MAX_'] = '1'",
    "the folder": "os.chdir('/')",
    "processors": "os.sched_setaffinity(0, {min(os.sched_getaffinity(0))})",
}


@pytest.mark.parametrize("place", ["at_import", "when_built"])
@pytest.mark.parametrize("change", CHANGES)
def test_what_a_network_sets_is_put_back(tmp_path: Path, change: str, place: str) -> None:
    path = tmp_path / "a_setting_net.py"
    path.write_text(NET.format(**{"at_import": "", "when_built": "pass"} | {place: CHANGES[change]}))
    state, filters, arguments = read_state(), list(warnings.filters), list(sys.argv)
    network = resolve_model(f"{path}:build").build(16, HW)
    assert not changed_values(state)
    assert (list(warnings.filters), sys.argv) == (filters, arguments)
    assert network(torch.zeros(1, 3, *HW)).dtype == torch.float32


def test_a_change_is_named_with_its_value() -> None:
    state = read_state()
    torch.set_num_threads(2)
    torch.set_grad_enabled(False)
    try:
        assert changed_values(state) == {"number of threads": 2, "gradient mode": False}
    finally:
        torch.set_grad_enabled(True)


@pytest.mark.parametrize("line", ["warnings.simplefilter('error')", "warnings.filterwarnings('ignore')"])
def test_filters_of_warnings_are_put_back(tmp_path: Path, line: str) -> None:
    path = tmp_path / "a_quiet_net.py"
    path.write_text(NET.format(at_import=line, when_built=line))
    before = list(warnings.filters)
    resolve_model(f"{path}:build").build(16, HW)
    assert list(warnings.filters) == before


def test_our_arguments_are_not_those_of_a_users_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "a_net_with_arguments.py"
    parser = (
        "import argparse; parser = argparse.ArgumentParser(); parser.add_argument('--width', default=5); parser.parse_args()"
    )
    path.write_text(NET.format(at_import=parser, when_built="assert sys.argv == [__file__]"))
    monkeypatch.setattr(sys, "argv", ["benchmark.compare", "--table", "x"])
    resolve_model(f"{path}:build").build(16, HW)


@pytest.mark.parametrize("dtype", ["half", "double", "bfloat16"])
def test_weights_are_float32(tmp_path: Path, dtype: str) -> None:
    path = tmp_path / "a_precise_net.py"
    path.write_text(f"from torch import nn\ndef build(): return nn.Conv2d(3, 16, 4, stride=4).{dtype}()\n")
    network = resolve_model(f"{path}:build").build(16, HW)
    assert {parameter.dtype for parameter in network.parameters()} == {torch.float32}
    assert network(torch.zeros(1, 3, *HW)).shape == (1, 16, 16, 16)


@pytest.mark.parametrize("layer", ["LazyConv2d(16, 4, stride=4)", "LazyConvTranspose2d(16, 1)", "LazyBatchNorm2d()"])
def test_lazy_layers_have_weights_once_a_network_is_built(tmp_path: Path, layer: str) -> None:
    path = tmp_path / "a_lazy_net.py"
    path.write_text(f"from torch import nn\ndef build(): return nn.Sequential(nn.{layer})\n")
    network = resolve_model(f"{path}:build").build(16, HW)
    assert not any(nn.parameter.is_lazy(tensor) for tensor in network.state_dict().values())
    assert network.training
    if "Norm" in layer:
        assert torch.equal(network.get_buffer("0.running_var"), torch.ones(3))  # the image of zeros left no trace


def test_a_file_is_executed_once(tmp_path: Path) -> None:
    path = tmp_path / "a_registry.py"
    path.write_text(
        "import sys\nfrom torch import nn\n"
        "assert 'a registry' not in sys.modules, 'registered twice'\nsys.modules['a registry'] = sys\n"
        "def small(): return nn.Conv2d(3, 16, 1)\ndef large(): return nn.Conv2d(3, 16, 3)\n"
    )
    try:
        sizes = [resolve_model(f"{path}:{name}").build(16, HW).weight.shape[-1] for name in ("small", "large", "small")]  # type: ignore[union-attr]
        assert sizes == [1, 3, 1]
    finally:
        sys.modules.pop("a registry", None)


def test_networks_of_three_checkouts_get_their_own_modules(tmp_path: Path) -> None:
    for width in (4, 8, 12):
        folder = tmp_path / f"checkout{width}"
        (folder / "parts_of_it").mkdir(parents=True)
        (folder / "widths_of_it.py").write_text(f"WIDTH = {width}\n")
        (folder / "parts_of_it/__init__.py").write_text("from widths_of_it import WIDTH\n")
        (folder / "net_of_it.py").write_text(
            "from torch import nn\nfrom parts_of_it import WIDTH\n\ndef build():\n"
            "    import widths_of_it\n    assert widths_of_it.WIDTH == WIDTH\n    return nn.Conv2d(3, WIDTH, 1)\n"
        )
    built = [resolve_model(f"{tmp_path}/checkout{width}/net_of_it.py:build").build(16, HW) for width in (4, 8, 12)]
    assert [network.weight.shape[0] for network in built] == [4, 8, 12]  # type: ignore[union-attr]


def test_resolving_a_network_executes_nothing(tmp_path: Path) -> None:
    path = tmp_path / "a_failing_net.py"
    path.write_text("raise ValueError\n")
    assert resolve_model(f"{path}:build").name == "a_failing_net.py:build"


@pytest.mark.parametrize(
    ("paths", "names"),
    [
        (["/a/v1/net.py:Net", "/a/v2/net.py:Net"], ["v1/net.py:Net", "v2/net.py:Net"]),
        (["/a/v1/net.py:Net", "/a/v1/net.py:Other"], ["net.py:Net", "net.py:Other"]),
        (["/a/v1/x/net.py:Net", "/a/v2/x/net.py:Net", "/b/net.py:Net"], ["v1/x/net.py:Net", "v2/x/net.py:Net", "b/net.py:Net"]),
        (["/net.py:Net", "/a/net.py:Net"], ["//net.py:Net", "a/net.py:Net"]),
        (["/a/net.onnx", "/b/net.onnx", "timm:net"], ["a/net.onnx", "b/net.onnx", "timm:net"]),
    ],
)
def test_names_have_the_folders_that_tell_them_apart(paths: list[str], names: list[str]) -> None:
    assert distinct_names(paths, [1] * len(paths)) == names


def test_an_id_keeps_its_name_beside_files(tmp_path: Path) -> None:
    for folder in ("one", "two"):
        (tmp_path / folder).mkdir()
        (tmp_path / folder / "net.py").touch()
    specs = ["efficientpose_nas/A", f"{tmp_path}/one/net.py:build", "a.module:build", f"{tmp_path}/two/net.py:build"]
    names = ["efficientpose_nas/A", "one/net.py:build", "a.module:build", "two/net.py:build"]
    assert [model.name for model in resolve_models(specs)] == names
