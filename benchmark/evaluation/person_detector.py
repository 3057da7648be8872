"""Find people on images by torchvision's Faster R-CNN."""

from __future__ import annotations

from collections.abc import Sequence
from urllib.error import URLError

import numpy as np
import torch
from torch import nn
from torchvision.models.detection import FasterRCNN_MobileNet_V3_Large_FPN_Weights, fasterrcnn_mobilenet_v3_large_fpn

from benchmark.core.errors import InputError

WEIGHTS = FasterRCNN_MobileNet_V3_Large_FPN_Weights.COCO_V1
PERSON = WEIGHTS.meta["categories"].index("person")


def load_detector(url: str = WEIGHTS.url) -> nn.Module:
    """Build the detector with torchvision's weights, which PyTorch's hub downloads once and keeps.

    Raises:
        InputError: the weights cannot be downloaded, or are not those that the address names.
    """
    try:
        tensors = torch.hub.load_state_dict_from_url(url, map_location="cpu", check_hash=True, weights_only=True)
    except (URLError, OSError, RuntimeError) as problem:
        folder = f"{torch.hub.get_dir()}/checkpoints"
        raise InputError(f"--detect: {url}: {problem}; put the file into {folder}, or give --box") from None
    detector = fasterrcnn_mobilenet_v3_large_fpn(weights=None, weights_backbone=None)
    detector.load_state_dict(tensors, strict=False)  # without the batch counters of norms, which are not used
    return detector.eval()


@torch.no_grad()
def detect_people(detector: nn.Module, images: Sequence[np.ndarray], least_score: float) -> list[np.ndarray]:
    """Find the people on images, uint8 ``[H, W, 3]`` each; return each image's boxes, float64 ``[P, 4]``, best first.

    A box is x, y, width and height in pixels.

    Args:
        least_score: of a detection that counts as a person.
    """
    device = next(detector.parameters()).device
    boxes = []
    for image in images:
        (found,) = detector([torch.from_numpy(image).permute(2, 0, 1).to(device) / 255])
        corners = found["boxes"][(found["labels"] == PERSON) & (found["scores"] >= least_score)].double().cpu().numpy()
        boxes.append(np.concatenate([corners[:, :2], corners[:, 2:] - corners[:, :2]], axis=1))
    return boxes
