"""Generate people on images, for tests of the steps between an image file and a network."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np

from benchmark.core.keypoints import MPII_JOINTS
from benchmark.data.people import People


def scene(height: int, width: int, seed: int = 0, blur: float = 2.0) -> np.ndarray:
    """Draw coloured noise as smooth as a natural image, uint8 ``[H, W, 3]``."""
    noise = np.random.default_rng(seed).integers(0, 256, (height, width, 3), dtype=np.uint8)
    return cv2.normalize(cv2.GaussianBlur(noise, (0, 0), blur), None, 0, 255, cv2.NORM_MINMAX)


def people(
    folder: Path,
    count: int,
    image_hw: tuple[int, int] = (240, 320),
    *,
    suffix: str = ".png",
    joints: tuple[str, ...] = MPII_JOINTS,
    seed: int = 0,
) -> People:
    """Generate people of random position, size and joints, all annotated, each on an image of its own in ``folder``."""
    generator = np.random.default_rng(seed)
    folder.mkdir(parents=True, exist_ok=True)
    height, width = image_hw
    images = []
    for row in range(count):
        images.append(folder / f"{row:04d}{suffix}")
        cv2.imwrite(str(images[-1]), scene(height, width, seed=seed + row))
    centers = generator.uniform(0.35, 0.65, (count, 2)) * [width, height]
    sizes = generator.uniform(0.3, 0.8, (count, 2)) * height
    points = centers[:, None] + generator.uniform(-0.5, 0.5, (count, len(joints), 2)) * sizes[:, None]
    return People(
        dataset="generated",
        split="test",
        images=tuple(images),
        image_ids=np.arange(count),
        ids=np.arange(count),
        joints=points,
        visible=np.full((count, len(joints)), 2, np.uint8),
        centers=centers,
        sizes=sizes,
    )


def psnr(image: np.ndarray, reference: np.ndarray) -> float:
    """Return the peak signal-to-noise ratio of two 8-bit images in dB."""
    error = np.square(image.astype(float) - reference.astype(float)).mean()
    return float(10 * np.log10(255**2 / error)) if error else float("inf")
