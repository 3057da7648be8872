"""Test that the checks find what is known to be wrong, and that their joint counts are those of the data."""

from __future__ import annotations

from pathlib import Path

import scipy.io

from benchmark.papers.consistency import VISIBLE_JOINT_COUNTS, check_consistency
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


def test_the_means_of_hourglass_and_asr_aho_do_not_follow_from_their_parts() -> None:
    rows = violations("MPII's mean is the weighted mean of its parts")
    assert [row for row in rows if "hourglass" in row and row.startswith("autopose/table3")]
    assert [row for row in rows if "asr_aho" in row]


def test_the_shifted_row_of_cfn_is_found() -> None:
    assert [row for row in violations("AP lies between APM and APL") + violations("AP75 is at most AP50") if "cfn" in row]


def test_an_audit_counts_what_it_checks() -> None:
    findings = check_consistency(load_papers())
    assert len(findings) > 100
    assert sum(not finding.holds for finding in findings) < len(findings) / 4
