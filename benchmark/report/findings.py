"""Choose the most important findings, and show them, the rules, and the values that each sentence states."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import zip_longest

from benchmark.config.conventions import FLOPS, PARAMS, format_not_counted
from benchmark.config.identities import describe_setting
from benchmark.core.records import NOT_APPLICABLE, Record
from benchmark.core.text import escape_markdown
from benchmark.report.finding_rules.ablation import CONDITION as BLIND_CONDITION
from benchmark.report.finding_rules.ablation import find_blind_ablations
from benchmark.report.finding_rules.accuracy import (
    find_definitions,
    find_noise,
    find_released_weights,
    find_test_options,
    find_thresholds,
)
from benchmark.report.finding_rules.cost import (
    find_conventions,
    find_ratios,
    find_release_costs,
    find_reversals,
    find_structures,
)
from benchmark.report.finding_rules.finding import Evidence, Finding
from benchmark.report.finding_rules.latency import find_slow_networks
from benchmark.report.finding_rules.printed import find_means, find_sentences, find_two_printings
from benchmark.report.markdown import code, grid, heading_anchor, page
from benchmark.report.names import table_heading

CHOSEN = 10  # findings on the first page
SHOWN = 3  # findings of each rule on the page of findings
PAGE = "findings.md"


@dataclass(frozen=True)
class Rule:
    """A way to look for findings.

    Attributes:
        title: A few words.
        strength: By what its findings are ordered.
        find: Iterates over its findings; its docstring says what it looks for.
        condition: Sentence that says without what it finds nothing.
    """

    title: str
    strength: str
    find: Callable[[Evidence], Iterator[Finding]]
    condition: str = ""

    @property
    def description(self) -> str:
        """Purpose of the rule, in one sentence."""
        return (self.find.__doc__ or "").partition("\n")[0]


# In the order of importance: the first page has the strongest finding of each rule, from the first rule on.
RULES = (
    Rule("Counting conventions", "ratio of the two counts", find_conventions),
    Rule("Order of networks", "the smaller of the two opposite ratios", find_reversals),
    Rule("Differences within noise", "share of differences within noise", find_noise),
    Rule("Means of parts", "points by which the implied accuracy is impossible", find_means),
    Rule("Sentences and tables", "logarithm of the stated number over the one that follows", find_sentences),
    Rule("Printed and released networks", "largest ratio of two numbers in the same place", find_structures),
    Rule("Thresholds of PCKh", "difference in points", find_thresholds),
    Rule("Options at test time", "range in points", find_test_options),
    Rule("Released weights on other data", "number of networks", find_released_weights),
    Rule("What an ablation can see", "printed difference in points", find_blind_ablations, BLIND_CONDITION),
    Rule("Time and operations", "the smaller of the two opposite ratios", find_slow_networks),
    Rule("Printed and released cost", "ratio of the nearest count to what rounds to the printed number", find_release_costs),
    Rule("Definitions of PCK", "range in points", find_definitions),
    Rule("Two printings of one quantity", "logarithm of their ratio, beyond rounding", find_two_printings),
    Rule("Ratios of operations", "factor between the printed ratio and the true one", find_ratios),
)


Findings = Mapping[str, Sequence[Finding]]  # by the title of the rule, the strongest first


def find_all(evidence: Evidence) -> Findings:
    """Return the findings of every rule."""
    return {
        rule.title: sorted(rule.find(evidence), key=lambda finding: (-finding.strength, finding.sentence)) for rule in RULES
    }


def choose_findings(findings: Findings, number: int = CHOSEN) -> list[tuple[str, Finding]]:
    """Return the chosen findings with the titles of their rules: the strongest of each rule, then the second of each."""
    by_rank = zip_longest(*([(title, finding) for finding in found] for title, found in findings.items()))
    return [chosen for rank in by_rank for chosen in rank if chosen is not None][:number]


def findings_block(findings: Findings, folder: str = "", count: int | None = None) -> str:
    """Format the most important findings as a list, all or the first ones.

    Args:
        folder: Path to the report, with a slash at its end.
    """
    chosen = choose_findings(findings)[:count]
    return "\n".join(
        f"{number}. {finding.sentence} ([{finding.basis}]({folder}{PAGE}#{heading_anchor(title)}))"
        for number, (title, finding) in enumerate(chosen, 1)
    )


def findings_page(findings: Findings) -> str:
    """Return ``reports/findings.md``: all rules, and the strongest findings of each with the values behind them."""
    chosen = [finding for _, finding in choose_findings(findings)]
    overview = [
        (
            number,
            f"[{rule.title}](#{heading_anchor(rule.title)})",
            rule.description,
            rule.strength,
            len(found),
            "yes" if any(finding in chosen for finding in found) else "",
        )
        for number, (rule, found) in enumerate(zip(RULES, findings.values(), strict=True), 1)
    ]
    blocks = [
        "# Findings, and how they are chosen",
        "Each rule below looks for findings in the records and the printed tables, and orders them by their strength. The "
        f"first page shows the strongest finding of each rule, from the first rule on, until there are {CHOSEN}. A sentence "
        "is built from the values listed below it, so it changes or disappears when they do. *Printed* means that all its "
        "numbers are printed in papers or follow from such numbers; *measured* that they are in our records.",
        grid(("no.", "rule", "what it looks for", "strength", "findings", "on the first page"), overview),
    ]
    for rule, found in zip(RULES, findings.values(), strict=True):
        shown = f"The strongest {SHOWN} of {len(found)} findings:" if len(found) > SHOWN else ""
        blocks += [f"## {rule.title}", rule.description, shown or ("" if found else f"There is none. {rule.condition}".strip())]
        for finding in found[:SHOWN]:
            blocks += [f"**{finding.sentence}**", _values(finding)]
        blocks += dict.fromkeys(finding.details for finding in found[:SHOWN])
    return page(*blocks)


def _values(finding: Finding) -> str:
    """List the values that a finding states, with their places and commands."""
    rows: list[tuple[str, str, str]] = []
    for cell in finding.cells:
        link = f"[{cell.paper}]({cell.paper}.md#{heading_anchor(table_heading(cell.table))})"
        rows.append((f"{link}, {cell.table.where}", f"{cell.row.id}, {cell.column.header}", cell.printed))
    for record in finding.records:
        parts = (record.dataset, record.protocol, escape_markdown(describe_setting(record)))
        setting = ", ".join(part for part in parts if part not in ("", NOT_APPLICABLE))
        rows.append((code(record.command), f"{code(record.subject)}, {record.metric}, {setting}", _format_value(record)))
    more = f"Strength: {finding.strength:.3g}."
    if finding.page:
        more += f" More values of this kind: [{finding.page.partition('#')[0]}]({finding.page})."
    return f"{grid(('source', 'of', 'value'), rows)}\n\n{more}"


def _format_value(record: Record) -> str:
    """Format the value of a record with its interval, or its counts under every convention."""
    if record.kind == "cost":
        # A record made before a convention was added lacks its count.
        counted, sizes = record.value["flops"], record.value["params"]
        flops = [f"{name} {counted[name] / convention.giga:.4g} G" for name, convention in FLOPS.items() if name in counted]
        params = [f"{name} {sizes[name] / 1e6:.4g} M" for name in PARAMS if name in sizes]
        return ", ".join(filter(None, [*flops, *params, format_not_counted(record.value.get("not_counted", {}))]))
    if not isinstance(record.value, int | float):
        return f"record {record.id}"
    interval = " [{:.4g}, {:.4g}]".format(*record.interval) if record.interval else ""
    return f"{record.value:.6g}{interval}"
