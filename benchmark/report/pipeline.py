"""How far the three routes from photographs to training images agree."""

from __future__ import annotations

from collections.abc import Mapping

from benchmark.config.identities import describe_setting
from benchmark.core.records import Record, select
from benchmark.report.markdown import grid, page

SHOWN = {"psnr": ".1f", "rms": ".4f", "target": ".1e"}


def pipeline_page(records: Mapping[str, Record]) -> str:
    """``reports/pipeline.md``, from the records of ``python -m benchmark.measure routes``."""
    found = select(records, kind="agreement")
    found = sorted(found, key=lambda r: (r.setting["route"] != "direct", describe_setting(r), r.subject))
    groups: dict[tuple[str, str], dict[str, Record]] = {}
    for record in found:
        groups.setdefault((record.setting["route"], describe_setting(record)), {})[record.metric] = record
    rows = []
    for (route, label), by_metric in groups.items():
        shown = [f"{by_metric[metric].value:{places}}" if metric in by_metric else "" for metric, places in SHOWN.items()]
        rows.append((f"`{route}`", label, *shown))
    persons = max((record.n or 0 for record in found), default=0)
    return page(
        "# Three routes to the same training image",
        "A training image is warped from its photograph (`direct`), or from a cached crop of it by OpenCV (`cached`), or from "
        "the same crop together with the batch on the device (`resampled`). Below, the same views of "
        f"{persons} Synthetic people by each route: the peak signal-to-noise ratio and the root mean square difference to "
        "`direct`, over all pixels and colours; and the largest distance between a joint's target and the place to which the "
        "route carries the joint's pixel. A cache of density 2 keeps two pixels along each of the input's, as long as the "
        "photograph has so many; a whole cache keeps the photograph's own. The smaller ones differ from `direct` by what a "
        "single linear interpolation of the photograph aliases, and their targets do not move.",
        grid(("route", "views, input, cache", "PSNR, dB", "rms, of 255", "target off by, px"), rows),
        "Measured by `python -m benchmark.measure routes --keep`, which draws the people itself.",
    )
