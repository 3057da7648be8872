"""The super-network follows the paper's equations, a path costs as much as one network, and tables predict whole networks."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from benchmark.config.packages import find_search
from benchmark.config.searches import ARCHITECTURE_PHASE, WEIGHTS_PHASE
from benchmark.cost.counters import count_cost
from benchmark.nas.lookup_table import LOOKUP_CONVENTION, LookupTable, measure_table
from benchmark.training.losses import Targets
from reproductions.efficientpose_nas import search
from reproductions.efficientpose_nas.architectures import (
    ARCHITECTURES,
    OPERATIONS,
    SMALL,
    A,
    Architecture,
    Skeleton,
    Stage,
    format_architecture,
    parse_architecture,
)
from reproductions.efficientpose_nas.fna import adapt
from reproductions.efficientpose_nas.network import MBConv, efficientpose
from reproductions.efficientpose_nas.search import Search, build_search_algorithm
from reproductions.efficientpose_nas.search_space import components, components_of, constant, layer_costs, sample_within
from reproductions.efficientpose_nas.supernet import MixedLayer, SuperNetwork, entropy, expected, start, uniform
from reproductions.network_checks import count_saved_bytes

# Like the small skeleton, but narrower and shallower.
SHORT = Skeleton(
    first=8, separable=8, stages=(Stage(8, 2, 2), Stage(8, 2, 2), Stage(16, 2, 3), Stage(24, 1, 2)), deconvs=(8, 8)
)
TINY = find_search("efficientpose_nas", "tiny")


def supernet(skeleton: Skeleton = SHORT, joints: int = 5) -> SuperNetwork:
    torch.manual_seed(0)
    return SuperNetwork(skeleton=skeleton, num_joints=joints)


def table(skeleton: Skeleton = SHORT, joints: int = 5, size: int = 64) -> LookupTable:
    entries = components(skeleton, joints=joints, input_hw=(size, size))
    return measure_table(entries, "flops", input=f"{size}x{size}", joints=joints)


def whole(architecture: Architecture, joints: int, size: int) -> int:
    """Count the operations of the built network by the convention of tables."""
    with torch.device("meta"):
        network = efficientpose(num_joints=joints, architecture=architecture)
    return count_cost(network, size, size)["flops"][LOOKUP_CONVENTION]


def batch(joints: int = 5, size: int = 64) -> tuple[Tensor, Targets]:
    generator = torch.Generator().manual_seed(1)
    heatmaps = torch.rand(4, joints, size // 4, size // 4, generator=generator)
    return torch.randn(4, 3, size, size, generator=generator), Targets(heatmaps, torch.ones(4, joints))


def searcher(monkeypatch: pytest.MonkeyPatch, **options: object) -> Search:
    """Build the search on the short skeleton."""
    monkeypatch.setitem(search.SKELETONS, "short", SHORT)
    config = replace(TINY, options={**TINY.options, "skeleton": "short", **options})
    return build_search_algorithm(config, table(), joints=5, seed=0, device=torch.device("cpu"))


# --- the super-network -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ARCHITECTURES)
def test_deciding_for_an_architecture_gives_it_back(name: str) -> None:
    architecture = ARCHITECTURES[name]
    with torch.device("meta"):
        network = SuperNetwork(skeleton=architecture.skeleton, num_joints=16)
    for layer in network.layers():
        layer.alpha = nn.Parameter(torch.zeros(len(layer.operations)))
    network.choose(architecture)
    assert network.derived() == architecture
    assert parse_architecture(format_architecture(network.derived())) == architecture
    assert entropy(list(network.layers())) < 1e-5


def test_a_layer_is_the_sum_of_its_operations_weighted_by_their_softmax() -> None:
    torch.manual_seed(0)
    layer = MixedLayer(in_channels=8, width=8, stride=1, skippable=True).eval()
    with torch.no_grad():
        layer.alpha.copy_(torch.randn(len(layer.operations)))
    x = torch.randn(2, 8, 6, 6)
    exponentials = layer.alpha.exp()
    wanted = sum(
        e / exponentials.sum() * (x if name == "skip" else choice(x))
        for e, name, choice in zip(exponentials, layer.operations, layer.choices, strict=True)
    )
    assert torch.allclose(layer(x), wanted, atol=1e-6)
    assert tuple(layer.operations) == OPERATIONS


def test_the_first_layer_of_a_stage_cannot_be_skipped() -> None:
    network = supernet()
    first = {id(next(stage.children())) for stage in network.stages}
    assert [layer for layer in network.layers() if ("skip" in layer.operations) == (id(layer) in first)] == []


def test_along_one_path_it_computes_what_that_architectures_network_does() -> None:
    network = supernet().eval()
    network.sample(1)
    names = [[layer.operations[layer.active[0]] for layer in stage] for stage in network._staged()]
    path = network.path(Architecture(SHORT, tuple(map(tuple, names)))).eval()
    images, _ = batch()
    assert torch.equal(network(images), path(images))
    assert set(map(id, path.parameters())) <= set(map(id, network.weights())), "the weights are shared"


def executed(network: SuperNetwork, run: Callable[[], object]) -> list[int]:
    """Count the operations of each layer that were run."""
    counts: dict[int, int] = {}
    handles = [
        choice.register_forward_hook(lambda *_, key=index: counts.update({key: counts.get(key, 0) + 1}))
        for index, layer in enumerate(network.layers())
        for choice in layer.choices
    ]
    run()
    for handle in handles:
        handle.remove()
    return [counts[index] for index in range(len(list(network.layers())))]


def test_one_path_takes_the_memory_of_one_network() -> None:
    network = supernet()
    network.choose(uniform(SHORT, "k5e6"))
    images, _ = batch()
    for layer in network.layers():
        layer.active = [layer.operations.index("k5e6")]
    memory = count_saved_bytes(network, images)
    assert memory == count_saved_bytes(network.path(uniform(SHORT, "k5e6")), images)
    network.use_all()
    assert count_saved_bytes(network, images) > 2 * memory


def test_weight_steps_run_one_operation_a_layer_and_architecture_steps_two(monkeypatch: pytest.MonkeyPatch) -> None:
    algorithm, depth = searcher(monkeypatch), sum(stage.depth for stage in SHORT.stages)
    assert executed(algorithm.network, lambda: algorithm.step(WEIGHTS_PHASE, batch(), 0.0)) == [1] * depth
    assert executed(algorithm.network, lambda: algorithm.step(ARCHITECTURE_PHASE, batch(), 0.0)) == [2] * depth


# --- its two phases ----------------------------------------------------------------------------------------------------------


def test_a_weight_step_moves_the_path_and_nothing_else(monkeypatch: pytest.MonkeyPatch) -> None:
    algorithm = searcher(monkeypatch)
    before = {name: value.detach().clone() for name, value in algorithm.network.named_parameters()}
    algorithm.step(WEIGHTS_PHASE, batch(), 0.0)
    active = {
        id(parameter) for layer in algorithm.layers for index in layer.active for parameter in layer.choices[index].parameters()
    }
    active |= set(map(id, [*algorithm.network.stem.parameters(), *algorithm.network.head.parameters()]))
    for name, parameter in algorithm.network.named_parameters():
        moved = not torch.equal(parameter, before[name])
        assert moved <= (id(parameter) in active), name
    assert any(not torch.equal(p, before[name]) for name, p in algorithm.network.named_parameters())


def test_an_architecture_step_moves_two_operations_a_layer_and_keeps_the_probability_of_the_others(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    algorithm = searcher(monkeypatch)
    for _ in range(3):
        weights = [weight.detach().clone() for weight in algorithm.network.weights()]
        before = [layer.probabilities().detach().clone() for layer in algorithm.layers]
        algorithm.step(ARCHITECTURE_PHASE, batch(), 0.0)
        assert all(torch.equal(old, new) for old, new in zip(weights, algorithm.network.weights(), strict=True))
        for layer, old in zip(algorithm.layers, before, strict=True):
            new, sampled = layer.probabilities().detach(), list(layer.active)
            unsampled = [index for index in range(len(old)) if index not in sampled]
            assert torch.allclose(new[unsampled], old[unsampled], atol=1e-6)
            assert not torch.allclose(new[sampled], old[sampled], atol=1e-6)


def test_with_all_paths_every_operation_has_a_say(monkeypatch: pytest.MonkeyPatch) -> None:
    algorithm = searcher(monkeypatch, paths=0)
    counts = executed(algorithm.network, lambda: algorithm.step(ARCHITECTURE_PHASE, batch(), 0.0))
    assert counts == [len(layer.operations) for layer in algorithm.layers]
    assert all((layer.alpha.grad != 0).all() for layer in algorithm.layers if layer.alpha.grad is not None)


def test_the_cost_term_moves_alphas_towards_cheaper_operations(monkeypatch: pytest.MonkeyPatch) -> None:
    algorithm = searcher(monkeypatch)
    algorithm.cost_term().backward()
    for layer, costs in zip(algorithm.layers, algorithm.costs, strict=True):
        assert layer.alpha.grad is not None
        dearer = costs - costs.mean()  # where all are as probable
        assert torch.equal(layer.alpha.grad.sign(), dearer.sign())
        assert int(layer.alpha.grad.argmin()) == int(costs.argmin()), "descent raises the cheapest most"


def test_the_cost_term_alone_drives_the_expected_cost_down(monkeypatch: pytest.MonkeyPatch) -> None:
    algorithm = searcher(monkeypatch)
    fixed = algorithm.table.shown(algorithm.constant)
    before = algorithm.metrics()["expected cost"] - fixed
    for _ in range(50):
        gradients = torch.autograd.grad(algorithm.cost_term(), algorithm.network.alphas())
        for layer, gradient in zip(algorithm.layers, gradients, strict=True):
            layer.alpha.grad = gradient
        algorithm.architecture.step()
    assert algorithm.metrics()["expected cost"] - fixed < 0.9 * before
    assert algorithm.metrics()["entropy"] < 1


# --- lookup tables -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ARCHITECTURES)
def test_operations_of_the_parts_add_up_to_the_published_networks(name: str) -> None:
    """To the last one, at another size and other joints too."""
    architecture = ARCHITECTURES[name]
    for joints, size in ((16, 256), (14, 64)):
        lookup = table(architecture.skeleton, joints, size)
        assert lookup.predict(components_of(architecture)) == whole(architecture, joints, size)
        if (name, size) == ("A", 256):
            assert f"{lookup.shown(lookup.predict(components_of(A))):.0f}" == "669", "MFLOPs in Table 8"


def test_what_is_expected_of_a_decided_network_is_what_it_costs() -> None:
    network, lookup = supernet(SMALL, 16), table(SMALL, 16, 64)
    network.choose(A)
    costs = [torch.tensor(list(layer.values())) for layer in layer_costs(SMALL, lookup)]
    with torch.no_grad():
        value = float(expected(list(network.layers()), costs, constant(lookup)))
    assert value == pytest.approx(lookup.predict(components_of(A)), rel=1e-4)


def test_random_architectures_cost_on_average_what_is_asked_for() -> None:
    lookup = table(SMALL, 14, 64)
    generator = np.random.default_rng(0)

    def mean(wanted: float | None) -> float:
        return float(
            np.mean([lookup.predict(components_of(sample_within(SMALL, lookup, wanted, generator))) for _ in range(200)])
        )

    usual = mean(None)
    for share in (0.8, 1.0, 1.15):
        assert mean(share * usual) == pytest.approx(share * usual, rel=0.02)


# --- initial values ----------------------------------------------------------------------------------------------------------


def test_stem_and_head_of_the_super_network_start_as_those_of_a_single_network() -> None:
    network = supernet(SMALL, 16)
    torch.manual_seed(0)
    single = efficientpose(num_joints=16, architecture=uniform(SMALL, "k3e3"))
    for part, name in ((network.stem, "backbone.0"), (network.head, "head")):
        wanted = single.get_submodule(name).state_dict()
        assert all(torch.equal(value, wanted[key]) for key, value in part.state_dict().items())
    assert network.head.get_parameter("final.weight").std().item() == pytest.approx(96**-0.5, rel=0.15)  # PyTorch's own


# --- starting from a seed network --------------------------------------------------------------------------------------------


def test_adapted_from_a_seed_the_super_network_computes_what_the_seed_does() -> None:
    """Where kernel and expansion agree; with larger kernels too, which are zero around the seed's."""
    torch.manual_seed(3)
    seed = efficientpose(num_joints=5, architecture=uniform(SHORT, "k3e6")).eval()
    for norm in seed.modules():
        if isinstance(norm, nn.BatchNorm2d):
            norm.running_mean.normal_()  # type: ignore[union-attr]
    network = supernet().eval()
    stem, *stages = seed.backbone.children()
    layers = [[stem], *(list(stage.children()) for stage in stages)]
    start(network, lambda path: adapt(path, layers))
    images, _ = batch()
    for operation, same in (("k3e6", True), ("k5e6", True), ("k7e6", True), ("k3e3", False)):
        for layer in network.layers():
            layer.active = [layer.operations.index(operation)]
        features = network.stem(images)
        for layer in network.layers():
            features = layer(features)
        features, wanted = features.detach(), seed.backbone(images).detach()
        assert (float((features - wanted).abs().max() / wanted.abs().max()) < 1e-4) == same, operation


# --- the configs -------------------------------------------------------------------------------------------------------------


def test_the_papers_scale_says_what_the_paper_says() -> None:
    config = find_search("efficientpose_nas", "paper", "mpii")
    assert (config.recipe.input, config.recipe.batch, config.held_out) == ("256x256", 32, 0.2)
    assert (config.phases[1].first, config.recipe.epochs - config.phases[1].first) == (60, 150)
    assert (config.recipe.optimizer.lr, config.recipe.optimizer.momentum, config.recipe.optimizer.weight_decay) == (
        0.05,
        0.9,
        1e-4,
    )
    assert (config.architecture.name, config.architecture.lr) == ("adam", 3e-4)
    assert (config.retrain.epochs, config.retrain.schedule.milestones, config.retrain.optimizer.lr) == (200, (150, 170), 1e-3)


def test_as_many_images_as_the_papers_search_saw_are_its_fifty_candidates_but_one() -> None:
    """Each candidate is trained for five epochs on the same four fifths."""
    config = find_search("efficientpose_nas", "paper")
    joint = config.recipe.epochs - config.phases[1].first
    epochs = config.recipe.epochs * (1 - config.held_out) + joint * config.held_out
    assert int(epochs / (config.candidate_epochs * (1 - config.held_out))) == 49


@pytest.mark.parametrize("name", ["small", "gpu"])
def test_alphas_can_travel_as_far_as_in_the_paper(name: str) -> None:
    paper, config = find_search("efficientpose_nas", "paper"), find_search("efficientpose_nas", name)

    def reach(config: object) -> float:
        held = config.recipe.num_people * config.held_out  # type: ignore[attr-defined]
        epochs = config.recipe.epochs - config.phases[1].first  # type: ignore[attr-defined]
        return config.architecture.lr * epochs * (held // config.recipe.batch)  # type: ignore[attr-defined]

    assert reach(config) == pytest.approx(reach(paper), rel=0.05)


def test_what_the_search_space_holds_is_what_the_paper_lists() -> None:
    first, second, *_ = supernet().layers()
    assert [sum(isinstance(choice, MBConv) for choice in layer.choices) for layer in (first, second)] == [6, 6]
    assert (len(first.operations), len(second.operations)) == (6, 7), "all but the first can be skipped"
