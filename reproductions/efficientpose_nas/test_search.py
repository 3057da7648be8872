"""The super-network is what the paper's equations say, a path of it costs one path, and tables predict whole networks."""

from __future__ import annotations

from collections.abc import Callable, Iterator
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
    parsed,
    write,
)
from reproductions.efficientpose_nas.fna import adapt
from reproductions.efficientpose_nas.network import MBConv, efficientpose
from reproductions.efficientpose_nas.search import Search, build_search_algorithm
from reproductions.efficientpose_nas.search_space import components, components_of, constant, layer_costs, sample_within
from reproductions.efficientpose_nas.supernet import MixedLayer, SuperNetwork, entropy, expected, start, uniform
from reproductions.network_checks import saved

# As the small one in all but size.
SHORT = Skeleton(
    first=8, separable=8, stages=(Stage(8, 2, 2), Stage(8, 2, 2), Stage(16, 2, 3), Stage(24, 1, 2)), deconvs=(8, 8)
)
TINY = find_search("efficientpose_nas", "tiny")


@pytest.fixture(autouse=True)
def _one_thread() -> Iterator[None]:
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)


def supernet(skeleton: Skeleton = SHORT, joints: int = 5) -> SuperNetwork:
    torch.manual_seed(0)
    return SuperNetwork(skeleton=skeleton, num_joints=joints)


def table(skeleton: Skeleton = SHORT, joints: int = 5, size: int = 64) -> LookupTable:
    found = components(skeleton, joints=joints, input_hw=(size, size))
    return measure_table(found, "flops", input=f"{size}x{size}", joints=joints)


def whole(architecture: Architecture, joints: int, size: int) -> int:
    """Operations of the built network, by the convention of tables."""
    with torch.device("meta"):
        network = efficientpose(num_joints=joints, architecture=architecture)
    return count_cost(network, size, size)["flops"][LOOKUP_CONVENTION]


def batch(joints: int = 5, size: int = 64) -> tuple[Tensor, Targets]:
    generator = torch.Generator().manual_seed(1)
    maps = torch.rand(4, joints, size // 4, size // 4, generator=generator)
    return torch.randn(4, 3, size, size, generator=generator), Targets(maps, torch.ones(4, joints))


def searcher(monkeypatch: pytest.MonkeyPatch, **options: object) -> Search:
    """On the short skeleton."""
    monkeypatch.setitem(search.SKELETONS, "short", SHORT)
    scale = replace(TINY, options={**TINY.options, "skeleton": "short", **options})
    return build_search_algorithm(scale, table(), joints=5, seed=0, device=torch.device("cpu"))


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
    assert parsed(write(network.derived())) == architecture
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
    """How many operations of each layer were run."""
    ran: dict[int, int] = {}
    handles = [
        choice.register_forward_hook(lambda *_, key=place: ran.update({key: ran.get(key, 0) + 1}))
        for place, layer in enumerate(network.layers())
        for choice in layer.choices
    ]
    run()
    for handle in handles:
        handle.remove()
    return [ran[place] for place in range(len(list(network.layers())))]


def test_one_path_takes_the_memory_of_one_network() -> None:
    network = supernet()
    network.choose(uniform(SHORT, "k5e6"))
    images, _ = batch()
    for layer in network.layers():
        layer.active = [layer.operations.index("k5e6")]
    one = saved(network, images)
    assert one == saved(network.path(uniform(SHORT, "k5e6")), images)
    network.use_all()
    assert saved(network, images) > 2 * one


def test_weight_steps_run_one_operation_a_layer_and_architecture_steps_two(monkeypatch: pytest.MonkeyPatch) -> None:
    found, depth = searcher(monkeypatch), sum(stage.depth for stage in SHORT.stages)
    assert executed(found.network, lambda: found.step(WEIGHTS_PHASE, batch(), 0.0)) == [1] * depth
    assert executed(found.network, lambda: found.step(ARCHITECTURE_PHASE, batch(), 0.0)) == [2] * depth


# --- its two phases ----------------------------------------------------------------------------------------------------------


def test_a_weight_step_moves_the_path_and_nothing_else(monkeypatch: pytest.MonkeyPatch) -> None:
    found = searcher(monkeypatch)
    before = {name: value.detach().clone() for name, value in found.network.named_parameters()}
    found.step(WEIGHTS_PHASE, batch(), 0.0)
    active = {
        id(parameter) for layer in found.layers for place in layer.active for parameter in layer.choices[place].parameters()
    }
    active |= set(map(id, [*found.network.stem.parameters(), *found.network.head.parameters()]))
    for name, parameter in found.network.named_parameters():
        moved = not torch.equal(parameter, before[name])
        assert moved <= (id(parameter) in active), name
    assert any(not torch.equal(p, before[name]) for name, p in found.network.named_parameters())


def test_an_architecture_step_moves_two_operations_a_layer_and_keeps_the_probability_of_the_others(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    found = searcher(monkeypatch)
    for _ in range(3):
        weights = [weight.detach().clone() for weight in found.network.weights()]
        before = [layer.probabilities().detach().clone() for layer in found.layers]
        found.step(ARCHITECTURE_PHASE, batch(), 0.0)
        assert all(torch.equal(old, new) for old, new in zip(weights, found.network.weights(), strict=True))
        for layer, old in zip(found.layers, before, strict=True):
            new, drawn = layer.probabilities().detach(), list(layer.active)
            others = [place for place in range(len(old)) if place not in drawn]
            assert torch.allclose(new[others], old[others], atol=1e-6)
            assert not torch.allclose(new[drawn], old[drawn], atol=1e-6)


def test_with_all_paths_every_operation_has_a_say(monkeypatch: pytest.MonkeyPatch) -> None:
    found = searcher(monkeypatch, paths=0)
    counts = executed(found.network, lambda: found.step(ARCHITECTURE_PHASE, batch(), 0.0))
    assert counts == [len(layer.operations) for layer in found.layers]
    assert all((layer.alpha.grad != 0).all() for layer in found.layers if layer.alpha.grad is not None)


def test_the_cost_term_moves_alphas_towards_cheaper_operations(monkeypatch: pytest.MonkeyPatch) -> None:
    found = searcher(monkeypatch)
    found.cost_term().backward()
    for layer, costs in zip(found.layers, found.costs, strict=True):
        assert layer.alpha.grad is not None
        dearer = costs - costs.mean()  # where all are as probable
        assert torch.equal(layer.alpha.grad.sign(), dearer.sign())
        assert int(layer.alpha.grad.argmin()) == int(costs.argmin()), "descent raises the cheapest most"


def test_the_cost_term_alone_drives_the_expected_cost_down(monkeypatch: pytest.MonkeyPatch) -> None:
    found = searcher(monkeypatch)
    fixed = found.table.shown(found.constant)
    before = found.metrics()["expected cost"] - fixed
    for _ in range(50):
        gradients = torch.autograd.grad(found.cost_term(), found.network.alphas())
        for layer, gradient in zip(found.layers, gradients, strict=True):
            layer.alpha.grad = gradient
        found.architecture.step()
    assert found.metrics()["expected cost"] - fixed < 0.9 * before
    assert found.metrics()["entropy"] < 1


# --- lookup tables -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ARCHITECTURES)
def test_operations_of_the_parts_add_up_to_the_published_networks(name: str) -> None:
    """To the last one, at another size and other joints too."""
    architecture = ARCHITECTURES[name]
    for joints, size in ((16, 256), (14, 64)):
        found = table(architecture.skeleton, joints, size)
        assert found.predict(components_of(architecture)) == whole(architecture, joints, size)
        if (name, size) == ("A", 256):
            assert f"{found.shown(found.predict(components_of(A))):.0f}" == "669", "MFLOPs in Table 8"


def test_what_is_expected_of_a_decided_network_is_what_it_costs() -> None:
    network, found = supernet(SMALL, 16), table(SMALL, 16, 64)
    network.choose(A)
    costs = [torch.tensor(list(layer.values())) for layer in layer_costs(SMALL, found)]
    with torch.no_grad():
        value = float(expected(list(network.layers()), costs, constant(found)))
    assert value == pytest.approx(found.predict(components_of(A)), rel=1e-4)


def test_random_architectures_cost_on_average_what_is_asked_for() -> None:
    found = table(SMALL, 14, 64)
    generator = np.random.default_rng(0)

    def mean(wanted: float | None) -> float:
        return float(
            np.mean([found.predict(components_of(sample_within(SMALL, found, wanted, generator))) for _ in range(200)])
        )

    usual = mean(None)
    for share in (0.8, 1.0, 1.15):
        assert mean(share * usual) == pytest.approx(share * usual, rel=0.02)


# --- starting from a seed network --------------------------------------------------------------------------------------------


def test_adapted_from_a_seed_the_super_network_computes_what_the_seed_does() -> None:
    """Where kernel and expansion agree, and with larger kernels too, which are zero about the seed's."""
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


# --- the scales --------------------------------------------------------------------------------------------------------------


def test_the_papers_scale_says_what_the_paper_says() -> None:
    scale = find_search("efficientpose_nas", "paper", "mpii")
    assert (scale.recipe.input, scale.recipe.batch, scale.held_out) == ("256x256", 32, 0.2)
    assert (scale.phases[1].first, scale.recipe.epochs - scale.phases[1].first) == (60, 150)
    assert (scale.recipe.optimizer.lr, scale.recipe.optimizer.momentum, scale.recipe.optimizer.weight_decay) == (
        0.05,
        0.9,
        1e-4,
    )
    assert (scale.architecture.name, scale.architecture.lr) == ("adam", 3e-4)
    assert (scale.retrain.epochs, scale.retrain.schedule.milestones, scale.retrain.optimizer.lr) == (200, (150, 170), 1e-3)


def test_as_many_images_as_the_papers_search_saw_are_its_fifty_candidates_but_one() -> None:
    """Each trained for five epochs on the same four fifths."""
    scale = find_search("efficientpose_nas", "paper")
    joint = scale.recipe.epochs - scale.phases[1].first
    epochs = scale.recipe.epochs * (1 - scale.held_out) + joint * scale.held_out
    assert int(epochs / (scale.candidate_epochs * (1 - scale.held_out))) == 49


@pytest.mark.parametrize("name", ["small", "gpu"])
def test_alphas_can_travel_as_far_as_in_the_paper(name: str) -> None:
    paper, scale = find_search("efficientpose_nas", "paper"), find_search("efficientpose_nas", name)

    def reach(which: object) -> float:
        held = which.recipe.num_people * which.held_out  # type: ignore[attr-defined]
        epochs = which.recipe.epochs - which.phases[1].first  # type: ignore[attr-defined]
        return which.architecture.lr * epochs * (held // which.recipe.batch)  # type: ignore[attr-defined]

    assert reach(scale) == pytest.approx(reach(paper), rel=0.05)


def test_what_the_search_space_holds_is_what_the_paper_lists() -> None:
    first, second, *_ = supernet().layers()
    assert [sum(isinstance(choice, MBConv) for choice in layer.choices) for layer in (first, second)] == [6, 6]
    assert (len(first.operations), len(second.operations)) == (6, 7), "all but the first can be skipped"
