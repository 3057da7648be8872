"""Findings on measured times, where these pass the noise gate."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import permutations

from benchmark.analysis.latency import decides_order, load_sessions
from benchmark.core.records import select
from benchmark.core.text import escape_markdown
from benchmark.ledger.latency import format_estimate
from benchmark.report.finding_rules.accuracy import network_name
from benchmark.report.finding_rules.finding import Evidence, Finding
from benchmark.report.markdown import code


def find_slow_networks(evidence: Evidence) -> Iterator[Finding]:
    """Find networks that take longer than others with more multiply-accumulates, timed together over separate runs."""
    for session in load_sessions(evidence.records):
        setting = session.setting
        if not session.runs or setting.part != "forward":
            continue
        costs = {
            model: record
            for model in session.models
            for record in select(evidence.records, kind="cost", subject=model, input=setting.input)
        }
        for slow, fast in permutations(costs, 2):
            ratio = session.ratio(slow, fast)
            macs = costs[fast].value["flops"]["macs"] / costs[slow].value["flops"]["macs"]
            if decides_order(ratio) and ratio.value > 1 and macs > 1:
                names = [network_name(model, evidence.papers) for model in (slow, fast)]
                yield Finding(
                    sentence=f"On {escape_markdown(session.device)} ({setting.backend}, {setting.threads} thread), {names[0]} "
                    f"takes {ratio.value:.1f} times as long as {names[1]}, with {macs:.1f} times fewer multiply-accumulates.",
                    strength=min(ratio.value, macs),
                    page="latency.md",
                    records=(costs[slow], costs[fast]),
                    details=f"{code(slow)} takes {format_estimate(ratio)} times as long as {code(fast)} over {ratio.runs} "
                    f"runs: {setting.label}.",
                )
