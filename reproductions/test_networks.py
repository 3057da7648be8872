"""Check that every network can be trained, saved, exported and compiled.

One training step lowers the loss, weights survive a file, and ONNX, ``torch.compile``, channels-last memory and bfloat16
reproduce the outputs. All checks use random images of 64x64 pixels, which each network takes.

Networks that differ from another one in depth or width alone are checked by ``make slow``, as is the tracing of networks with
thousands of modules. ``-k simple_baseline-r50`` runs all checks of one network.
"""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from safetensors.torch import load_model, save_model
from torch import nn

from benchmark.models.registry import build_model, entries
from reproductions import network_checks
from reproductions.network_checks import (
    SIBLINGS,
    SIDE,
    Subject,
    correlation,
    distance,
    export_onnx,
    flatten_outputs,
    run,
    run_onnx,
    with_slow,
)

SLOW_TO_EXPORT = {"baselines/lite_hrnet-18", "baselines/pyranet", "baselines/du_net", "baselines/cu_net", "baselines/dlcm"}
# The tracing exporter loses the sizes that are passed to Lite-HRNet's pooling.
BY_TORCH_EXPORT = {"baselines/lite_hrnet-18", "baselines/lite_hrnet-30"}
QUICK_TO_COMPILE = {"baselines/hourglass-1", "efficientpose/RT"}
ONE_OF_EACH_PACKAGE = (
    "autopose/searched",
    "baselines/lite_hrnet-18",
    "efficientpose/RT",
    "efficientpose_nas/A",
    "fasterpose/r50",
    "heatmap_weighting/mobilenet_v3",
)
# The detector is complete, but a crop needs neither boxes nor more than one level of the pyramid.
UNTRAINED = {
    "baselines/mask_rcnn-r50_fpn": (
        *(f"detector.backbone.fpn.layer_blocks.{level}." for level in (1, 2, 3)),
        *("detector.rpn.", "detector.roi_heads.box_"),
    )
}
TOLERANCE = 2e-5  # relative to an output's largest value: float32 sums in another order


def every_network(*, slow: set[str] = SIBLINGS) -> pytest.MarkDecorator:
    """Parametrise over all networks; pytest groups the checks of one network, so that it is built once."""
    return pytest.mark.parametrize("subject", with_slow(entries(), slow), indirect=True, scope="module")


@pytest.fixture(scope="module")
def subject(request: pytest.FixtureRequest) -> Subject:
    return network_checks.build_subject(request.param)


@every_network()
def test_one_step_lowers_the_loss(subject: Subject) -> None:
    """The step is small and in double precision, because deep untrained networks are linear only nearby.

    Batch norms keep their statistics. Those of two maps of one pixel, hundreds of times in a row, turn a change in the last
    digit of a weight into one a billion times as large.
    """
    network = subject.copy().double().train()
    for module in network.modules():
        if isinstance(module, nn.BatchNorm2d):
            module.eval()
    torch.manual_seed(3)
    images = torch.rand(1, 3, SIDE, SIDE).double()
    targets = [torch.rand(1, *output.shape[1:]).double() for output in subject.outputs]

    def loss() -> torch.Tensor:
        pairs = zip(flatten_outputs(network(images)), targets, strict=True)
        return sum((output - target).square().mean() for output, target in pairs)

    before = loss()
    before.backward()
    # A step that would lower the loss by a ten-thousandth if it were linear.
    gradients = [(weight, weight.grad) for weight in network.parameters() if weight.grad is not None]
    step = 1e-4 * float(before.detach()) / sum(float(gradient.square().sum()) for _, gradient in gradients)
    with torch.no_grad():
        for weight, gradient in gradients:
            weight -= step * gradient
    assert loss() < before
    for name, weight in network.named_parameters():
        if weight.requires_grad and not name.startswith(UNTRAINED.get(subject.id, ())):
            assert weight.grad is not None, f"{name} receives no gradient"
            assert weight.grad.isfinite().all(), name


@every_network()
def test_weights_survive_save_and_load(subject: Subject, tmp_path: Path) -> None:
    save_model(subject.network, tmp_path / "weights.safetensors")
    torch.manual_seed(1)
    reloaded = build_model(subject.id, joints=16).eval()
    assert not torch.equal(run(reloaded, subject.images)[-1], subject.outputs[-1])
    load_model(reloaded, tmp_path / "weights.safetensors")
    for output, expected in zip(run(reloaded, subject.images), subject.outputs, strict=True):
        assert torch.equal(output, expected)


@every_network()
def test_channels_last_gives_the_same_maps(subject: Subject) -> None:
    network = subject.copy().to(memory_format=torch.channels_last)
    images = subject.images.to(memory_format=torch.channels_last)
    assert distance(run(network, images), subject.outputs) < TOLERANCE


@every_network()
def test_bfloat16_autocast_stays_near(subject: Subject) -> None:
    """Allow for eight bits of mantissa: most outputs correlate at 0.999, those of EfficientPose IV, the deepest, at 0.96."""
    with torch.autocast("cpu", torch.bfloat16):
        rounded = run(subject.network, subject.images)
    assert {output.dtype for output in rounded} == {torch.bfloat16}
    assert correlation([output.float() for output in rounded], subject.outputs) > 0.9


@every_network(slow=SIBLINGS | SLOW_TO_EXPORT)
def test_onnx_gives_the_same_maps(subject: Subject, tmp_path: Path) -> None:
    traced = subject.id not in BY_TORCH_EXPORT
    export_onnx(subject.network, subject.images, tmp_path / "network.onnx", traced=traced)
    assert distance(run_onnx(tmp_path / "network.onnx", subject.images), subject.outputs) < TOLERANCE


@every_network(slow=set(entries()) - QUICK_TO_COMPILE)
def test_compile_finds_one_graph_with_the_same_maps(subject: Subject) -> None:
    """Capture the graph without a break and run it operator by operator."""
    torch.compiler.reset()
    compiled = torch.compile(subject.network, backend="aot_eager", fullgraph=True)
    assert distance(run(compiled, subject.images), subject.outputs) < TOLERANCE


@pytest.mark.slow
@pytest.mark.parametrize("model", ONE_OF_EACH_PACKAGE)
def test_inductor_gives_the_same_maps(model: str) -> None:
    subject = network_checks.build_subject(model)
    torch.compiler.reset()
    assert distance(run(torch.compile(subject.network), subject.images), subject.outputs) < TOLERANCE


@pytest.mark.slow
@pytest.mark.parametrize("model", [model for model in ONE_OF_EACH_PACKAGE if model not in BY_TORCH_EXPORT])
def test_onnx_by_torch_export_gives_the_same_maps(model: str, tmp_path: Path) -> None:
    subject = network_checks.build_subject(model)
    export_onnx(subject.network, subject.images, tmp_path / "network.onnx", traced=False)
    assert distance(run_onnx(tmp_path / "network.onnx", subject.images), subject.outputs) < TOLERANCE
