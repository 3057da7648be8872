"""The benchmark tests an image as the released code does."""

from __future__ import annotations

import os
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from benchmark.config.packages import default_protocol
from benchmark.core.keypoints import MPII_JOINTS
from benchmark.data import load_people
from benchmark.data.images import read_image
from benchmark.evaluation.backends import load_backend
from benchmark.evaluation.inference import assemble_chunks, predict_people
from reproductions.efficientpose.protocols import JOINTS, PROTOCOLS
from reproductions.efficientpose.test_preprocess import decode, preprocess
from reproductions.efficientpose.variants import VARIANTS

DATA = Path(os.environ.get("POSE_DATA", "~/.cache/pose-benchmark")).expanduser()


def released(name: str) -> Path:
    path = DATA / "weights" / "efficientpose" / name
    if not path.is_file() or not (DATA / "mpii" / "images").is_dir():
        pytest.skip(f"released weights {name} or the images in mpii/images are not under {DATA}")
    return path


def test_the_released_networks_have_mpiis_joints_in_an_order_of_their_own() -> None:
    assert sorted(JOINTS) == sorted(MPII_JOINTS)


def test_whole_photographs_are_answered_as_the_released_code_answers(tmp_path: Path) -> None:
    backend = load_backend("efficientpose/RT", released("EfficientPoseRT.h5"))
    people = load_people("mpii", "sample", DATA)
    done = predict_people(people, backend, {"picture": PROTOCOLS["efficientpose-picture"]}, tmp_path)
    predictions = assemble_chunks([done], len(people))["picture"]
    side = VARIANTS["RT"][0]
    for row, path in enumerate(people.images):
        image = read_image(path)
        height, width = image.shape[:2]
        points, scores = decode(backend.forward(preprocess(image, side))[-1][0], height, width)
        away = np.abs(predictions.joints[row] - points).max(-1) * side / max(height, width)  # pixels of the network's input
        assert away.max() < 1.01  # margins are rounded to whole pixels there
        assert np.median(away) < 0.51
        assert np.abs(predictions.scores[row] - scores).max() < 0.02


def test_default_and_variants_agree_but_in_what_they_name() -> None:
    default = PROTOCOLS["efficientpose"]
    assert default_protocol("efficientpose/II", "lsp") == "efficientpose"
    changed = {
        "efficientpose-argmax": {"decoding"},
        "efficientpose-flip": {"flip"},
        "efficientpose-scales": {"scales"},
        "efficientpose-wide": {"padding"},
        "efficientpose-picture": {"crop"},
        "efficientpose-raw-filtered": {"output"},
    }
    for name, fields in changed.items():
        variant = PROTOCOLS[name]
        assert variant != default
        assert replace(variant, **{field: getattr(default, field) for field in fields}) == default


def test_raw_maps_and_final_maps_share_their_borders() -> None:
    """A peak in the raw heatmaps lies where the up-scaled heatmaps have it, hence the protocols' "center"."""
    from benchmark.models.registry import build_model

    network = build_model("efficientpose/RT", joints=16).eval()
    raw = torch.zeros(1, 16, 28, 28)
    raw[:, :, 10, 17] = 1
    with torch.no_grad():
        final = network.upscaling(raw)[0, 0].numpy()
    rows, columns = np.mgrid[: final.shape[0], : final.shape[1]]
    middle = [(grid * final).sum() / final.sum() for grid in (columns, rows)]
    np.testing.assert_allclose(middle, [(17 + 0.5) * 8 - 0.5, (10 + 0.5) * 8 - 0.5], atol=1e-3)
