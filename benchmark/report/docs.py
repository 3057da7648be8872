"""Write the tables of ``docs/`` that the code decides: conventions and verdicts."""

from __future__ import annotations

from benchmark.config.conventions import FLOPS, PARAMS, PCK_PRESETS, PCKH_PRESETS, UNCOUNTED, PckhPreset, pck_metric_name
from benchmark.ledger.tokens import GROUP_OF, INTERNAL_MEANING, MEASURED_MEANING
from benchmark.report.markdown import INTERNAL_MARKS, MARKS, code, grid

_MEANS = {
    "visible": "all annotated joints pooled",
    "joints": "the plain mean over the joints' percentages",
    "parts": "the plain mean over the parts",
}


def docs_blocks() -> dict[str, dict[str, str]]:
    """Return the generated blocks of each page of ``docs/``, by the page's path from the report and the block's name."""
    return {"../docs/conventions.md": _conventions(), "../docs/verdicts.md": {"verdicts": verdict_tables()}}


def verdict_tables() -> str:
    """Format what each verdict means, with its mark."""
    return "\n\n".join(
        [
            grid(
                ("mark", "measured", "counted under", "meaning"),
                [(MARKS[token], code(token), GROUP_OF[token], meaning) for token, meaning in MEASURED_MEANING.items()],
            ),
            grid(
                ("mark", "internal", "meaning"),
                [(INTERNAL_MARKS[token], code(token), meaning) for token, meaning in INTERNAL_MEANING.items()],
            ),
        ]
    )


def _conventions() -> dict[str, str]:
    flops = grid(("convention", "what it counts"), [(code(name), each.description) for name, each in FLOPS.items()])
    named = ((code(pck_metric_name(0.2, name)), preset.description) for name, preset in PCK_PRESETS.items())
    return {
        "flops": f"{flops}\n\n{UNCOUNTED}",
        "params": grid(("name", "what it counts"), [(code(name), meaning) for name, meaning in PARAMS.items()]),
        "pckh": grid(
            ("definition", "mean", "distance", "its 0.1 is", "from"), map(_pckh_row, *zip(*PCKH_PRESETS.items(), strict=True))
        ),
        "pck": grid(("definition", "what it is"), named),
    }


def _pckh_row(name: str, preset: PckhPreset) -> tuple[object, ...]:
    return code(name), _MEANS[preset.mean], code(preset.comparison), preset.effective(0.1), preset.source
