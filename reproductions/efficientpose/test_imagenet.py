"""EfficientPose's backbones start from torchvision's ImageNet checkpoints, served here from this machine."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch
import torch.nn.functional as F
import torchvision.models
from torch import Tensor, nn

from benchmark.core.errors import InputError
from benchmark.models.registry import build_model, build_on_meta
from reproductions.efficientpose.imagenet import from_imagenet, from_lite0, from_lite0_to_empty_maps
from reproductions.efficientpose_nas.fna import lite0
from reproductions.network_checks import publish
from reproductions.pretrained import LITE0_PACKAGE


def classifier(name: str) -> Any:
    """Build torchvision's whole network with values that differ from our initial ones in all tensors."""
    torch.manual_seed(1)
    network = torchvision.models.get_model(name, weights=None).eval()
    for module in network.modules():
        if isinstance(module, nn.BatchNorm2d):
            module.eps = 1e-3
            for tensor in (module.weight, module.bias, module.running_mean, module.running_var):
                nn.init.uniform_(tensor, 0.5, 1.5)
        elif isinstance(module, nn.Conv2d) and module.bias is not None:
            nn.init.normal_(module.bias)
    return network


def address(server: tuple[str, Path], name: str, network: nn.Module) -> str:
    """Serve the network's tensors and return their address."""
    return f"{server[0]}/{publish(server[1], name, network.state_dict())}"


def pad_below(module: nn.Module, inputs: tuple[Tensor]) -> tuple[Tensor]:
    """Pad as TensorFlow a strided convolution of an even size: (kernel - 2) / 2 before, rounded down, the rest after."""
    kernel = module.kernel_size[0]
    before = (kernel - 2) // 2
    return (F.pad(inputs[0], (before, kernel - 2 - before) * 2),)


@pytest.mark.parametrize(("variant", "high", "low"), [("I", "b2", "b0"), ("RT", "b0", None)])
def test_both_backbones_compute_what_torchvisions_networks_do(
    variant: str, high: str, low: str | None, server: tuple[str, Path]
) -> None:
    peers = {f"efficientnet_{name}": classifier(f"efficientnet_{name}") for name in (high, low) if name}
    network: Any = build_model(f"efficientpose/{variant}", joints=16)
    from_imagenet(network, mirrors={name: address(server, name, peer) for name, peer in peers.items()})
    network.eval()
    images = torch.rand(2, 3, 64, 64)
    for backbone, peer in zip(network.backbones.values(), peers.values(), strict=True):
        for module in peer.modules():  # the padding of strided convolutions is the other difference
            if isinstance(module, nn.Conv2d) and module.stride == (2, 2):
                module.padding = (0, 0)
                module.register_forward_pre_hook(pad_below)
        *blocks, last = peer.features[: backbone.num_blocks + 1]
        expected = nn.Sequential(*blocks)(images)
        with torch.no_grad():
            for layer in last[:-1]:
                expected = layer(expected)
            expected = last[-1].block(expected) if backbone.before_residual else last[-1](expected)
            found = backbone(images)
        assert found.std() > 0
        assert (found - expected).abs().max() <= 1e-5 * expected.abs().max()


@pytest.mark.parametrize("variant", ["II", "III", "IV"])
def test_the_larger_networks_tensors_pair_off_with_torchvisions_in_order(variant: str) -> None:
    network: Any = build_on_meta(f"efficientpose/{variant}", joints=16)
    for backbone in network.backbones.values():
        with torch.device("meta"):
            peer = torchvision.models.get_model(f"efficientnet_{backbone.variant.lower()}", weights=None)
        theirs = peer.features[: backbone.num_blocks + 1].state_dict()
        assert [tensor.shape for tensor in backbone.state_dict().values()] == [tensor.shape for tensor in theirs.values()]


def test_nothing_but_the_backbones_is_touched(server: tuple[str, Path]) -> None:
    network = build_model("efficientpose/RT", joints=16)
    before = {name: tensor.clone() for name, tensor in network.state_dict().items()}
    from_imagenet(network, mirrors={"efficientnet_b0": address(server, "efficientnet_b0", classifier("efficientnet_b0"))})
    changed = {name for name, tensor in network.state_dict().items() if not torch.equal(tensor, before[name])}
    inside = {name for name in before if name.startswith("backbones.") and "num_batches" not in name}
    assert changed == inside


def test_openposes_first_ten_convolutions_are_vgg19s(server: tuple[str, Path]) -> None:
    peer = nn.Module()
    with torch.device("meta"):
        whole = torchvision.models.vgg19(weights=None).features
    torch.manual_seed(1)
    peer.features = nn.Sequential(*(layer.to_empty(device="cpu") for layer in whole[:25]))
    for parameter in peer.parameters():
        nn.init.normal_(parameter, std=0.05)
    network: Any = build_model("efficientpose/openpose", joints=16)
    own = [tensor.clone() for tensor in network.backbone[23].parameters()]
    from_imagenet(network, mirrors={"vgg19": address(server, "vgg19", peer)})
    images = torch.rand(1, 3, 16, 16)
    with torch.no_grad():
        assert torch.equal(network.backbone[:22](images), peer.features[:22](images))  # the tenth convolution, before its PReLU
    assert all(torch.equal(a, b) for a, b in zip(own, network.backbone[23].parameters(), strict=True))


def test_another_networks_checkpoint_is_refused(server: tuple[str, Path]) -> None:
    network = build_model("efficientpose/RT", joints=16)
    url = address(server, "efficientnet_b0", classifier("efficientnet_b2"))
    with pytest.raises(
        InputError, match=r"efficientnet_b0-\w+\.pth: layers\.3a\.\S+ has shape \[48, 144, 1, 1\], expected \[40, "
    ):
        from_imagenet(network, mirrors={"efficientnet_b0": url})


def test_another_network_is_refused() -> None:
    with pytest.raises(InputError, match="Sequential has no backbone of EfficientNets or VGG-19"):
        from_imagenet(nn.Sequential())


def test_from_lite0_every_convolution_of_b0_has_its_counterparts_kernels() -> None:
    pytest.importorskip(LITE0_PACKAGE, reason="EfficientNet-Lite0 is not installed (the extra 'peers')")
    seed = lite0()
    network: Any = build_model("efficientpose/RT", joints=16)
    squeezes = network.backbones["high"].layers["2a"].se.squeeze.weight.clone()
    from_lite0(network)
    own = [m for name, m in network.backbones["high"].named_modules() if isinstance(m, nn.Conv2d) and ".se." not in name]
    theirs = [m for layer in seed for m in layer.modules() if isinstance(m, nn.Conv2d)]
    assert len(own) == 1 + 2 + 2 * 3 + 2 * 3
    for ours, given in zip(own, theirs, strict=False):
        torch.testing.assert_close(ours.weight, given.weight)
    assert torch.equal(network.backbones["high"].layers["2a"].se.squeeze.weight, squeezes)


def test_a_backbone_deeper_than_b0_repeats_lite0s_last_layer() -> None:
    pytest.importorskip(LITE0_PACKAGE, reason="EfficientNet-Lite0 is not installed (the extra 'peers')")
    network: Any = build_model("efficientpose/I", joints=16)  # B2: three layers in its third block, where B0 has two
    from_lite0(network)
    layers = network.backbones["high"].layers
    assert torch.equal(layers["3b"].project[0].weight, layers["3c"].project[0].weight)


def test_maps_can_start_nearly_empty() -> None:
    pytest.importorskip(LITE0_PACKAGE, reason="EfficientNet-Lite0 is not installed (the extra 'peers')")
    torch.manual_seed(0)
    network: Any = build_model("efficientpose/RT", joints=16)
    images = torch.rand(2, 3, 64, 64)
    with torch.no_grad():
        from_lite0(network)
        full = network(images).final.std()
        from_lite0_to_empty_maps(network)
        assert network(images).final.std() < 0.02 * full


def test_another_network_has_no_backbone_to_fill() -> None:
    with pytest.raises(InputError, match="Linear has no backbone of EfficientNets"):
        from_lite0(nn.Linear(1, 1))
