"""Published predictions are scored only if they are the listed files, and their published values come out."""

from __future__ import annotations

import json
import shutil
from dataclasses import replace
from pathlib import Path

import pytest

from benchmark.config import predictions
from benchmark.config.identities import load_current, predictions_identity
from benchmark.config.predictions import published_on, published_predictions
from benchmark.core.records import load_records, record_id
from benchmark.data.sources import list_sources
from benchmark.metrics.published import PublishedReport, score_published
from benchmark.report.predictions import format_reported
from benchmark.score import main
from tests.json_reports import check_report

ANNOTATIONS = {"mpii": "mpii/gt_valid.mat", "lsp": "lsp/joints.mat"}


@pytest.fixture
def data(pose_data: Path) -> Path:
    for path in (*ANNOTATIONS.values(), *(published.file for published in published_predictions().values())):
        if not (pose_data / path).is_file():
            pytest.skip(f"{pose_data / path} does not exist")
    return pose_data


@pytest.mark.parametrize("dataset", ANNOTATIONS)
def test_committed_records_are_what_the_files_give(data: Path, dataset: str) -> None:
    records, absent = score_published(dataset, data / ANNOTATIONS[dataset])
    assert not absent
    committed = load_current()
    for record in records:
        stored = committed[record.id]
        assert stored.value == pytest.approx(record.value, abs=1e-9)
        assert stored.interval == pytest.approx(record.interval, abs=1e-9)
        assert stored.n == record.n
        assert "dirty" not in stored.commit


def test_every_published_value_is_reproduced(data: Path) -> None:
    records = {
        record.id: record for dataset, path in ANNOTATIONS.items() for record in score_published(dataset, data / path)[0]
    }
    reported = {published.id: format_reported(published, records)[1] for published in published_predictions().values()}
    assert {file: equal for file, equal in reported.items() if equal != "8 of 8"} == {
        "hourglass_s8_newell": "",  # nothing is published about these two
        "hourglass_s8_authors_demo": "",
    }


def test_the_command_keeps_each_record_once_and_prints_json(
    data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("benchmark.score.RECORDS", tmp_path)
    main(["--published", "--dataset", "mpii", "--keep"])
    first = capsys.readouterr().out
    count = len(load_records(tmp_path))
    assert f"{count} records added, 0 are on record already" in first
    main(["--published", "--dataset", "mpii", "--keep"])
    assert f"0 records added, {count} are on record already" in capsys.readouterr().out
    main(["--published", "--dataset", "mpii", "--json"])
    report = check_report(list[PublishedReport], capsys.readouterr().out)
    assert {row["record"] for row in report} == set(load_records(tmp_path))
    pair = next(row for row in report if (row["file"], row["over"]) == ("hourglass_s8_b1", "hourglass_s8_newell"))
    means = {row["file"]: row["value"] for row in report if row["metric"] == pair["metric"] and not row["over"]}
    assert pair["value"] == pytest.approx(means["hourglass_s8_b1"] - means["hourglass_s8_newell"])


def copy_root(data: Path, root: Path) -> Path:
    (root / "mpii/predictions").mkdir(parents=True)
    shutil.copy(data / ANNOTATIONS["mpii"], root / "mpii/gt_valid.mat")
    shutil.copy(data / "mpii/predictions/hourglass_s2_b1.mat", root / "mpii/predictions/hourglass_s2_b1.mat")
    return root


def test_absent_files_are_named_and_another_file_is_refused(
    data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    root = copy_root(data, tmp_path)
    monkeypatch.setenv("POSE_DATA", str(root))
    main(["--published", "--dataset", "mpii"])
    out = capsys.readouterr().out
    assert out.count("absent: mpii/predictions/") == 3
    assert "python -m benchmark.data fetch predictions/mpii" in out
    shutil.copy(data / "mpii/predictions/hourglass_s8_b1.mat", root / "mpii/predictions/hourglass_s2_b1.mat")
    with pytest.raises(SystemExit) as exit_info:
        main(["--published", "--dataset", "mpii"])
    assert exit_info.value.code == 2
    error = capsys.readouterr().err
    assert "hourglass_s2_b1.mat: not the published file: its SHA-256 begins 5cd3ff9e, not e55d2534" in error
    assert error.count("\n") == 1


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--dataset", "coco"], "--published: no predictions on coco are listed"),
        (["--preset", "hrnet"], "--preset: does not apply to --published"),
        (["--predictions", "mine.mat"], "--predictions: does not apply to --published"),
        (["--dataset", "lsp"], "none of the 9 published files on lsp; python -m benchmark.data fetch predictions/lsp"),
    ],
)
def test_a_mistake_is_one_line_and_status_2(
    arguments: list[str], message: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("POSE_DATA", str(tmp_path))
    (tmp_path / "lsp").mkdir()
    (tmp_path / "lsp/joints.mat").touch()
    with pytest.raises(SystemExit) as exit_info:
        main(["--published", *arguments])
    assert exit_info.value.code == 2
    error = capsys.readouterr().err
    assert message in error
    assert error.count("\n") == 1


def test_every_listed_file_can_be_fetched_by_its_hash() -> None:
    for dataset in ANNOTATIONS:
        sources = {source.file: source for source in list_sources()[f"predictions/{dataset}"]}
        for published in published_on(dataset):
            source = sources[published.file]
            assert (source.sha256, source.url) == (published.sha256, published.url)
            assert len(published.sha256) == 64


def test_a_file_of_another_hash_or_class_has_records_of_its_own() -> None:
    published = published_predictions()["hourglass_s8_b1"]
    ids = {
        record_id(predictions_identity(other, "pckh@0.5 (hrnet)"))
        for other in (published, replace(published, sha256="0" * 64), replace(published, evidence="authors"))
    }
    assert len(ids) == 3


def test_a_malformed_listing_is_named_by_file_entry_and_field(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    fields = json.loads(json.dumps(vars(published_predictions()["WeiCVPR16"]), default=dict)) | {"evidence": "hearsay"}
    lines = [f"{name} = {json.dumps(value)}" for name, value in fields.items() if name not in ("id", "reported")]
    listing = tmp_path / predictions.LISTING
    listing.write_text("[WeiCVPR16]\n" + "\n".join(lines))

    class Module:
        __file__ = str(tmp_path / "__init__.py")

    monkeypatch.setattr(predictions, "packages", lambda: {"mine": Module})
    with pytest.raises(ValueError, match=rf"{listing}: WeiCVPR16: evidence: Input should be 'authors' or"):
        published_predictions.__wrapped__()
