"""The two judgements of a printed value, what each may say, and the row of the ledger that holds both.

``measured`` compares the printed value with a measurement of ours; only there a value can be reproduced, explained or
contradicted. ``internal`` compares it with the paper's other printed values, which needs no measurement and shows nothing about
the network. The two are never added. A setting of an experiment cannot be measured: it has a group of its own.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal, get_args

from benchmark.core.records import NOT_APPLICABLE
from benchmark.papers.tables import Kind, Slug, Text, no_unknown_fields

Measured = Literal[
    "reproduced",
    "matches_release",
    "explained",
    "ambiguous",
    "contradicted",
    "inconclusive",
    "proxy",
    "as_built",
    "fitted",
    "given",
    "as_released",
    "unlike_release",
    "release_unclear",
    "not_measured",
    "not_run",
    "hidden_labels",
    "no_definition",
]
Internal = Literal["consistent", "rounding", "inconsistent", "-"]
Group = Literal[
    "agrees",
    "explained",
    "ambiguous",
    "differs",
    "undecided",
    "by construction",
    "not measured",
    "settings beside the release",
]
Basis = Literal[
    "author code",
    "released parts",
    "paper text",
    "reconstruction",
    "training",
    "authors' weights",
    "predictions",
    "retraining",
    "timing",
    "-",
]

MEASURED: tuple[Measured, ...] = get_args(Measured)
BUILT_BY_US: tuple[Basis, ...] = ("released parts", "paper text", "reconstruction")
INTERNAL: tuple[Internal, ...] = get_args(Internal)
GROUPS: tuple[Group, ...] = get_args(Group)
SETTINGS: Group = "settings beside the release"
OUTCOMES = tuple(group for group in GROUPS if group != SETTINGS)  # of measuring
KINDS: tuple[Kind, ...] = get_args(Kind)
VERDICT_SCHEMA = 4  # of the columns of verdicts.csv; raised when one is added, removed or changes its meaning

GROUP_OF: Mapping[Measured, Group] = {
    "reproduced": "agrees",
    "matches_release": "agrees",
    "explained": "explained",
    "ambiguous": "ambiguous",
    "contradicted": "differs",
    "inconclusive": "undecided",
    "proxy": "not measured",
    "as_built": "by construction",
    "fitted": "by construction",
    "given": "by construction",
    "as_released": SETTINGS,
    "unlike_release": SETTINGS,
    "release_unclear": SETTINGS,
    "not_measured": "not measured",
    "not_run": "not measured",
    "hidden_labels": "not measured",
    "no_definition": "not measured",
}
MEASURED_MEANING: Mapping[Measured, str] = {
    "reproduced": "our measurement agrees: a count rounds to the printed value, an accuracy is equivalent to it within the "
    "margin of its metric",
    "matches_release": "counted on a network from the authors' released code, it is the printed value",
    "explained": "our measurement differs, and a reason from a closed list, supported from outside the value, yields exactly "
    "the printed value",
    "ambiguous": "our measurement differs, and a reason yields or allows the printed value, but it is not established: others "
    "do too, it fails elsewhere in the column, or it was read off the printed values",
    "contradicted": "our measurement differs, and no reason from the list yields the printed value",
    "inconclusive": "our interval neither lies within the margin around the printed value nor outside it, or a count agrees "
    "with a value that is printed so roughly that 5 % more or less would agree, too, or what follows from several values "
    "agrees, and one of these is itself contradicted or ambiguous",
    "proxy": "a ratio of times on another device of the printed kind, or an accuracy of somebody else's training: shown beside "
    "the printed value, never counts as a match",
    "as_built": "counted on a network that we built, from released parts, from words or by reconstruction, or on another "
    "network than the row's: neither agreement nor difference says anything of the row's own",
    "fitted": "something in our network was chosen by what is printed, or our way of counting was and gives few numbers: "
    "neither agreement nor difference shows anything",
    "given": "a condition, a name or a constant that we take over, or arithmetic over such: nothing is measured",
    "as_released": "a setting, which nobody can measure: a file of the authors' release states it, too",
    "unlike_release": "a setting, which nobody can measure: a file of the authors' release states another",
    "release_unclear": "a setting, which nobody can measure: in the release, nothing but a value that no released code reads "
    "bears on it, or the paper's words allow the release another",
    "not_measured": "follows from other printed values, of which at least one has no measurement of ours",
    "not_run": "not measured yet; the cause gives the command, and what it needs",
    "hidden_labels": "only the benchmark's server can score it, as the labels of its test set are not public",
    "no_definition": "there is no public specification to build the network from, or none that fixes the value",
}
GROUP_MEANING: Mapping[Group, str] = {
    "agrees": "measured, and the printed value is reproduced or that of the authors' released network",
    "explained": "measured and different, for a supported reason",
    "ambiguous": "measured and different; a reason would fit, and is not established",
    "differs": "measured and different, for no known reason",
    "undecided": "measured, too uncertain to decide",
    "by construction": "shows nothing either way: taken over from the paper, or counted on a network that we built or fitted",
    "not measured": "no measurement of ours",
    SETTINGS: "read by people in the authors' released files, and typed in; counted in a table of their own",
}
INTERNAL_MEANING: Mapping[Internal, str] = {
    "consistent": "the paper's other printed values lead to the printed value, or allow it",
    "rounding": "values that round to the other printed ones lead to it, or it is truncated instead of rounded",
    "inconsistent": "the paper's other printed values contradict it",
    "-": "no other printed value bears on it",
}


@no_unknown_fields
@dataclass(frozen=True, kw_only=True)
class Verdict:
    """Both judgements of one printed value: a row of ``reports/verdicts.csv``. A field without a value is ``-``.

    Attributes:
        paper: Id of the paper.
        table: Id of the table; ``claims`` for a sentence.
        row_id: Id of the row or of the claim.
        column: Name of the column; ``printed`` for a claim.
        kind: Kind under which the value is counted.
        metric: Metric of the column; ``claim`` for a claim.
        unit: Unit of the printed number.
        printed: The printed string.
        ours: Our value in the printed unit.
        ours_rounded: Our value, rounded to the printed number of decimals.
        measured: The printed value against our measurement.
        basis: What our value rests on: the source that the network was built from, or the kind of measurement. Of a value
            that follows from several networks, the weakest of their sources.
        cause: Why, in words; without a measurement, the command that makes one.
        record: Id of the record of our value, or ``expression:...`` for a value that follows from several.
        internal: The printed value against the paper's other printed values.
        internal_cause: The arithmetic of that.
        repeats: Name of the cell that prints the same quantity in a table of the paper; this value is then not counted.
    """

    paper: Slug
    table: Slug
    row_id: Slug
    column: Slug
    kind: Kind
    metric: Text
    unit: Text
    printed: Text
    ours: Text = NOT_APPLICABLE
    ours_rounded: Text = NOT_APPLICABLE
    measured: Measured
    basis: Basis = "-"
    cause: Text
    record: Text = NOT_APPLICABLE
    internal: Internal = "-"
    internal_cause: Text = NOT_APPLICABLE
    repeats: Text = NOT_APPLICABLE

    @property
    def group(self) -> Group:
        """Group under which the headline counts ``measured``."""
        return GROUP_OF[self.measured]

    @property
    def name(self) -> str:
        """Full name of the value, as that of a cell."""
        return f"{self.paper}/{self.table}[{self.row_id}, {self.column}]"


VERDICT_COLUMNS = tuple(Verdict.__annotations__)


def counted(verdicts: Iterable[Verdict]) -> list[Verdict]:
    """Return the verdicts on values that no cell prints already."""
    return [verdict for verdict in verdicts if verdict.repeats == NOT_APPLICABLE]


def measurable(verdicts: Iterable[Verdict]) -> list[Verdict]:
    """Return the counted verdicts on values that can be measured, which settings of experiments cannot."""
    return [verdict for verdict in counted(verdicts) if verdict.kind != "setting"]


def count_groups(verdicts: Sequence[Verdict]) -> Mapping[tuple[str, Kind], Mapping[Group, int]]:
    """Count what measuring came to by paper and kind, in the order of papers and of :data:`KINDS`, repeated values once.

    Settings, which cannot be measured, are left out.
    """
    tally: dict[tuple[str, Kind], dict[Group, int]] = {}
    for verdict in measurable(verdicts):
        tally.setdefault((verdict.paper, verdict.kind), dict.fromkeys(OUTCOMES, 0))[verdict.group] += 1
    order = list(dict.fromkeys(paper for paper, _ in tally))
    return dict(sorted(tally.items(), key=lambda item: (order.index(item[0][0]), KINDS.index(item[0][1]))))
