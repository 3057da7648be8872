"""Compare AutoPose's search space with three narrower ones (AutoPose, Table 4).

The narrower spaces have at most one branch per stage, plain concatenations in place of aggregation cells, or all branches in
every stage. Each space is searched separately, and the network that is found is trained.

Claim: on COCO the full space reaches 73.6 AP; one branch reaches 63.9, concatenation 70.8, all branches 71.8.

    python -m benchmark.ablate search_space --protocol lsp
"""

from __future__ import annotations

from benchmark.config.ablations import Ablation, Comparison, Variant

ABLATION = Ablation(
    name="search_space",
    title="Search space of branches and aggregation",
    paper="autopose",
    table="table4",
    description="a search over several branches and aggregation cells finds a more accurate network than in any narrower space",
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
)
