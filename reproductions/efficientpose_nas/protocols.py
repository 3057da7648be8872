"""Test protocols of EfficientPose A, B and C: as HRNet's, some of them on images whose first channel is blue.

Which network reads which order is stated in :mod:`reproductions.efficientpose_nas.recipes`; tests follow the training.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

from benchmark.config import protocols
from benchmark.config.protocols import Protocol

PROTOCOLS: Mapping[str, Protocol] = {
    **protocols.PROTOCOLS,
    "hrnet-bgr": replace(protocols.PROTOCOLS["hrnet"], bgr=True, description="hrnet on images whose first channel is blue"),
    "hrnet-bgr-annotated": replace(
        protocols.PROTOCOLS["hrnet-annotated"], bgr=True, description="the same with COCO's annotated boxes"
    ),
}
