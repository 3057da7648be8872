"""The usual evaluation loop, for comparison: the steps of HRNet's validation, one person after another outside the network.

Written from the published procedure: a DataLoader reads, crops and normalises person by person and draws training targets; the
network runs on batches of 32 and on their mirrored copies; loss and accuracy are computed along the way; heatmaps are decoded
with loops over people and joints.
"""

from __future__ import annotations

import cv2
import numpy as np
import torch
from torch import nn
from torch.utils.data import DataLoader, Dataset

from benchmark.core.keypoints import MPII_JOINTS, mirrored_indices
from benchmark.data.people import People
from benchmark.pipeline.crops import crop_transforms
from tests.pipeline.plain_loader import load_sample

BATCH = 32  # people on a device, in HRNet's configurations


class PeopleDataset(Dataset):
    """People on images, each with its crop, heatmaps and row."""

    def __init__(self, people: People, input_hw: tuple[int, int]) -> None:
        self.people, self.input_hw = people, input_hw
        self.transforms = crop_transforms(people, "hrnet", input_hw)

    def __len__(self) -> int:
        return len(self.people)

    def __getitem__(self, row: int) -> tuple[np.ndarray, np.ndarray, int]:
        return *load_sample(self.people, row, self.transforms[row], self.input_hw), row


def evaluate(
    people: People, network: nn.Module, input_hw: tuple[int, int], *, workers: int, batch: int = BATCH
) -> tuple[np.ndarray, float]:
    """Predict joints ``[N, 16, 2]`` in pixels of the image, with the shifted flip test; return them and the mean accuracy."""
    dataset = PeopleDataset(people, input_hw)
    joints, accuracies = np.zeros((len(people), len(MPII_JOINTS), 2)), []
    with torch.no_grad():
        for images, targets, rows in DataLoader(dataset, batch, num_workers=workers):
            heatmaps = network(images)
            mirrored = torch.from_numpy(np.flip(images.numpy(), 3).copy())
            unmirrored = torch.from_numpy(network(mirrored).numpy()[:, list(mirrored_indices(MPII_JOINTS)), :, ::-1].copy())
            unmirrored[..., 1:] = unmirrored[..., :-1].clone()
            heatmaps = (heatmaps + unmirrored) / 2

            sum(nn.functional.mse_loss(heatmaps[:, joint], targets[:, joint]) for joint in range(len(MPII_JOINTS)))
            accuracies.append(accuracy(heatmaps.numpy(), targets.numpy()))
            points = decode(heatmaps.numpy())
            for row, person in zip(rows.tolist(), points, strict=True):
                inverse = cv2.invertAffineTransform(dataset.transforms[row])
                for joint, (x, y) in enumerate(person * 4):
                    joints[row, joint] = inverse @ [x, y, 1]
    return joints, float(np.mean(accuracies))


def peaks(heatmaps: np.ndarray) -> np.ndarray:
    """Return the highest pixel of each heatmap, ``[N, K, 2]``."""
    flat = heatmaps.reshape(*heatmaps.shape[:2], -1)
    indices = flat.argmax(2)
    points = np.stack([indices % heatmaps.shape[3], indices // heatmaps.shape[3]], 2).astype(float)
    return points * (flat.max(2) > 0)[..., None]


def decode(heatmaps: np.ndarray) -> np.ndarray:
    """Return the highest pixels, shifted by a quarter of a pixel towards the higher neighbours, ``[N, K, 2]``."""
    points = peaks(heatmaps)
    height, width = heatmaps.shape[2:]
    for person in range(len(points)):
        for joint in range(points.shape[1]):
            x, y = (int(value) for value in points[person, joint])
            if 1 < x < width - 1 and 1 < y < height - 1:
                heatmap = heatmaps[person, joint]
                slope = np.array([heatmap[y, x + 1] - heatmap[y, x - 1], heatmap[y + 1, x] - heatmap[y - 1, x]])
                points[person, joint] += np.sign(slope) * 0.25
    return points


def accuracy(heatmaps: np.ndarray, targets: np.ndarray) -> float:
    """Return the share of joints whose peak is within half of a tenth of the heatmap's sides of the target's peak."""
    scale = np.array(heatmaps.shape[:1:-1]) / 10
    return float((np.linalg.norm((peaks(heatmaps) - peaks(targets)) / scale, axis=2) < 0.5).mean())
