"""Generate a dataset of MPII's size and layout, whose images cost as much to decode as photographs do."""

from __future__ import annotations

import json
from pathlib import Path

import cv2
import numpy as np
from scipy.io import savemat

from benchmark.core.keypoints import MPII_JOINTS
from benchmark.data.mpii import PERSON_COUNTS, REFERENCE_HEIGHT

NUM_PEOPLE = PERSON_COUNTS["val"]
NUM_IMAGES = 2_729  # on which these people are
IMAGE_HW = (720, 1280)
QUALITY = 95  # JPEG
OCTAVES, BACKGROUNDS = 8, 12


def write_mpii(folder: Path, people: int = NUM_PEOPLE, seed: int = 0) -> None:
    """Write images, each of its own content, and HRNet's ``annot/valid.json`` and ``annot/gt_valid.mat``, into ``folder``."""
    generator = np.random.default_rng(seed)
    images = max(people * NUM_IMAGES // NUM_PEOPLE, 1)
    (folder / "images").mkdir(parents=True)
    (folder / "annot").mkdir()
    backgrounds = [draw_background(generator) for _ in range(BACKGROUNDS)]
    for image in range(images):
        pixels = np.roll(backgrounds[image % BACKGROUNDS], generator.integers(IMAGE_HW), axis=(0, 1))
        cv2.imwrite(str(folder / "images" / f"{image:09d}.jpg"), pixels, [cv2.IMWRITE_JPEG_QUALITY, QUALITY])

    # As in MPII, most people have an image of their own. Rows are in the order of the images.
    image_of_person = np.sort(np.concatenate([np.arange(images), generator.integers(0, images, people - images)]))
    height, width = IMAGE_HW
    centers = generator.uniform(0.3, 0.7, (people, 2)) * [width, height]
    scales = generator.uniform(1.5, 3.5, people)
    joints = (
        centers[:, None]
        + generator.uniform(-0.4, 0.4, (people, len(MPII_JOINTS), 2)) * REFERENCE_HEIGHT * scales[:, None, None]
    )
    annotations = [
        {
            "image": f"{image:09d}.jpg",
            "center": center.tolist(),
            "scale": float(scale),
            "joints": points.tolist(),
            "joints_vis": [1] * len(MPII_JOINTS),
        }
        for image, center, scale, points in zip(image_of_person, centers, scales, joints, strict=True)
    ]
    (folder / "annot" / "valid.json").write_text(json.dumps(annotations))
    savemat(
        folder / "annot" / "gt_valid.mat",
        {
            "headboxes_src": np.stack([centers - 20 * scales[:, None], centers + 20 * scales[:, None]]).transpose(0, 2, 1),
            "pos_gt_src": joints.transpose(1, 2, 0),
            "jnt_missing": np.zeros((len(MPII_JOINTS), people)),
        },
    )


def draw_background(generator: np.random.Generator) -> np.ndarray:
    """Draw noise whose amplitude falls with the frequency as in natural images, mostly grey, uint8 ``[H, W, 3]``."""
    height, width = IMAGE_HW
    image = np.zeros((height, width, 3), np.float32)
    for octave in range(OCTAVES):
        noise = generator.standard_normal((height >> octave, width >> octave, 3), np.float32)
        noise = noise.mean(2, keepdims=True) + 0.2 * noise
        image += 2.0**octave * cv2.resize(noise, (width, height), interpolation=cv2.INTER_CUBIC)
    return np.clip(118 + image * (50 / image.std()), 0, 255).astype(np.uint8)
