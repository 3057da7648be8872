"""Show how closely the three routes from images to training inputs agree."""

from __future__ import annotations

from collections.abc import Mapping

from benchmark.config.identities import describe_setting
from benchmark.core.records import Record, select
from benchmark.report.markdown import code, grid, page

FORMATS = {"psnr": ".1f", "rms": ".4f", "target": ".1e"}  # by metric, in the order of the columns


def pipeline_page(records: Mapping[str, Record]) -> str:
    """Return ``reports/pipeline.md``, from the records of ``python -m benchmark.measure routes``."""
    agreements = select(records, kind="agreement", dataset="synthetic-mpii")
    agreements.sort(key=lambda r: (r.setting["route"] != "direct", describe_setting(r), r.subject))
    groups: dict[tuple[str, str], dict[str, Record]] = {}
    for record in agreements:
        groups.setdefault((record.setting["route"], describe_setting(record)), {})[record.metric] = record
    rows = []
    for (route, setting), by_metric in groups.items():
        values = [f"{by_metric[metric].value:{form}}" if metric in by_metric else "" for metric, form in FORMATS.items()]
        rows.append((code(route), setting, *values))
    people = max((record.n or 0 for record in agreements), default=0)
    return page(
        "# Agreement of the three routes to a training image",
        "A training image is computed by one of three routes: warped from the original image (`direct`), warped by OpenCV "
        "from a cached crop (`cached`), or resampled from the same crop on the device together with the rest of its batch "
        f"(`resampled`). The table compares the same views of {people} Synthetic people: the peak signal-to-noise ratio "
        "(PSNR) and the root mean square (RMS) difference to `direct` over all pixels and colours, and the largest distance "
        "between the target of a joint and the position to which the route moves the joint's pixel.",
        "A cache of resolution 2 keeps two pixels per input pixel along each axis, as far as the original image has that "
        "many; a full-resolution cache keeps the pixels of the original image. Caches of lower resolution differ from "
        "`direct` because `direct` interpolates the original image linearly in one step, which aliases. Their targets do not "
        "move.",
        grid(("route", "augmentation, input, cache", "PSNR, dB", "RMS, of 255", "largest target error, px"), rows),
        "Measured by `python -m benchmark.measure routes --keep`, which generates the people itself.",
    )
