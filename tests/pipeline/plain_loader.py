"""The usual loader, for comparison: read, warp, normalise and paste a patch for each joint, image by image."""

from __future__ import annotations

import cv2
import numpy as np
import torch

from benchmark.data.people import People
from benchmark.pipeline.augment import Views
from benchmark.pipeline.batches import IMAGENET_MEAN, IMAGENET_STD

DISTANCE = np.arange(13) - 6
PATCH = np.exp(-(DISTANCE[:, None] ** 2 + DISTANCE**2) / 8).astype(np.float32)
MEAN, DEVIATION = np.array(IMAGENET_MEAN, np.float32), np.array(IMAGENET_STD, np.float32)


def load(people: People, views: Views, rows: np.ndarray, output_hw: tuple[int, int]) -> tuple[torch.Tensor, torch.Tensor]:
    """Load images ``[B, 3, H, W]`` and heatmaps ``[B, K, H/4, W/4]`` of the people at ``rows``."""
    transforms = views.select(rows).transforms(output_hw)
    samples = [load_sample(people, row, transform, output_hw) for row, transform in zip(rows, transforms, strict=True)]
    images, heatmaps = (torch.from_numpy(np.stack(column)) for column in zip(*samples, strict=True))
    return images, heatmaps


def load_sample(people: People, row: int, transform: np.ndarray, output_hw: tuple[int, int]) -> tuple[np.ndarray, np.ndarray]:
    """Load the image ``[3, H, W]`` and heatmaps ``[K, H/4, W/4]`` of one person."""
    image = cv2.cvtColor(cv2.imread(str(people.images[row])), cv2.COLOR_BGR2RGB)
    crop = cv2.warpAffine(image, transform, output_hw[::-1], flags=cv2.INTER_LINEAR)
    pixels = ((crop.astype(np.float32) / 255 - MEAN) / DEVIATION).transpose(2, 0, 1)
    height, width = output_hw[0] // 4, output_hw[1] // 4
    heatmaps = np.zeros((people.joints.shape[1], height, width), np.float32)
    points = people.joints[row] @ transform[:, :2].T + transform[:, 2]
    for heatmap, (x, y) in zip(heatmaps, points, strict=True):
        column, line = int(x / 4 + 0.5), int(y / 4 + 0.5)
        left, top, right, bottom = max(column - 6, 0), max(line - 6, 0), min(column + 7, width), min(line + 7, height)
        if left < right and top < bottom:
            rows, columns = slice(top - line + 6, bottom - line + 6), slice(left - column + 6, right - column + 6)
            heatmap[top:bottom, left:right] = PATCH[rows, columns]
    return np.ascontiguousarray(pixels), heatmaps
