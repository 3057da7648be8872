"""The five variants of EfficientPose with their scales (Table 2)."""

from __future__ import annotations

# Table 2: input side, EfficientNet of the image, of the halved image, Mobile DenseNets in a pass.
VARIANTS: dict[str, tuple[int, str, str | None, int]] = {
    "RT": (224, "B0", None, 1),
    "I": (256, "B2", "B0", 1),
    "II": (368, "B4", "B0", 2),
    "III": (480, "B5", "B1", 3),
    "IV": (600, "B7", "B3", 4),
}
