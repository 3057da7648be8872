"""Test that the checks find what is known to be wrong, and that their joint counts are those of the data."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
import scipy.io

from benchmark.papers.consistency import MEAN_OF_PARTS, MEANS, USUAL_MEAN, VISIBLE_JOINT_COUNTS, check_consistency
from benchmark.papers.tables import load_papers

# MPII order: 0 r-ankle, 1 r-knee, 2 r-hip, 3 l-hip, 4 l-knee, 5 l-ankle, 8 neck, 9 head top, 10 r-wrist ... 15 l-wrist
MEMBERS = {
    "head": [9],
    "neck": [8],
    "shoulder": [12, 13],
    "elbow": [11, 14],
    "wrist": [10, 15],
    "hip": [2, 3],
    "knee": [1, 4],
    "ankle": [0, 5],
}


def violations(rule: str) -> list[str]:
    return [finding.where for finding in check_consistency(load_papers()) if finding.rule == rule and not finding.holds]


def test_the_joint_counts_are_those_of_the_validation_split(pose_data: Path) -> None:
    visible = 1 - scipy.io.loadmat(pose_data / "mpii" / "gt_valid.mat")["jnt_missing"]
    assert {part: int(visible[joints].sum()) for part, joints in MEMBERS.items()} == VISIBLE_JOINT_COUNTS


def test_the_means_of_hourglass_and_asr_aho_are_plain_means_of_joints() -> None:
    """Or of parts; no other validation row needs another mean than MPII's."""
    checks = [check for check in check_consistency(load_papers()) if check.rule == MEAN_OF_PARTS]
    otherwise = {check.where: check.ways for check in checks if USUAL_MEAN not in check.ways}
    assert otherwise == {
        "autopose/table3[asr_aho]": ("plain mean of joints", "plain mean of parts"),
        "autopose/table3[hourglass]": ("plain mean of joints", "plain mean of parts"),  # 89.13 of parts, each rounded
    }
    assert all(check.holds for check in checks)


@pytest.mark.parametrize(("total", "ways"), [("88.2", (USUAL_MEAN,)), ("80.0", ()), ("87.8", tuple(MEANS)[2:])])
def test_a_mean_is_violated_only_if_no_way_of_averaging_gives_it(total: str, ways: tuple[str, ...]) -> None:
    papers = load_papers()
    table = papers["autopose"].tables["table3"]
    changed = replace(table, printed={**table.printed, ("asr_aho", "total"): total})
    autopose = replace(papers["autopose"], tables={**papers["autopose"].tables, "table3": changed})
    (check,) = (
        c for c in check_consistency({"autopose": autopose}) if (c.rule, c.where) == (MEAN_OF_PARTS, "autopose/table3[asr_aho]")
    )
    assert set(ways) <= set(check.ways)
    assert (USUAL_MEAN in check.ways, check.holds) == (USUAL_MEAN in ways, bool(ways))


def test_the_shifted_row_of_cfn_is_found() -> None:
    assert [row for row in violations("AP lies between APM and APL") + violations("AP75 is at most AP50") if "cfn" in row]


def test_an_audit_counts_what_it_checks() -> None:
    findings = check_consistency(load_papers())
    assert len(findings) > 100
    assert sum(not finding.holds for finding in findings) < len(findings) / 4
