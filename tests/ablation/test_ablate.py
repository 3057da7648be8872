"""Test that a grid runs each job once, in any number of processes and even if some of them die."""

from __future__ import annotations

import os
import shutil
import signal
import threading
import time
from pathlib import Path
from typing import Any

import pytest

from benchmark.ablate import ablate_command
from benchmark.ablation.arguments import AblateArguments
from benchmark.ablation.jobs import Job, is_done, job_recipe, list_jobs, list_trials, plan_job, run_job
from benchmark.analysis.effects import EffectsReport, judged_plans, measure_effects
from benchmark.analysis.trials import TRIAL_METRIC
from benchmark.config.ablations import HEATMAPS, find_ablation, known_ablations, variant_model, variant_recipe, variant_search
from benchmark.config.identities import accuracy_identity, search_identity, training_setting
from benchmark.config.packages import known_searches
from benchmark.core.errors import InputError
from benchmark.core.files import lock_file
from benchmark.core.records import Record, append_record, load_records
from benchmark.core.statistics import pack_replicates
from benchmark.nas.trainer import SearchPlan, SearchRun
from benchmark.report.ablations import ablations_page
from benchmark.training.loader import load_training_people
from tests.json_reports import check_report

# The variants of the ablation that most tests run, each with its network.
NETWORKS = {
    "on": "efficientpose_nas/A",
    "off": "efficientpose_nas/A+sic=off",
}


def arguments(root: Path, work: Path, **options: Any) -> AblateArguments:
    settings = {
        "names": ("sic",),
        "protocol": "synthetic",
        "root": root,
        "work": work,
        "cache": root / "cache",
        "device": "cpu",
    }
    return AblateArguments(**settings | options)  # type: ignore[arg-type]


@pytest.fixture(scope="module")
def grid(root: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return the folder of a finished grid."""
    folder = tmp_path_factory.mktemp("grid")
    ablate_command(arguments(root, folder / "work"), folder / "records")
    return folder


def page_of(folder: Path) -> str:
    records = load_records(folder / "records")
    return ablations_page(records, measure_effects(judged_plans(), records))


def runs_of(folder: Path) -> list[str]:
    """List the model and seed of every training on record."""
    trainings = [r for r in load_records(folder / "records").values() if r.kind == "training"]
    return sorted(f"{record.subject} {record.seed}" for record in trainings)


def test_jobs_come_seed_by_seed_so_that_an_interrupted_grid_has_whole_comparisons(root: Path, tmp_path: Path) -> None:
    jobs = list_jobs(find_ablation("sic"), arguments(root, tmp_path, seeds=2), {})
    assert [(job.seed, job.variant) for job in jobs] == [(seed, variant) for seed in (0, 1) for variant in NETWORKS]


def accuracy(job: Job, value: float) -> Record:
    """Return a record of a job with this accuracy."""
    recipe, overrides = variant_recipe(*job.planned(), job.protocol, job.rate, job.trial)
    model = variant_model(*job.planned(), job.protocol)
    setting = training_setting(recipe, recipe.start, overrides, job.rate)
    return Record(**accuracy_identity(model, recipe, setting, TRIAL_METRIC, job.seed), value=value, command="")


def test_trials_follow_from_each_other_and_trainings_from_them(root: Path, tmp_path: Path) -> None:
    """Squared error is best at three times the recipe's rate here, cross-entropy at the recipe's."""
    rce, options, records = find_ablation("rce"), arguments(root, tmp_path, names=("rce",), protocol="lsp", seeds=2), {}
    accuracies = {"MSE": {0.3: 50, 1: 60, 3: 65, 10: 40}, "RCE": {0.3: 50, 1: 60, 3: 55}}
    stages = []
    while jobs := list_trials(rce, "lsp", records):
        stages.append([(job.variant, job.rate, job.trial) for job in jobs])
        for record in (accuracy(job, accuracies[job.variant][job.rate] + (job.trial == "length")) for job in jobs):
            records[record.id] = record
    assert stages == [
        [(variant, rate, "rate") for variant in ("RCE", "MSE") for rate in (0.3, 1.0, 3.0)],
        [("RCE", 1.0, "length"), ("MSE", 10.0, "rate")],
        [("MSE", 3.0, "length")],
    ]
    jobs = list_jobs(rce, options, records)
    assert [(job.variant, job.seed, job.rate) for job in jobs] == [
        (variant, seed, rate) for seed in (0, 1) for variant, rate in (("RCE", 1.0), ("MSE", 3.0))
    ]


def test_a_family_has_its_trials_once(root: Path, tmp_path: Path) -> None:
    widths = find_ablation("head_widths")
    assert [(job.variant, job.rate) for job in list_trials(widths, "lsp", {})] == [("64, 32", r) for r in (0.3, 1.0, 3.0)]
    assert [variant_model(*job.planned(), "lsp") for job in list_trials(widths, "lsp", {})] == ["efficientpose_nas/A"] * 3
    assert list_jobs(widths, arguments(root, tmp_path, names=("head_widths",), protocol="lsp"), {}) == []
    assert list_trials(widths, "smoke", {}) == []
    assert list_trials(find_ablation("search_space"), "lsp", {}) == []


def test_a_trial_tests_on_people_who_are_held_out(root: Path, tmp_path: Path) -> None:
    trial, training = (Job("sic", "off", "lsp", 0, 1.0, kind) for kind in ("rate", ""))
    assert job_recipe(trial).test == ("lsp", "held-out")
    assert ("lsp", "train") not in job_recipe(trial).train
    assert job_recipe(training).test == ("lsp", "test")
    assert job_recipe(Job("sic", "off", "lsp", 0, 1.0, "length")).epochs == 4 / 3 * job_recipe(training).epochs


def test_every_variant_is_trained_and_put_beside_the_paper(root: Path, grid: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert runs_of(grid) == sorted(f"{network} 0" for network in NETWORKS.values())
    ablate_command(arguments(root, grid / "work"), grid / "records")
    assert "sic: on over off" in (out := capsys.readouterr().out)
    assert "printed +0.48: not judged: " in out
    assert "one seed; the protocol only shows that the ablation runs" in out


def test_the_maps_of_trained_variants_are_measured_where_each_has_them(grid: Path) -> None:
    measured = [r for r in load_records(grid / "records").values() if r.kind == "feature_maps"]
    energies = [record for record in measured if record.metric == "checkerboard"]
    modules = sorted((r.subject, r.setting["module"], r.setting["epoch"]) for r in energies)
    with_sic, without_sic = ("head.deconvs", "head.sic", "heatmaps"), ("head.deconvs", "heatmaps")
    expected = {network: without_sic if "sic=off" in network else with_sic for network in NETWORKS.values()}
    assert modules == sorted((network, module, 2) for network in expected for module in expected[network])
    assert all(0 <= record.value <= 100 for record in energies)
    assert "![feature maps of one Synthetic person]" not in page_of(grid), "synthetic is not reported"


def test_maps_of_modules_that_another_ablation_does_not_measure_are_measured_later(
    root: Path, grid: Path, tmp_path: Path
) -> None:
    """Ablations share a training, and one of them may measure its heatmaps alone."""
    kept = [r for r in load_records(grid / "records").values() if r.setting.get("module", HEATMAPS) == HEATMAPS]
    for record in kept:
        append_record(record, tmp_path / "records")
    ablate_command(arguments(root, grid / "work"), tmp_path / "records")
    assert load_records(tmp_path / "records").keys() == load_records(grid / "records").keys() != {r.id for r in kept}


def test_what_is_on_record_is_not_trained_again(
    root: Path, grid: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("benchmark.training.run.train_network", lambda *_, **__: pytest.fail("trained again"))
    ablate_command(arguments(root, tmp_path / "elsewhere"), grid / "records")


def test_runs_on_record_whose_weights_are_gone_have_no_maps_and_that_is_said(
    root: Path, grid: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    shutil.copytree(grid / "records", tmp_path / "records", ignore=shutil.ignore_patterns("feature_maps*"))
    ablate_command(arguments(root, tmp_path / "elsewhere"), tmp_path / "records")
    out, err = capsys.readouterr()
    assert err.count("maps not measured: no weights at") == len(NETWORKS)
    assert "sic: on over off" in out


def test_json_keeps_to_its_schema(root: Path, grid: Path, capsys: pytest.CaptureFixture[str]) -> None:
    ablate_command(arguments(root, grid / "work", as_json=True), grid / "records")
    check_report(EffectsReport, capsys.readouterr().out)


def test_a_dry_run_says_what_is_left_and_how_long_it_takes(
    root: Path, grid: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    ablate_command(arguments(root, tmp_path / "work", seeds=2, dry_run=True), grid / "records")
    out = capsys.readouterr().out
    recorded = [line.endswith("on record") for line in out.splitlines() if ", seed " in line]
    assert recorded == [True] * len(NETWORKS) + [False] * len(NETWORKS)
    assert "in all about" in out
    assert "smallest difference" in out


def test_a_job_that_another_driver_is_at_is_left_to_it(root: Path, tmp_path: Path) -> None:
    job = Job("sic", "on", "synthetic", 0)
    options = arguments(root, tmp_path / "work")
    people, _ = load_training_people(job_recipe(job), root)
    run = plan_job(job, options, people, tmp_path / "records")
    with lock_file(run.folder.with_suffix(".lock"), wait=False) as locked:
        assert locked
        assert not run_job(job, options, tmp_path / "records")
    assert not (tmp_path / "records").exists()


@pytest.mark.slow  # Ray's workers are the politest processes of a machine, and the other tests leave them little
def test_a_worker_of_a_ray_cluster_that_dies_is_replaced(root: Path, grid: Path, tmp_path: Path) -> None:
    """The job is resumed from its checkpoint in another worker; every job is on record once."""
    pytest.importorskip("ray", reason="Ray is not installed (the extra 'cluster')")
    psutil = pytest.importorskip("psutil")
    killed: list[int] = []

    def kill_one() -> None:
        while not list((tmp_path / "work").glob("*/last.pt")):
            time.sleep(0.02)
        workers = [p.pid for p in psutil.process_iter(["name"]) if str(p.info["name"]).startswith("ray::work")]
        for worker in workers[:1]:
            killed.append(worker)
            os.kill(worker, signal.SIGKILL)

    threading.Thread(target=kill_one, daemon=True).start()
    ablate_command(arguments(root, tmp_path / "work", engine="ray"), tmp_path / "records")
    assert killed, "no worker was there to be killed"
    assert runs_of(tmp_path) == runs_of(grid)


# --- variants that are searched ----------------------------------------------------------------------------------------------


def keep_search(run: SearchRun, plan: SearchPlan, *rest: Any) -> list[Record]:
    """Keep what a search would: one network for each config and seed, with 60 % of joints, 50 % on smaller images."""
    folder, recipe, metric = rest[-1], run.scale.retrain, "pckh@0.5 (hrnet)"
    value = 60.0 - 10 * run.scale.name.endswith("-reduced")
    model = f"autopose/file:{run.scale.name}-{run.seed}"
    accuracy = Record(
        **accuracy_identity(model, recipe, training_setting(recipe, "scratch", {}), metric, run.seed),
        value=value,
        n=8,
        samples={"replicates": pack_replicates([value - 1, value + 1])},
        command="",
    )
    identity = search_identity("autopose", run.scale, "flops", "searched", metric, "", run.seed)
    samples = {"digest": run.scale.digest(), "accuracy": accuracy.id, "model": accuracy.subject, "cost": 1.0, "unit": "MFLOPs"}
    samples |= {"architecture": "", "table": "", "images": 1, "seconds": 1}
    search = Record(**identity, value=value, samples=samples, command="")
    assert [append_record(record, folder) for record in (accuracy, search)] == [True, True]
    return [search]


def test_a_variant_that_is_searched_is_searched_once_a_seed_and_compared_by_what_was_found(
    root: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    searched: list[str] = []
    monkeypatch.setattr(
        "benchmark.nas.run.execute_search", lambda run, *rest: searched.append(str(run.folder)) or keep_search(run, *rest)
    )
    monkeypatch.setattr("benchmark.nas.run.time_search_steps", lambda run, _: {phase.name: 1.0 for phase in run.scale.phases})
    options = arguments(root, tmp_path / "work", names=("search_size",), seeds=2)
    ablate_command(options, tmp_path / "records")
    folders = [f"search-autopose-{scale}-s{seed}" for seed in (0, 1) for scale in ("tiny", "tiny-reduced")]
    assert searched == [str(tmp_path / "work" / name) for name in folders]
    ablate_command(options, tmp_path / "records")
    assert len(searched) == 4, "what is on record is not searched again"
    assert "full size over half size" in (out := capsys.readouterr().out)
    unchecked = "no mean pose on record; the protocol only shows that the ablation runs"
    assert f"+10.00 [+10.00, +10.00], 2 and 2 seeds, printed +3.5: not judged: {unchecked}\n" in out
    jobs = list_jobs(find_ablation("search_space"), options, {})
    people, _ = load_training_people(job_recipe(jobs[0]), root)
    done = [is_done(job, options, people, tmp_path / "records") for job in jobs]
    assert done == [True, False, False, False] * 2, "the first variant's search is the same"
    ablate_command(arguments(root, tmp_path / "work", names=("search_space",), dry_run=True), tmp_path / "records")
    assert "one branch, seed 0" in (out := capsys.readouterr().out)
    assert [line.endswith("on record") for line in out.splitlines() if ", seed " in line] == [True, False, False, False]
    assert "in all about" in out


def test_a_variants_scale_is_the_protocols() -> None:
    variant = find_ablation("search_space").variant("one branch")
    configs = {protocol: variant_search(variant, protocol) for protocol in ("lsp", "lsp-gpu", "coco", "synthetic")}
    assert {protocol: config and config.name for protocol, config in configs.items()} == {
        "lsp": "small-single",
        "lsp-gpu": "gpu-single",
        "coco": "paper-single",
        "synthetic": "tiny-single",
    }
    assert variant_search(find_ablation("sic").variant("on"), "lsp") is None
    known = known_searches()["autopose"]
    for ablation in (find_ablation("search_space"), find_ablation("search_size")):
        assert all(variant.scale.format("small") in known for variant in ablation.variants)


def test_without_synthetic_people_it_says_how_to_draw_them(tmp_path: Path) -> None:
    command = f"python -m benchmark.data synthetic --out {tmp_path / 'absent'} --people 80 --format mpii"
    with pytest.raises(InputError, match=f"no Synthetic people are there; draw some with {command}$"):
        ablate_command(arguments(tmp_path / "absent", tmp_path), tmp_path / "records")


@pytest.mark.parametrize(
    ("options", "complaint"),
    [
        ({"names": ("sic", "nonsense")}, "no ablation 'nonsense'; known: "),
        ({"names": ()}, "name an ablation, or all; known: attention, "),
        ({"names": ("upscaling",)}, "ablation upscaling has no protocol 'synthetic'"),
        ({"seeds": 0}, "--seeds 0: at least one"),
        ({"jobs": 0}, "--jobs 0: at least one"),
        ({"budget": "28"}, "--budget 28: give a number and a unit"),
        ({"engine": "ray", "jobs": 2}, "--engine ray: a cluster has its own number of jobs"),
        ({"protocol": "mpii", "trials_only": True}, "--trials-only: nothing is chosen under mpii"),
    ],
)
def test_what_does_not_fit_is_refused(root: Path, tmp_path: Path, options: dict[str, Any], complaint: str) -> None:
    with pytest.raises(InputError, match=complaint):
        ablate_command(arguments(root, tmp_path, **options), tmp_path / "records")


def test_the_page_names_what_is_not_run_with_its_command(grid: Path) -> None:
    page = page_of(grid)
    assert "| `python -m benchmark.ablate sic --protocol lsp-gpu` | 10 | 1.0 M | " in page
    for ablation in known_ablations().values():
        assert f"## {ablation.title}" in page
