"""Test that a search killed at any moment resumes exactly, that its baseline costs as much, and that its files are models."""

from __future__ import annotations

import json
import re
import shutil
import signal
import subprocess
import sys
import time
from dataclasses import replace
from functools import partial
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from pydantic import TypeAdapter
from torch import nn
from torch.utils._pytree import keystr, tree_flatten_with_path

from benchmark.config.identities import latency_subject
from benchmark.config.packages import find_search, known_recipes, known_searches
from benchmark.config.searches import ARCHITECTURE_PHASE, WEIGHTS_PHASE, SearchConfig
from benchmark.core.errors import InputError
from benchmark.core.records import Record, load_records, select
from benchmark.cost.records import measure_cost
from benchmark.data.synthetic.write import write_datasets
from benchmark.evaluation.arguments import EvaluateArguments
from benchmark.evaluation.run import evaluate_model
from benchmark.models.external import resolve_model
from benchmark.models.registry import check_input_size, find_entry
from benchmark.nas import random_search
from benchmark.nas.arguments import LookupArguments, SearchArguments
from benchmark.nas.lookup_command import format_table
from benchmark.nas.lookup_files import find_table
from benchmark.nas.lookup_table import Component, LookupTable, compare_predictions, load_table, measure_table, save_table
from benchmark.nas.random_search import cost_bounds, sample_architectures
from benchmark.nas.records import LookupTableReport, SearchReport, table_report
from benchmark.nas.trainer import SearchPlan, SearchRun, run_search, search_module, split_people
from benchmark.report.lookup_tables import lookup_figure_name, lookup_records
from benchmark.report.search import search_figures, search_page
from benchmark.search import lookup_command, search_command
from benchmark.train import train_command
from benchmark.training.arguments import TrainArguments
from benchmark.training.checkpoint import load_checkpoint, read_progress, save_checkpoint
from benchmark.training.loader import BatchLoader, load_training_people
from benchmark.training.losses import Targets
from benchmark.training.run import plan_training
from benchmark.training.validation import heatmap_accuracy
from reproductions.efficientpose_nas.architectures import A, B, format_architecture

PACKAGE = "efficientpose_nas"
PEOPLE = 40
# Two epochs; of the second's steps, two are the architecture's.
SCALE = replace(find_search(PACKAGE, "tiny"), held_out=0.4)


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("people")
    write_datasets(folder, PEOPLE + 8, seed=3, validation=8, size=96)
    return folder


@pytest.fixture(scope="module")
def table(tmp_path_factory: pytest.TempPathFactory) -> LookupTable:
    return find_table(PACKAGE, SCALE, "flops", tmp_path_factory.mktemp("tables") / "table.json")


@pytest.fixture(scope="module")
def plan(root: Path) -> SearchPlan:
    people, _ = load_training_people(SCALE.recipe, root)
    return SearchPlan(SCALE, {name: BatchLoader(part, SCALE.recipe, 0) for name, part in split_people(people, SCALE).items()})


def run_in(folder: Path, table: LookupTable, **changes: Any) -> SearchRun:
    fixed = {"model": PACKAGE, "recipe": SCALE.recipe, "start": "scratch", "device": torch.device("cpu"), "scale": SCALE}
    return SearchRun(**fixed | {"folder": folder, "table": table} | changes)  # type: ignore[arg-type]


@pytest.fixture(scope="module")
def whole(plan: SearchPlan, table: LookupTable, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Search without an interruption; return the folder of the run."""
    folder = tmp_path_factory.mktemp("whole")
    run_search(run_in(folder, table), plan, tensorboard=False)
    return folder


def logged(folder: Path) -> list[Any]:
    """Read every loss, rate and metric of a search."""
    lines = [json.loads(line) for line in (folder / "log.jsonl").read_text().splitlines()]
    return [[line.get(key) for key in ("step", "epoch", "loss", "lr", "figures")] for line in lines]


def state(folder: Path) -> dict[str, torch.Tensor]:
    """Load weights, optimizers' moments and generators, as the search left them, by their position in the checkpoint."""
    content = torch.load(folder / "last.pt", weights_only=True)
    leaves, _ = tree_flatten_with_path({part: content[part] for part in ("network", "optimizers", "generators")})
    return {keystr(path): leaf for path, leaf in leaves if isinstance(leaf, torch.Tensor)}


def same_state(one: Path, other: Path) -> bool:
    a, b = state(one), state(other)
    return a.keys() == b.keys() and all(torch.equal(a[name], b[name]) for name in a)


# --- resuming ----------------------------------------------------------------------------------------------------------------


def test_an_epoch_is_its_weights_and_then_its_architecture(plan: SearchPlan) -> None:
    steps = [plan[step] for step in range(plan.steps)]
    order = [(step.epoch, step.phase, step.number) for step in steps]
    assert order == [
        *((0, WEIGHTS_PHASE, number) for number in range(3)),
        *((1, WEIGHTS_PHASE, number) for number in range(3, 6)),
        *((1, ARCHITECTURE_PHASE, number) for number in range(2)),
    ]
    assert [step.ends for step in steps] == [False, False, True, *[False] * 4, True]
    assert plan.images == 8 * 8


def test_no_weight_learns_from_a_held_out_photograph(root: Path, plan: SearchPlan) -> None:
    trained, held_out = (set(plan.loaders[part].people.images) for part in ("trained", "held out"))
    assert not trained & held_out
    assert len(trained | held_out) == len(set(load_training_people(SCALE.recipe, root)[0].images))
    assert len(held_out) == round(0.4 * len(trained | held_out))


@pytest.mark.slow
def test_stopped_before_every_step_it_is_the_same_search(
    plan: SearchPlan, table: LookupTable, whole: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Compare losses, alphas, moments and generator to the last bit."""
    from reproductions.efficientpose_nas.search import Search

    monkeypatch.setattr("benchmark.training.trainer.SAVE_EVERY", 0.0)
    step, done = Search.step, list[Any]()

    def interrupted(self: Search, *arguments: Any) -> Any:
        if done:
            raise KeyboardInterrupt
        done.append(arguments)
        return step(self, *arguments)

    with monkeypatch.context() as context:
        context.setattr(Search, "step", interrupted)
        for stop in range(1, plan.steps):
            with pytest.raises(KeyboardInterrupt):
                run_search(run_in(tmp_path, table), plan, tensorboard=False)
            assert read_progress(tmp_path / "last.pt")["step"] == stop
            torch.manual_seed(stop)  # what another program would leave behind
            done.clear()
    run_search(run_in(tmp_path, table), plan, tensorboard=False)
    assert logged(tmp_path) == logged(whole)
    assert same_state(tmp_path, whole)
    assert (tmp_path / "derived.arch").read_text() == (whole / "derived.arch").read_text()


def test_what_is_logged_of_an_epoch(whole: Path) -> None:
    evaluations = [line[-1] for line in logged(whole) if line[-1]]
    assert len(evaluations) == 2
    assert {"weights loss", "weights accuracy", "entropy", "expected cost"} == evaluations[0].keys()
    assert evaluations[1].keys() - evaluations[0].keys() == {"architecture loss", "architecture accuracy"}
    assert evaluations[0]["entropy"] == pytest.approx(1), "no alpha has moved in an epoch of weights alone"
    assert evaluations[1]["entropy"] < evaluations[0]["entropy"]


def test_a_folder_of_another_search_is_left_alone(plan: SearchPlan, table: LookupTable, whole: Path) -> None:
    with pytest.raises(InputError, match="holds another run: seed is 0 there, 1 here"):
        run_search(run_in(whole, table, seed=1), plan, tensorboard=False)
    dearer = replace(table, costs={name: 2 * cost for name, cost in table.costs.items()})
    with pytest.raises(InputError, match="holds another run: table is"):
        run_search(run_in(whole, dearer), plan, tensorboard=False)


def test_optimizers_joined_are_taken_apart_again(tmp_path: Path) -> None:
    def network_and_optimizers() -> tuple[nn.ParameterList, dict[str, torch.optim.Optimizer]]:
        torch.manual_seed(0)
        network = nn.ParameterList(torch.randn(3) for _ in range(4))
        parameters = list(network)
        sgd, adam = torch.optim.SGD(parameters[:3], 0.1, momentum=0.9), torch.optim.Adam(parameters[3:], 0.2)
        return network, {"sgd": sgd, "adam": adam}

    network, optimizers = network_and_optimizers()
    for parameter in (network[0], network[3]):  # the second and third were never stepped
        parameter.grad = torch.ones(3)
    for optimizer in optimizers.values():
        optimizer.step()
    save_checkpoint(tmp_path / "last.pt", network, optimizers, {"step": 1})
    resumed, restored = network_and_optimizers()
    load_checkpoint(tmp_path / "last.pt", resumed, restored)
    assert [list(optimizer.state_dict()["state"]) for optimizer in restored.values()] == [[0], [0]]
    for name, optimizer in optimizers.items():
        assert str(restored[name].state_dict()) == str(optimizer.state_dict())
    assert [group["lr"] for optimizer in restored.values() for group in optimizer.param_groups] == [0.1, 0.2]
    assert all(torch.equal(a, b) for a, b in zip(network, resumed, strict=True))


# --- the command -------------------------------------------------------------------------------------------------------------


def arguments(root: Path, out: Path, **options: Any) -> SearchArguments:
    fixed = {"package": PACKAGE, "scale": "tiny", "root": root, "out": out, "cache": root / "cache", "device": "cpu"}
    return SearchArguments(**fixed | {"table": root / "table.json"} | options)  # type: ignore[arg-type]


@pytest.fixture(scope="module")
def finished(root: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Search, with the baseline; return the folder of the run and its records."""
    folder = tmp_path_factory.mktemp("finished")
    search_command(arguments(root, folder / "run"), folder / "records")
    return folder


def ends(folder: Path) -> list[Record]:
    """Return the records of the searched architecture and of the best random one."""
    records = [record for record in load_records(folder / "records").values() if record.kind == "search"]
    return sorted(records, key=lambda record: record.setting["strategy"], reverse=True)


def test_both_ends_are_kept_with_all_that_they_rest_on(finished: Path) -> None:
    records = load_records(finished / "records")
    searched, random = ends(finished)
    assert searched.setting["strategy"] == "searched"
    assert random.setting["strategy"] == "best of random search"
    for record in (searched, random):
        samples = record.samples
        assert records[samples["accuracy"]].value == record.value
        assert records[samples["accuracy"]].subject == samples["model"]
        path = finished / "again.arch"
        path.write_text(samples["architecture"])
        assert find_entry(str(path)).id.rpartition("-")[2] == samples["model"].rpartition("-")[2]
    assert [epoch for epoch, _ in searched.samples["curves"]] == [1, 2]
    assert searched.samples["seconds"] >= 0


def test_the_baseline_costs_as_much_in_images_and_in_operations(finished: Path) -> None:
    searched, random = ends(finished)
    assert 0.5 * searched.samples["images"] < random.samples["images"] <= searched.samples["images"]
    scale = find_search(PACKAGE, "tiny")
    low, high = cost_bounds(scale, searched.samples["cost"])
    for candidate in random.samples["candidates"]:
        assert low <= candidate["cost"] <= high
    accuracies = [candidate["accuracy"] for candidate in random.samples["candidates"]]
    costs = [candidate["cost"] for candidate in random.samples["candidates"]]
    assert random.samples["cost"] in {c for c, a in zip(costs, accuracies, strict=True) if a == max(accuracies)}


def test_the_same_command_again_is_read_from_the_records(
    root: Path, finished: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    search_command(arguments(root, tmp_path / "run"), finished / "records")
    output = capsys.readouterr().out
    assert "on record:" in output
    assert "stage 1:" in output
    assert not (tmp_path / "run").exists()


def test_json_is_as_its_schema_says(root: Path, finished: Path, capsys: pytest.CaptureFixture[str]) -> None:
    search_command(arguments(root, finished / "run", as_json=True), finished / "records")
    printed = json.loads(capsys.readouterr().out)
    assert TypeAdapter(SearchReport).validate_python(printed, strict=True) == printed
    assert len(printed["results"]) == 2
    assert all(re.fullmatch("[0-9a-f]{12}", result["record"]) and result["n"] > 0 for result in printed["results"])


def test_killed_without_warning_it_goes_on_from_the_last_checkpoint(root: Path, finished: Path, tmp_path: Path) -> None:
    options = ["--scale", "tiny", "--root", root, "--out", tmp_path / "run", "--cache", root / "cache", "--device", "cpu"]
    command = [sys.executable, "-m", "benchmark.search", PACKAGE, *map(str, options), "--no-keep", "--no-random"]
    process = subprocess.Popen(
        [*command, "--table", str(tmp_path / "table.json")],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    while not (tmp_path / "run" / "last.pt").exists():
        assert process.poll() is None, "ended before its first checkpoint"
        time.sleep(0.01)
    process.send_signal(signal.SIGKILL)
    process.wait()
    search_command(arguments(root, tmp_path / "run", keep=False, random=False))
    assert logged(tmp_path / "run") == logged(finished / "run")
    assert same_state(tmp_path / "run", finished / "run")


def test_a_dry_run_says_what_and_how_long_and_does_nothing(
    root: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    search_command(arguments(root, tmp_path / "run", dry_run=True, keep=False))
    output = capsys.readouterr().out
    assert "assumed   the cost term of Equation 6" in output
    assert "to search" in output
    assert not (tmp_path / "run").exists()


@pytest.mark.parametrize(
    ("given", "complaint"),
    [
        ({"package": "fasterpose"}, "'fasterpose' has no architecture search; known: .*efficientpose_nas"),
        ({"scale": "huge"}, "efficientpose_nas has no scale 'huge'; known: small"),
        ({"dataset": "mpii"}, "--dataset mpii: scale tiny of efficientpose_nas searches on synthetic-mpii"),
        ({"device": "toaster"}, "--device toaster"),
    ],
)
def test_what_does_not_fit_is_refused_before_anything_is_written(
    root: Path, tmp_path: Path, given: dict[str, Any], complaint: str
) -> None:
    with pytest.raises(InputError, match=complaint):
        search_command(arguments(root, tmp_path / "run", **given))
    assert not (tmp_path / "run").exists()


def test_searches_are_listed_without_torch() -> None:
    code = (
        "import sys; from benchmark.config.packages import known_searches; known_searches(); assert 'torch' not in sys.modules"
    )
    subprocess.run([sys.executable, "-c", code], check=True)


# --- random search -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("share", [0.75, 1.0, 1.2])
def test_random_architectures_lie_in_the_range_and_none_comes_twice(tmp_path: Path, table: LookupTable, share: float) -> None:
    module, run = search_module(PACKAGE), run_in(tmp_path, table)
    cost = share * table.predict(module.used_components(format_architecture(A)))
    drawn = list(islice(sample_architectures(run, cost), 40))
    low, high = cost_bounds(SCALE, cost)
    assert all(
        low <= drawn_cost <= high and drawn_cost == table.predict(module.used_components(text)) for text, drawn_cost in drawn
    )
    assert len({text for text, _ in drawn}) == 40
    assert drawn == list(islice(sample_architectures(run, cost), 40)), "the same for the same seed"
    assert drawn != list(islice(sample_architectures(replace(run, seed=1), cost), 40))


def test_a_cost_that_nothing_has_is_refused(tmp_path: Path, table: LookupTable, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(random_search, "MAX_TRIES", 20)
    with pytest.raises(InputError, match=r"no architecture that costs .* was found in 20 tries"):
        next(sample_architectures(run_in(tmp_path, table), 1.0))


def test_accuracy_is_the_share_of_joints_near_their_target() -> None:
    targets = torch.zeros(1, 3, 20, 20)
    maps = torch.zeros(1, 3, 20, 20)
    targets[0, :, 10, 10] = 1
    maps[0, 0, 10, 11] = maps[0, 1, 10, 12] = maps[0, 2, 0, 0] = 1  # a twentieth of the side away, two, and far
    weights = torch.tensor([[1.0, 1.0, 0.0]])
    assert float(heatmap_accuracy(maps, Targets(targets, weights))) == 50


# --- lookup tables -----------------------------------------------------------------------------------------------------------


def test_a_table_is_read_back_as_it_was_written(tmp_path: Path, table: LookupTable) -> None:
    path = tmp_path / "table.json"
    save_table(table, path)
    assert load_table(path) == table


@pytest.mark.parametrize(
    ("change", "complaint"),
    [
        (lambda table: [], r"table\.json: not a lookup table"),
        (lambda table: table | {"costs": {"stem": -1.0}}, "not a lookup table of version"),
        (lambda table: table | {"version": 0}, "not a lookup table of version"),
        (lambda table: table | {"cost": "cuda"}, "the table's cost is cuda, not cpu"),
        (lambda table: table | {"input": "64x64"}, "the table's input is 64x64, not 32x32"),
        (lambda table: table | {"costs": {"stem": 1.0}}, "a table of other components"),
    ],
)
def test_a_file_that_is_no_table_for_this_search_is_refused(
    tmp_path: Path, table: LookupTable, change: Any, complaint: str
) -> None:
    path = tmp_path / "table.json"
    save_table(replace(table, cost="cpu"), path)
    path.write_text(json.dumps(change(json.loads(path.read_text()))))
    with pytest.raises(InputError, match=complaint):
        find_table(PACKAGE, SCALE, "cpu", path)


def test_a_table_of_operations_names_what_it_leaves_out(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    class Sharpened(nn.Conv2d):
        def forward(self, image: torch.Tensor) -> torch.Tensor:
            return torch.fft.irfft2(torch.fft.rfft2(super().forward(image)))

    components = {str(size): Component(partial(Sharpened, 3, 4, size), (3, 8, 8)) for size in (1, 3)}
    table = measure_table(components, "flops", input="32x32", joints=1)
    assert (table.costs["1"], table.not_counted) == (64 * 12, {"aten::_fft_r2c": 2, "aten::_fft_c2r": 2})
    save_table(table, tmp_path / "table.json")
    assert load_table(tmp_path / "table.json") == table
    assert "not counted: aten::_fft_r2c ×2, aten::_fft_c2r ×2" in format_table(table, tmp_path / "table.json", None)
    assert table_report(table, tmp_path / "table.json", None)["table"]["not_counted"] == table.not_counted


def test_seconds_follow_the_work_and_leave_the_generator_and_the_threads_alone() -> None:
    def conv(channels: int) -> Component:
        return Component(lambda: nn.Conv2d(channels, channels, 3, padding=1), (channels, 32, 32))

    before, threads = torch.get_rng_state(), torch.get_num_threads()
    table = measure_table({"small": conv(8), "large": conv(128)}, "cpu", input="32x32", joints=1, rounds=5)
    assert table.costs["large"] > 3 * table.costs["small"] > 0
    assert table.device
    assert torch.equal(torch.get_rng_state(), before)
    assert torch.get_num_threads() == threads


def test_a_table_of_times_that_scatter_is_not_kept(tmp_path: Path, table: LookupTable, monkeypatch: pytest.MonkeyPatch) -> None:
    steady = replace(table, cost="cpu", spread=dict.fromkeys(table.costs, 0.05))
    scattered = replace(steady, spread=dict.fromkeys(table.costs, 0.3))
    assert (table.noisy, steady.noisy, scattered.noisy) == (False, False, True)
    monkeypatch.setattr("benchmark.nas.lookup_files.measure_table", lambda *args, **kwargs: scattered)
    path = tmp_path / "table.json"
    with pytest.raises(InputError, match="lie 30 % apart, more than 10 %"):
        find_table(PACKAGE, SCALE, "cpu", path)
    assert not path.exists()
    assert find_table(PACKAGE, SCALE, "cpu", path, noisy=True) == scattered
    assert find_table(PACKAGE, SCALE, "cpu", path) == scattered, "what was accepted once is taken as it is"


def test_predictions_are_judged_by_order_offset_and_scatter() -> None:
    exact = compare_predictions([1.0, 2.0, 3.0], [2.0, 4.0, 6.0])
    assert exact == pytest.approx((1.0, -0.5, 0.0))
    assert compare_predictions([1.0, 2.0, 3.0], [3.0, 2.0, 1.0]).rank == pytest.approx(-1.0)
    with pytest.raises(InputError, match="at least three"):
        compare_predictions([1.0, 2.0], [1.0, 2.0])


def test_the_command_says_how_well_a_table_predicts(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Check that operations are predicted exactly."""
    lookup_command(LookupArguments(package=PACKAGE, scale="tiny", validate=4, table=tmp_path / "table.json", as_json=True))
    printed = json.loads(capsys.readouterr().out)
    assert TypeAdapter(LookupTableReport).validate_python(printed, strict=True) == printed
    assert re.fullmatch("[0-9a-f]{8}", printed["table"]["digest"])
    assert printed["validation"] == pytest.approx({"rank": 1.0, "bias": 0.0, "error": 0.0})
    with pytest.raises(InputError, match="--validate 2"):
        lookup_command(LookupArguments(package=PACKAGE, validate=2))


def test_what_was_searched_is_measured_whole_and_shown_with_the_table(
    finished: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = tmp_path / "records"
    shutil.copytree(finished / "records", folder)
    lookup_command(LookupArguments(package=PACKAGE, scale="tiny", validate=4, keep=True, table=tmp_path / "table.json"), folder)
    assert "rank correlation 1.000" in capsys.readouterr().out
    records = load_records(folder)
    (table,) = lookup_records(PACKAGE, records)
    assert table.validation.value == pytest.approx(1)
    for end in ends(finished):
        whole = table.costs[end.samples["model"]]
        assert whole.value == whole.samples["predicted"] == pytest.approx(end.samples["cost"]), "operations add up"
    page, plot = search_page(records), search_figures(records)[lookup_figure_name(PACKAGE)]
    assert f"figures/{lookup_figure_name(PACKAGE)}" in page
    assert f"| tiny {SCALE.version}, cost flops | searched | 0 | {ends(finished)[0].value:.2f} |" in page
    assert b"measured, MFLOPs (hrnet)" in plot
    before = (folder / "search.jsonl").read_bytes()
    lookup_command(LookupArguments(package=PACKAGE, scale="tiny", validate=4, keep=True, table=tmp_path / "table.json"), folder)
    assert (folder / "search.jsonl").read_bytes() == before, "what is on record is not kept twice"


# --- architecture files as models --------------------------------------------------------------------------------------------


def file(folder: Path, text: str, name: str = "mine.arch") -> str:
    folder.mkdir(exist_ok=True)
    (folder / name).write_text(text)
    return str(folder / name)


def test_a_file_is_known_by_what_it_says(tmp_path: Path) -> None:
    first, changed = (
        file(tmp_path / "one", format_architecture(A)),
        file(tmp_path / "other", format_architecture(A).replace("k7e6", "k7e3")),
    )
    ids = [find_entry(path).id for path in (first, changed)]
    assert ids[0] != ids[1]
    assert all(id_.startswith("efficientpose_nas/file:mine-") for id_ in ids)
    again = file(tmp_path / "again", "# the same\n" + format_architecture(A))
    assert find_entry(again).id == ids[0]
    assert find_entry(ids[0]) == find_entry(again), "its id finds it from then on"


def test_a_file_builds_counts_and_is_trained_like_its_skeletons_network(tmp_path: Path) -> None:
    path = file(tmp_path, format_architecture(A))
    model = find_entry(path).id
    assert measure_cost(model, 16, 256, 256) == measure_cost("efficientpose_nas/A", 16, 256, 256)
    assert known_recipes(path) == known_recipes("efficientpose_nas/A")
    assert known_recipes(file(tmp_path, format_architecture(B), "large.arch")) == known_recipes("efficientpose_nas/B")
    assert resolve_model(path).model == model
    with pytest.raises(InputError, match="multiples of 16"):
        check_input_size(path, (250, 256))


def test_records_name_a_file_by_its_id(root: Path, tmp_path: Path) -> None:
    path = file(tmp_path, format_architecture(A))
    options = TrainArguments(model=path, dataset="synthetic-mpii", root=root, out=tmp_path / "run", device="cpu", keep=False)
    run = plan_training(options)
    assert run.model == find_entry(path).id == latency_subject(path)
    assert latency_subject("efficientpose_nas/A") == "efficientpose_nas/A"


def test_a_file_is_trained_and_its_weights_evaluated(root: Path, tmp_path: Path) -> None:
    path = file(tmp_path, format_architecture(A))
    records = tmp_path / "records"
    shared: dict[str, Any] = {"model": path, "dataset": "synthetic-mpii", "root": root, "device": "cpu"}
    train_command(TrainArguments(**shared, out=tmp_path / "run", epochs=1, cache=root / "cache"), records)
    weights = tmp_path / "run" / "final.safetensors"
    evaluate_model(EvaluateArguments(**shared, weights=weights, input="64x64", work=tmp_path / "work"), records)
    subjects = {r.subject for r in load_records(records).values() if r.kind in ("accuracy", "evaluation")}
    assert find_entry(path).id in subjects
    assert path not in subjects


@pytest.mark.parametrize("command", [find_entry, resolve_model, known_recipes])
def test_a_malformed_file_is_named_with_its_line(tmp_path: Path, command: Any) -> None:
    path = file(tmp_path, format_architecture(A).replace("k7e6", "k9e6"))
    with pytest.raises(InputError, match=r"mine\.arch:5: unknown operation 'k9e6'"):
        command(path)


def test_an_id_whose_file_nobody_has_named_is_refused() -> None:
    with pytest.raises(InputError, match="is the id of an architecture file; give the path of the file instead"):
        find_entry("efficientpose_nas/file:lost-00000000")


# --- the page ----------------------------------------------------------------------------------------------------------------


def test_the_page_shows_both_ends_and_their_difference(finished: Path) -> None:
    records = load_records(finished / "records")
    searched, random = ends(finished)
    page = search_page(records)
    assert f"| unknown | {searched.value - random.value:+.2f} | 1 | " in page, "one seed has neither power nor an interval"
    assert "not judged: one seed; " in page
    assert "; no learning-rate check of searched and best of random search" in page
    assert searched.samples["model"] in page
    assert random.samples["model"] in page
    assert searched.samples["architecture"].strip() in page
    assert search_figures(records) == search_figures(records), "the same bytes"
    assert all(f"figures/{name}" in page for name in search_figures(records))


def test_without_searches_the_page_says_how_to_run_them() -> None:
    page = search_page({})
    assert "python -m benchmark.search efficientpose_nas --dataset lsp --scale small" in page
    assert "| +0.60 | not run |" in page, "as Table 3 prints it"
    assert search_figures({}) == {}


@pytest.mark.parametrize(("by", "status"), [(0, "run"), (1, "not run as version {}, but as {}")])
def test_a_result_of_an_earlier_config_is_told_apart_in_its_status(by: int, status: str, monkeypatch, finished: Path) -> None:
    (record,) = select(load_records(finished / "records"), kind="search", strategy="searched")
    config = next(c for c in known_searches()["efficientpose_nas"].values() if not c.dataset.startswith("synthetic"))
    old = replace(record, setting={**record.setting, "config": config.name, "config_version": config.version - by})
    page = search_page({old.id: old})
    row = next(
        line for line in page.partition("## EfficientPose-NAS")[2].splitlines() if line.startswith(f"| `{config.name}` |")
    )
    assert row.endswith(f"| {status.format(config.version, config.version - by)} |")


def test_every_gap_names_what_stands_there_and_its_source() -> None:
    scales: list[SearchConfig] = [scale for listed in known_searches().values() for scale in listed.values()]
    gaps = [gap for scale in scales for gap in scale.assumptions]
    assert np.all([bool(gap.unspecified and gap.choice and gap.source) for gap in gaps])
    assert {scale.digest() for scale in scales} == {scale.digest() for scale in scales}
    assert len({scale.digest() for scale in scales}) == len(scales)
