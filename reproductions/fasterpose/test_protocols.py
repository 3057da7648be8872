"""FasterPose predicts logits: it is tested on their sigmoid, and one forward pass serves all protocols."""

from __future__ import annotations

import math
from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np
import pytest
import torch

from benchmark.config.packages import default_protocol, find_protocol
from benchmark.config.protocols import PROTOCOLS
from benchmark.data.people import People
from benchmark.evaluation.backends import Backend
from benchmark.evaluation.inference import predict_people

MODEL = "fasterpose/r50"
PEAK, SIDE = (3, 5), 16  # column and row, pixels of the heatmap


class Network:
    """Return one joint's logits, all negative, highest at the peak, or at the mirrored peak of a mirrored image."""

    def __init__(self) -> None:
        self.calls = 0

    def __call__(self, images: torch.Tensor) -> tuple[torch.Tensor, ...]:
        self.calls += 1
        mirrored = bool(images[0, 0, :, -1].mean() > images[0, 0, :, 0].mean())
        logits = torch.full((len(images), 1, SIDE, SIDE), -8.0)
        logits[:, 0, PEAK[1], SIDE - 1 - PEAK[0] if mirrored else PEAK[0]] = -1.0
        return (logits,)


@pytest.fixture
def person(tmp_path: Path) -> People:
    """Return one person in an image that is bright on the left."""
    pixels = np.full((64, 64, 3), 20, np.uint8)
    pixels[:, :20] = 250
    cv2.imwrite(str(tmp_path / "person.png"), pixels)
    return People(
        dataset="mpii",
        split="val",
        images=(tmp_path / "person.png",),
        image_ids=np.array([0]),
        ids=np.array([0]),
        joints=np.zeros((1, 1, 2)),
        visible=np.ones((1, 1)),
        centers=np.array([[32.0, 32.0]]),
        sizes=np.array([[51.2, 51.2]]),
    )


def test_the_sigmoid_comes_before_averaging_and_decoding_and_costs_no_pass(person: People, tmp_path: Path) -> None:
    network = Network()
    backend = Backend(network, ("nose",), (64, 64), "")
    plain = PROTOCOLS["hrnet-unshifted"]
    protocols = {"sigmoid": replace(plain, activation="sigmoid"), "plain": plain}
    predictions = predict_people(person, backend, protocols, tmp_path)[0]
    assert network.calls == 2  # the image and its mirror image, for all protocols together
    height = 1 / (1 + math.exp(1))
    assert predictions["sigmoid"].scores[0, 0] == pytest.approx(height, abs=1e-6)
    assert predictions["plain"].scores[0, 0] == pytest.approx(-1)
    assert tuple(np.round(predictions["sigmoid"].joints[0, 0])) == (4 * PEAK[0], 4 * PEAK[1])
    assert tuple(np.round(predictions["plain"].joints[0, 0])) == (0, 0)  # no positive value: an empty heatmap
    again = predict_people(person, backend, protocols, tmp_path)[0]
    assert network.calls == 2
    assert again["sigmoid"].scores[0, 0] == predictions["sigmoid"].scores[0, 0] != predictions["plain"].scores[0, 0]


def test_the_default_is_its_own_for_each_kind_of_box() -> None:
    assert default_protocol(MODEL, "mpii") == "fasterpose"
    assert default_protocol(MODEL, "coco") == "fasterpose-annotated"
    assert default_protocol(MODEL, "coco", detected=True) == "fasterpose"
    assert {find_protocol(MODEL, name).activation for name in ("fasterpose", "fasterpose-annotated")} == {"sigmoid"}
