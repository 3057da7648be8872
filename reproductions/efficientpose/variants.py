"""The five variants of EfficientPose with their scales (Table 2), and the light ones that the authors released later."""

from __future__ import annotations

from math import ceil

# Table 2: input side, EfficientNet of the image, of the halved image, Mobile DenseNets in a pass.
VARIANTS: dict[str, tuple[int, str, str | None, int]] = {
    "RT": (224, "B0", None, 1),
    "I": (256, "B2", "B0", 1),
    "II": (368, "B4", "B0", 2),
    "III": (480, "B5", "B1", 3),
    "IV": (600, "B7", "B3", 4),
}
# Input side, EfficientNet whose Lite form is the backbone, Mobile DenseNets in a pass.
LITE_VARIANTS: dict[str, tuple[int, str, int]] = {
    "RT_LITE": (224, "B0", 1),
    "I_LITE": (256, "B2", 1),
    "II_LITE": (368, "B4", 2),
}

# Width and depth factors of the compound scaling, relative to B0.
SCALING = {
    "B0": (1.0, 1.0),
    "B1": (1.0, 1.1),
    "B2": (1.1, 1.2),
    "B3": (1.2, 1.4),
    "B4": (1.4, 1.8),
    "B5": (1.6, 2.2),
    "B6": (1.8, 2.6),
    "B7": (2.0, 3.1),
}
# B0's blocks 1 to 3: expansion, channels, layers, kernel, stride of the first layer.
BLOCKS = ((1, 16, 1, 3, 1), (6, 24, 2, 3, 2), (6, 40, 2, 5, 2))


def layer_names(backbone: str, *, num_blocks: int, lite: bool = False) -> list[str]:
    """List the layers of a backbone by block and position, as EfficientNets name them: 1a, 2a, 2b, ...

    Args:
        lite: The Lite form, whose first block is not deeper in larger networks.
    """
    _, depth = SCALING[backbone]
    return [
        f"{block}{letter}"
        for block, (_, _, layers, _, _) in enumerate(BLOCKS[:num_blocks], 1)
        for _, letter in zip(range(layers if lite and block == 1 else ceil(layers * depth)), "abcdefg", strict=False)
    ]
