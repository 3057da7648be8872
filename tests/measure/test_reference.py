"""A network is compared with its publisher's own through a weight file; a wrong tensor or constant anywhere shows."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import pytest

from benchmark.core.errors import InputError
from benchmark.core.records import load_records
from benchmark.measure.reference import ReferenceCommand, measure_reference

MODEL = "efficientpose_nas/A"
REPOSITORY = "someone/theirs@0123abc"
# A "publisher" whose network is ours, and three whose networks differ: in a constant, in an activation, in a tensor's place.
REFERENCE = """
import torch
from torch import nn
from benchmark.models.registry import build_model


def same(joints=16):
    return build_model("efficientpose_nas/A", joints=joints)


def other_epsilon(joints=16):
    network = same(joints)
    next(module for module in network.modules() if isinstance(module, nn.BatchNorm2d)).eps = 1e-3
    return network


def other_activation(joints=16):
    network = same(joints)
    network.backbone[1][0].layers[0][2] = nn.ReLU6()
    return network


class Swapped(nn.Module):
    def __init__(self, network):
        super().__init__()
        self.network = network

    def forward(self, images):
        return self.network(images)

    def save_weights(self, path):
        state = self.network.state_dict()
        norm = "backbone.4.5.layers.1.1"
        state[f"{norm}.weight"], state[f"{norm}.bias"] = state[f"{norm}.bias"], state[f"{norm}.weight"]
        torch.save(state, path)


def swapped(joints=16):
    return Swapped(same(joints))


def another(joints=16):
    return nn.Conv2d(3, joints, 1)
"""


@pytest.fixture
def reference(tmp_path: Path, pose_data: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    if not (pose_data / "mpii" / "images").is_dir():
        pytest.skip(f"MPII's sample images are not under {pose_data}")
    monkeypatch.setattr(sys, "path", [*sys.path])
    path = tmp_path / f"publisher_{tmp_path.name}.py"
    path.write_text(REFERENCE)
    return str(path)


def difference(reference: str, function: str) -> float:
    return measure_reference(MODEL, f"{reference}:{function}", REPOSITORY, "64x64", 16)[0].value


def test_the_same_network_agrees_exactly(reference: str) -> None:
    record, manifest = measure_reference(MODEL, f"{reference}:same", REPOSITORY, "64x64", 16)
    assert record.value == 0
    assert record.n == 5
    assert record.setting == {"layout": "our own", "repository": REPOSITORY, "input": "64x64", "joints": 16}
    assert manifest["head.final.bias"] == (16,)


@pytest.mark.parametrize("function", ["other_epsilon", "other_activation", "swapped"])
def test_a_difference_anywhere_is_seen(reference: str, function: str) -> None:
    assert difference(reference, function) > 1e-6


def test_another_network_is_refused(reference: str) -> None:
    with pytest.raises(InputError, match=f"does not fit {MODEL}: another network's weights"):
        difference(reference, "another")


def test_the_command_keeps_a_record_and_prints_json(
    reference: str, capsys: pytest.CaptureFixture[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("benchmark.measure.reference.append_record", lambda record: kept.append(record))
    kept: list[object] = []
    command = ReferenceCommand(
        model=MODEL, reference=f"{reference}:same", repository=REPOSITORY, input="64x64", keep=True, json=True
    )
    command()
    report = json.loads(capsys.readouterr().out)
    assert report["difference"] == 0
    assert report["repository"] == REPOSITORY
    assert len(kept) == 1


def test_a_repository_without_a_commit_is_refused() -> None:
    with pytest.raises(InputError, match="expected owner/name@commit"):
        ReferenceCommand(model=MODEL, reference="a.py:b", repository="owner/name")()


def test_every_record_of_agreement_is_within_rounding() -> None:
    """Random weights leave nothing undecided: where a tensor is misplaced, outputs differ by more than a thousandth."""
    records = [record for record in load_records().values() if record.kind == "agreement" and "layout" in record.setting]
    for record in records:
        assert record.value < 1e-5, (record.subject, record.setting)
