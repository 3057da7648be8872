"""Compare searching at the input size of the final training with searching at half of it (AutoPose, Table 5).

Claim: on COCO the network that was searched at the full size reaches 73.6 AP, the one that was searched at a smaller size 70.1.

Both networks are trained at the full size. The paper's row for the smaller size has no variant here, because it names no
network: none was published.

    python -m benchmark.ablate search_size --protocol lsp
"""

from __future__ import annotations

from benchmark.config.ablations import Ablation, Comparison, Variant

ABLATION = Ablation(
    name="search_size",
    title="Image size during the search",
    paper="autopose",
    table="table5",
    description="a search at the input size of the final training finds a more accurate network than at a smaller size",
    variants=(
        Variant(name="full size", model="autopose/searched", row="full_search", scale="{}"),
        Variant(name="half size", model="autopose/searched", scale="{}-reduced"),
    ),
    comparisons=(
        Comparison(better="full size", worse="half size", printed="table5[full_search, ap] - table5[small_search, ap]"),
    ),
    protocols=("lsp", "lsp-gpu", "coco", "synthetic"),
)
