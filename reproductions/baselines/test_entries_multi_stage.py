"""Check that every entry of the multi-stage baselines meets the project's contract of models."""

from __future__ import annotations

import importlib
import subprocess
import sys
from typing import Any

import pytest
import torch
from torch import Tensor

from benchmark.core.input_size import parse_size
from benchmark.cost.trace import count_parameters
from benchmark.models.registry import Entry
from reproductions.baselines.entries_multi_stage import ENTRIES
from reproductions.network_checks import SLOW_TO_TRACE

STRIDE = {"baselines/cpm": 8, "baselines/cpm-mmpose": 8, "baselines/g_rmi-r101": 8}
# A switch's first value is the default, so only the others are variants.
VARIANTS = [
    pytest.param(
        entry,
        dict(entry.kwargs) | dict(keywords),
        id="+".join([entry.id.split("/")[1], *setting]),
        marks=[pytest.mark.slow] if entry.id in SLOW_TO_TRACE else [],
    )
    for entry in ENTRIES
    for setting, keywords in [
        ((), {}),
        *((([f"{switch}={value}"]), kw) for switch, values in entry.switches.items() for value, kw in [*values.items()][1:]),
    ]
]


def construct(entry: Entry, keywords: dict[str, Any], joints: int) -> Any:
    module, _, function = entry.build.partition(":")
    with torch.device("meta"):
        return getattr(importlib.import_module(module), function)(num_joints=joints, **keywords)


def final(output: Any) -> Tensor:
    """Return the final heatmaps: the output, or the last element of a named tuple."""
    return output if isinstance(output, Tensor) else output[-1]


@pytest.mark.parametrize(("entry", "keywords"), VARIANTS)
def test_images_to_heatmaps_in_training_and_inference(entry: Entry, keywords: dict[str, Any]) -> None:
    network = construct(entry, keywords, joints=17)
    stride = STRIDE.get(entry.id, 4)
    for mode, size in ((network.eval, entry.inputs[-1]), (network.train, "64x64")):
        height, width = parse_size(size)
        expected = (2, 17, -(-height // stride), -(-width // stride))
        if entry.id == "baselines/mask_rcnn-r50_fpn":
            expected = (2, 17, 56, 56)
        assert final(mode()(torch.empty(2, 3, height, width, device="meta"))).shape == expected


@pytest.mark.parametrize("entry", [entry for entry in ENTRIES if entry.switches], ids=lambda entry: entry.id)
def test_a_switch_s_first_value_is_what_is_built_without_it(entry: Entry) -> None:
    plain = count_parameters(construct(entry, dict(entry.kwargs), joints=16))
    for values in entry.switches.values():
        assert count_parameters(construct(entry, dict(entry.kwargs) | dict(next(iter(values.values()))), joints=16)) == plain


@pytest.mark.parametrize("entry", ENTRIES, ids=lambda entry: entry.id)
def test_scopes_name_submodules_that_hold_parameters(entry: Entry) -> None:
    network = construct(entry, dict(entry.kwargs), joints=16)
    for paths in entry.scopes.values():
        for path in paths:
            assert any(p.numel() for p in network.get_submodule(path).parameters())


def test_listing_them_does_not_import_torch() -> None:
    check = "import sys, reproductions.baselines.entries_multi_stage; sys.exit('torch' in sys.modules)"
    subprocess.run([sys.executable, "-c", check], check=True)
