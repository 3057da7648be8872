"""Every operator is counted by a rule worked out by hand, is known to multiply nothing, or is named beside the network."""

from __future__ import annotations

import contextlib
import json
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional as F
from torch.nn.attention import SDPBackend, sdpa_kernel
from torch.nn.utils import prune
from torchvision.ops import DeformConv2d

from benchmark.compare.__main__ import main as compare
from benchmark.core.text import escape_markdown
from benchmark.cost.counters import count_cost, count_macs, count_trace
from benchmark.cost.ops import Op
from benchmark.cost.trace import trace_network
from benchmark.measure.cost import CostCommand


class Function(nn.Module):
    """Network without parameters that applies a function to the 48 pixels of three channels, ``[48, 3]``."""

    def __init__(self, function: Callable[[Tensor], Tensor]) -> None:
        super().__init__()
        self.function = function

    def forward(self, image: Tensor) -> Tensor:
        return self.function(image[0].flatten(1).T)


def heads(x: Tensor) -> Tensor:
    return x.expand(2, 48, 3)[None]


@pytest.mark.parametrize(
    ("function", "macs"),
    [
        pytest.param(lambda x: torch.mv(x, x[0]), 48 * 3, id="mv"),
        pytest.param(lambda x: x.expand(2, 48, 3) @ x[0], 2 * 48 * 3, id="matrices times a vector"),
        pytest.param(lambda x: torch.addmv(x[:, 0], x, x[0]), 48 * 3, id="addmv"),
        pytest.param(lambda x: x.new_zeros(48, 48).addmm_(x, x.T), 48 * 48 * 3, id="addmm in place"),
        pytest.param(lambda x: torch.addbmm(x[:3], *_batches(x)), 2 * 3 * 48 * 3, id="addbmm"),
        pytest.param(lambda x: torch.baddbmm(x.new_zeros(2, 3, 3), *_batches(x)), 2 * 3 * 48 * 3, id="baddbmm"),
        pytest.param(lambda x: torch.dot(x[:, 0], x[:, 1]), 48, id="dot"),
        pytest.param(lambda x: torch.inner(x[:, 0], x[:, 1]), 48, id="inner"),
        pytest.param(lambda x: torch.linalg.vecdot(x, x), 48 * 3, id="vecdot"),
        pytest.param(lambda x: torch.outer(x[:, 0], x[0]), 48 * 3, id="outer"),
        pytest.param(lambda x: torch.ger(x[:, 0], x[0]), 48 * 3, id="ger"),
        pytest.param(lambda x: torch.addr(x, x[:, 0], x[0]), 48 * 3, id="addr"),
        pytest.param(lambda x: torch.kron(x, x[:2]), 48 * 3 * 2 * 3, id="kron"),
        pytest.param(lambda x: torch.einsum("ic,jc->ij", x, x), 48 * 48 * 3, id="einsum"),
        pytest.param(lambda x: torch.einsum("i,j->ij", x[:, 0], x[:, 1]), 48 * 48, id="einsum that sums nothing"),
        pytest.param(lambda x: torch.tensordot(x, x, dims=([0], [0])), 48 * 3 * 3, id="tensordot"),
        pytest.param(lambda x: F.bilinear(x, x, x.new_zeros(5, 3, 3)), 48 * 5 * 3 * 3, id="bilinear"),
        pytest.param(
            lambda x: F.bilinear(x[None], x[None, :, :2], x.new_zeros(5, 3, 2)), 48 * 5 * 3 * 2, id="bilinear, stacked"
        ),
        pytest.param(lambda x: torch._int_mm(x.to(torch.int8), x.T.to(torch.int8)), 48 * 48 * 3, id="integers"),
        pytest.param(lambda x: torch.vmap(lambda row: x.T @ row)(x.T), 3 * 48 * 3, id="vmap"),
        pytest.param(lambda x: torch.linalg.matrix_power(x.T @ x, 3), 48 * 9 + 2 * 27, id="matrix power"),
        pytest.param(lambda x: torch.cdist(x, x), 48 * 48 * 3, id="cdist"),
        pytest.param(lambda x: torch.cdist(x, x, p=1.0), 48 * 48 * 3, id="cdist, sum of absolutes"),
        pytest.param(lambda x: torch.pdist(x), 48 * 47 // 2 * 3, id="pdist"),
        pytest.param(lambda x: F.scaled_dot_product_attention(*[heads(x)] * 3), 2 * 2 * 48 * 48 * 3, id="attention"),
        pytest.param(lambda x: F.linear(x.T.reshape(1, 3, 6, 8).permute(0, 2, 3, 1), x[:5]), 48 * 3 * 5, id="linear, strided"),
        pytest.param(
            lambda x: F.grid_sample(x.T.reshape(1, 3, 6, 8), x.new_zeros(1, 4, 4, 2), align_corners=False), 0, id="grid_sample"
        ),
    ],
)
def test_products_are_those_of_a_hand_count(function: Callable[[Tensor], Tensor], macs: int) -> None:
    counts = count_cost(Function(function), 6, 8)
    assert counts["flops"]["macs"] == macs
    assert "not_counted" not in counts


def _batches(x: Tensor) -> tuple[Tensor, Tensor]:
    return x.T.expand(2, 3, 48), x.expand(2, 48, 3)


def test_a_fused_attention_counts_what_its_products_count() -> None:
    query, key, value = (1, 4, 48, 8), (1, 2, 30, 8), (1, 2, 30, 6)  # two query heads for each head of keys
    for backend in ("flash_attention", "flash_attention_for_cpu", "efficient_attention", "cudnn_attention"):
        name = f"_scaled_dot_product_{backend}"
        assert hasattr(torch.ops.aten, name)
        op = Op(name=name, scope="", inputs=(query, key, value), output=(1, 4, 48, 6))
        assert count_macs(op) == 4 * 48 * 30 * (8 + 6)


def test_a_network_that_chooses_its_attention_is_counted() -> None:
    def attend(x: Tensor) -> Tensor:
        with sdpa_kernel(SDPBackend.MATH):
            return F.scaled_dot_product_attention(*[heads(x)] * 3)

    assert count_cost(Function(attend), 6, 8)["flops"]["macs"] == 2 * 2 * 48 * 48 * 3


def test_a_deformable_convolution_counts_as_one() -> None:
    class Deform(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.conv = DeformConv2d(3, 8, 3, padding=1, groups=1, bias=False)

        def forward(self, x: Tensor) -> Tensor:
            return self.conv(x, x.new_zeros(1, 18, *x.shape[2:]))

    counts = count_cost(Deform(), 6, 8)
    assert {counts["flops"][name] for name in ("macs", "hrnet", "exact")} == {48 * 8 * 3 * 9}
    assert counts["params"]["weights"] == 8 * 3 * 9


def test_resizing_by_coordinates_counts_as_resizing() -> None:
    function = lambda x: F.grid_sample(x.T.reshape(1, 3, 6, 8), x.new_zeros(1, 4, 5, 2), align_corners=False)  # noqa: E731
    assert count_cost(Function(function), 6, 8)["flops"]["mmcv"] == 3 * 4 * 5
    bicubic = nn.Upsample(scale_factor=2, mode="bicubic")
    assert count_cost(bicubic, 6, 8)["flops"]["mmcv"] == 3 * 12 * 16


# --- composite operators ------------------------------------------------------------------------------------------------------


class Layers(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.conv, self.norm, self.linear = nn.Conv2d(3, 4, 3, padding=1), nn.BatchNorm2d(4), nn.Linear(4, 5)

    def forward(self, x: Tensor) -> Tensor:
        x = F.interpolate(F.relu(self.norm(self.conv(x))), scale_factor=2.0, mode="bilinear")
        return self.linear(F.max_pool2d(x, 2).flatten(2).transpose(1, 2))


class Inference(Layers):
    @torch.inference_mode()
    def forward(self, x: Tensor) -> Tensor:
        return super().forward(x)


@pytest.mark.parametrize("kind", ["inference mode", "traced", "scripted"])
def test_composite_operators_count_what_they_are_made_of(kind: str) -> None:
    expected = count_cost(Layers(), 6, 8)
    network: nn.Module = Inference()
    if kind == "traced":
        network = torch.jit.trace(Layers().eval(), torch.zeros(1, 3, 6, 8))
    elif kind == "scripted":
        network = torch.jit.script(Layers())
    counts = count_cost(network, 6, 8)
    names = ["hrnet", "macs", "exact", "mmcv", "tf_profiler"]
    assert {name: counts["flops"][name] for name in names} == {name: expected["flops"][name] for name in names}
    assert counts["params"] == expected["params"]


def test_an_lstm_counts_on_the_processor_what_it_counts_without_values() -> None:
    class Tokens(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.layer = nn.LSTM(3, 5, num_layers=2, bidirectional=True)

        def forward(self, image: Tensor) -> Tensor:
            return self.layer(image[0].flatten(1).T)[0]

    costs = [count_trace(trace_network(Tokens(), 6, 8, device=device)) for device in ("meta", "cpu")]
    weights = 2 * 4 * 5 * (3 + 5) + 2 * 4 * 5 * (10 + 5)
    for cost in costs:
        assert (cost["flops"]["macs"], cost["flops"]["hrnet"]) == (48 * weights, 48 * weights)
        assert (cost["params"]["weights"], "not_counted" in cost) == (weights, False)


def test_operators_in_threads_that_a_network_starts_are_counted() -> None:
    def in_threads(x: Tensor) -> Tensor:
        with ThreadPoolExecutor(2) as pool:
            return sum(pool.map(lambda number: x.T @ x, range(4)))  # type: ignore[return-value]

    run = threading.Thread.run
    assert count_cost(Function(in_threads), 6, 8)["flops"]["macs"] == 4 * 48 * 9
    assert threading.Thread.run is run


def test_a_layer_whose_error_is_caught_owns_no_later_operator() -> None:
    class Fails(nn.Module):
        def forward(self, image: Tensor) -> Tensor:
            raise RuntimeError

    class Network(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.fails, self.conv = Fails(), nn.Conv2d(3, 4, 1)

        def forward(self, image: Tensor) -> Tensor:
            with contextlib.suppress(RuntimeError):
                image = self.fails(image)
            return self.conv(image).relu()

    assert [op.scope for op in trace_network(Network(), 6, 8).ops] == ["conv", ""]


def test_a_module_may_be_given_a_parameter() -> None:
    class Token(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.token, self.linear = nn.Parameter(torch.zeros(1, 3)), nn.Linear(3, 5)

        def forward(self, image: Tensor) -> Tensor:
            return self.linear(self.token) + image.mean()

    assert count_cost(Token(), 6, 8)["flops"]["macs"] == 3 * 5


# --- parameters ---------------------------------------------------------------------------------------------------------------


def test_tied_parameters_count_once() -> None:
    network = nn.Sequential(nn.Conv2d(3, 3, 3, padding=1, bias=False), nn.Conv2d(3, 3, 3, padding=1, bias=False))
    network[1].weight = network[0].weight
    assert count_cost(network, 6, 8)["params"] == {"trainable": 81, "stored": 81, "weights": 81}


@pytest.mark.parametrize(
    ("layer", "weights"),
    [
        pytest.param(nn.LSTM(3, 5), (3 + 5) * 4 * 5, id="LSTM"),
        pytest.param(nn.GRU(3, 5), (3 + 5) * 3 * 5, id="GRU"),
        pytest.param(nn.TransformerEncoderLayer(3, 1, 7), 3 * 3 * 4 + 2 * 3 * 7, id="attention's packed weights"),
        pytest.param(nn.utils.parametrizations.spectral_norm(nn.Linear(3, 5)), 3 * 5, id="spectral norm"),
        pytest.param(nn.utils.spectral_norm(nn.Linear(3, 5)), 3 * 5, id="older spectral norm"),
    ],
)
def test_packed_and_computed_weights_are_weights(layer: nn.Module, weights: int) -> None:
    class Tokens(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.layer = layer

        def forward(self, image: Tensor) -> Tensor:
            return self.layer(image[0].flatten(1).T)

    assert count_cost(Tokens(), 6, 8)["params"]["weights"] == weights


def test_a_parametrization_is_no_work_of_an_image() -> None:
    plain, spectral = nn.Conv2d(3, 4, 3), nn.utils.parametrizations.spectral_norm(nn.Conv2d(3, 4, 3))
    assert count_cost(spectral, 6, 8)["flops"]["macs"] == count_cost(plain, 6, 8)["flops"]["macs"]


UNREGISTERED = "parameters of a weight that the network does not register"


PLAIN, LAYERS = torch.zeros(5, 3), [nn.Linear(3, 5), nn.Linear(5, 3)]


@pytest.mark.parametrize(
    "network",
    [
        pytest.param(Function(lambda x: F.linear(x, PLAIN.to(x.device))), id="a plain tensor"),
        pytest.param(Function(lambda x: F.linear(x, LAYERS[0].weight)), id="a layer in a list"),
        pytest.param(
            Function(lambda x: torch.addmm(x.new_zeros(5), x, LAYERS[1].weight.to(x.device))), id="a layer by its tensors"
        ),
        pytest.param(Function(lambda x: F.linear(x, LAYERS[1].weight.T)), id="a view"),
        pytest.param(torch.jit.freeze(torch.jit.script(nn.Conv2d(3, 5, 1).eval())), id="a constant of TorchScript"),
    ],
)
def test_a_weight_that_is_no_parameter_is_said_to_be_missing(network: nn.Module) -> None:
    counts = count_cost(network, 6, 8)
    assert (counts["flops"]["macs"], counts["params"]["weights"]) == (48 * 5 * 3, 0)
    assert counts["not_counted"] == {UNREGISTERED: 1}


@pytest.mark.parametrize(
    "layer",
    [
        nn.utils.parametrizations.orthogonal(nn.Linear(3, 3)),
        nn.utils.parametrizations.weight_norm(nn.Conv2d(3, 5, 1)),
        prune.l1_unstructured(nn.Conv2d(3, 5, 1), "weight", 0.5),
        torch.compile(nn.Conv2d(3, 5, 1)),
    ],
)
def test_computed_weights_are_no_unregistered_ones(layer: nn.Module) -> None:
    class Network(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.layer = layer

        def forward(self, image: Tensor) -> Tensor:
            x = image.permute(0, 2, 3, 1) if isinstance(layer, nn.Linear) else image
            return F.conv1d(self.layer(x).flatten(1)[None], torch.full((1, 1, 3), 0.5, device=image.device))

    assert UNREGISTERED not in count_cost(Network(), 6, 8).get("not_counted", {})


def test_torchstat_counts_linear_layers_of_vectors_and_stops_at_others() -> None:
    vectors = nn.Sequential(nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(3, 5))
    assert count_cost(vectors, 6, 8)["flops"]["torchstat"] == 3 * 7 * 9 + 3 * 5
    counts = count_cost(nn.Linear(8, 5), 6, 8)  # its input is [1, 3, 6, 8]
    assert "torchstat" not in counts["flops"]
    assert counts["not_counted"] == {"torchstat of a linear layer whose input is not [N, C]": 1}


# --- operators without a rule -------------------------------------------------------------------------------------------------

NET = """
import torch
from torch import nn

class Unknown(nn.Conv2d):
    def forward(self, images):
        maps = super().forward(images)
        return torch.fft.irfft2(torch.fft.rfft2(maps), s=maps.shape[2:]) + torch.ops.own_test.conv(maps)

@torch.library.custom_op("own_test::conv", mutates_args=())
def conv(x: torch.Tensor) -> torch.Tensor:
    return x.clone()

@conv.register_fake
def _(x):
    return torch.empty_like(x)

def build(joints):
    return Unknown(3, joints, 8, stride=4, padding=2)
"""
NAMED = {"aten::_fft_r2c": 1, "aten::_fft_c2r": 1, "own_test::conv": 1}
NOTE = "not counted: aten::_fft_r2c ×1, aten::_fft_c2r ×1, own_test::conv ×1"


def test_an_operator_without_a_rule_is_named() -> None:
    counts = count_cost(Function(lambda x: torch.linalg.inv(x.T @ x)), 6, 8)
    assert counts["flops"]["macs"] == 48 * 3 * 3
    assert counts["not_counted"] == {"aten::linalg_inv_ex": 1}
    assert count_cost(Function(lambda x: torch.fft.fft(torch.fft.fft(x))), 6, 8)["not_counted"] == {
        "aten::_fft_r2c": 1,
        "aten::_fft_c2c": 1,
    }


@pytest.mark.parametrize(
    ("function", "name"),
    [
        (lambda x: x.to(torch.cfloat).T @ x.to(torch.cfloat), "aten::mm of complex tensors"),
        (lambda x: torch.einsum("ic,id->cd", x * 1j, x * 1j), "aten::bmm of complex tensors"),
        (lambda x: torch.eye(48).to_sparse_csr() @ x, "aten::mm of sparse tensors"),
        (lambda x: torch.sparse.mm(torch.eye(48).to_sparse(), x), "aten::_sparse_addmm"),
    ],
)
def test_a_product_of_unusual_numbers_is_named(function: Callable[[Tensor], Tensor], name: str) -> None:
    counts = count_trace(trace_network(Function(function), 6, 8, device="cpu"))
    assert (counts["flops"]["macs"], counts["not_counted"].get(name)) == (0, 1)


def test_a_layer_of_whole_numbers_is_named() -> None:
    network = nn.Sequential(nn.Flatten(2), torch.ao.quantization.quantize_dynamic(nn.Sequential(nn.Linear(48, 5))))
    counts = count_trace(trace_network(network, 6, 8, device="cpu"))
    assert (counts["flops"]["macs"], counts["not_counted"]) == (0, {"quantized::linear_dynamic": 1})


@pytest.mark.usefixtures("same_process")
def test_every_output_names_what_was_not_counted(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "net.py"
    path.write_text(NET)
    spec = f"{path}:build"
    CostCommand(models=(spec,), input="64x64")()
    assert NOTE in capsys.readouterr().out
    CostCommand(models=(spec, "efficientpose_nas/A"), input="64x64", json=True)()
    report = json.loads(capsys.readouterr().out)
    assert [model["not_counted"] for model in report["models"]] == [NAMED, {}]

    out = tmp_path / "out"
    compare([spec, "--table", "efficientpose_nas/table2", "--against", "--no-latency", "--json", "--out", str(out)])
    comparison = json.loads(capsys.readouterr().out)
    assert comparison["networks"][0]["not_counted"] == NOTE
    assert f"net.py:build: {NOTE}" in comparison["notes"]
    for name in ("row.md", "row.tex", "row.csv", "table.md", "pareto.svg"):
        shown = escape_markdown(NOTE) if name.endswith(".md") else NOTE
        assert shown in (out / name).read_text(), name
