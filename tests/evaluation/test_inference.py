"""Test-time averaging in inference, with networks whose answer is known: flip test and several scales."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np
import pytest
import torch
import torch.nn.functional as F
from torch import Tensor

from benchmark.config.protocols import Protocol
from benchmark.core.keypoints import MPII_JOINTS, mirrored_indices
from benchmark.data.people import People
from benchmark.evaluation.backends import Backend
from benchmark.evaluation.inference import Predictions, assemble_chunks, predict_people

SIDE, STRIDE = 128, 4  # of the input, and of the heatmaps; a crop has the scale of its image
HEATMAP = SIDE // STRIDE
PLAIN = Protocol(crop="efficientpose", padding=1.0, decoding="dark", convention="center", description="test")


def people_on(image: np.ndarray, folder: Path, joints: int) -> People:
    """Two people, each of whose boxes is the whole of a square image of ``SIDE`` pixels."""
    cv2.imwrite(str(folder / "image.png"), image)
    return People(
        dataset="generated",
        split="test",
        images=(folder / "image.png",) * 2,
        image_ids=np.arange(2),
        ids=np.arange(2),
        joints=np.zeros((2, joints, 2)),
        visible=np.full((2, joints), 2, np.uint8),
        centers=np.full((2, 2), (SIDE - 1) / 2),
        sizes=np.full((2, 2), float(SIDE)),
    )


def predict(people: People, backend: Backend, protocol: Protocol, folder: Path) -> Predictions:
    return assemble_chunks([predict_people(people, backend, {"test": protocol}, folder)], len(people))["test"]


def gaussians(points: Tensor, sigma: float = 2.0) -> Tensor:
    """Heatmaps ``[N, K, h, w]`` whose peaks are at ``points``, pixels of the heatmap."""
    rows, columns = torch.arange(HEATMAP)[:, None], torch.arange(HEATMAP)
    return torch.exp(-((columns - points[..., 0, None, None]) ** 2 + (rows - points[..., 1, None, None]) ** 2) / (2 * sigma**2))


def test_the_flip_test_of_a_network_that_mirrors_with_its_input_changes_nothing(tmp_path: Path) -> None:
    """Heatmaps of a mirrored image show the mirrored joints, with left and right exchanged."""
    points = 8 + torch.rand(1, 16, 2, generator=torch.Generator().manual_seed(0)) * 15
    mirrored = points[:, list(mirrored_indices(MPII_JOINTS))] * torch.tensor([-1, 1]) + torch.tensor([HEATMAP - 1, 0])
    calls = []

    def heatmaps(images: Tensor) -> tuple[Tensor, ...]:
        is_mirrored = images[..., : SIDE // 2].mean() < images[..., SIDE // 2 :].mean()
        calls.append(bool(is_mirrored))
        return (gaussians(mirrored if is_mirrored else points).expand(len(images), -1, -1, -1),)

    image = np.zeros((SIDE, SIDE, 3), np.uint8)
    image[:, : SIDE // 2] = 255  # the left half is bright unless the image was mirrored
    people = people_on(image, tmp_path, 16)
    backend = Backend(heatmaps, MPII_JOINTS, (SIDE, SIDE), "")
    plain = predict(people, backend, PLAIN, tmp_path / "plain")
    flipped = predict(people, backend, replace(PLAIN, flip="plain"), tmp_path / "flipped")
    assert calls == [False, False, True]
    np.testing.assert_allclose(plain.joints[0], (points[0].numpy() + 0.5) * STRIDE - 0.5, atol=0.1)
    np.testing.assert_allclose(flipped.joints, plain.joints, atol=1e-3)
    np.testing.assert_allclose(flipped.scores, plain.scores, atol=1e-5)


def test_a_symmetric_map_stays_under_the_flip_test(tmp_path: Path) -> None:
    """A joint on the axis of the input: its heatmap is its own mirror image, which the shift moves by half a pixel."""
    axis = gaussians(torch.tensor([(HEATMAP - 1) / 2, 20.0]).expand(1, 16, 2))
    backend = Backend(lambda images: (axis.expand(len(images), -1, -1, -1),), MPII_JOINTS, (SIDE, SIDE), "")
    people = people_on(np.zeros((SIDE, SIDE, 3), np.uint8), tmp_path, 16)
    plain, same, shifted = (
        predict(people, backend, replace(PLAIN, flip=flip), tmp_path / flip) for flip in ("off", "plain", "shifted")
    )
    np.testing.assert_allclose(same.joints, plain.joints, atol=1e-4)
    np.testing.assert_allclose(same.scores, plain.scores, atol=1e-6)
    difference = (shifted.joints - plain.joints) / STRIDE
    assert difference[..., 0] == pytest.approx(np.full((2, 16), 0.5), abs=0.02)
    assert difference[..., 1] == pytest.approx(np.zeros((2, 16)), abs=0.02)


def test_multi_scale_maps_of_a_network_that_follows_its_input_lie_on_each_other(tmp_path: Path) -> None:
    y, x = np.mgrid[:SIDE, :SIDE]
    spot = 255 * np.exp(-((x - 50.0) ** 2 + (y - 76.0) ** 2) / (2 * 10.0**2))
    people = people_on(np.repeat(spot.round().astype(np.uint8)[..., None], 3, 2), tmp_path, 1)
    calls = []

    def heatmaps(images: Tensor) -> tuple[Tensor, ...]:
        calls.append(images)
        return (F.avg_pool2d(images[:, :1] - images.amin(), STRIDE),)

    backend = Backend(heatmaps, ("nose",), (SIDE, SIDE), "")
    several = predict(people, backend, replace(PLAIN, scales=(0.8, 1.0, 1.5)), tmp_path / "several")
    assert len(calls) == 3
    single = predict(people, backend, PLAIN, tmp_path / "single")
    assert single.joints[0, 0].tolist() == pytest.approx([50.0, 76.0], abs=0.5)
    np.testing.assert_allclose(several.joints, single.joints, atol=0.05 * STRIDE)
