"""Check that the keypoint branch reads the same features of a box as torchvision's detector."""

from __future__ import annotations

from collections import OrderedDict

import pytest
import torch

from benchmark.cost.trace import count_parameters
from reproductions.baselines.mask_rcnn import MaskRCNN


def test_all_parameters_of_torchvisions_detector() -> None:
    with torch.device("meta"):
        assert count_parameters(MaskRCNN(num_joints=17))["trainable"] == 59_190_378


@pytest.mark.parametrize(("height", "width"), [(64, 64), (128, 128)])
def test_equal_to_torchvisions_own_pooling_of_the_whole_crop(height: int, width: int) -> None:
    torch.manual_seed(0)
    network = MaskRCNN(num_joints=3).eval()
    images = torch.rand(1, 3, height, width)
    heads = network.detector.roi_heads
    box = torch.tensor([[0.0, 0.0, width, height]])
    with torch.no_grad():
        features: OrderedDict[str, torch.Tensor] = network.detector.backbone(images)
        pooled = heads.keypoint_roi_pool(features, [box], [(height, width)])
        expected = heads.keypoint_predictor(heads.keypoint_head(pooled))
        torch.testing.assert_close(network(images), expected)
    assert expected.shape == (1, 3, 56, 56)
