"""Check the page of latencies: orders, ratios, undecided pairs, and commands for times that are missing."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from benchmark.config.identities import AGAIN, ONCE
from benchmark.config.latency import Setting
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
    repeat: str = "",
    device: str = "a processor",
    seed: int = 0,
    **setting: Any,
) -> dict[str, Record]:
    """Return records of models timed in interleaved rounds, with times that scatter about the given ones."""
    random = np.random.default_rng([seed, len(repeat) + bool(repeat)])
    timings = [
        Timing(setting=Setting(model=model, **setting), rounds=time * random.lognormal(0, scatter, (20, 6)), device=device)
        for model, time in seconds.items()
    ]
    return {r.id: r for r in latency_records(timings, "a command", repeat=repeat)}


def speed(seconds: dict[str, float], **options: Any) -> str:
    return latency_page(COUNTS | measured(seconds, input="256x192", joints=17, **options))


def section(page: str, heading: str) -> str:
    return page.partition(f"## {heading}")[2].partition("\n## ")[0]


def test_without_records_every_part_says_how_to_measure() -> None:
    page = latency_page(COUNTS)
    assert page.count("Not measured on such a device yet: `python -m benchmark.measure latency ") == 3
    assert "## FasterPose: 58% fewer operations, and the time saved" in page
    assert "Not measured yet: `python -m benchmark.measure latency baselines/simple_baseline-r50 " in page
    assert "--twice --keep" in page
    assert "Kendall's tau between" not in page


def test_times_in_the_printed_ratios_agree_throughout() -> None:
    """On devices three times slower, all pairs are in the printed order and about 95 % of the ratios lie in their intervals."""
    seconds = {m: 3e-3 * ms for m, ms in PRINTED.items()}
    devices = [measured(seconds, device=f"GPU {seed}", seed=seed) for seed in range(20)]
    page = latency_page(COUNTS | {i: r for records in devices for i, r in records.items()})
    text = section(page, "EfficientPose-NAS, Sec. 4.1")
    order = "printed order and ours: +1.00. Of 15 pairs, 15 are in the printed order, 0 in the opposite order, and 0 undecided."
    assert text.count(order) == 20
    assert text.count("| yes |") + text.count("| no |") == 20 * 5
    assert text.count("| yes |") >= 85
    assert "reproduced" not in text


def test_a_rate_is_compared_as_a_rate() -> None:
    page = speed({m: 2 / fps for m, fps in CPU_RATES.items()}, scatter=0.001)
    text = section(page, "Heatmap weighting, Table V: FPS(CPU)")
    assert "ours: +1.00" in text
    assert "| `heatmap_weighting/mobilenet_v3` | 18.3 | 0.948 | 0.948 [0.94" in text


def test_a_reversed_order_is_named() -> None:
    seconds = {m: 1 / fps for m, fps in CPU_RATES.items()}
    swapped = seconds | {"baselines/lite_hrnet-18": seconds["baselines/lite_hrnet-30"], "baselines/lite_hrnet-30": 0.09}
    text = section(speed(swapped), "Heatmap weighting, Table V: FPS(CPU)")
    assert "1 in the opposite order (lite_hrnet_18 and lite_hrnet_30)" in text


def test_what_scatters_is_undecided() -> None:
    text = section(speed(dict.fromkeys(CPU_RATES, 0.05), scatter=0.05), "Heatmap weighting, Table V: FPS(CPU)")
    undecided = int(text.partition(" undecided")[0].rpartition(" ")[2])
    assert undecided >= 12  # of 15; an interval of 95 % leaves out 1 now and then


def test_networks_that_were_not_measured_stay_empty() -> None:
    text = section(speed({m: 1 / CPU_RATES[m] for m in list(CPU_RATES)[:2]}), "Heatmap weighting, Table V: FPS(CPU)")
    assert "Of 1 pairs" in text
    assert "| `baselines/vipnas-mobilenet_v3` | 4.6 | 0.238 |  |" in text


def test_times_of_another_device_are_shown_beside_for_want_of_better() -> None:
    page = speed({m: 1 / fps for m, fps in CPU_RATES.items()})
    text = section(page, "Heatmap weighting, Table V: FPS(GPU)")
    assert "Not measured on such a device yet" in text
    assert "results from another kind of device" in text
    assert "Not measured" not in section(page, "Heatmap weighting, Table V: FPS(CPU)")


def test_an_operation_takes_longer_in_lite_hrnet_than_its_count_promises() -> None:
    """With the printed times: 1 / 6.2 s for 0.3 GMACs against 1 / 19.3 s for 1.6."""
    text = section(speed({m: 1 / fps for m, fps in CPU_RATES.items()}, scatter=0.001), "Heatmap weighting, Table V: FPS(CPU)")
    sentence = text.partition("Time per operation is longest for ")[2].partition("\n")[0]
    assert sentence.startswith("lite_hrnet_30: ")
    ours, printed = (float(sentence.partition(start)[2].partition(" times")[0]) for start in ("30: ", "printed: "))
    assert ours == pytest.approx(printed, abs=0.2)
    assert ours > 10
    assert sentence.endswith("By the printed times it is longest for lite_hrnet_30.")


def test_sentences_are_reckoned_again_with_our_times() -> None:
    text = section(speed({m: 1 / fps for m, fps in CPU_RATES.items()}, scatter=0.001), "Heatmap weighting, Table V: FPS(CPU)")
    assert "| About 4 times as fast as ViPNAS on the CPU | 4 × | 3.98 [3.9" in text
    assert "| Much faster than Lite-HRNet-30 and ViPNAS | true | true in 20 of 20 rounds |" in text
    assert "18 frames a second" not in text  # a value of the paper's own device
    assert "slower on the GPU than" not in text  # one device here, two in the claim


def test_saved_operations_stand_beside_the_time_they_save() -> None:
    pair = {"baselines/simple_baseline-r50": 1.0, "fasterpose/r50+deconvs=0+upsampling=pixel_shuffle": 0.7}
    text = section(speed(pair, scatter=0.001), "FasterPose: 58%")
    assert "| 57.4 % | 24.2 % | 30.0 % [30.0, 30.0] |" in text


def test_a_set_measured_twice_shows_what_was_kept() -> None:
    first = measured({"efficientpose_nas/A": 1.0, "efficientpose_nas/B": 2.0, "efficientpose_nas/C": 3.0}, repeat=ONCE)
    second = measured({"efficientpose_nas/A": 1.1, "efficientpose_nas/B": 2.2, "efficientpose_nas/C": 2.0}, repeat=AGAIN)
    text = section(latency_page(COUNTS | first | second), "Repeatability")
    row = next(line for line in text.splitlines() if "256x256" in line)
    assert "| 3 | 2 of 3 (`efficientpose_nas/B` and `efficientpose_nas/C`) | +0.33 |" in row


def test_noisy_figures_are_called_so() -> None:
    text = section(speed({m: 1 / fps for m, fps in CPU_RATES.items()}, scatter=0.3), "Heatmap weighting, Table V: FPS(CPU)")
    assert "on a processor, unstable" in text


def test_a_pipeline_is_shown_part_by_part() -> None:
    setting = Setting(model="efficientpose_nas/A", part="pipeline")
    parts = {"crop": np.full((20, 2), 0.002), "forward": np.full((20, 2), 0.008)}
    timing = Timing(setting=setting, rounds=np.full((20, 2), 0.01), parts=parts, device="a processor")
    records = {record.id: record for record in latency_records([timing], "-")}
    text = section(latency_page(COUNTS | records), "From images to joints")
    assert "| `efficientpose_nas/A` | 10 | 2 | 8 |" in text


def test_the_page_is_the_same_twice_and_needs_no_time_of_day() -> None:
    records = COUNTS | measured({m: 1e-3 * ms for m, ms in PRINTED.items()})
    assert latency_page(records) == latency_page(dict(reversed(records.items())))
