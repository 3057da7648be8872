"""The authors' released Keras weights (``.h5``) for :class:`EfficientPose`.

Only arrays are read. The model description in the file, which holds marshalled Python functions, is never opened, and a file
that differs from the released one in a single byte is refused.
"""

from __future__ import annotations

import hashlib
import tomllib
from collections.abc import Iterator, Mapping
from pathlib import Path

import h5py
import numpy as np
import torch
from torch import Tensor, nn

from benchmark.core.errors import InputError
from reproductions.efficientpose.backbone import Backbone, MBConv, SqueezeExcite
from reproductions.efficientpose.network import DetectionPass, EfficientPose, EMBConv, MobileDenseNet

RELEASED = tomllib.loads(Path(__file__).with_name("released_weights.toml").read_text())
Arrays = Mapping[str, Mapping[str, np.ndarray]]  # by layer and name, as in "kernel" or "moving_mean"


def load_keras_weights(network: EfficientPose, path: Path, *, float16: bool = False) -> None:
    """Fill ``network`` with the weights of a released file.

    Args:
        network: The variant that the file holds, as ``build_model("efficientpose/I", joints=16)`` returns it; the heads of the
            early passes or the up-scaling may be missing.
        path: The released file.
        float16: Fold the batch norms into the convolutions and round to half precision, as the released TFLite files do.
            The network then has the outputs of those files, in single precision.

    Raises:
        InputError: The file is missing, is not one of the released ones, or holds another variant; the message names it.
    """
    variant = identify(path)
    layers = _read(path)
    modules = dict(_keras_names(network))
    optional = {name for name in layers if name.endswith(("_pafs", "_confs")) or name.startswith("upscaled")}
    fits = modules.keys() <= layers.keys() <= modules.keys() | optional
    if not fits or any(_convert(module, layers[name]) is None for name, module in modules.items()):
        raise InputError(f"{path} holds EfficientPose {variant}, which this network is not")
    with torch.no_grad():
        for name, module in modules.items():
            for key, value in (_convert(module, layers[name]) or {}).items():
                getattr(module, key).copy_(value)
        if float16:
            _fold_and_round(network)


def identify(path: Path) -> str:
    """Identify the variant that a released file holds by its sha256.

    Raises:
        InputError: The file is missing or not a released one; the message says what is known of one with that name.
    """
    if not path.is_file():
        official = [released["url"] for released in RELEASED.values() if released["file"] == path.name]
        raise InputError(f"no weights at {path}" + "".join(f"; get them from {url}" for url in official))
    content = path.read_bytes()
    digest = hashlib.sha256(content).hexdigest()
    for variant, released in RELEASED.items():
        if released["sha256"] == digest:
            return variant
    for released in RELEASED.values():
        if released["file"] == path.name:
            if len(content) < released["bytes"]:
                raise InputError(f"{path} is truncated: {len(content):,} of {released['bytes']:,} bytes")
            raise InputError(f"{path} is not the released file: sha256 {digest}, expected {released['sha256']}")
    known = ", ".join(released["file"] for released in RELEASED.values())
    raise InputError(f"{path} is not a released weight file: sha256 {digest} is not that of {known}")


def _read(path: Path) -> Arrays:
    with h5py.File(path) as file:
        layers: dict[str, dict[str, np.ndarray]] = {}

        def visit(name: str, item: h5py.Group | h5py.Dataset) -> None:
            if isinstance(item, h5py.Dataset):
                layer, *_, array = name.split("/")  # "stem_conv_res1/stem_conv_res1/kernel:0"
                layers.setdefault(layer, {})[array.removesuffix(":0")] = item[()]

        file["model_weights"].visititems(visit)
    return layers


def _keras_names(network: EfficientPose) -> Iterator[tuple[str, nn.Module]]:
    """Iterate over the names of Keras layers and the modules that take their weights."""
    for suffix, backbone in zip(("res1", "res2"), network.backbones.values(), strict=False):
        assert isinstance(backbone, Backbone)
        for name, module in _backbone_names(backbone):
            yield f"{name}_{suffix}", module
    for number, detect in enumerate(network.passes, 1):
        assert isinstance(detect, DetectionPass)
        skeleton = network.skeleton and number == 1
        branch = "skeleton" if skeleton else f"detection{number - network.skeleton}"
        for block, densenet in enumerate(detect.densenets, 1):
            assert isinstance(densenet, MobileDenseNet)
            for index, layer in enumerate(densenet.layers, 1):
                assert isinstance(layer, EMBConv)
                name = f"pass{number}_block{block}_mbconv{index}_{branch}"
                for part, keras in ((layer.expand, "conv1"), (layer.depthwise, "dconv1"), (layer.project, "conv2")):
                    yield f"{name}_{keras}", part[0]
                    yield f"{name}_{keras}_bn", part[1]
                yield from _se_names(f"{name}_se_se", layer.se, "squeeze_conv", "excite_conv")
        if detect.head is not None:
            yield f"pass{number}_{branch}_{'pafs' if skeleton else 'confs'}", detect.head
    yield from zip(("upscaled_deconv1", "upscaled_deconv2", "upscaled_confs"), network.upscaling, strict=False)


def _backbone_names(backbone: Backbone) -> Iterator[tuple[str, nn.Module]]:
    yield "stem_conv", backbone.stem[0]
    yield "stem_bn", backbone.stem[1]
    for position, layer in backbone.layers.items():
        assert isinstance(layer, MBConv)
        name = f"block{position}"
        if layer.expand is not None:
            yield f"{name}_expand_conv", layer.expand[0]
            yield f"{name}_expand_bn", layer.expand[1]
        yield f"{name}_dwconv", layer.depthwise[0]
        yield f"{name}_bn", layer.depthwise[1]
        yield from _se_names(f"{name}_se", layer.se, "reduce", "expand")
        yield f"{name}_project_conv", layer.project[0]
        yield f"{name}_project_bn", layer.project[1]


def _se_names(name: str, se: SqueezeExcite, squeeze: str, excite: str) -> Iterator[tuple[str, nn.Module]]:
    yield f"{name}_{squeeze}", se.squeeze
    yield f"{name}_{excite}", se.excite


def _convert(module: nn.Module, arrays: Mapping[str, np.ndarray]) -> dict[str, Tensor] | None:
    """Return a layer's arrays with PyTorch's names and order of axes; None if they do not fit the module."""
    values = {}
    for name, array in arrays.items():
        match name:
            case "kernel":  # height, width, in, out; of a transposed convolution height, width, out, in
                values["weight"] = array.transpose(3, 2, 0, 1)
            case "depthwise_kernel":  # height, width, channels, 1
                values["weight"] = array.transpose(2, 3, 0, 1)
            case "gamma":
                values["weight"] = array
            case "bias" | "beta":
                values["bias"] = array
            case "moving_mean" | "moving_variance":
                values["running_" + {"moving_mean": "mean", "moving_variance": "var"}[name]] = array
    shapes = {name: tuple(value.shape) for name, value in module.state_dict().items() if name != "num_batches_tracked"}
    if shapes != {name: value.shape for name, value in values.items()}:
        return None
    return {name: torch.from_numpy(np.ascontiguousarray(value)) for name, value in values.items()}


def _fold_and_round(network: nn.Module) -> None:
    """Move each batch norm into the convolution before it and round every weight to half precision.

    The batch norm remains, with unit scale and variance, zero mean and the rounded bias.
    """
    for module in network.modules():
        if isinstance(module, nn.Sequential) and len(module) > 1 and isinstance(module[1], nn.BatchNorm2d):
            conv, norm = module[0], module[1]
            assert isinstance(conv, nn.Conv2d)
            assert norm.running_mean is not None
            assert norm.running_var is not None
            scale = norm.weight * torch.rsqrt(norm.running_var + norm.eps)
            conv.weight.mul_(scale[:, None, None, None])
            norm.bias.sub_(norm.running_mean * scale)
            make_neutral(norm)
    for parameter in network.parameters():
        parameter.copy_(parameter.half().float())


def make_neutral(norm: nn.BatchNorm2d) -> None:
    """Make a batch norm add its bias and do nothing else, in place."""
    assert norm.running_mean is not None
    assert norm.running_var is not None
    with torch.no_grad():
        norm.weight.fill_(1)
        norm.running_mean.zero_()
        norm.running_var.fill_(1 - norm.eps)
