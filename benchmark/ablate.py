"""``python -m benchmark.ablate``: train and test every variant of an ablation, with seeds, and keep the figures.

A job is one variant with one seed. It is done when its record stands under reports/records, and claimed by a lock that goes
with the process that holds it; so any number of drivers can work at one grid, and a killed one is simply started again.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path

import tyro
from tqdm import tqdm

from benchmark.ablation.engines import run_locally, run_on_ray
from benchmark.ablation.jobs import AblateArguments, Job, evaluate_published_weights, forecast_jobs, list_jobs, measure_job_maps
from benchmark.analysis.effects import effects_report, format_effect, measure_effects
from benchmark.config.ablations import find_ablation, known_ablations
from benchmark.config.identities import load_current
from benchmark.core.errors import run_command
from benchmark.core.records import RECORDS

DESCRIPTION = """Train and test every variant of an ablation, and keep the figures.

Started again, or on several machines that share the folder, it does what is left. What is planned stands in ablations/NAME.py.

example:
  python -m benchmark.ablate sic --protocol lsp --seeds 3
  python -m benchmark.ablate sic --protocol lsp-gpu --engine ray --gpus 0.25
"""


def ablate_command(arguments: AblateArguments, folder: Path = RECORDS) -> None:
    """Do what is left, and show what came out.

    Raises:
        InputError: no such ablation, protocol or data.
    """
    wanted = list(known_ablations()) if arguments.name == "all" else [arguments.name]
    chosen = [find_ablation(name) for name in wanted]
    if arguments.name == "all":
        chosen = [ablation for ablation in chosen if arguments.protocol in ablation.protocols]
    grid = [job for ablation in chosen for job in list_jobs(ablation, arguments)]
    if arguments.dry_run:
        for ablation in chosen:
            print(forecast_jobs(ablation, list_jobs(ablation, arguments), arguments, folder))
        return
    engine = run_on_ray if arguments.engine == "ray" else run_locally
    with tqdm(total=len(grid), unit=" jobs", disable=True if arguments.as_json else None) as bar:

        def progress(job: Job) -> None:
            bar.update()
            bar.set_postfix_str(str(job))

        engine(grid, arguments, folder, progress)
    for ablation in chosen:
        evaluate_published_weights(ablation, arguments, folder)
        measure_job_maps(ablation, arguments, folder)
    found = {ablation.name: measure_effects(ablation, arguments.protocol, load_current(folder)) for ablation in chosen}
    if arguments.as_json:
        print(json.dumps(effects_report(found, arguments.protocol), allow_nan=False))
    else:
        print("\n".join(format_effect(find_ablation(name), effect) for name, own in found.items() for effect in own))


def main(args: Sequence[str] | None = None) -> None:
    arguments = tyro.cli(AblateArguments, args=args, description=DESCRIPTION, prog="python -m benchmark.ablate")
    run_command(lambda: ablate_command(arguments))


if __name__ == "__main__":
    main()
