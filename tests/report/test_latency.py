"""Check the page of latencies: orders, ratios, undecided pairs, and commands for times that are missing."""

from __future__ import annotations

import re
from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from benchmark.analysis.latency import Estimate, decides_order
from benchmark.config.latency import ESTIMATORS, Setting
from benchmark.core.records import Record, load_records
from benchmark.latency.records import latency_records
from benchmark.latency.timer import Timing
from benchmark.papers.tables import load_papers
from benchmark.report.latency import latency_page

LATENCY = load_papers()["efficientpose_nas"].tables["text_latency"]
SPEED = load_papers()["heatmap_weighting"].tables["table5"]
PRINTED = {c.row.model: c.number.value for c in LATENCY.cells()}  # ms
CPU_RATES = {c.row.model: c.number.value for c in SPEED.cells() if c.column.name == "fps_cpu"}
COUNTS = {i: record for i, record in load_records().items() if record.kind in ("cost", "architecture")}


def measured(
    seconds: dict[str, float],
    *,
    scatter: float = 0.01,
    runs: int = 5,
    device: str = "a processor",
    seed: int = 0,
    kind: str = "cpu",
    counters: tuple[str, ...] = (),
    **setting: Any,
) -> dict[str, Record]:
    """Return records of models timed in separate runs, with times that scatter from run to run about the given ones."""
    random = np.random.default_rng(seed)
    records = {}
    for run in range(1, runs + 1):
        timings = []
        for model, time in seconds.items():
            rounds = time * random.lognormal(0, scatter) * np.ones((4, 2))
            environment = {"hardware counters": list(counters)}
            of_model = Setting(model=model, device=kind, **setting)
            timings.append(Timing(setting=of_model, rounds=rounds, cpu=rounds, device=device, environment=environment))
        for record in latency_records(timings, "a command", run=run):
            records[record.id] = replace(record, time=f"2026-01-01T00:{2 * run:02d}:00+00:00")
    return records


def speed(seconds: dict[str, float], **options: Any) -> str:
    return latency_page(COUNTS | measured(seconds, input="256x192", joints=17, **options))


def section(page: str, heading: str) -> str:
    return page.partition(f"## {heading}")[2].partition("\n## ")[0]


def test_without_records_every_part_says_how_to_measure() -> None:
    page = latency_page(COUNTS)
    assert page.count(", so no verdict: needs ") == 3
    assert (
        "Not measured on a GPU, so no verdict: needs a GeForce RTX 2080 Ti. The command is `python -m benchmark.measure "
        in page
    )
    assert "Not measured on a CPU, so no verdict: needs an Intel Core i7-10750H." in page
    assert page.count("--runs 5 --keep`") == 4
    assert "## FasterPose: 58% fewer operations, and the time saved" in page
    assert "Not measured yet: `python -m benchmark.measure latency baselines/simple_baseline-r50 " in page
    assert "Not measured yet: `python -m benchmark.measure latency MODEL... --runs 10 --keep`" in page
    assert "Kendall's tau between" not in page


def test_times_in_the_printed_ratios_agree_throughout() -> None:
    """On devices three times slower, all pairs are in the printed order and about 94 % of the ratios lie in their intervals."""
    seconds = {m: 3e-3 * ms for m, ms in PRINTED.items()}
    devices = [measured(seconds, device=f"GPU {seed}", seed=seed, kind="cuda") for seed in range(20)]
    page = latency_page(COUNTS | {i: r for records in devices for i, r in records.items()})
    text = section(page, "EfficientPose-NAS, Sec. 4.1")
    order = "printed order and ours: +1.00. Of 15 pairs, 15 are in the printed order, 0 in the opposite order, and 0 undecided."
    assert text.count(order) == 20
    assert text.count("| yes |") + text.count("| no |") == 20 * 5
    assert text.count("| yes |") >= 85
    assert "reproduced" not in text


def test_a_rate_is_compared_as_a_rate() -> None:
    page = speed({m: 2 / fps for m, fps in CPU_RATES.items()}, scatter=0.0001)
    text = section(page, "Heatmap weighting, Table V: FPS(CPU)")
    assert "ours: +1.00" in text
    assert "| `heatmap_weighting/mobilenet_v3` | 18.3 | 0.948 | 0.948 [0.94" in text
    assert "] | yes |" in text
    assert "a processor stands in for an Intel Core i7-10750H." in text
    assert "| our ratio, on a processor |" in text


def test_a_reversed_order_is_named() -> None:
    seconds = {m: 1 / fps for m, fps in CPU_RATES.items()}
    swapped = seconds | {"baselines/lite_hrnet-18": seconds["baselines/lite_hrnet-30"], "baselines/lite_hrnet-30": 0.09}
    text = section(speed(swapped), "Heatmap weighting, Table V: FPS(CPU)")
    assert "1 in the opposite order (lite_hrnet_18 and lite_hrnet_30)" in text


def test_what_scatters_is_undecided_and_noisy() -> None:
    text = section(speed(dict.fromkeys(CPU_RATES, 0.05), scatter=0.1), "Heatmap weighting, Table V: FPS(CPU)")
    undecided = int(text.partition(" undecided")[0].rpartition(" ")[2])
    assert undecided >= 12  # of 15; an interval of 95 % leaves out 1 now and then
    assert text.count("(noisy) | noisy |") == 5
    assert "agree with the printed ones" not in text


def test_a_pair_that_fails_the_noise_gate_is_undecided_even_if_its_interval_excludes_one() -> None:
    text = section(speed({m: 1 / fps for m, fps in CPU_RATES.items()}, scatter=0.1), "Heatmap weighting, Table V: FPS(CPU)")
    undecided = int(text.partition(" undecided")[0].rpartition(" ")[2])
    noisy_pairs = re.findall(r"\[([\d.]+), ([\d.]+)\] \(noisy\)", text)
    assert any(float(high) < 1 or float(low) > 1 for low, high in noisy_pairs)
    assert undecided >= 14  # of 15; a ratio may be precise by chance
    assert "+1.00 by the medians alone. Of 15 pairs" in text
    assert "times (noisy) that of" in text


@pytest.mark.parametrize(
    ("interval", "decides"),
    [
        ((1.02, 1.06), True),
        ((0.9, 0.95), True),
        ((0.98, 1.02), False),
        ((1.02, 1.2), False),
        ((1.0, 1.02), False),
        (None, False),
    ],
)
def test_a_precise_ratio_whose_interval_excludes_one_decides_an_order(interval, decides: bool) -> None:
    assert decides_order(Estimate(1.04, interval, 6)) == decides


def test_fewer_than_five_runs_have_no_interval_and_decide_nothing() -> None:
    text = section(speed({m: 1 / fps for m, fps in CPU_RATES.items()}, runs=4), "Heatmap weighting, Table V: FPS(CPU)")
    assert "4 runs" in text
    assert text.count("(no interval) | noisy |") == 5
    assert "0 in the opposite order, and 15 undecided" in text


def test_networks_that_were_not_measured_stay_empty() -> None:
    text = section(speed({m: 1 / CPU_RATES[m] for m in list(CPU_RATES)[:2]}), "Heatmap weighting, Table V: FPS(CPU)")
    assert "Of 1 pairs" in text
    assert "| `baselines/vipnas-mobilenet_v3` | 4.6 | 0.238 |  |" in text


def test_times_of_another_kind_of_device_stand_beside_nothing_printed() -> None:
    page = speed({m: 1 / fps for m, fps in CPU_RATES.items()})
    text = section(page, "Heatmap weighting, Table V: FPS(GPU)")
    assert "Not measured on a GPU, so no verdict: needs an NVIDIA GTX 1650 Ti." in text
    assert "|" not in text
    assert "a processor" not in text
    assert "Not measured" not in section(page, "Heatmap weighting, Table V: FPS(CPU)")
    assert "## Sets without a printed time" not in page


@pytest.mark.parametrize(("kind", "device"), [("cpu", "a processor"), ("cpu", "CPU 2"), ("cuda", "a graphics card")])
def test_no_table_of_our_times_names_a_printed_device_in_its_header(kind: str, device: str) -> None:
    networks = measured({m: 1e-3 * ms for m, ms in PRINTED.items()}, kind=kind, device=device)
    rates = measured({m: 1 / fps for m, fps in CPU_RATES.items()}, kind=kind, device=device, input="256x192", joints=17)
    headers = [line for line in latency_page(COUNTS | networks | rates).splitlines() if line.startswith("| network |")]
    assert sum(device in header for header in headers) == (1 if kind == "cpu" else 2)
    assert not any(name in header for header in headers for name in ("RTX", "GTX", "Intel"))


def test_a_set_without_a_printed_time_is_shown_without_one() -> None:
    page = latency_page(COUNTS | measured({m: 1e-3 * ms for m, ms in PRINTED.items()}, scatter=0.0001))
    text = section(page, "Sets without a printed time")
    assert "| `efficientpose_nas/A` | 13.7 [13.7, 13.7] | 1 | 0.542 | 25.3 |" in text
    assert "| `baselines/hrnet-w32` | 55.5 [55.5, 55.5] | 4.04 [4.04, 4.04] | 10.193 | 5.4 |" in text
    assert "printed order" not in page
    assert "| claim |" not in text


def test_an_operation_takes_longer_in_lite_hrnet_than_its_count_promises() -> None:
    """With the printed times: 1 / 6.2 s for 0.3 GMACs against 1 / 19.3 s for 1.6."""
    text = section(speed({m: 1 / fps for m, fps in CPU_RATES.items()}, scatter=0.0001), "Heatmap weighting, Table V: FPS(CPU)")
    sentence = text.partition("Time per operation is longest for ")[2].partition("\n")[0]
    assert sentence.startswith("lite_hrnet_30: ")
    ours, printed = (float(sentence.partition(start)[2].partition(" times")[0]) for start in ("30: ", "printed: "))
    assert ours == pytest.approx(printed, abs=0.2)
    assert ours > 10
    assert sentence.endswith("By the printed times it is longest for lite_hrnet_30.")


def test_sentences_are_reckoned_again_with_our_times() -> None:
    text = section(speed({m: 1 / fps for m, fps in CPU_RATES.items()}, scatter=0.0001), "Heatmap weighting, Table V: FPS(CPU)")
    assert "| About 4 times as fast as ViPNAS on the CPU | 4 × | 3.98 [3.9" in text
    assert "| Much faster than Lite-HRNet-30 and ViPNAS | true | true in 5 of 5 runs |" in text
    assert "18 frames a second" not in text  # a value of the paper's own device
    assert "slower on the GPU than" not in text  # one device here, two in the claim


def test_saved_operations_stand_beside_the_time_they_save() -> None:
    pair = {"baselines/simple_baseline-r50": 1.0, "fasterpose/r50+deconvs=0+upsampling=pixel_shuffle": 0.7}
    text = section(speed(pair, scatter=0.0001), "FasterPose: 58%")
    assert "| 57.4 % | 24.2 % | 30.0 % [30.0, 30.0] |" in text


def test_estimators_are_compared_by_their_spread_between_runs() -> None:
    text = section(latency_page(measured({"a": 1.0, "b": 2.0}, scatter=0.1)), "What is repeatable")
    rows = [line for line in text.splitlines() if line.startswith("|")][2 : 2 + len(ESTIMATORS)]
    assert [row.split(" | ")[0].strip("|* ") for row in rows] == list(ESTIMATORS)
    percents = [float(cell.split(" ")[0]) for row in rows for cell in row.strip("| ").split(" | ")[1:]]
    assert all(2 < percent < 30 for percent in percents)  # the calls of a run are all equal here, and so are the estimators
    setting = "256x256, 16 joints, batch 1, cpu, 1 thread, nchw, eager, forward, allocator keep"
    assert f"1. {setting}, on a processor, 5 runs: `a`, `b`. " in text


@pytest.mark.parametrize(
    ("scatter", "passing"), [(0.1, "0 of 2 times and 0 of 1 ratios"), (0.01, "2 of 2 times and 1 of 1 ratios")]
)
def test_the_page_counts_what_passes_the_noise_gate(scatter: float, passing: str) -> None:
    text = section(latency_page(measured({"a": 1.0, "b": 2.0}, scatter=scatter)), "What is repeatable")
    assert f"{passing} pass the noise gate." in text


@pytest.mark.parametrize(
    ("counters", "given"), [((), "neither instructions nor cycles"), (("instructions", "cycles"), "instructions and cycles")]
)
def test_the_page_says_which_counters_the_kernel_gave(counters: tuple[str, ...], given: str) -> None:
    text = section(latency_page(measured({"a": 1.0, "b": 2.0}, counters=counters)), "What is repeatable")
    assert f"On a processor, the kernel gives {given}." in text


def test_coverage_on_a_repeat_is_counted_from_six_runs_on() -> None:
    networks = {"a": 1.0, "b": 2.0, "c": 3.0}
    five, six, ten = (section(latency_page(measured(networks, runs=runs)), "What is repeatable") for runs in (5, 6, 10))
    assert "| set 1 | 5 runs |" not in five
    # The rounds of a made-up run do not vary at all.
    assert "| set 1 | the rounds of one run | 1 later run | 0 of 12 | 0 % | 83 % |" in five
    for text, repeat, exact in ((six, "1 later run", "67 %"), (ten, "5 later runs", "83 %")):
        row = next(line for line in text.splitlines() if line.startswith(f"| set 1 | 5 runs | {repeat} |"))
        covered, pairs = (int(word) for word in row.split(" | ")[3].split(" of "))
        assert pairs == 3
        assert row.endswith(f"| {100 * covered / pairs:.0f} % | {exact} |")


def test_the_page_names_the_estimator_whose_ratios_differ_least() -> None:
    """Let the wall clock of the first network's calls differ from run to run, and the lowest call not."""
    records = measured({"a": 1.0, "b": 2.0}, scatter=0.01)
    for record in records.values():
        estimates, run = record.samples["estimates"], record.setting["run"]
        estimates["minimum"] = {"a": 1e3, "b": 2e3}[record.subject]
        estimates["10th percentile"] *= 1 + (run - 1) / 10 * (record.subject == "a")
    sentence = section(latency_page(records), "What is repeatable").partition("the spread of ratios is ")[2].partition("\n")[0]
    cpu, wall = (float(part.rpartition(" %")[0].split(" ")[-1]) for part in sentence.split(" with the ")[:2])
    assert cpu < 3 < 10 < wall
    assert "of the wall clock, and smallest with the minimum, 0.0 %." in sentence


def test_a_pipeline_is_shown_part_by_part() -> None:
    setting, rounds = Setting(model="efficientpose_nas/A", part="pipeline"), np.full((20, 2), 0.01)
    parts = {"crop": np.full((20, 2), 0.002), "forward": np.full((20, 2), 0.008)}
    timing = Timing(setting=setting, rounds=rounds, cpu=rounds, parts=parts, device="a processor")
    records = {record.id: record for record in latency_records([timing], "-")}
    text = section(latency_page(COUNTS | records), "From images to joints")
    assert "| `efficientpose_nas/A` | 10 (no interval) | 20.0 % | 80.0 % |" in text


def test_the_page_is_the_same_twice_and_needs_no_time_of_day() -> None:
    records = COUNTS | measured({m: 1e-3 * ms for m, ms in PRINTED.items()})
    assert latency_page(records) == latency_page(dict(reversed(records.items())))
