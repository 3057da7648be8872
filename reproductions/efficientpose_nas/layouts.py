"""Names that the authors' code gives to the tensors of these networks; needs no torch."""

from __future__ import annotations

from collections.abc import Iterator

from benchmark.models.layouts import Layout, Rule
from reproductions.efficientpose_nas.architectures import ARCHITECTURES, SKIP, Architecture


def _block_rules(architecture: Architecture) -> Iterator[Rule]:
    """Iterate over the rules of the blocks, which the release counts through all stages, those that are skipped included."""
    number = 0
    for stage, operations in enumerate(architecture.stages, start=1):
        kept = 0
        for operation in operations:
            if operation != SKIP:
                yield rf"^blocks\.stages\.x{number}_\w+\.", f"backbone.{stage}.{kept}.layers."
                kept += 1
            number += 1


def _rules(architecture: Architecture) -> tuple[Rule, ...]:
    return (
        (r"^first\.3\.", "backbone.0.2.1."),
        (r"^first\.2\.", "backbone.0.2.0."),
        (r"^first\.", "backbone.0."),
        *_block_rules(architecture),
        (r"\.pw\.", ".0."),
        (r"\.dw\.", ".1."),
        (r"\.pwl\.", ".2."),
        (r"\.conv\.", ".0."),
        (r"\.bn\.", ".1."),
        (r"^deconv_layers\.(\d)\.", "head.deconvs.{1//3}.{1%3}."),
        (r"^final\.0\.", "head.sic.0."),
        (r"^final\.2\.", "head.final."),
    )


LAYOUTS = tuple(
    Layout(
        name="authors",
        source="github.com/hustvl/EfficientPose",
        models=(f"efficientpose_nas/{name}",),
        rules=_rules(architecture),
    )
    for name, architecture in ARCHITECTURES.items()
)
