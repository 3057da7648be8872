"""The search space: what are several branches and aggregation cells worth, and choosing among branches? AutoPose, Table 4.

Each variant is searched anew in its own space, and what is found is trained. The paper prints 63.9 to 73.6 AP on COCO.

    python -m benchmark.ablate search_space --protocol lsp --seeds 3
"""

from __future__ import annotations

from benchmark.config.ablations import Ablation, Comparison, Variant

ABLATION = Ablation(
    name="search_space",
    title="Search space of branches and aggregation",
    paper="autopose",
    table="table4",
    description="what is searched among several branches with aggregation cells is more accurate than in any narrower space",
    variants=(
        Variant(name="searched", model="autopose/searched", row="full", scale="{}"),
        Variant(name="one branch", model="autopose/searched+branches=single", row="single_branch", scale="{}-single"),
        Variant(name="concatenation", model="autopose/searched+aggregation=concat", row="no_aggregation", scale="{}-concat"),
        Variant(name="all branches", model="autopose/searched+branches=all", row="all_branches", scale="{}-all"),
    ),
    comparisons=(
        Comparison(better="searched", worse="one branch", printed="table4[full, ap] - table4[single_branch, ap]"),
        Comparison(better="searched", worse="concatenation", printed="table4[full, ap] - table4[no_aggregation, ap]"),
        Comparison(better="searched", worse="all branches", printed="table4[full, ap] - table4[all_branches, ap]"),
    ),
    protocols=("lsp", "lsp-gpu", "coco", "synthetic"),
    rates=(),
)
