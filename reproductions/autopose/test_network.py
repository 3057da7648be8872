"""AutoPose's network: shapes, cells and branches against the equations, and the costs of the search space."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch

from benchmark.config.conventions import FLOPS
from benchmark.core.errors import InputError
from benchmark.cost.counters import count_macs
from benchmark.cost.trace import count_parameters, trace_network
from benchmark.models.registry import build_model
from reproductions.autopose import structure
from reproductions.autopose.architectures import (
    EXAMPLE,
    OPERATIONS,
    SCALES,
    format_architecture,
    parse_architecture,
    read_architecture,
)
from reproductions.autopose.network import AggregationCell, Cell, MultiScaleModule, build, build_operation
from reproductions.autopose.readings import cost_range

EXAMPLE_NETWORK = read_architecture(EXAMPLE)
SMALL = replace(EXAMPLE_NETWORK, channels=(4, 8, 16, 32))
VARIANTS = [
    f"autopose/searched+branches={branches}+aggregation={aggregation}"
    for branches in ("searched", "single", "all")
    for aggregation in ("cells", "concat")
]


@pytest.mark.parametrize("model", VARIANTS)
def test_every_variant_maps_images_to_heatmaps_of_stride_4(model):
    with torch.device("meta"):
        heatmaps = build_model(model, joints=17)(torch.empty(2, 3, 256, 192))
    assert heatmaps.shape == (2, 17, 64, 48)


@pytest.mark.parametrize(("image", "heatmap"), [((64, 64), (16, 16)), ((97, 63), (25, 16))])
def test_sizes_that_are_no_multiple_of_32_are_rounded_up(image, heatmap):
    assert build(SMALL, num_joints=3)(torch.randn(2, 3, *image)).shape == (2, 3, *heatmap)


@pytest.mark.parametrize("branches", ["searched", "all"])
def test_every_weight_learns(branches):
    network = build(SMALL, num_joints=3, branches=branches)
    network(torch.randn(2, 3, 64, 64)).square().sum().backward()
    assert [name for name, weight in network.named_parameters() if weight.grad is None] == []
    assert network.eval()(torch.randn(1, 3, 64, 64)).isfinite().all()


def test_a_network_is_built_from_a_file(tmp_path):
    (tmp_path / "small.toml").write_text(format_architecture(SMALL), encoding="utf-8")
    torch.manual_seed(0)
    from_file = build(tmp_path / "small.toml", num_joints=3).eval()
    torch.manual_seed(0)
    from_value = build(SMALL, num_joints=3).eval()
    images = torch.randn(1, 3, 64, 64)
    assert torch.equal(from_file(images), from_value(images))
    with pytest.raises(InputError, match="missing"):
        build(str(tmp_path / "missing.toml"), num_joints=3)


def test_a_stage_without_branches_costs_nothing_so_that_depth_can_be_searched():
    with torch.device("meta"):
        network = build(replace(SMALL, stages=((0, 0, 0, 0),) * 3), num_joints=3)
    assert count_parameters(network.stages) == {"trainable": 0, "stored": 0, "weights": 0}
    trace = trace_network(network, 64, 64)
    assert trace.within(["stages"]) == []
    assert trace.within(["head"]) != []


def test_an_inactive_branch_hands_its_features_on_unchanged():
    features = {scale: torch.randn(2, 4, 16 >> i, 16 >> i) for i, scale in enumerate(SCALES)}
    module = MultiScaleModule(
        scale_vector=(0, 1, 0, 1), channels=(4,) * 4, individual=SMALL.individual, aggregation=SMALL.aggregation
    )
    outputs = module(features)
    assert list(outputs) == list(SCALES)
    assert outputs["1/4"] is features["1/4"]
    assert outputs["1/16"] is features["1/16"]
    assert outputs["1/8"].shape == features["1/8"].shape
    assert not torch.equal(outputs["1/8"], features["1/8"])


def test_each_active_branch_sees_all_active_branches_and_no_other():
    features = {scale: torch.randn(1, 4, 16 >> i, 16 >> i, requires_grad=True) for i, scale in enumerate(SCALES)}
    module = MultiScaleModule(
        scale_vector=(1, 0, 1, 1), channels=(4,) * 4, individual=SMALL.individual, aggregation=SMALL.aggregation
    ).eval()
    for scale in ("1/4", "1/16", "1/32"):
        gradients = torch.autograd.grad(module(features)[scale].square().sum(), list(features.values()), allow_unused=True)
        assert [gradient is not None for gradient in gradients] == [True, False, True, True]


def test_a_node_is_the_sum_of_its_operations_and_the_output_the_concatenation():
    cell = Cell(nodes=({"input": "skip"}, {"input": "skip", "node1": "skip"}), inputs=["input"], channels=4)
    cell.compress = torch.nn.Identity()
    x = torch.randn(1, 4, 5, 5)
    assert torch.equal(cell({"input": x}), torch.cat([x, 2 * x], 1))


def test_without_its_nodes_an_aggregation_cell_is_a_plain_concatenation():
    cell = AggregationCell(nodes=None, scale="1/8", active={"1/8": 8, "1/16": 16})
    assert len(cell.cell.nodes) == 0
    assert cell.cell.compress[1][0].in_channels == 2 * 8
    assert cell({"1/8": torch.randn(2, 8, 6, 5), "1/16": torch.randn(2, 16, 3, 3)}).shape == (2, 8, 6, 5)


@pytest.mark.parametrize("name", OPERATIONS)
def test_an_operation_keeps_the_shape(name):
    assert build_operation(name, 4)(torch.randn(2, 4, 7, 5)).shape == (2, 4, 7, 5)


def test_unknown_operations_and_switches_are_refused():
    with pytest.raises(InputError, match="conv_7x7"):
        build_operation("conv_7x7", 4)
    with pytest.raises(InputError, match="'sum'"):
        build(SMALL, num_joints=3, aggregation="sum")
    with pytest.raises(InputError, match="'two'"):
        build(SMALL, num_joints=3, branches="two")


def test_the_individual_cells_cost_the_same_on_every_scale():
    """Channels double where the area is quartered."""
    with torch.device("meta"):
        network = build(replace(EXAMPLE_NETWORK, stages=((1, 1, 1, 1), (0, 0, 0, 0), (0, 0, 0, 0))), num_joints=17)
    trace = trace_network(network, 256, 192)
    costs = {scale: sum(map(count_macs, trace.within([f"stages.0.individual.{scale}"]))) for scale in SCALES}
    assert len(set(costs.values())) == 1
    cells, kernels, compression = 2, 3 * 9 + 25 + 1, 4
    assert costs["1/4"] == cells * (kernels + compression) * 32 * 32 * 64 * 48


@pytest.fixture(scope="module")
def space():
    return {row.name: row for row in cost_range()}


def test_the_range_runs_from_no_branch_to_the_dearest_operation_everywhere(space):
    for convention in next(iter(space.values())).flops:
        counts = {name: row.flops[convention] for name, row in space.items()}
        assert min(counts, key=counts.__getitem__) == "no branches (minimum)"
        assert max(counts, key=counts.__getitem__) == "all branches, conv_5x5"


def test_the_printed_gflops_lie_inside_the_range_under_every_convention(space):
    printed = 10.65  # Table 2
    for name, convention in FLOPS.items():
        low, high = (space[row].flops[name] / convention.giga for row in ("no branches (minimum)", "all branches, conv_5x5"))
        assert low < printed < high


def test_the_example_is_no_claim_to_the_printed_gflops(space):
    """It costs less than 10.65 GFLOPs under HRNet's convention, and more with all branches: nothing was adjusted."""
    searched, all_four = (space[f"example, branches={name}"].flops["hrnet"] / 2**30 for name in ("searched", "all"))
    assert (round(searched, 2), round(all_four, 2)) == (7.59, 12.58)


def test_the_cost_of_the_dearest_cells_follows_from_the_equations():
    """5x5 convolutions on 10 edges of each individual cell and on 2 x 4 of each aggregation cell, by hand, for one stage."""
    dense = tuple({"input": "conv_5x5"} | {f"node{j}": "conv_5x5" for j in range(1, i + 1)} for i in range(4))
    architecture = replace(
        EXAMPLE_NETWORK,
        stages=((1, 1, 1, 1), (0, 0, 0, 0), (0, 0, 0, 0)),
        individual=dense,
        aggregation=(dict.fromkeys(SCALES, "conv_5x5"),) * 2,
    )
    with torch.device("meta"):
        network = build(architecture, num_joints=17)
    edges = [op for op in trace_network(network, 256, 192).ops if op.name == "convolution" and op.inputs[1][2:] == (5, 5)]
    modules, branches, edge_macs = 2, 4, 25 * 32 * 32 * 64 * 48
    assert len(edges) == modules * branches * (2 * 10 + 2 * 4)
    assert sum(map(count_macs, edges)) == len(edges) * edge_macs


def test_node_to_node_edges_are_allowed_in_aggregation_cells():
    text = EXAMPLE.read_text(encoding="utf-8").replace('{ "1/4" = "skip"', '{ node1 = "conv_3x3", "1/4" = "skip"')
    with torch.device("meta"):
        more, less = (build(a, num_joints=17) for a in (parse_architecture(text), EXAMPLE_NETWORK))
    assert count_parameters(more)["trainable"] > count_parameters(less)["trainable"]


def test_the_network_is_made_of_what_the_text_says():
    assert structure.describe_structure("table2") == {}
    assert structure.describe_structure("text_structure") == {
        "branches/structure": "4",
        "search_channels/structure": "16, 32, 64, 128",
        "modules/structure": "2",
        "stages/structure": "three",
        "individual_cells/structure": "two",
        "aggregation_cells/structure": "one",
        "stem_convs/structure": "two",
        "operations/structure": "six",
    }
