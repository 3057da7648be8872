"""Published weights are fetched, checked, evaluated and told apart by who trained them; what cannot be had is said."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from pathlib import Path

import pytest
import torch

from benchmark.config.packages import layouts_of
from benchmark.core.errors import InputError
from benchmark.core.records import load_records
from benchmark.data import download, sources
from benchmark.data.fetch import fetch_all
from benchmark.data.synthetic.write import write_datasets
from benchmark.evaluate import main
from benchmark.evaluation.arguments import EvaluateArguments
from benchmark.evaluation.published import PublishedReports, evaluate_published
from benchmark.evaluation.run import evaluate_model
from benchmark.models import checkpoints as zoo
from benchmark.models.checkpoints import AUTHORS, RETRAINING, Checkpoint
from benchmark.models.layouts import manifest_path, read_manifest
from benchmark.models.registry import packages
from tests.json_reports import check_report
from tests.served import serve_folder

MODEL = "efficientpose_nas/A"


def write_in_authors_layout(path: Path, seed: int) -> str:
    """Write random weights with the names and shapes of the authors' own network, and return their SHA-256."""
    (layout,) = layouts_of(MODEL)
    folder = Path(packages()[MODEL.split("/")[0]].__file__ or "").parent
    generator = torch.Generator().manual_seed(seed)
    state = {
        f"module.{name}": torch.rand(shape, generator=generator) * 0.1 if shape else torch.tensor(1)
        for name, shape in read_manifest(manifest_path(folder, layout, MODEL)).items()
    }
    path.parent.mkdir(parents=True, exist_ok=True)
    torch.save({"epoch": 210, "model": "pose_efficient", "state_dict": state}, path)
    return hashlib.sha256(path.read_bytes()).hexdigest()


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[str, Path]]:
    """Serve a folder with two weight files and a page on this machine; return its address and the folder."""
    folder = tmp_path_factory.mktemp("served")
    with serve_folder(folder) as address:
        yield address, folder


@pytest.fixture
def root(tmp_path: Path, served: tuple[str, Path], monkeypatch: pytest.MonkeyPatch) -> Path:
    """Return a data root with Synthetic people, while the zoo has four rows: two to fetch, one by hand, one for COCO."""
    address, folder = served
    monkeypatch.setenv("no_proxy", "*")
    monkeypatch.setenv("POSE_DATA", str(tmp_path))
    monkeypatch.setattr(download.time, "sleep", lambda seconds: None)
    write_datasets(tmp_path / "synthetic", 12, seed=1, validation=6, size=96)

    def row(name: str, evidence: zoo.Evidence, **columns: str) -> Checkpoint:
        digest = write_in_authors_layout(folder / f"{name}.pth", seed=len(name))
        values = {"dataset": "mpii", "url": f"{address}/{name}.pth", "sha256": digest[:8]} | columns
        publisher = "lab" if evidence == AUTHORS else "other"
        common = {"model": MODEL, "evidence": evidence, "input": "64x64", "bytes": 0, "page": "https://example.org"}
        return Checkpoint(id=f"{publisher}/{name}", file=f"{name}.pth", reported="Mean=0.881", **common, **values)

    rows = [
        row("a", AUTHORS),
        row("bb", RETRAINING),
        row("hand", RETRAINING, url="", sha256=""),
        row("c", AUTHORS, dataset="coco"),
    ]
    for module in (zoo, sources):
        monkeypatch.setattr(module, "checkpoints", lambda: {checkpoint.id: checkpoint for checkpoint in rows})
    monkeypatch.setattr(
        "benchmark.evaluation.published.checkpoints", lambda: {checkpoint.id: checkpoint for checkpoint in rows}
    )
    return tmp_path


def arguments(root: Path, **options: object) -> EvaluateArguments:
    values = {"dataset": "synthetic-mpii", "protocol": ("hrnet",), "device": "cpu", "work": root / "work", "published": True}
    return EvaluateArguments(**values | options)


def test_every_checkpoint_that_can_be_had_is_evaluated_and_kept_by_its_evidence(root: Path) -> None:
    records = root / "records"
    results = list(evaluate_published(arguments(root), records))
    assert [(r.checkpoint.id, bool(r.records)) for r in results] == [("lab/a", True), ("other/bb", True), ("other/hand", False)]
    assert "get it from https://example.org and put it at" in results[2].problem
    authors, retraining = results[0].records[0], results[1].records[0]
    assert "evidence" not in authors.setting
    assert authors.setting["weights"] == ""
    assert authors.samples["published"] == {"id": "lab/a", "evidence": AUTHORS}
    assert retraining.setting["evidence"] == RETRAINING
    assert retraining.samples["published"] == {"id": "other/bb", "evidence": RETRAINING}
    assert authors.id != retraining.id
    assert {authors.id, retraining.id} <= set(load_records(records))


def test_a_second_run_reads_what_the_first_has_kept(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    records = root / "records"
    first = list(evaluate_published(arguments(root), records))
    monkeypatch.setattr("benchmark.evaluation.run.predict_people", None)  # would fail if anything were predicted again
    monkeypatch.setattr(download, "download_file", None)
    second = list(evaluate_published(arguments(root), records))
    assert [[r.id for r in result.records] for result in first] == [[r.id for r in result.records] for result in second]


def test_offline_nothing_is_downloaded(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(download, "download_file", None)
    results = list(evaluate_published(arguments(root, offline=True), root / "records"))
    assert results[0].problem == "absent; get it by python -m benchmark.data fetch weights/lab/a"
    assert not any(result.records for result in results)


def test_the_command_ends_with_a_table_that_keeps_the_kinds_of_evidence_apart(
    root: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("benchmark.evaluation.run.RECORDS", root / "records")
    options = ["--published", "--dataset", "synthetic-mpii", "--work", str(root / "work"), "--device", "cpu", "--no-keep"]
    main(options)
    output = capsys.readouterr()
    lines = output.out.splitlines()
    assert [line.partition(":")[0] for line in lines if not line.startswith(" ")] == [
        AUTHORS,
        RETRAINING,
        "2 of 3 checkpoints evaluated",
    ]
    assert lines[1].split()[:3] == ["lab/a", "64x64", "0.881"]
    assert lines[1].endswith("n = 6")
    assert lines[4].endswith("not evaluated")
    assert "other/hand: weights/other/hand has no address" in output.err
    main([*options, "--json"])
    report = check_report(PublishedReports, capsys.readouterr().out)
    assert [row["evidence"] for row in report["checkpoints"]] == [AUTHORS, RETRAINING, RETRAINING]
    assert report["checkpoints"][0]["reported"] == {"Mean": "0.881"}


def test_a_fetched_file_is_checked_and_resumed(root: Path, served: tuple[str, Path]) -> None:
    _, folder = served
    path = root / "weights" / "lab" / "a.pth"
    path.parent.mkdir(parents=True)
    path.with_name("a.pth.part").write_bytes((folder / "a.pth").read_bytes()[:1000])
    assert list(fetch_all("weights/lab/a", root)) == [f"weights/lab/a: fetched: {path}"]
    assert path.read_bytes() == (folder / "a.pth").read_bytes()
    (folder / "bb.pth").write_bytes(b"<html>moved</html>")
    with pytest.raises(InputError, match=r"SHA-256 is \w{64}, expected \w{8}; the download was deleted"):
        list(fetch_all("weights/other/bb", root))
    with pytest.raises(InputError, match="nothing called 'weights/lab/b' can be fetched; known: weights/lab/"):
        list(fetch_all("weights/lab/b", root))


def test_a_file_that_is_not_the_published_one_is_refused_by_name(root: Path) -> None:
    path = root / "weights" / "lab" / "a.pth"
    write_in_authors_layout(path, seed=99)
    with pytest.raises(InputError, match=r"a\.pth is not the published file: sha256 \w{64}, expected \w{8}; get it by"):
        evaluate_model(arguments(root, model=MODEL, weights=path, input="64x64", published=False), root / "records")


def test_a_users_own_weights_have_no_evidence(root: Path) -> None:
    path = root / "mine.pth"
    write_in_authors_layout(path, seed=99)
    _, records = evaluate_model(arguments(root, model=MODEL, weights=path, input="64x64", published=False), root / "records")
    assert len(records[0].setting["weights"]) == 8
    assert "evidence" not in records[0].setting
    assert "published" not in records[0].samples


@pytest.mark.parametrize("options", [["--weights", "a.pth"], ["--draw", "out"]])
def test_options_of_a_single_network_do_not_go_with_published(options: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as left:
        main(["--published", "--dataset", "mpii", *options])
    assert left.value.code == 2
    assert "--published takes neither" in capsys.readouterr().err


def test_without_a_network_or_weights_the_command_says_what_is_missing(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as left:
        main(["--dataset", "mpii"])
    assert left.value.code == 2
    assert "give a network and its --weights, or --published" in capsys.readouterr().err
