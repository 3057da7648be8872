"""Compare heatmaps before and after the bilinear transposed convolutions that upscale them (EfficientPose, Table 9).

Claim: on MPII upscaling gains I 1.14 points of PCKh@50 and 12.33 of PCKh@10.

    python -m benchmark.ablate upscaling --protocol lsp
"""

from __future__ import annotations

from benchmark.config.ablations import Ablation, Comparison, Variant

_WEIGHTS = "weights/efficientpose/EfficientPoseI.h5"
_DECODERS = ("argmax", "filtered", "quarter", "dark")

ABLATION = Ablation(
    name="upscaling",
    title="Up-scaling",
    paper="efficientpose",
    table="table9",
    description="upscaled heatmaps are more accurate, above all at the strict threshold",
    choices=(
        "Nothing is trained: the kernels that upscale never learn, so the published weights serve both variants, and the same "
        "network is tested on its heatmaps before and after. The paper decodes both by the highest pixel after a Gaussian, "
        "which reads upscaled heatmaps more finely; so both are also compared by the decoder that is best for each on "
        "LSP's training images: highest pixel, the same after a Gaussian, quarter shift, or DARK."
    ),
    variants=(
        Variant(
            name="on",
            model="efficientpose/I",
            row="efficientpose_i_on",
            weights=_WEIGHTS,
            protocol="efficientpose",
        ),
        Variant(
            name="off",
            model="efficientpose/I+upscaling=off",
            row="efficientpose_i_off",
            weights=_WEIGHTS,
            protocol="efficientpose-raw-filtered",
        ),
        Variant(
            name="on, best decoder",
            model="efficientpose/I",
            weights=_WEIGHTS,
            decoders=("efficientpose", *(f"efficientpose-{name}" for name in _DECODERS if name != "filtered")),
        ),
        Variant(
            name="off, best decoder",
            model="efficientpose/I+upscaling=off",
            weights=_WEIGHTS,
            decoders=tuple(f"efficientpose-raw-{name}" for name in _DECODERS),
        ),
    ),
    comparisons=tuple(
        Comparison(
            better=f"on{decoder}",
            worse=f"off{decoder}",
            printed=f"table9[efficientpose_i_on, {metric}] - table9[efficientpose_i_off, {metric}]",
            strict_threshold=strict,
        )
        for decoder in ("", ", best decoder")
        for metric, strict in (("pckh50", False), ("pckh10", True))
    ),
    protocols=("lsp",),
)
