"""Show what measuring the printed values came to, how far the papers agree with themselves, and list the other pages."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

from benchmark.core.records import NOT_APPLICABLE, Record, select
from benchmark.ledger.explanations import MIN_REACH, PREDICATES
from benchmark.ledger.predicates import count_cells, numbers_by_fit
from benchmark.ledger.tokens import (
    GROUP_MEANING,
    INTERNAL,
    KINDS,
    OUTCOMES,
    Measured,
    Verdict,
    count_groups,
    counted,
    measurable,
)
from benchmark.papers.tables import Paper
from benchmark.report.docs import verdict_tables
from benchmark.report.explanations import explanation_sentence
from benchmark.report.findings import Findings, choose_findings, findings_block
from benchmark.report.markdown import code, grid, legend, page
from benchmark.report.papers import printed_grid

# Groups of pages: the name of each page's file, its title, and what it shows.
PAGE_GROUPS = (
    (
        "Networks",
        (
            ("models", "Parameters and operations", "all networks under every counting convention"),
            ("ranking", "Ranking on equal terms", "all networks, beside their printed ranking"),
            ("latency", "Latency", "the order of the networks and the ratios of their times, printed and measured"),
        ),
    ),
    (
        "Accuracy",
        (
            ("decoding", "Decoding and test-time options", "their effect on accuracy, and the effect of the definition of PCK"),
            (
                "predictions",
                "Published predictions",
                "what the authors' and others' files on MPII score, beside what is printed",
            ),
            ("lsp", "Leeds Sports Pose", "published methods and released weights on the same photographs"),
        ),
    ),
    (
        "Trainings",
        (
            (
                "ablations",
                "Ablations",
                "differences between variants trained under one protocol, beside the printed differences",
            ),
            ("training", "Training results", "accuracies and curves"),
            ("search", "Architecture search", "the architectures that were found, and random search for comparison"),
        ),
    ),
    (
        "Methods",
        (
            ("findings", "Rules of the findings", "how the findings above are chosen, and the values behind them"),
            ("claims", "Claims and consistency checks", "sentences and tables, checked against the printed cells"),
            ("recipes", "Training recipes", "each recipe in full, with the assumptions behind it"),
            ("pipeline", "Training images", "the agreement of the three routes that compute them"),
            ("robustness", "Robustness", "disturbed commands, and faults planted in the instruments"),
        ),
    ),
)

TWO_JUDGEMENTS = (
    "Each value is judged twice, and the two are never added. *Measured* compares it with a measurement of ours. *Internal* "
    "compares it with the paper's other printed values, which needs no measurement and shows nothing about the network."
)


SETTING_TOKENS: tuple[Measured, ...] = ("as_released", "unlike_release", "release_unclear")
SETTINGS_RULE = (
    "A setting of an experiment, such as a learning rate or a number of epochs, cannot be measured. Where files that the "
    "authors released state it, people read it there and typed it in (`release.toml`, beside the printed tables); it is "
    "compared with the printed setting here, and counted nowhere else. What no released code reads, such as an unused default "
    "or a comment, decides nothing, whether it is the printed value or not."
)


def index_page(
    papers: Mapping[str, Paper], verdicts: Sequence[Verdict], records: Mapping[str, Record], findings: Findings
) -> str:
    """Return ``reports/README.md``."""
    claims = [verdict for verdict in verdicts if verdict.metric == "claim"]
    once, settings = counted(verdicts), settings_table(papers, verdicts)
    return page(
        "# Efficient human pose estimation, reproduced value by value",
        f"The {len(papers)} papers here print {len(once):,} values: parameters, operations, accuracies, times. Their networks "
        "are rebuilt and measured with shared instruments, and each printed value stands beside ours, with a verdict that "
        f"is derived automatically. The {len(choose_findings(findings))} most important findings, chosen by "
        "[rules in the code](findings.md):",
        findings_block(findings),
        "## All printed values",
        f"{len(papers)} papers print {len(verdicts)} values: {len(verdicts) - len(claims)} in tables and text, and "
        f"{len(claims)} in quantitative sentences. {len(verdicts) - len(once)} of them repeat a cell of the same paper and are "
        f"counted with it, so {len(once)} are counted here, of which {len(once) - len(measurable(verdicts))} are settings of "
        f"experiments. {TWO_JUDGEMENTS} Verdicts are derived automatically, and a measured one names its record, with the "
        "command that wrote it; [verdicts.csv](verdicts.csv) has them all.",
        "### Measured",
        count_by_kind(verdicts),
        describe_basis(once, records),
        describe_choices(papers, records, verdicts),
        "![what measuring came to, by paper and kind](figures/verdicts.svg)",
        "#### By paper and kind",
        _count_by_paper(papers, verdicts),
        *(("### Settings beside the release", SETTINGS_RULE, settings) if settings else ()),
        "### Internal consistency",
        "Whether the paper's other printed values lead to a value, or allow it; most values have no other that bears on them.",
        _count_internal(papers, once),
        "## Pages",
        "\n".join(
            [
                *(f"- [{paper.short}]({paper.id}.md): {paper.title}" for paper in papers.values()),
                *(f"- [{title}]({name}.md): {content}" for _, pages in PAGE_GROUPS for name, title, content in pages),
            ]
        ),
        "## Verdicts",
        verdict_tables(),
        grid(("counted under", "meaning"), GROUP_MEANING.items()),
        "## Reasons that explain a difference",
        "This list is closed, and its reasons are never combined. A cost is `explained` by one that the row's source states, "
        f"or that fits wherever it makes a difference, in at least {MIN_REACH} numbers of the column, without a rival; "
        "otherwise it is `ambiguous`.",
        explanation_sentence(papers, records, verdicts),
        grid(("reason", "the printed value is"), [(code(name), description) for name, description in PREDICATES.items()]),
    )


def readme_blocks(
    papers: Mapping[str, Paper], verdicts: Sequence[Verdict], records: Mapping[str, Record], findings: Findings
) -> dict[str, str]:
    """Return the project README's excerpts of the report, by the names in its markers."""
    return {"findings": findings_block(findings, "reports/", 3), "report": _excerpt(papers, verdicts, records)}


def _excerpt(papers: Mapping[str, Paper], verdicts: Sequence[Verdict], records: Mapping[str, Record]) -> str:
    """Format counts, a figure, and the first paper's first accuracy table."""
    paper, table = next(
        (paper, table)
        for paper in papers.values()
        for table in paper.tables.values()
        if any(column.metric == "pckh" for column in table.columns.values())
    )
    return "\n\n".join(
        [
            f"{TWO_JUDGEMENTS} Settings of experiments cannot be measured, and are left out here.",
            count_by_kind(verdicts),
            describe_choices(papers, records, verdicts),
            f"As an example from [the report](reports/README.md), this is {table.where} of "
            f"[{paper.short}](reports/{paper.id}.md). Each cell gives the printed value, then our verdict and our value.",
            printed_grid(table, verdicts),
            legend(v.measured for v in verdicts if (v.paper, v.table) == (paper.id, table.id)),
        ]
    )


def count_by_kind(verdicts: Sequence[Verdict]) -> str:
    """Format what measuring the values of each kind came to, repeated values counted once, and settings not at all."""
    rows = []
    for kind in KINDS:
        groups = [v.group for v in measurable(verdicts) if v.kind == kind]
        if groups:
            rows.append([kind, len(groups), *(groups.count(group) for group in OUTCOMES)])
    return grid(("kind", "values", *OUTCOMES), rows)


def settings_table(papers: Mapping[str, Paper], verdicts: Sequence[Verdict]) -> str:
    """Format how many settings of each paper are those of its authors' release, repeated ones once; empty without any."""
    rows = []
    for paper in papers.values():
        tokens = [v.measured for v in counted(verdicts) if v.kind == "setting" and v.paper == paper.id]
        if tokens:
            released = [tokens.count(token) for token in SETTING_TOKENS]
            repositories = {setting.repository for table in paper.tables.values() for setting in table.released.values()}
            release = ", ".join(sorted(repositories)) or NOT_APPLICABLE
            rows.append([f"[{paper.short}]({paper.id}.md)", len(tokens), *released, len(tokens) - sum(released), release])
    header = ("paper", "settings", *(code(token) for token in SETTING_TOKENS), "not compared", "release")
    return grid(header, rows) if rows else ""


def describe_choices(papers: Mapping[str, Paper], records: Mapping[str, Record], verdicts: Sequence[Verdict]) -> str:
    """Say for how many agreeing costs something outside the printed numbers speaks for the way of counting; empty without."""
    cells = count_cells(papers, records)
    costs = [v for v in counted(verdicts) if v.kind == "cost" and v.group == "agrees"]
    agreeing = [cells[v.name] for v in costs]
    own = sum(records[v.record].subject.startswith(f"{v.paper}/") for v in costs)
    fitted = [cell for cell in agreeing if any(choice.by_fit for choice in cell.choices)]
    others = sum(cell.agrees_otherwise for cell in agreeing)
    chosen = {choice for cell in fitted for choice in cell.choices if choice.by_fit}
    details = "; ".join(
        f"`{choice.id}` of {papers[paper].short}, one of {1 + len(choice.rivals)}, gives {number} different numbers"
        for (paper, choice), number in numbers_by_fit(cells.values()).items()
        if choice in chosen
    )
    if not agreeing:
        return ""
    return (
        f"For {len(agreeing) - len(fitted)} of the {len(agreeing)} costs that agree, something other than the printed numbers "
        "says how they were counted: the authors' tool, their code or its successor's. Of all that agree, "
        f"{own} are of the papers' own networks; papers may have taken the other {len(agreeing) - own} from elsewhere. "
        + f"For {len(fitted)}, the way was chosen because it fits: {details}. " * bool(fitted)
        + f"{others} would agree under another convention, too."
    )


def describe_basis(verdicts: Sequence[Verdict], records: Mapping[str, Record]) -> str:
    """Say what the agreeing values rest on, and of how many networks the outputs were compared with those of public code."""
    agreeing = [verdict.basis for verdict in verdicts if verdict.group == "agrees"]
    parts = [f"{agreeing.count(basis)} on {basis}" for basis in sorted(set(agreeing), key=lambda b: (-agreeing.count(b), b))]
    if not parts:
        return ""
    costs = [v for v in verdicts if v.group == "agrees" and v.kind == "cost"]
    # The number of parameters is one value of a network, whatever its input.
    distinct = {(v.paper, records[v.record].subject if v.metric == "params" else v.record, v.metric, v.printed) for v in costs}
    differences = {r.subject: r.value for r in select(records, kind="agreement", metric="largest difference")}
    tested = [differences[records[v.record].subject] for v in costs if records[v.record].subject in differences]
    equality = (
        f" {len(tested)} of these {len(costs)} are of networks whose outputs we compared with those of the publishers' own "
        f"code, given the same weights: they differ by {round_up(max(tested, default=0))} or less. That code was run through "
        "wrappers that are not included, so this comparison cannot be repeated from this repository alone."
    )
    return (
        f"Of the {len(agreeing)} values that agree, by what our value rests on: {', '.join(parts)}, that is, code of a "
        "network's authors or of those who published it, such as MMPose. Papers print some costs "
        f"in several tables: the {len(costs)} that agree are {len(distinct)} different values of a network."
        + equality
        * bool(tested)
    )


def round_up(value: float) -> str:
    """Format a positive number with one digit, not below it: ``3.47e-07 -> 4e-07``."""
    digits, exponent = f"{value:.15e}".split("e")
    return f"{math.ceil(float(digits)) * 10.0 ** int(exponent):.0e}"


def _count_by_paper(papers: Mapping[str, Paper], verdicts: Sequence[Verdict]) -> str:
    rows = [
        [f"[{papers[paper].short}]({paper}.md)", kind, sum(counts.values()), *counts.values()]
        for (paper, kind), counts in count_groups(verdicts).items()
    ]
    return grid(("paper", "kind", "values", *OUTCOMES), rows)


def _count_internal(papers: Mapping[str, Paper], verdicts: Sequence[Verdict]) -> str:
    tokens = [token for token in INTERNAL if token != "-"]
    rows = []
    for paper in papers.values():
        judged = [verdict.internal for verdict in verdicts if verdict.paper == paper.id]
        rows.append([f"[{paper.short}]({paper.id}.md)", *(judged.count(token) for token in tokens), judged.count("-")])
    return grid(("paper", *tokens, "no other value bears on it"), rows)
