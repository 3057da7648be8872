"""Test that a model spec is resolved, built and counted, and that every mistake is one line that says where it is."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest
import torch
from torch import nn

from benchmark.compare.example_net import ExampleNet, build
from benchmark.core.errors import InputError
from benchmark.cost.counters import count_cost
from benchmark.cost.onnx import count_onnx
from benchmark.cost.trace import count_parameters
from benchmark.models.external import resolve_model
from benchmark.models.onnx import load_onnx
from benchmark.models.registry import build_model

ROOT = Path(__file__).parents[2]
EXAMPLE = str(ROOT / "benchmark/compare/example_net.py")
HW = (64, 64)

NET = """
from torch import nn
from dataclasses import dataclass
import beside

@dataclass
class Widths:
    first: int = beside.FIRST

def build(joints):
    print("being built")
    return nn.Conv2d(3, joints, Widths().first)

def without_parameter():
    return nn.Conv2d(3, 16, 1)

class Net(nn.Conv2d):
    def __init__(self, joints=17):
        super().__init__(3, joints, 1)

def text():
    return "a network"

def fails():
    width = 3
    raise ValueError("no such width:" + str(width))

def leaves():
    raise SystemExit(1)

def wants_more(joints, depth):
    return nn.Conv2d(3, joints, 1)

number = 3
print("imported")
"""


@pytest.fixture
def net(tmp_path: Path) -> Path:
    """Write a user's file, beside one that it imports."""
    (tmp_path / "beside.py").write_text("FIRST = 5\n")
    path = tmp_path / "my_net.py"
    path.write_text(NET)
    return path


def weights_shape(spec: str, joints: int = 14) -> list[int]:
    return list(next(resolve_model(spec).build(joints, HW).parameters()).shape)


def test_an_id_of_this_project() -> None:
    model = resolve_model("efficientpose_nas/A+sic=off")
    assert (model.name, model.model, model.onnx) == ("efficientpose_nas/A+sic=off",) * 2 + (None,)
    network = model.build(joints=16, input_hw=(256, 192))
    assert count_parameters(network) == count_parameters(build_model("efficientpose_nas/A+sic=off", joints=16))
    with pytest.raises(InputError, match="multiples of 16"):
        model.build(16, (250, 192))


def test_a_function_is_told_the_joints_if_it_asks(net: Path) -> None:
    assert weights_shape(f"{net}:build") == [14, 3, 5, 5]
    assert weights_shape(f"{net}:Net") == [14, 3, 1, 1]
    assert weights_shape(f"{net}:without_parameter") == [16, 3, 1, 1]


def test_a_function_of_a_module() -> None:
    model = resolve_model("benchmark.compare.example_net:build")
    assert isinstance(model.build(14, HW), ExampleNet)
    assert model.name == "benchmark.compare.example_net:build"


def test_what_the_users_code_prints_is_no_output(net: Path, capsys: pytest.CaptureFixture[str]) -> None:
    resolve_model(f"{net}:build").build(14, HW)
    output = capsys.readouterr()
    assert (output.out, output.err) == ("", "imported\nbeing built\n")


def test_a_spec_is_found_from_any_folder(net: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    model = resolve_model("my_net.py:build")
    assert (model.spec, model.name) == (f"{net}:build", "my_net.py:build")


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("text", r"my_net\.py:text returned str, not a torch\.nn\.Module"),
        ("fails", r"my_net\.py:26: ValueError: no such width:3"),
        ("leaves", r"my_net\.py:29: SystemExit: 1"),
        ("wants_more", r"my_net\.py:wants_more: TypeError: .*'depth'"),
    ],
)
def test_a_function_that_fails_is_named_with_its_line(net: Path, name: str, message: str) -> None:
    with pytest.raises(InputError, match=message):
        resolve_model(f"{net}:{name}").build(14, HW)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("import math\n\nmath.sqroot(2)\n", r"my_net\.py:3: AttributeError: .*sqroot"),
        ("def build(:\n", r"my_net\.py:1: SyntaxError"),
        ("import surely_not_installed\n", r"my_net\.py:1: ModuleNotFoundError: .*surely_not_installed"),
        ("raise SystemExit\n", r"my_net\.py:1: SystemExit: without a message"),
        ("raise ValueError('one\\ntwo')\n", r"my_net\.py:1: ValueError: one$"),
    ],
)
def test_a_file_that_fails_is_named_with_its_line(net: Path, content: str, message: str) -> None:
    net.write_text(content)
    with pytest.raises(InputError, match=message):
        resolve_model(f"{net}:build").build(14, HW)


@pytest.mark.parametrize(
    ("spec", "message"),
    [
        ("{net}", r"my_net\.py: add the function that builds the network, as in .*my_net\.py:build"),
        ("{net}:", r"my_net\.py: add the function that builds the network after the colon; the file defines "),
        ("{net}:biuld", r"biuld is not defined; the file defines build"),
        ("{net}:number", r"number is not a function"),
        ("{net}x.py:build", r"my_net\.pyx\.py: no such file"),
        ("surely_not_installed:build", r"no module surely_not_installed; give a file with its suffix"),
        ("benchmark.compare.example_net:biuld", r"biuld is not defined; the file defines build"),
        ("torchvision:resnet81", r"torchvision has no model 'resnet81'; did you mean resnet"),
        ("efficientpose_nas/D", r"unknown model 'efficientpose_nas/D'; did you mean"),
        ("{net}.arch", r"my_net\.py\.arch: no such file"),
        ("{net}.onnx", r"my_net\.py\.onnx: no such file"),
    ],
)
def test_what_does_not_exist_is_refused(net: Path, spec: str, message: str) -> None:
    with pytest.raises(InputError, match=message):
        resolve_model(spec.format(net=net)).build(14, HW)


def test_an_architecture_file(tmp_path: Path) -> None:
    from reproductions.efficientpose_nas.architectures import A

    path = tmp_path / "mine.arch"
    path.write_text("skeleton: small\n" + "\n".join(f"stage {n}: {' '.join(stage)}" for n, stage in enumerate(A.stages, 1)))
    model = resolve_model(str(path))
    assert model.name == "mine.arch"
    assert count_parameters(model.build(16, HW))["trainable"] == 1_299_360
    path.write_text("skeleton: small\nstage 1: k3e6\n")
    with pytest.raises(InputError, match=r"mine\.arch:2: 1 layers, but the skeleton has 4"):
        resolve_model(str(path))


def test_a_model_of_torchvision() -> None:
    model = resolve_model("torchvision:resnet18")
    assert count_parameters(model.build(16, HW))["trainable"] == 11_689_512  # as torchvision declares
    assert not model.predicts_heatmaps


def test_no_library_model_is_downloaded(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*arguments: object, **options: object) -> None:
        raise AssertionError("a download was tried")

    monkeypatch.setattr(torch.hub, "load_state_dict_from_url", refuse)
    assert isinstance(resolve_model("torchvision:keypointrcnn_resnet50_fpn").build(17, HW), nn.Module)


def test_a_model_of_timm() -> None:
    pytest.importorskip("timm", reason="timm (the extra 'peers') is not installed")
    model = resolve_model("timm:resnet18")
    assert count_parameters(model.build(16, HW))["trainable"] == 11_689_512
    assert not model.predicts_heatmaps
    with pytest.raises(InputError, match="timm has no model 'resnet81'; did you mean"):
        resolve_model("timm:resnet81")


def test_finding_a_network_needs_no_torch(net: Path) -> None:
    code = "import sys; from benchmark.models.external import resolve_model; resolve_model('efficientpose_nas/A')"
    code += "; assert 'torch' not in sys.modules"
    subprocess.run([sys.executable, "-c", code], check=True, cwd=ROOT)


# --- ONNX ------------------------------------------------------------------------------------------------------------------


class Attending(nn.Module):
    """Network with a linear layer, a product of two activations, and a transposed convolution with groups."""

    def __init__(self) -> None:
        super().__init__()
        self.patches = nn.Conv2d(3, 8, 8, stride=8, bias=False)
        self.linear = nn.Linear(8, 8)
        self.up = nn.ConvTranspose2d(8, 16, 4, stride=2, padding=1, groups=4)

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        x = self.patches(images)
        n, c, h, w = x.shape
        tokens = self.linear(x.flatten(2).transpose(1, 2))
        tokens = (tokens @ tokens.transpose(1, 2)) @ tokens
        return self.up(tokens.transpose(1, 2).reshape(n, c, h, w))


def exported(network: nn.Module, path: Path, hw: tuple[int, int] = HW, **options: object) -> Path:
    from reproductions.network_checks import export_onnx

    if options:
        torch.onnx.export(network.eval(), (torch.zeros(1, 3, *hw),), path, input_names=["images"], dynamo=False, **options)
    else:
        export_onnx(network.eval(), torch.zeros(1, 3, *hw), path)
    return path


@pytest.fixture(scope="session")
def onnx() -> None:
    for name in ("onnx", "onnxruntime"):
        pytest.importorskip(name, reason=f"{name} (the extra 'runtimes') is not installed")


@pytest.mark.parametrize("spec", ["efficientpose_nas/A", "heatmap_weighting/mobilenet_v3", "own"])
@pytest.mark.usefixtures("onnx")
def test_an_export_counts_what_its_network_counts(tmp_path: Path, spec: str) -> None:
    torch.manual_seed(0)
    network = Attending() if spec == "own" else build_model(spec, joints=16)
    path = exported(network, tmp_path / "network.onnx")
    counts, why = count_onnx(path, HW)
    traced = count_cost(network, *HW)
    assert counts["flops"] == {name: traced["flops"][name] for name in ("hrnet", "hrnet_1e9", "macs")}
    assert counts["params"] == {"weights": traced["params"]["weights"]}
    assert "batch norms" in why


@pytest.mark.usefixtures("onnx")
def test_an_export_with_an_open_size_is_counted_at_the_size_asked_for(tmp_path: Path) -> None:
    network = build()
    axes = {"images": {0: "batch", 2: "height", 3: "width"}}
    path = exported(network, tmp_path / "network.onnx", dynamic_axes=axes)
    for size in ((64, 64), (128, 96)):
        assert count_onnx(path, size)[0]["flops"]["macs"] == count_cost(build(), *size)["flops"]["macs"]
        assert list(resolve_model(str(path)).build(16, size)(torch.zeros(2, 3, *size))[-1].shape) == [
            2,
            16,
            size[0] // 4,
            size[1] // 4,
        ]


@pytest.mark.usefixtures("onnx")
def test_an_export_runs_as_its_network_does(tmp_path: Path) -> None:
    torch.manual_seed(0)
    network, images = build().eval(), torch.rand(3, 3, *HW)
    model = resolve_model(str(exported(network, tmp_path / "network.onnx")))
    assert model.onnx == tmp_path / "network.onnx"
    with torch.no_grad():
        assert torch.allclose(model.build(16, HW)(images)[-1], network(images), atol=1e-5)


class Vectors(nn.Module):
    """Network that multiplies by vectors from either side, with and without a batch."""

    def __init__(self) -> None:
        super().__init__()
        self.patches, self.vector = nn.Conv2d(3, 8, 8, stride=8, bias=False), nn.Parameter(torch.randn(8))

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        tokens = self.patches(images).flatten(2).transpose(1, 2)  # [1, 64, 8]
        scores = tokens @ self.vector
        return self.vector @ (scores[..., None] * tokens).transpose(1, 2)


@pytest.mark.usefixtures("onnx")
def test_an_export_counts_products_with_vectors(tmp_path: Path) -> None:
    counts, _ = count_onnx(exported(Vectors(), tmp_path / "network.onnx"), HW)
    assert counts["flops"]["macs"] == 64 * 8 * 3 * 64 + 64 * 8 + 8 * 64 == count_cost(Vectors(), *HW)["flops"]["macs"]


@pytest.mark.usefixtures("onnx")
def test_nodes_that_cannot_be_counted_are_all_named(tmp_path: Path) -> None:
    from onnx import TensorProto, helper, save

    image = helper.make_tensor_value_info("images", TensorProto.FLOAT, [1, 3, 64, 64])
    maps = helper.make_tensor_value_info("maps", TensorProto.FLOAT, None)
    nodes = [helper.make_node("Det", ["images"], ["a"]), helper.make_node("Det", ["images"], ["b"])]
    nodes += [helper.make_node("Kernel", ["a"], ["c"], domain="own"), helper.make_node("Add", ["b", "c"], ["maps"])]
    opsets = [helper.make_opsetid("", 17), helper.make_opsetid("own", 1)]
    save(helper.make_model(helper.make_graph(nodes, "g", [image], [maps]), opset_imports=opsets), tmp_path / "network.onnx")
    counts, _ = count_onnx(tmp_path / "network.onnx", HW)
    assert counts["not_counted"] == {"onnx::Det": 2, "own::Kernel": 1}


@pytest.mark.usefixtures("onnx")
def test_an_onnx_file_for_other_images_is_refused(tmp_path: Path) -> None:
    path = exported(build(), tmp_path / "network.onnx")
    for use in (count_onnx, load_onnx):
        with pytest.raises(InputError, match=r"network\.onnx takes 1x3x64x64, not one image of 3x96x64"):
            use(path, (96, 64))
    (tmp_path / "broken.onnx").write_bytes(b"no onnx at all")
    with pytest.raises(InputError, match=r"broken\.onnx"):
        resolve_model(str(tmp_path / "broken.onnx")).build(16, HW)
