"""Test protocols of EfficientPose: what is known of the paper's protocol and of the released code, and each step varied alone.

Known are the crops (MPII's centre and scale, squared and padded as in HRNet, according to the authors when asked), the released
decoding (the up-scaled heatmaps, a Gaussian of one pixel, the highest pixel, half a pixel added because pixels have borders),
and that the paper tests at several scales, without naming them. The default protocol consists of the parts that are specified.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

from benchmark.config.protocols import Protocol

JOINTS = (  # in the order of the released networks' heatmaps
    "head_top",
    "upper_neck",
    "right_shoulder",
    "right_elbow",
    "right_wrist",
    "thorax",
    "left_shoulder",
    "left_elbow",
    "left_wrist",
    "pelvis",
    "right_hip",
    "right_knee",
    "right_ankle",
    "left_hip",
    "left_knee",
    "left_ankle",
)

# For MPII's 2,017 validation people with all joints annotated, the median box of the joints is 0.874 of 200 x scale, and its
# centre lies 0.044 of that above the crop's: the networks have learned to find people a little high.
LOWERED = 0.05
# The scales of the paper are not known; these span the scales it trains with. In the authors' later public code scale s pads or
# crops by |1 - s| of the side before resizing, which is an enlargement by 1 / (2 - s).
SCALES = (0.75, 1.0, 1.25)
_OWN = Protocol(
    crop="efficientpose",
    antialias=True,
    decoding="filtered",
    convention="center",
    description="person crop, up-scaled heatmaps, Gaussian of one pixel, highest pixel",
)
_RAW = replace(_OWN, output=-2)

PROTOCOLS: Mapping[str, Protocol] = {
    "efficientpose": _OWN,
    "efficientpose-argmax": replace(_OWN, decoding="argmax", description="no Gaussian: the released real-time mode"),
    "efficientpose-quarter": replace(_OWN, decoding="quarter", description="no Gaussian, quarter shift"),
    "efficientpose-dark": replace(_OWN, decoding="dark", description="DARK on the up-scaled heatmaps"),
    "efficientpose-flip": replace(_OWN, flip="plain", description="flip test"),
    "efficientpose-flip-shifted": replace(
        _OWN, flip="shifted", description="flip test, the mirrored heatmaps moved by a pixel"
    ),
    "efficientpose-scales": replace(_OWN, scales=SCALES, description="three scales: 0.75, 1, 1.25"),
    "efficientpose-flip-scales": replace(_OWN, flip="plain", scales=SCALES, description="flip test and three scales"),
    "efficientpose-raw-argmax": replace(_RAW, decoding="argmax", description="heatmaps before up-scaling, highest pixel"),
    "efficientpose-raw-quarter": replace(_RAW, decoding="quarter", description="heatmaps before up-scaling, quarter shift"),
    "efficientpose-raw-filtered": replace(
        _RAW, decoding="filtered", description="heatmaps before up-scaling, Gaussian of one pixel"
    ),
    "efficientpose-raw-dark": replace(_RAW, decoding="dark", description="DARK on the heatmaps before up-scaling"),
    "efficientpose-raw-flip": replace(
        _RAW, decoding="quarter", flip="plain", description="heatmaps before up-scaling, quarter shift, flip test"
    ),
    "efficientpose-raw-flip-shifted": replace(
        _RAW,
        decoding="quarter",
        flip="shifted",
        description="heatmaps before up-scaling, quarter shift, flip test moved by a pixel",
    ),
    "efficientpose-tight": replace(_OWN, padding=1.0, description="box not padded"),
    "efficientpose-wide": replace(_OWN, padding=1.5, description="box padded by 1.5 instead of 1.25"),
    "efficientpose-lowered": replace(_OWN, center_shift=LOWERED, description="crop moved down as MPII's are"),
    "efficientpose-picture": replace(_OWN, crop="picture", description="the whole image, as in the released code"),
}
