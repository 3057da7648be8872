"""Check SimpleBaseline on mobile backbones against the counts in the heatmap-weighting paper (Tables I to III)."""

from __future__ import annotations

import importlib
import subprocess
import sys

import pytest
import torch
import torchvision

from benchmark.core.errors import InputError
from benchmark.cost.counters import count_cost
from benchmark.models.registry import Entry
from reproductions.baselines.entries_single_stage import ENTRIES
from reproductions.baselines.simple_baseline_mobile import simple_baseline_mobile

PARAMS = {"mobilenet_v2": "9.6", "mobilenet_v3": "8.7", "shufflenet_v2": "7.6"}


@pytest.mark.parametrize(
    ("backbone", "joints", "height", "width", "printed"),
    [
        ("mobilenet_v2", 17, 256, 192, "1.59"),
        ("mobilenet_v2", 17, 384, 288, "3.57"),
        ("mobilenet_v2", 16, 256, 256, "2.12"),
        ("mobilenet_v3", 17, 256, 192, "1.47"),
        ("shufflenet_v2", 17, 256, 192, "1.37"),
        ("shufflenet_v2", 17, 384, 288, "3.08"),
        ("shufflenet_v2", 16, 256, 256, "1.83"),
    ],
)
def test_printed_params_and_gflops(backbone: str, joints: int, height: int, width: int, printed: str) -> None:
    with torch.device("meta"):
        network = simple_baseline_mobile(num_joints=joints, backbone=backbone)
    cost = count_cost(network, height, width)
    assert f"{cost['params']['trainable'] / 1e6:.1f}" == PARAMS[backbone]
    assert f"{cost['flops']['mmcv'] / 1e9:.2f}" == printed


@pytest.mark.parametrize(("backbone", "dropped"), [("mobilenet_v2", 1281 * 1000), ("shufflenet_v2", 1025 * 1000)])
def test_trunk_is_torchvisions_network_without_its_classifier(backbone: str, dropped: int) -> None:
    builders = {"mobilenet_v2": torchvision.models.mobilenet_v2, "shufflenet_v2": torchvision.models.shufflenet_v2_x1_0}
    complete = builders[backbone](weights=None)
    trunk = simple_baseline_mobile(num_joints=17, backbone=backbone).backbone
    assert sum(p.numel() for p in complete.parameters()) - sum(p.numel() for p in trunk.parameters()) == dropped
    names = {name.removeprefix("features.") for name in complete.state_dict()}
    assert set(trunk.state_dict()) <= names


@pytest.mark.parametrize("backbone", PARAMS)
def test_trains_and_infers(backbone: str) -> None:
    network = simple_baseline_mobile(num_joints=4, backbone=backbone)
    heatmaps = network(torch.rand(2, 3, 64, 96))
    assert heatmaps.shape == (2, 4, 16, 24)
    heatmaps.sum().backward()
    assert all(p.grad is not None for p in network.parameters())
    assert network.eval()(torch.rand(1, 3, 64, 64)).isfinite().all()


def test_unknown_backbone_is_named() -> None:
    with pytest.raises(InputError, match="'ghostnet'"):
        simple_baseline_mobile(num_joints=17, backbone="ghostnet")


@pytest.mark.parametrize("entry", ENTRIES, ids=lambda entry: entry.id.split("/")[1])
def test_entries_of_this_family_build_and_their_scopes_exist(entry: Entry) -> None:
    module, _, function = entry.build.partition(":")
    with torch.device("meta"):
        network = getattr(importlib.import_module(module), function)(num_joints=16, **entry.kwargs)
        assert network(torch.empty(1, 3, 256, 192)).shape == (1, 16, 64, 48)
    assert all(network.get_submodule(part) for parts in entry.scopes.values() for part in parts)


def test_entries_import_without_torch() -> None:
    check = "import sys, reproductions.baselines.entries_single_stage; sys.exit('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", check], check=False).returncode == 0
