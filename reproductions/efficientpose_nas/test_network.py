"""The networks have the counts that the paper prints, the structure of the released code and its initial values."""

from __future__ import annotations

import subprocess
import sys
from typing import Any

import pytest
import torch
from torch import nn

from benchmark.config.identities import is_current
from benchmark.core.errors import InputError
from benchmark.core.input_size import parse_size
from benchmark.core.records import load_records
from benchmark.cost.counters import count_cost, count_operations
from benchmark.cost.trace import count_parameters, trace_network
from benchmark.models.registry import build_model, find_entry
from reproductions.efficientpose_nas import ENTRIES
from reproductions.efficientpose_nas.architectures import SMALL, A, Architecture
from reproductions.efficientpose_nas.backbones import PROXYLESS, proxyless, proxyless_trunk
from reproductions.efficientpose_nas.network import MBConv, efficientpose

NAMES = [entry.id for entry in ENTRIES]


def build(variant: str, joints: int = 16) -> Any:
    with torch.device("meta"):
        return build_model(f"efficientpose_nas/{variant}", joints=joints)


def giga(variant: str, size: str = "256x256", convention: str = "hrnet", joints: int = 16) -> float:
    count = count_cost(build(variant, joints), *parse_size(size))["flops"][convention]
    return count / (2**30 if convention == "hrnet" else 1e9)


# --- what the paper counts --------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("variant", "parameters"),
    [
        ("A", 1_299_360),
        ("B", 3_252_912),
        ("C", 5_002_312),
        ("A+depth=printed", 1_369_120),
        ("mobilenet_v2", 1_535_408),
        ("resnet50", 25_638_960),
        ("proxyless_gpu", 3_797_776),
        ("proxyless_cpu", 1_880_424),
        ("proxyless_mobile", 1_966_216),
    ],
)
def test_parameters(variant: str, parameters: int) -> None:
    assert count_parameters(build(variant))["trainable"] == parameters


@pytest.mark.parametrize(
    ("variant", "printed"), [("A", "1.3"), ("B", "3.3"), ("C", "5.0"), ("mobilenet_v2", "1.5"), ("resnet50", "25.6")]
)
def test_parameters_round_to_the_printed_millions(variant: str, printed: str) -> None:
    assert f"{count_parameters(build(variant))['trainable'] / 1e6:.1f}" == printed


@pytest.mark.parametrize(
    ("variant", "counted"), [("A", "0.67"), ("B", "1.51"), ("mobilenet_v2", "0.73"), ("C", "1.95"), ("resnet50", "9.68")]
)
def test_gflops_at_256x256(variant: str, counted: str) -> None:
    assert f"{giga(variant):.2f}" == counted


@pytest.mark.parametrize(("variant", "counted"), [("A", "0.502"), ("B", "1.132"), ("C", "1.459")])
def test_gflops_at_256x192_for_coco(variant: str, counted: str) -> None:
    assert f"{giga(variant, '256x192', joints=17):.3f}" == counted


@pytest.mark.parametrize(("target", "printed"), [("gpu", "1.43"), ("cpu", "1.05"), ("mobile", "0.91")])
def test_table_3_counts_proxylessnas_over_1e9(target: str, printed: str) -> None:
    assert f"{giga(f'proxyless_{target}', convention='hrnet_1e9'):.2f}" == printed
    assert f"{giga(f'proxyless_{target}'):.2f}" != printed


@pytest.mark.parametrize(
    ("tconv", "sic", "mega"), [("plain", "on", 669.0), ("mbv1", "on", 469.3), ("mbv2", "on", 601.2), ("mbv2", "off", 600.1)]
)
def test_table_8_styles_of_transposed_convolution(tconv: str, sic: str, mega: float) -> None:
    assert round(giga(f"A+tconv={tconv}+sic={sic}") * 1000, 1) == mega


@pytest.mark.parametrize(("width", "mega"), [("64x32", 234.9), ("64x64", 369.1), ("96x96", 755.0)])
def test_table_7_heads_are_their_transposed_convolutions_over_1e6(width: str, mega: float) -> None:
    entry = find_entry("efficientpose_nas/A")
    ops = trace_network(build(f"A+width={width}"), 256, 256).within(entry.scopes["deconvs"])
    assert round(count_operations(ops)["hrnet"] / 1e6, 1) == mega


@pytest.mark.parametrize("variant", ["A", "B", "C", "mobilenet_v2"])
def test_the_correction_costs_a_million_multiplications(variant: str) -> None:
    difference = giga(variant, convention="macs") - giga(f"{variant}+sic=off", convention="macs")
    assert round(difference * 1e9) == 32 * 9 * 64 * 64


# --- structure --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize(("height", "width"), [(256, 192), (64, 64)])
def test_heatmaps_have_a_quarter_of_the_size(name: str, height: int, width: int) -> None:
    with torch.device("meta"):
        network = build_model(name, joints=17)
        images = torch.empty(2, 3, height, width)
    assert network.eval()(images).shape == (2, 17, height // 4, width // 4)
    assert network.train()(images).shape == (2, 17, height // 4, width // 4)


@pytest.mark.parametrize("name", NAMES)
def test_the_backbone_halves_the_size_four_times(name: str) -> None:
    with torch.device("meta"):
        network: Any = build_model(name, joints=16)
        assert network.backbone(torch.empty(2, 3, 256, 192)).shape[2:] == (16, 12)


def test_a_trained_step_reaches_every_parameter() -> None:
    network = efficientpose(num_joints=16, architecture="A").train()
    network(torch.rand(2, 3, 64, 64)).square().mean().backward()
    assert all(p.grad is not None and p.grad.isfinite().all() for p in network.parameters())


def test_the_correction_is_one_depthwise_convolution_and_a_relu() -> None:
    conv, relu = build("A").head.sic
    assert isinstance(relu, nn.ReLU)
    assert isinstance(conv, nn.Conv2d)
    assert (conv.kernel_size, conv.groups, conv.out_channels, conv.bias) == ((3, 3), 32, 32, None)
    assert not hasattr(build("A+sic=off").head, "sic")


@pytest.mark.parametrize(("variant", "layers"), [("A", 26), ("A+depth=printed", 28), ("B", 33), ("C", 33)])
def test_skipped_layers_leave_nothing(variant: str, layers: int) -> None:
    assert sum(isinstance(module, MBConv) for module in build(variant).modules()) == layers


def test_the_searched_networks_use_relu_and_the_others_relu6() -> None:
    assert not any(isinstance(module, nn.ReLU6) for module in build("A").modules())
    assert any(isinstance(module, nn.ReLU6) for module in build("mobilenet_v2").backbone.modules())
    assert any(isinstance(module, nn.ReLU6) for module in build("proxyless_gpu").backbone.modules())


@pytest.mark.parametrize(
    ("target", "mixed", "published"), [("gpu", 1728, 7_119_848), ("cpu", 1432, 4_361_648), ("mobile", 1280, 4_080_512)]
)
def test_proxylessnas_layers_are_those_of_the_published_classifiers(target: str, mixed: int, published: int) -> None:
    with torch.device("meta"):
        trunk = proxyless_trunk(target, stages=7, last_stride=2)
    last = PROXYLESS[target][1][-1][0]
    classifier = last * mixed + 2 * mixed + mixed * 1000 + 1000  # 1x1 convolution, its batch norm, linear layer
    assert sum(p.numel() for p in trunk.parameters()) + classifier == published


# --- initial values ---------------------------------------------------------------------------------------------------


def default_std(fan_in: int) -> float:
    """Return the deviation of PyTorch's own weights: uniform up to one over the root of the incoming connections."""
    return (3 * fan_in) ** -0.5


def test_weights_start_from_the_stated_distributions() -> None:
    torch.manual_seed(0)
    network: Any = efficientpose(num_joints=16, architecture="B")
    for module in network.modules():
        if isinstance(module, nn.BatchNorm2d):
            assert (module.weight == 1).all()
            assert (module.bias == 0).all()
    projection = network.backbone[0][2][0]
    for module in network.backbone.modules():
        if isinstance(module, nn.Conv2d) and module is not projection and module.weight.numel() > 20_000:
            fan_out = module.out_channels * module.kernel_size[0] ** 2
            assert module.weight.std().item() == pytest.approx((2 / fan_out) ** 0.5, rel=0.05)
    assert projection.weight.std().item() == pytest.approx(default_std(32), rel=0.1)
    # A transposed convolution's incoming connections are counted by its outputs; a depthwise 3x3's are nine.
    deconvs = [module for module in network.head.modules() if isinstance(module, nn.ConvTranspose2d)]
    assert [deconv.weight.std().item() for deconv in deconvs] == [
        pytest.approx(default_std(16 * 64), rel=0.05),  # 0.018
        pytest.approx(default_std(16 * 32), rel=0.05),  # 0.026
    ]
    assert all(deconv.bias is None for deconv in deconvs)
    assert network.head.sic[0].weight.std().item() == pytest.approx(default_std(9), rel=0.15)  # 0.19
    assert network.head.final.weight.std().item() == pytest.approx(default_std(32), rel=0.15)  # 0.10
    assert network.head.final.bias.abs().max().item() == pytest.approx(32**-0.5, rel=0.3)


@pytest.mark.parametrize("name", NAMES)
def test_the_head_of_each_network_starts_as_in_the_released_code(name: str) -> None:
    """PyTorch's own values, but for ResNet-50: the release calls the initialising function of that network alone."""
    torch.manual_seed(0)
    head: Any = build_model(name, joints=16).head
    stds = {part: next(getattr(head, part).parameters()).std().item() for part in ("deconvs", "sic", "final")}
    if name == "efficientpose_nas/resnet50":
        assert stds == {part: pytest.approx(0.001, rel=0.2) for part in stds}
        assert (head.final.bias == 0).all()
    else:
        fans = {"deconvs": 16 * 64, "sic": 9, "final": 32}
        assert stds == {part: pytest.approx(default_std(fan), rel=0.2) for part, fan in fans.items()}


@pytest.mark.parametrize("model", ["A", "A+tconv=mbv1", "A+tconv=mbv2", "mobilenet_v2", "proxyless_gpu"])
def test_heatmaps_can_start_near_zero_as_simple_baselines(model: str) -> None:
    torch.manual_seed(0)
    head: Any = build_model(f"efficientpose_nas/{model}+head_init=simple_baseline", joints=16).head
    for module in head.modules():
        if isinstance(module, nn.ConvTranspose2d):
            assert module.weight.std().item() == pytest.approx(0.001, rel=0.05)
    assert head.sic[0].weight.std().item() == pytest.approx((2 / (32 * 9)) ** 0.5, rel=0.15)  # 0.083
    assert head.final.weight.std().item() == pytest.approx(0.001, rel=0.2)
    assert (head.final.bias == 0).all()


@pytest.mark.parametrize("name", NAMES)
def test_the_start_of_the_head_changes_values_and_no_count(name: str) -> None:
    counts = []
    for switch in ("", "+head_init=pytorch", "+head_init=simple_baseline"):
        with torch.device("meta"):
            network = build_model(name + switch, joints=16)
        counts.append((count_cost(network, 64, 64), [(key, value.shape) for key, value in network.state_dict().items()]))
    assert counts[0] == counts[1] == counts[2]


def test_trainings_from_the_former_start_do_not_count_for_these_networks() -> None:
    assert {entry.init_version for entry in ENTRIES} == {2}
    known = {entry.id for entry in ENTRIES}
    trainings = [record for record in load_records().values() if record.kind == "accuracy" and record.subject in known]
    former = [record for record in trainings if record.versions["initial_weights"] < 2]
    assert former
    assert not any(is_current(record) for record in former)


# --- architectures as data --------------------------------------------------------------------------------------------


def test_an_architecture_must_fit_its_skeleton() -> None:
    with pytest.raises(InputError, match=r"\(1,\) layers a stage"):
        Architecture(SMALL, (("k3e6",),))
    wrong = (("k9e6", *A.stages[0][1:]), *A.stages[1:])
    with pytest.raises(InputError, match="stage 1: unknown operation 'k9e6'"):
        Architecture(SMALL, wrong)
    with pytest.raises(InputError, match="cannot be skipped"):
        Architecture(SMALL, (("skip", *wrong[0][1:]), *wrong[1:]))


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"architecture": "D"}, "unknown architecture 'D'"),
        ({"tconv": "mbv3"}, "unknown transposed convolution 'mbv3'"),
        ({"depth": "deep"}, "unknown depth 'deep'"),
        ({"head_init": "zeros"}, "unknown start of the head 'zeros'; known: pytorch, simple_baseline"),
        ({"architecture": "B", "depth": "printed"}, "only architectures on the small skeleton"),
    ],
)
def test_mistakes_are_named(arguments: dict[str, Any], message: str) -> None:
    with pytest.raises(InputError, match=message):
        efficientpose(num_joints=16, **arguments)


def test_an_unknown_target_is_named() -> None:
    with pytest.raises(InputError, match="unknown target 'tpu'"):
        proxyless(num_joints=16, target="tpu")


@pytest.mark.parametrize("module", ["reproductions.efficientpose_nas", "reproductions.efficientpose_nas.architectures"])
def test_importing_the_data_does_not_import_torch(module: str) -> None:
    subprocess.run([sys.executable, "-c", f"import sys, {module}; sys.exit('torch' in sys.modules)"], check=True)
