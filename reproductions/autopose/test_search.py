"""AutoPose's search: paths, cells, controller, derivation, lookup tables, resuming, and the configs."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import replace
from itertools import product
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor, nn
from torch.utils._pytree import keystr, tree_flatten_with_path

from benchmark.config.packages import find_search
from benchmark.config.searches import ARCHITECTURE_PHASE, WEIGHTS_PHASE
from benchmark.core.errors import InputError
from benchmark.core.records import Record, load_records
from benchmark.cost.counters import count_cost
from benchmark.cost.records import measure_cost
from benchmark.data.synthetic.write import write_datasets
from benchmark.models.registry import build_model, find_entry
from benchmark.nas.arguments import SearchArguments
from benchmark.nas.lookup_files import find_table
from benchmark.nas.lookup_table import LOOKUP_CONVENTION, LookupTable, measure_table
from benchmark.nas.trainer import SearchPlan, SearchRun, run_search, split_people, write_architecture
from benchmark.report.search import search_figures, search_page
from benchmark.search import search_command
from benchmark.training.checkpoint import read_progress
from benchmark.training.loader import BatchLoader, load_training_people
from benchmark.training.losses import Targets
from reproductions.autopose.architectures import (
    EXAMPLE,
    OPERATIONS,
    SCALES,
    VECTORS,
    Architecture,
    format_architecture,
    parse_architecture,
    read_architecture,
)
from reproductions.autopose.controller import Controller, Sample, reinforce_loss
from reproductions.autopose.network import AutoPose, build
from reproductions.autopose.search import Search, build_search_algorithm, list_components, sample_architecture, used_components
from reproductions.autopose.search_configs import CONTROLLER
from reproductions.autopose.search_space import components, components_of
from reproductions.autopose.supernet import MixedOperation, SuperNetwork, straight_through, use_batch_statistics
from reproductions.network_checks import count_saved_bytes

TINY = replace(find_search("autopose", "tiny"), held_out=0.4)
JOINTS, SIZE = 3, 32
OFF = ((0, 0, 0, 0),) * 3
SOME = ((0, 1, 0, 1), (0, 0, 0, 0), (1, 1, 1, 0))


class Flat(dict[str, float]):
    """Costs of components that are all 1."""

    def __missing__(self, part: str) -> float:
        return 1.0


def searcher(name: str = "tiny", joints: int = JOINTS, **options: Any) -> Search:
    """Build a search of config ``name``, with one node per cell to be fast, unless ``options`` change that."""
    scale = find_search("autopose", name)
    scale = replace(scale, options={**scale.options, "nodes": [1, min(1, scale.options["nodes"][1])], **options})
    table = LookupTable(cost="flops", costs=Flat(), input="32x32", joints=joints)
    return build_search_algorithm(scale, table, joints=joints, seed=0, device=torch.device("cpu"))


@pytest.fixture(scope="module")
def search() -> Search:
    """Return a search that tests share and may train further."""
    return searcher()


def batch(people: int = 4) -> tuple[Tensor, Targets]:
    generator = torch.Generator().manual_seed(1)
    heatmaps = torch.rand(people, JOINTS, SIZE // 4, SIZE // 4, generator=generator)
    return torch.randn(people, 3, SIZE, SIZE, generator=generator), Targets(heatmaps, torch.ones(people, JOINTS))


def running(monkeypatch: pytest.MonkeyPatch, search: Search, stages: Any) -> None:
    """Make every step run these branches."""
    monkeypatch.setattr(search, "_branches", lambda: stages)


def changed(search: Search, phase: str) -> set[str]:
    """Return the names of the parameters that a step changes."""
    before = {name: value.detach().clone() for name, value in search.network.named_parameters()}
    search.optimizers()[WEIGHTS_PHASE].param_groups[0]["lr"] = 1e-3
    search.step(phase, batch(), 0.5)
    return {name for name, value in search.network.named_parameters() if not torch.equal(value, before[name])}


def executed(network: SuperNetwork, run: Callable[[], object]) -> int:
    """Return the number of edge operations that ``run`` computes."""
    count = []
    handles = [
        choice.register_forward_hook(lambda *_: count.append(1))
        for mixed in network.modules()
        if isinstance(mixed, MixedOperation)
        for choice in mixed.choices
    ]
    run()
    for handle in handles:
        handle.remove()
    return len(count)


def edges_of(network: SuperNetwork, stages: Any) -> int:
    """Return the number of edges on the branches that run, without edges from inactive scales."""
    individual = len(network.edges["individual"])
    nodes = {edge.node for edge in network.edges.get("aggregation", [])}
    active = [sum(vector) for vector in stages]
    return sum(2 * (count * 2 * individual + count * count * len(nodes)) for count in active)


def path(network: SuperNetwork, stages: Any) -> AutoPose:
    """Return the network of the current path, with the super-network's weights."""
    cells = {"individual": network.current_cell("individual"), "aggregation": network.current_cell("aggregation")}
    channels = tuple(find_search("autopose", "tiny").options["channels"])
    architecture = Architecture(name="path", evidence="searched", note="", channels=channels, stages=stages, **cells)  # type: ignore[arg-type]
    network_of_path = build(architecture, num_joints=JOINTS)
    shared = network.state_dict()

    def name_of(name: str) -> str:
        match = re.fullmatch(r"(.*\.)(individual|aggregation)(\..*?nodes\.)(\d+)(\.)([^.]+)(\..*)", name)
        if not match:
            return name
        operation = cells[match[2]][int(match[4])][match[6]]
        return "".join(match.groups()[:-1]) + f".choices.{OPERATIONS.index(operation)}{match[7]}"

    def value_of(name: str, parameter: Tensor) -> Tensor:
        value = shared[name_of(name)]
        if value.shape == parameter.shape:
            return value
        vector = stages[int(name.split(".")[1]) // 2]  # a concatenation: keep the columns of the scales that run
        return value.unflatten(1, (len(SCALES), -1))[:, [index for index, runs in enumerate(vector) if runs]].flatten(1, 2)

    use_batch_statistics(network_of_path)
    network_of_path.load_state_dict({name: value_of(name, parameter) for name, parameter in network_of_path.named_parameters()})
    return network_of_path.train().to(memory_format=torch.channels_last)


# --- cells by gradients ------------------------------------------------------------------------------------------------------


def test_a_sample_is_one_hot_and_has_the_gradient_of_the_soft_one() -> None:
    alpha, weights = torch.randn(5, 6, requires_grad=True), torch.randn(5, 6)
    torch.manual_seed(7)
    gates = straight_through(alpha, 2.0)
    assert set(gates.detach().flatten().tolist()) == {0.0, 1.0}
    assert gates.sum(1).tolist() == [1.0] * 5
    torch.manual_seed(7)
    noise = -torch.empty(5, 6).exponential_().log()
    soft = ((alpha.log_softmax(1) + noise) / 2.0).softmax(1)
    gradient, soft_gradient = (torch.autograd.grad((sample * weights).sum(), alpha)[0] for sample in (gates, soft))
    assert torch.allclose(gradient, soft_gradient, atol=1e-6)
    assert (gradient != 0).all(), "the alphas of all operations learn from the drawn one"


def test_operations_are_drawn_by_their_probabilities_at_every_temperature() -> None:
    torch.manual_seed(0)
    alpha = torch.tensor([[0.5, 0.3, 0.2]]).log().repeat(4000, 1)
    for temperature in (10.0, 0.1):
        assert torch.allclose(straight_through(alpha, temperature).mean(0), torch.tensor([0.5, 0.3, 0.2]), atol=0.03)


def test_all_stages_and_branches_share_the_alphas_of_an_edge() -> None:
    network = searcher(nodes=[2, 1]).shared
    assert {kind: tuple(alpha.shape) for kind, alpha in network.alphas.items()} == {
        "individual": (1 + 2, 6),
        "aggregation": (4, 6),
    }
    owners: dict[int, int] = {}
    for mixed in network.modules():
        if isinstance(mixed, MixedOperation):
            owners[id(mixed.edge)] = owners.get(id(mixed.edge), 0) + 1
    stages, modules, branches = 3, 2, 4
    assert sorted(owners.values()) == [stages * modules * branches] * 4 + [stages * modules * branches * 2] * 3


@pytest.mark.parametrize(("name", "nodes"), [("tiny", [2, 1]), ("tiny-concat", [1, 0])])
def test_along_a_path_it_computes_what_that_architectures_network_does(name: str, nodes: list[int]) -> None:
    network = searcher(name, nodes=nodes).shared
    images, _ = batch()
    for seed in range(3):
        torch.manual_seed(seed)
        network.set_branches(SOME)
        network.draw_operations(1.0, learn=False)
        assert torch.allclose(network(images), path(network, SOME)(images), atol=1e-4)


def test_a_path_takes_the_memory_of_its_network(search: Search) -> None:
    network = search.shared
    images, _ = batch()
    network.set_branches(SOME)
    network.draw_operations(1.0, learn=False)
    assert count_saved_bytes(network, images) == count_saved_bytes(path(network, SOME), images)


@pytest.mark.parametrize("phase", [WEIGHTS_PHASE, ARCHITECTURE_PHASE])
def test_a_step_computes_one_operation_an_edge(monkeypatch: pytest.MonkeyPatch, search: Search, phase: str) -> None:
    running(monkeypatch, search, SOME)
    assert executed(search.shared, lambda: search.step(phase, batch(), 0.5)) == edges_of(search.shared, SOME)


def test_a_weight_step_moves_the_path_and_no_other_parameter(monkeypatch: pytest.MonkeyPatch, search: Search) -> None:
    running(monkeypatch, search, SOME)
    moved = changed(search, WEIGHTS_PHASE)
    path_network = path(search.shared, SOME)
    assert len(moved) == len(list(path_network.parameters()))
    assert not [name for name in moved if "alphas" in name or name.startswith("controller")]
    assert not [name for name in moved if ".stages.2." in name or ".stages.0.individual.1/4" in name], "they do not run"


def test_an_architecture_step_moves_the_alphas_alone(monkeypatch: pytest.MonkeyPatch, search: Search) -> None:
    running(monkeypatch, search, SOME)
    assert changed(search, ARCHITECTURE_PHASE) == {"shared.alphas.individual", "shared.alphas.aggregation"}


@pytest.mark.parametrize("phase", [WEIGHTS_PHASE, ARCHITECTURE_PHASE])
def test_all_branches_may_be_off(monkeypatch: pytest.MonkeyPatch, search: Search, phase: str) -> None:
    running(monkeypatch, search, OFF)
    moved = changed(search, phase)
    assert all(name.startswith(("shared.stem", "shared.head")) for name in moved), "unused cells do not learn"
    assert bool(moved) == (phase == WEIGHTS_PHASE)


# --- branches by rewards -----------------------------------------------------------------------------------------------------


def policy(branches: Any = "searched") -> Controller:
    torch.manual_seed(0)
    controller = Controller(allowed=VECTORS[branches], hidden=20)
    for decoder in controller.decoders:
        nn.init.normal_(decoder.bias)
    return controller


def test_a_step_decides_on_each_branch_by_itself() -> None:
    controller = policy()
    scores, _ = next(iter(controller.log_probabilities()))
    on = scores[0].exp() @ controller.vectors  # probability of each branch
    product = (controller.vectors * on + (1 - controller.vectors) * (1 - on)).prod(1)
    assert torch.allclose(scores[0].exp(), product, atol=1e-6)


@pytest.mark.parametrize("branches", ["searched", "single", "all"])
def test_its_entropy_is_that_of_all_it_can_draw(branches: str) -> None:
    controller = policy(branches)
    joint = [joint.detach() for _, joint in controller.log_probabilities()][-1]
    assert float(joint.exp().sum()) == pytest.approx(1)
    assert joint.numel() == len(VECTORS[branches]) ** 3  # type: ignore[index]
    assert controller.entropy().item() == pytest.approx(-float((joint.exp() * joint).sum()), abs=1e-5)


def test_a_samples_probability_is_that_of_its_history() -> None:
    controller = policy()
    joint = [joint.detach() for _, joint in controller.log_probabilities()][-1]
    for _ in range(5):
        sample = controller.sample()
        first, second, third = (controller.allowed.index(vector) for vector in sample.stages)
        assert sample.log_probability.item() == pytest.approx(float(joint[first * 16 + second, third]), abs=1e-5)


def test_what_is_not_allowed_is_never_drawn() -> None:
    assert all(sum(vector) <= 1 for _ in range(50) for vector in policy("single").sample().stages)
    assert any(vector == (0, 0, 0, 0) for _ in range(50) for vector in policy("single").sample().stages)
    assert policy("all").sample().stages == ((1, 1, 1, 1),) * 3


def test_a_rewarded_sample_becomes_more_probable_and_a_poor_one_less() -> None:
    for reward, sign in ((0.9, 1), (0.1, -1)):
        controller = policy()
        sample = controller.sample(torch.Generator().manual_seed(3))
        reinforce_loss([sample], [reward], 0.5, controller.entropy(), 0.0).backward()
        with torch.no_grad():
            for parameter in controller.parameters():
                parameter -= 0.01 * (parameter.grad if parameter.grad is not None else 0)
        again = controller.sample(torch.Generator().manual_seed(3))
        assert again.stages == sample.stages
        assert sign * (again.log_probability - sample.log_probability).item() > 0


def test_reinforce_finds_the_branches_that_are_rewarded() -> None:
    controller, rewarded = policy(), ((0, 1, 1, 1), (1, 0, 1, 0), (1, 1, 0, 0))
    adam = torch.optim.Adam(controller.parameters(), 0.01)
    baseline = 0.5
    for _ in range(120):
        samples = [controller.sample() for _ in range(2)]
        rewards = [float(np.mean(np.array(sample.stages) == np.array(rewarded))) for sample in samples]
        adam.zero_grad()
        reinforce_loss(samples, rewards, baseline, controller.entropy(), 1e-3).backward()
        adam.step()
        baseline = 0.9 * baseline + 0.1 * float(np.mean(rewards))
    assert baseline > 0.9, "a random controller has half of the branches right"
    assert controller.entropy().item() < 0.3 * controller.largest_entropy


def test_the_entropy_term_alone_makes_all_vectors_alike() -> None:
    controller = policy()
    before = controller.entropy().item()
    for _ in range(20):
        controller.zero_grad()
        reinforce_loss([controller.sample()], [0.5], 0.5, controller.entropy(), 1.0).backward()
        with torch.no_grad():
            for parameter in controller.parameters():
                parameter -= 0.1 * (parameter.grad if parameter.grad is not None else 0)
    assert before < controller.entropy().item() <= controller.largest_entropy + 1e-4


def test_a_controller_step_moves_the_controller_alone_and_its_baseline_follows_the_rewards(search: Search) -> None:
    assert {name.partition(".")[0] for name in changed(search, CONTROLLER)} == {"controller"}
    first = search.baseline
    assert first is not None
    metrics = search.step(CONTROLLER, batch(), 0.5)
    assert search.baseline == pytest.approx(0.9 * first + 0.1 * float(metrics["accuracy"]) / 100)


def test_the_expected_cost_is_the_mean_over_all_that_the_controller_can_draw() -> None:
    search = searcher("tiny-single")
    *_, (_, joint) = search.policy.log_probabilities()
    shares = joint.exp().flatten().tolist()
    drawn = list(product(search.policy.allowed, repeat=3))
    assert len(drawn) == len(shares) == 5**3
    costs = [search.table.predict(components_of(search._architecture(stages))) for stages in drawn]
    expected = sum(share * cost for share, cost in zip(shares, costs, strict=True))
    assert search.metrics()["expected cost"] == pytest.approx(search.table.shown(expected), rel=1e-5)
    assert min(costs) < expected < max(costs)


def test_before_the_controller_learns_as_many_branches_run_as_may(monkeypatch: pytest.MonkeyPatch, search: Search) -> None:
    asked: list[int] = []
    monkeypatch.setattr(search, "baseline", None)
    monkeypatch.setattr(search.policy, "sample", lambda *_: asked.append(1) or Sample(OFF, torch.zeros(())))
    assert search._branches() == ((1, 1, 1, 1),) * 3
    assert not asked
    monkeypatch.setattr(search, "baseline", 0.5)
    assert (search._branches(), asked) == (OFF, [1])
    monkeypatch.setattr(search, "baseline", None)
    monkeypatch.setattr(search.policy, "allowed", VECTORS["single"])
    drawn = [search._branches() for _ in range(300)]
    assert {sum(vector) for stages in drawn for vector in stages} == {1}
    assert np.mean([vector for stages in drawn for vector in stages], 0) == pytest.approx([0.25] * 4, abs=0.05)


# --- what is derived ---------------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("people")
    write_datasets(folder, 48, seed=3, validation=8, size=64)
    return folder


@pytest.fixture(scope="module")
def plan(root: Path) -> SearchPlan:
    people, _ = load_training_people(TINY.recipe, root)
    parts = split_people(people, TINY)
    return SearchPlan(TINY, {name: BatchLoader(part, TINY.recipe, 0) for name, part in parts.items()})


def test_of_the_vectors_that_are_drawn_the_best_is_derived(
    search: Search, plan: SearchPlan, monkeypatch: pytest.MonkeyPatch
) -> None:
    judged = []

    def accuracy(stages: Any, batch: Any) -> Tensor:
        judged.append(stages)
        return torch.tensor(float(sum(index * sum(vector) for index, vector in enumerate(stages))))

    monkeypatch.setattr(search, "_accuracy", accuracy)
    held_out = plan.loaders["held out"]
    best = parse_architecture(search.derive(held_out)).stages
    drawn = set(judged)
    assert 5 < len(drawn) <= search.options["candidates"]
    assert len(judged) == held_out.steps_per_epoch * len(drawn), "each on all held-out people"
    assert float(accuracy(best, ())) == max(float(accuracy(stages, ())) for stages in drawn)
    torch.manual_seed(5)
    assert parse_architecture(search.derive(held_out)).stages == best, "the same when repeated"


def test_derived_cells_have_the_most_probable_operations_and_inputs() -> None:
    network = SuperNetwork(channels=(4, 4, 4, 4), nodes=(3, 1), num_joints=JOINTS)
    with torch.no_grad():
        network.alphas["individual"].zero_()
        for edge, choice, value in ((0, 1, 3.0), (1, 2, 3.0), (2, 5, 1.0), (3, 0, 1.0), (4, 4, 2.0), (5, 3, 3.0)):
            network.alphas["individual"][edge, choice] = value
        network.alphas["aggregation"].copy_(torch.eye(6)[[5, 1, 0, 2]])
    assert network.derive_cell("individual") == (
        {"input": "conv_3x3"},
        {"input": "conv_5x5", "node1": "skip"},
        {"node1": "max_pool_3x3", "node2": "avg_pool_3x3"},  # not the input, whose operation is the least probable
    )
    assert network.derive_cell("aggregation") == ({"1/4": "skip", "1/8": "conv_3x3", "1/16": "conv_1x1", "1/32": "conv_5x5"},)


def test_a_derived_file_builds_the_network_that_it_says(plan: SearchPlan, tmp_path: Path) -> None:
    text = searcher(joints=16, nodes=[2, 1]).derive(plan.loaders["held out"])
    architecture = parse_architecture(text)
    assert architecture.evidence == "searched"
    assert architecture.channels == tuple(2 * width for width in find_search("autopose", "tiny").options["channels"])
    model = write_architecture("autopose", text, tmp_path, "found")
    assert model.startswith("autopose/file:found-")
    network = build_model(model, joints=JOINTS)
    assert [tuple(int(scale in module.active) for scale in SCALES) for module in network.stages] == [
        vector for vector in architecture.stages for _ in range(2)
    ]
    kernels = {"conv_1x1": (1, 1), "conv_3x3": (3, 3), "conv_5x5": (5, 5)}
    pools = {"avg_pool_3x3": nn.AvgPool2d, "max_pool_3x3": nn.MaxPool2d, "skip": nn.Identity}
    cells = [cell for module in network.stages for both in module.individual.values() for cell in both]
    for cell in cells:
        for node, derived in zip(cell.nodes, architecture.individual, strict=True):
            assert list(node) == list(derived)
            for source, name in derived.items():
                if name in pools:
                    assert isinstance(node[source], pools[name])
                else:
                    assert node[source][1][0].kernel_size == kernels[name]


# --- files and lookup tables -------------------------------------------------------------------------------------------------


def test_the_example_is_a_model_that_commands_take(tmp_path: Path) -> None:
    path = tmp_path / "mine.autopose.toml"
    path.write_text(format_architecture(read_architecture(EXAMPLE)), encoding="utf-8")
    model = find_entry(str(path)).id
    assert model.startswith("autopose/file:mine-")
    assert find_entry(str(EXAMPLE)).id.rpartition("-")[2] == model.rpartition("-")[2], "identified by its contents"
    assert measure_cost(model, 17, 256, 192) == measure_cost("autopose/searched", 17, 256, 192)


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("conv_5x5", "conv_7x7", r"mine\.autopose\.toml: .*, not 'conv_7x7' \(at line \d+\)"),
        ("schema = 1", "schema =", r"mine\.autopose\.toml: .*line 1"),
        ("[0, 1, 1, 1]", "[0, 1, 1]", r"mine\.autopose\.toml: stages\[0\].*\(at line 7\)"),
    ],
)
def test_a_malformed_file_is_named_with_its_line(tmp_path: Path, old: str, new: str, message: str) -> None:
    path = tmp_path / "mine.autopose.toml"
    path.write_text(format_architecture(read_architecture(EXAMPLE)).replace(old, new, 1), encoding="utf-8")
    with pytest.raises(InputError, match=message):
        find_entry(str(path))


def whole(architecture: Architecture, joints: int, height: int, width: int) -> int:
    with torch.device("meta"):
        network = build(architecture, num_joints=joints)
    return count_cost(network, height, width)["flops"][LOOKUP_CONVENTION]


@pytest.mark.parametrize("name", ["tiny", "tiny-concat"])
def test_operations_of_the_parts_add_up_to_the_network(name: str) -> None:
    scale = find_search("autopose", name)
    table = measure_table(list_components(scale, JOINTS), "flops", input=scale.cost_input, joints=JOINTS)
    generator = np.random.default_rng(0)
    for _ in range(3):
        text = sample_architecture(scale, table, None, generator)
        assert table.predict(used_components(text)) == whole(parse_architecture(text), JOINTS, 32, 32)


def test_operations_add_up_where_sizes_are_rounded_and_nothing_runs() -> None:
    example = read_architecture(EXAMPLE)
    parts = components(example.channels, (4, 2), joints=17, input_hw=(100, 92))
    table = measure_table(parts, "flops", input="100x92", joints=17)
    for architecture in (example, replace(example, stages=OFF)):
        assert table.predict(components_of(architecture)) == whole(architecture, 17, 100, 92)


def test_random_architectures_cost_about_what_is_asked_for() -> None:
    scale, generator = find_search("autopose", "tiny"), np.random.default_rng(0)
    table = measure_table(list_components(scale, JOINTS), "flops", input=scale.cost_input, joints=JOINTS)
    usual = [table.predict(used_components(sample_architecture(scale, table, None, generator))) for _ in range(30)]
    for target in np.percentile(usual, [20, 50, 80]):
        drawn = [table.predict(used_components(sample_architecture(scale, table, target, generator))) for _ in range(5)]
        assert np.median(np.abs(np.array(drawn) / target - 1)) < scale.tolerance


# --- the search as a command -------------------------------------------------------------------------------------------------


def state(folder: Path) -> dict[str, Tensor]:
    """Load weights, optimizers' moments and generators, as the search left them, by their position in the checkpoint."""
    content = torch.load(folder / "last.pt", weights_only=True)
    leaves, _ = tree_flatten_with_path({part: content[part] for part in ("network", "optimizers", "generators")})
    return {keystr(path): leaf for path, leaf in leaves if isinstance(leaf, Tensor)}


@pytest.mark.slow
def test_stopped_within_each_phase_it_is_the_same_search(
    plan: SearchPlan, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Weights, alphas, controller, moments, baseline and generator are equal to the last bit."""
    table = LookupTable(cost="flops", costs=Flat(), input="32x32", joints=16)
    scale = replace(TINY, options={**TINY.options, "nodes": [1, 1]})

    def run_in(folder: Path) -> SearchRun:
        device = torch.device("cpu")
        return SearchRun(
            model="autopose", recipe=scale.recipe, start="scratch", device=device, folder=folder, scale=scale, table=table
        )

    text, _ = run_search(run_in(tmp_path / "whole"), plan, tensorboard=False)
    step, done = Search.step, list[str]()
    inside = {plan[n].phase: n for n in range(1, plan.steps) if plan[n].phase == plan[n - 1].phase}
    assert inside.keys() == {WEIGHTS_PHASE, ARCHITECTURE_PHASE, CONTROLLER}
    stopped = run_in(tmp_path / "stopped")
    for number in inside.values():
        with monkeypatch.context() as context:

            def interrupted(self: Search, phase: str, *arguments: Any, stop: int = number, patch: Any = context) -> Any:
                if len(done) == stop:
                    raise KeyboardInterrupt
                done.append(phase)
                patch.setattr("benchmark.training.trainer.SAVE_EVERY", 0.0 if len(done) == stop else 600.0)
                return step(self, phase, *arguments)

            context.setattr(Search, "step", interrupted)
            with pytest.raises(KeyboardInterrupt):
                run_search(stopped, plan, tensorboard=False)
        assert read_progress(stopped.folder / "last.pt")["step"] == number
        torch.manual_seed(number)  # what another program would leave behind
    again, _ = run_search(stopped, plan, tensorboard=False)
    resumed, uninterrupted = state(tmp_path / "stopped"), state(tmp_path / "whole")
    assert resumed.keys() == uninterrupted.keys()
    assert [name for name in resumed if not torch.equal(resumed[name], uninterrupted[name])] == []
    progress = [read_progress(tmp_path / name / "last.pt") for name in ("stopped", "whole")]
    assert progress[0]["searcher"] == progress[1]["searcher"] != {"baseline": None}
    assert again == text == (tmp_path / "stopped" / "derived.autopose.toml").read_text()


@pytest.fixture(scope="module")
def finished(root: Path, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Record]:
    """Return the records of a search and its random baseline."""
    folder = tmp_path_factory.mktemp("finished")
    paths: dict[str, Any] = {"root": root, "out": folder / "run", "cache": root / "cache", "table": folder / "table.json"}
    arguments = SearchArguments(package="autopose", scale="tiny", device="cpu", as_json=True, **paths)
    search_command(arguments, folder / "records")
    return load_records(folder / "records")


def test_both_ends_are_kept_with_how_the_search_went(finished: dict[str, Record]) -> None:
    random, searched = sorted(
        (r for r in finished.values() if r.kind == "search"), key=lambda record: record.setting["strategy"]
    )
    assert random.setting["strategy"] == "best of random search"
    assert searched.setting["strategy"] == "searched"
    for record in (searched, random):
        assert finished[record.samples["accuracy"]].subject == record.samples["model"]
        assert parse_architecture(record.samples["architecture"])
    for candidate in random.samples["candidates"]:
        assert candidate["cost"] == pytest.approx(searched.samples["cost"], rel=find_search("autopose", "tiny").tolerance)
    first, second = (metrics for _, metrics in searched.samples["curves"])
    always_reported = {"entropy of cells", "entropy of branches", "expected cost", "weights accuracy", "architecture accuracy"}
    assert always_reported <= first.keys()
    assert second.keys() - first.keys() == {"controller loss", "controller accuracy"}, "the controller waits for an epoch"
    assert 0 < first["entropy of cells"] <= 1
    assert first["expected cost"] > 0


def test_the_page_shows_branches_entropies_and_rewards(finished: dict[str, Record]) -> None:
    page, figures = search_page(finished), search_figures(finished)
    assert "stages = [" in page
    assert figures == search_figures(finished), "the same bytes"
    (figure,) = figures.values()
    for shown in (b"entropy of cells", b"entropy of branches", b"controller accuracy"):
        assert b"<!-- " + shown + b" -->" in figure


# --- the configs -------------------------------------------------------------------------------------------------------------


def test_the_papers_scale_says_what_the_paper_says() -> None:
    scale = find_search("autopose", "paper", "coco")
    assert (scale.options["channels"], scale.options["derived"]) == ([16, 32, 64, 128], [32, 64, 128, 256])
    assert (scale.options["samples"], scale.phases[2].name, scale.phases[2].first + 1) == (2, CONTROLLER, 5)
    assert (scale.recipe.loss, scale.architecture.name, scale.start) == ("benchmark.training.losses:mse", "adam", "scratch")
    assert (scale.retrain.epochs, scale.retrain.schedule.milestones, scale.retrain.batch) == (210, (170, 200), 128)


@pytest.mark.parametrize("name", ["small", "gpu"])
def test_alphas_can_travel_as_far_as_at_the_papers_scale(name: str) -> None:
    def reach(scale: Any) -> float:
        steps = round(scale.recipe.num_people * scale.held_out) // scale.recipe.batch
        return scale.architecture.lr * scale.recipe.epochs * steps

    assert reach(find_search("autopose", name)) == pytest.approx(reach(find_search("autopose", "paper")), rel=0.05)


@pytest.mark.parametrize("base", ["small", "gpu", "paper", "tiny"])
def test_the_ablations_scales_change_one_thing_each(base: str) -> None:
    config = find_search("autopose", base)
    single, concat, all_branches, reduced = (
        find_search("autopose", f"{base}-{name}") for name in ("single", "concat", "all", "reduced")
    )
    assert single.options == {**config.options, "branches": "single"}
    assert concat.options == {**config.options, "nodes": [config.options["nodes"][0], 0]}
    assert all_branches.options == {**config.options, "branches": "all"}
    assert [phase.name for phase in all_branches.phases] == [WEIGHTS_PHASE, ARCHITECTURE_PHASE]
    assert [2 * int(side) for side in reduced.recipe.input.split("x")] == [int(side) for side in config.recipe.input.split("x")]
    assert {scale.retrain.digest() for scale in (config, single, concat, all_branches, reduced)} == {config.retrain.digest()}
    assert {scale.cost_input for scale in (config, single, concat, all_branches, reduced)} == {config.cost_input}


def test_a_search_without_choice_of_branches_has_no_controller_to_report(plan: SearchPlan) -> None:
    search = searcher("tiny-all", joints=16)
    assert search.metrics().keys() == {"entropy of cells", "expected cost"}
    assert parse_architecture(search.derive(plan.loaders["held out"])).stages == ((1, 1, 1, 1),) * 3


def test_tables_are_of_what_is_deployed(tmp_path: Path) -> None:
    table = find_table("autopose", find_search("autopose", "tiny"), "flops", tmp_path / "table.json")
    assert {"stem", "head", "conv_5x5 at 1/32", "compress 2 at 1/4", "1/32 to 1/4", "1/4 to 1/32"} <= table.costs.keys()
    assert table.costs["max_pool_3x3 at 1/4"] == 0
