"""``python -m benchmark.measure latency MODEL...``: the command, what it prints, and what it keeps."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from itertools import product
from typing import Annotated, Any, Literal

import tyro
from tqdm import tqdm

from benchmark.analysis.latency import Repeatability, compare_sessions
from benchmark.config.identities import AGAIN, ONCE, describe_setting
from benchmark.config.latency import MAX_RELATIVE_IQR, BackendName, MemoryLayout, Setting, TimedPart
from benchmark.core.errors import InputError
from benchmark.core.records import append_record
from benchmark.core.statistics import round_digits
from benchmark.latency.records import latency_records, session_from_timings
from benchmark.latency.timer import DEFAULT_ROUNDS, Timing, measure_latency, timing_ratio
from benchmark.models.external import MODEL_SPECS_ONNX

Settings = list[list[Timing]]  # one list a setting, the models in it having taken turns


@dataclass
class LatencyCommand:
    """Time networks, each in a process of its own, all of them warm and taking turns; ratios come with 95 % intervals.

    Example: python -m benchmark.measure latency efficientpose_nas/A baselines/hrnet-w32 --input 256x192 --joints 17
    """

    models: Annotated[tuple[str, ...], tyro.conf.Positional, tyro.conf.arg(help=f"Networks, each {MODEL_SPECS_ONNX}.")]
    input: str = "256x256"
    """Height x width of the image in pixels."""
    joints: int = 16
    """Keypoints of the head: 16 for MPII, 17 for COCO, 14 for LSP."""
    batch: str = "1"
    """Persons at once; several by commas, as in 1,32."""
    threads: str = "1"
    """Threads that a process may use; several by commas."""
    device: Literal["cpu", "cuda"] = "cpu"
    """Where networks run."""
    layout: str = "nchw"
    """How images lie in memory: nchw, nhwc, or both by commas."""
    backend: str = "eager"
    """What runs the network: eager, compile, onnxruntime, openvino; several by commas."""
    part: str = "forward"
    """forward: the network alone; pipeline: from decoded photographs to joints; both by commas."""
    rounds: int = DEFAULT_ROUNDS
    """How often the turns go round."""
    twice: bool = False
    """Measure everything twice, and say whether orders are kept."""
    noisy: bool = False
    """Accept figures whose quartiles lie further apart than a tenth of the median, and mark them."""
    keep: bool = False
    """Keep the figures as records under reports/records."""
    json: bool = False
    """Print JSON."""

    def __call__(self) -> None:
        settings = list(self.settings())
        for cells in settings:
            for cell in cells:
                cell.check()
        runs = [self._measured(settings, number) for number in range(1 + self.twice)]
        print(json.dumps(latency_report(runs)) if self.json else format_latency(runs))
        noisy = [t for run in runs for group in run for t in group if t.unstable]
        if self.keep:
            self._keep(runs)
        if noisy and not self.noisy:
            raise InputError(unstable_message(noisy, self.keep))

    def settings(self) -> Iterator[list[Setting]]:
        """The models under each setting that was asked for.

        Raises:
            InputError: no models, one twice, or a list with something else than numbers or known words in it.
        """
        if not self.models:
            raise InputError("give models")
        if len(set(self.models)) < len(self.models):
            raise InputError(f"{next(m for m in self.models if self.models.count(m) > 1)} is named twice")
        numbers = [_listed(name, getattr(self, name), int) for name in ("batch", "threads")]
        words: list[list[Any]] = [_listed(name, getattr(self, name), str) for name in ("layout", "backend", "part")]
        for batch, threads, layout, backend, part in product(*numbers, *words):
            yield [self._cell(model, batch, threads, layout, backend, part) for model in self.models]

    def _cell(
        self, model: str, batch: int, threads: int, layout: MemoryLayout, backend: BackendName, part: TimedPart
    ) -> Setting:
        return Setting(
            model=model,
            input=self.input,
            joints=self.joints,
            batch=batch,
            threads=threads,
            device=self.device,
            layout=layout,
            backend=backend,
            part=part,
        )

    def _measured(self, settings: Sequence[Sequence[Setting]], number: int) -> Settings:
        found = []
        for cells in settings:
            name = cells[0].label + f" {AGAIN}" * number
            with tqdm(total=1, desc=name, bar_format="{desc} {bar} {percentage:.0f} %, {remaining} left") as bar:
                found.append(measure_latency(cells, rounds=self.rounds, progress=_progress(bar)))
        return found

    def _keep(self, runs: Sequence[Settings]) -> None:
        """Append what is not refused; a setting in which one model is noisy is refused whole."""
        repeats = (ONCE, AGAIN) if self.twice else ("",)
        for repeat, run in zip(repeats, runs, strict=True):
            for group in run:
                if self.noisy or not any(timing.unstable for timing in group):
                    for record in latency_records(group, repeat=repeat):
                        if not append_record(record):
                            what = f"{record.subject}, {describe_setting(record)}, {record.metric}"
                            print(f"on record already, so not kept: {what}", file=sys.stderr)


def _listed(name: str, text: str, kind: Callable[[str], Any]) -> list[Any]:
    try:
        return list(dict.fromkeys(kind(word.strip()) for word in text.split(",")))
    except ValueError:
        raise InputError(f"--{name} {text!r}: write whole numbers apart by commas, as in 1,32") from None


def _progress(bar: tqdm) -> Callable[[int, int], object]:
    def show(done: int, total: int) -> None:
        bar.total = total
        bar.update(done - bar.n)

    return show


def unstable_message(noisy: Sequence[Timing], keep: bool) -> str:
    """One line on what scatters too much."""
    worst = max(noisy, key=lambda t: t.iqr / t.median)
    count = f" (and {len(noisy) - 1} more)" if len(noisy) > 1 else ""
    kept = "; nothing of that setting is kept" if keep else ""
    apart = f"the quartiles lie {worst.iqr / worst.median:.0%} of the median apart, more than {MAX_RELATIVE_IQR:.0%}"
    advice = "measure when the machine is quiet, or accept it by --noisy"
    return f"{worst.setting.model} at {worst.setting.label}{count}: {apart}{kept}; {advice}"


# --- what is printed --------------------------------------------------------------------------------------------------------


def latency_report(runs: Sequence[Settings]) -> dict[str, Any]:
    """What ``--json`` prints; see schemas/latency.schema.json."""
    shown = [[_setting(group) for group in run] for run in runs]
    twice = [_repeated(one, other) for one, other in zip(*runs, strict=True)] if len(runs) == 2 else None
    return {"schema": 1, "settings": shown[0], "again": shown[1] if len(runs) == 2 else None, "twice": twice}


def _setting(group: Sequence[Timing]) -> dict[str, Any]:
    cell = group[0].setting
    names = ("input", "joints", "batch", "threads", "device", "layout", "backend", "part")
    setting = {name: getattr(cell, name) for name in names}
    return setting | {"processor": group[0].device, "models": [_model(timing, group[0]) for timing in group]}


def _model(timing: Timing, first: Timing) -> dict[str, Any]:
    value, interval = timing_ratio(timing, first)
    figures = {"median": timing.median, "p10": timing.p10, "p90": timing.p90, "iqr": timing.iqr}
    return {
        "model": timing.setting.model,
        "milliseconds": {name: 1e3 * seconds for name, seconds in figures.items()},
        "ci95": [1e3 * bound for bound in timing.interval],
        "images_per_second": timing.setting.batch / timing.median,
        "noisy": timing.unstable,
        "stable": timing.stable,
        "memory": timing.memory,
        "parts": {part: 1e3 * seconds for part, seconds in timing.part_medians.items()},
        "ratio": {"to": first.setting.model, "value": value, "ci95": list(interval)},
        "seconds": [[round_digits(seconds) for seconds in row] for row in timing.rounds],
    }


def _repeated(one: Sequence[Timing], other: Sequence[Timing]) -> dict[str, Any] | None:
    if len(one) < 2:
        return None
    found = compare_sessions(session_from_timings(one), session_from_timings(other))
    pairs, kept = [list(pair) for pair in found.pairs], [list(pair) for pair in found.kept]
    return {"setting": one[0].setting.label, "decided": pairs, "kept": kept, "tau": found.tau, "spread": dict(found.spread)}


def format_latency(runs: Sequence[Settings]) -> str:
    """Tables for people, one a setting."""
    lines = []
    for number, run in enumerate(runs):
        for group in run:
            lines += [f"{group[0].setting.label} on {group[0].device}{f' {AGAIN}' * number}", *_table(group), ""]
    for one, other in zip(*runs, strict=True) if len(runs) == 2 else ():
        if len(one) > 1:
            lines += [format_repeatability(compare_sessions(session_from_timings(one), session_from_timings(other)))]
    return "\n".join(lines).rstrip("\n")


def _table(group: Sequence[Timing]) -> Iterator[str]:
    yield f"{'':44}{'ms':>10}{'p10':>10}{'p90':>10}{'IQR %':>7}{'images/s':>10}{'MB':>8}  ratio to the first, 95 %"
    for timing in group:
        value, (low, high) = timing_ratio(timing, group[0])
        times = "".join(f"{1e3 * seconds:10.2f}" for seconds in (timing.median, timing.p10, timing.p90))
        rate = timing.setting.batch / timing.median
        marks = "  noisy" * timing.unstable + "  never got stable" * (not timing.stable)
        figures = f"{times}{100 * timing.iqr / timing.median:7.1f}{rate:10.2f}{timing.memory / 1e6:8.1f}"
        yield f"{timing.setting.model:44}{figures}  {value:.3f} [{low:.3f}, {high:.3f}]{marks}"
        if timing.parts:
            parts = [f"{part} {1e3 * seconds:.2f}" for part, seconds in timing.part_medians.items()]
            yield f"{'':4}{', '.join(parts)} ms"


def format_repeatability(found: Repeatability) -> str:
    """How two measurements agree, in one line."""
    tau = "-" if found.tau is None else f"{found.tau:+.2f}"
    changes = ", ".join(f"{model} {100 * (change - 1):+.1f} %" for model, change in found.spread.items())
    kept = f"{len(found.kept)} of {len(found.pairs)} pairs decided both times keep their order"
    return f"twice: {kept}; Kendall's tau {tau}; medians moved by {changes}"
