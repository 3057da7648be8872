"""With the released weights our networks have the outputs of the released TFLite files; other networks' are refused."""

from __future__ import annotations

import os
import re
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from benchmark.config.packages import layouts_of
from benchmark.core.errors import InputError
from benchmark.core.files import sha256_of_file
from benchmark.models.checkpoints import find_published
from benchmark.models.registry import build_model
from benchmark.models.weights import load_weights
from reproductions.efficientpose.network import EfficientPose, Maps
from reproductions.efficientpose.test_preprocess import preprocess
from reproductions.efficientpose.variants import VARIANTS
from reproductions.efficientpose.weights import make_neutral, round_to_half

DATA = Path(os.environ.get("POSE_DATA", "~/.cache/pose-benchmark")).expanduser()
WEIGHTS = DATA / "weights" / "efficientpose"


def released(name: str) -> Path:
    if not (WEIGHTS / name).is_file():
        pytest.skip(f"released weights {name} are not under {WEIGHTS}")
    return WEIGHTS / name


def images() -> list[np.ndarray]:
    """Load the MPII images and the first three LSP test images."""
    image = pytest.importorskip("PIL.Image", reason="pillow is not installed")
    paths = sorted((DATA / "mpii" / "images").glob("*.jpg")) + [
        DATA / "lsp" / "images" / f"im{n}.jpg" for n in (1001, 1002, 1003)
    ]
    if len(paths) < 8 or not all(path.is_file() for path in paths):
        pytest.skip(f"images mpii/images and lsp/images are not under {DATA}")
    return [np.array(image.open(path).convert("RGB")) for path in paths]


def build(model: str) -> EfficientPose:
    network = build_model(f"efficientpose/{model}", joints=16).eval()
    assert isinstance(network, EfficientPose)
    return network


def load(network: EfficientPose, path: Path, model: str = "RT") -> None:
    load_weights(network, path, f"efficientpose/{model}", layouts_of(f"efficientpose/{model}"))


class Interpreter:
    """Run a TFLite file."""

    def __init__(self, path: Path) -> None:
        module = pytest.importorskip("ai_edge_litert.interpreter", reason="ai_edge_litert is not installed")
        self.interpreter = module.Interpreter(str(path))
        self.interpreter.allocate_tensors()

    def __call__(self, image: Tensor) -> list[Tensor]:
        """Return the four outputs ``[1, C, h, w]`` for ``[1, 3, R, R]``: skeleton, two heatmaps, final heatmaps."""
        self.interpreter.set_tensor(self.interpreter.get_input_details()[0]["index"], image.permute(0, 2, 3, 1).numpy().copy())
        self.interpreter.invoke()
        outputs = [self.interpreter.get_tensor(o["index"]) for o in self.interpreter.get_output_details()]
        return [torch.from_numpy(o).permute(0, 3, 1, 2) for o in outputs]

    def constants(self) -> dict[str, Tensor]:
        """Return the stored half-precision tensors by name, in single precision."""
        stored = [t for t in self.interpreter.get_tensor_details() if t["dtype"] == np.float16]
        return {t["name"]: torch.tensor(self.interpreter.get_tensor(t["index"]).astype(np.float32)) for t in stored}


def flat(maps: Maps) -> list[Tensor]:
    return [*maps.skeletons, *maps.heatmaps, maps.final]


def places(heatmaps: Tensor) -> Tensor:
    """Return row and column of each keypoint's highest pixel ``[K, 2]``."""
    index = heatmaps[0].flatten(1).argmax(1)
    return torch.stack([index // heatmaps.shape[-1], index % heatmaps.shape[-1]], 1)


@pytest.mark.parametrize("variant", ["RT", "I"])
def test_rounded_weights_give_the_maps_of_the_tflite_file(variant: str) -> None:
    path, interpreter = released(f"EfficientPose{variant}.h5"), Interpreter(released(f"EfficientPose{variant}.tflite"))
    network = build(variant)
    load(network, path, variant)
    round_to_half(network)
    for photo in images():
        image = preprocess(photo, VARIANTS[variant][0])
        with torch.no_grad():
            maps = flat(network(image))
        expected = interpreter(image)
        for output, reference in zip(maps, expected, strict=True):
            torch.testing.assert_close(output, reference, atol=1e-4, rtol=0)
        assert torch.equal(places(maps[-1]), places(expected[-1]))


@pytest.mark.parametrize("variant", ["RT", "I"])
def test_full_weights_differ_by_the_rounding_of_the_tflite_file_alone(variant: str) -> None:
    path, interpreter = released(f"EfficientPose{variant}.h5"), Interpreter(released(f"EfficientPose{variant}.tflite"))
    network = build(variant)
    load(network, path, variant)
    moved = []
    for photo in images():
        image = preprocess(photo, VARIANTS[variant][0])
        with torch.no_grad():
            maps = flat(network(image))
        expected = interpreter(image)
        for output, reference in zip(maps, expected, strict=True):
            torch.testing.assert_close(output, reference, atol=5e-3, rtol=0)
        moved.append((places(maps[-1]) - places(expected[-1])).abs().amax(1))
    assert (torch.cat(moved) == 0).float().mean() >= 0.95
    assert torch.cat(moved).max() <= 1  # pixel of the final map


def test_the_deeper_variants_add_their_densenets_as_released() -> None:
    """Only a TFLite file of II is available; with its constants our network has its outputs."""
    interpreter = Interpreter(released("EfficientPoseII.tflite"))
    network = build("II")
    fill_from_tflite(network, interpreter.constants())
    for photo in images()[-3:]:
        image = preprocess(photo, VARIANTS["II"][0])
        with torch.no_grad():
            maps = flat(network(image))
        for output, reference in zip(maps, interpreter(image), strict=True):
            torch.testing.assert_close(output, reference, atol=1e-3 * float(reference.abs().max()), rtol=0)


def fill_from_tflite(network: EfficientPose, constants: dict[str, Tensor]) -> None:
    """Fill a network whose batch norms were folded: each keeps the bias of the convolution before it."""
    (layout,) = layouts_of("efficientpose/II")
    state = network.state_dict()
    filled = set()
    for name, value in constants.items():
        layer, _, kind = name.rpartition("/")
        target = layout.rename(f"{layer}/{kind if 'kernel' in kind else 'bias'}")
        if "kernel" in kind:
            value = value.permute(3, 0, 1, 2) if kind == "depthwise_kernel" else value.permute(0, 3, 1, 2)
        elif target not in state:  # of a batch norm, which follows its convolution
            target = re.sub(r"\.0\.bias$", ".1.bias", target)
        if target in state:
            assert state[target].shape == value.shape, name
            state[target].copy_(value)
            filled.add(target)
    for module in network.modules():
        if isinstance(module, nn.BatchNorm2d):
            make_neutral(module)
    expected = {name for name in state if name.endswith((".0.weight", "bias", "squeeze.weight", "excite.weight"))}
    assert {name for name in expected if "upscaling" not in name and ".head." not in name} <= filled


def test_released_upscaling_is_the_bilinear_kernel() -> None:
    network = build("RT")
    before = [p.clone() for p in network.upscaling.parameters()]
    load(network, released("EfficientPoseRT.h5"))
    assert all(torch.equal(a, b) for a, b in zip(before, network.upscaling.parameters(), strict=True))
    assert not any(p.requires_grad for p in network.upscaling.parameters())


def test_half_precision_weights_are_half_precision() -> None:
    network = build("RT")
    load(network, released("EfficientPoseRT.h5"))
    round_to_half(network)
    assert all(torch.equal(p, p.half().float()) for p in network.parameters())


@pytest.mark.parametrize("model", ["I+outputs=final", "I+upscaling=off"])
def test_parts_that_the_network_lacks_are_left_in_the_file(model: str) -> None:
    full, part = build("I"), build(model)
    for network in (full, part):
        load(network, released("EfficientPoseI.h5"), "I")
    image = torch.randn(1, 3, 64, 64)
    with torch.no_grad():
        torch.testing.assert_close(part(image).heatmaps[-1], full(image).heatmaps[-1], atol=0, rtol=0)


@pytest.mark.parametrize("model", ["RT", "II", "I+passes=1", "I+passes=3", "I+skeleton=off", "I+low_level=off"])
def test_weights_of_another_variant_are_refused(model: str) -> None:
    network = build(model)
    before = {name: value.clone() for name, value in network.state_dict().items()}
    with pytest.raises(InputError, match=rf"EfficientPoseI\.h5 does not fit efficientpose/{re.escape(model)}"):
        load(network, released("EfficientPoseI.h5"), model)
    assert all(torch.equal(before[name], value) for name, value in network.state_dict().items())


def test_truncated_altered_foreign_and_absent_files_are_refused(tmp_path: Path) -> None:
    content = released("EfficientPoseRT.h5").read_bytes()
    path = tmp_path / "EfficientPoseRT.h5"
    path.write_bytes(content[:-1])
    with pytest.raises(InputError, match=r"EfficientPoseRT\.h5 is truncated"):
        load(build("RT"), path)
    with pytest.raises(InputError, match=r"EfficientPoseRT\.h5 is truncated: 2,452,287 of 2,452,288 bytes"):
        find_published("efficientpose/RT", path, sha256_of_file(path))
    path.write_bytes(content[:-1] + bytes([content[-1] ^ 1]))
    with pytest.raises(
        InputError, match=r"is not the published file: sha256 \w{64}, expected 508943cf.* fetch weights/efficientpose/RT"
    ):
        find_published("efficientpose/RT", path, sha256_of_file(path))
    (tmp_path / "mine.h5").write_bytes(b"anything")
    assert find_published("efficientpose/RT", tmp_path / "mine.h5", sha256_of_file(tmp_path / "mine.h5")) is None


def test_a_renamed_file_is_known_by_its_content(tmp_path: Path) -> None:
    copy = tmp_path / "weights.h5"
    copy.write_bytes(released("EfficientPoseRT.h5").read_bytes())
    published = find_published("efficientpose/RT", copy, sha256_of_file(copy))
    assert published
    assert published.id == "efficientpose/RT"
