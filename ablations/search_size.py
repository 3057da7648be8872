"""The image size during the search: does a smaller one find a worse network? AutoPose, Table 5.

Both networks are trained at the full size. The paper prints 70.1 against 73.6 AP on COCO; its row for the smaller size names no
network, since none was published, and so none of the variants stands beside it.

    python -m benchmark.ablate search_size --protocol lsp --seeds 3
"""

from __future__ import annotations

from benchmark.config.ablations import Ablation, Comparison, Variant

ABLATION = Ablation(
    name="search_size",
    title="Image size during the search",
    paper="autopose",
    table="table5",
    description="what is searched at the size of the final training is more accurate than what is searched at a smaller one",
    variants=(
        Variant(name="full size", model="autopose/searched", row="full_search", scale="{}"),
        Variant(name="half size", model="autopose/searched", scale="{}-reduced"),
    ),
    comparisons=(
        Comparison(better="full size", worse="half size", printed="table5[full_search, ap] - table5[small_search, ap]"),
    ),
    protocols=("lsp", "lsp-gpu", "coco", "synthetic"),
    rates=(),
)
