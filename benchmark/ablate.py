"""Train and test every variant of an ablation, and keep the results: ``python -m benchmark.ablate``.

A job is one variant with one seed. It is done when its record is under reports/records. While it runs it is locked, and the
lock ends with the process that holds it; so any number of processes can work on one grid, and a killed one is started again.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path

import tyro

from benchmark.ablation.arguments import AblateArguments, check_plan
from benchmark.config.ablations import find_ablation, known_ablations
from benchmark.core.errors import InputError, run_command
from benchmark.core.files import check_output_folder
from benchmark.core.records import RECORDS, check_store

DESCRIPTION = """Train and test every variant of an ablation, and keep the results.

Started again, or on several machines that share the folder, it runs the remaining jobs. ablations/NAME.py states the plan.

examples:
  python -m benchmark.ablate sic rce --protocol lsp
  python -m benchmark.ablate all --protocol lsp-gpu --budget 28m --jobs 3
  python -m benchmark.ablate sic --protocol lsp-gpu --engine ray --gpus 0.25
"""


def ablate_command(arguments: AblateArguments, folder: Path = RECORDS) -> None:
    """Run the remaining jobs, and print the effects.

    Args:
        folder: Folder of the records.

    Raises:
        InputError: there is no such ablation or protocol, or data is missing.
    """
    if arguments.names == ("all",):
        ablations = [ablation for ablation in known_ablations().values() if arguments.protocol in ablation.protocols]
    else:
        ablations = [find_ablation(name) for name in dict.fromkeys(arguments.names)]
    if not ablations:
        raise InputError(f"name an ablation, or all; known: {', '.join(known_ablations())}")
    for ablation in ablations:
        check_plan(ablation, arguments)

    from benchmark.ablation.engines import run_plan
    from benchmark.ablation.jobs import LoadedPeople, evaluate_published_weights, forecast_jobs
    from benchmark.analysis.effects import Plan, effects_report, format_effect, is_judged, judged_plans, measure_effects
    from benchmark.config.identities import load_current

    if arguments.dry_run:
        loaded: LoadedPeople = {}
        for ablation in ablations:
            print(forecast_jobs(ablation, arguments, folder, loaded), flush=True)
        return
    for place in (arguments.work, arguments.cache):
        check_output_folder(place)
    check_store(folder)
    run_plan(ablations, arguments, folder)
    if arguments.trials_only:
        return

    # Evaluate what needs no training, in this process.
    for ablation in ablations:
        evaluate_published_weights(ablation, arguments, folder)

    # Compare the variants, among all comparisons of the report's page.
    own = [Plan(ablation, arguments.protocol) for ablation in ablations]
    measured = measure_effects(judged_plans() if is_judged(arguments.protocol) else own, load_current(folder))
    effects = {ablation.name: measured[ablation.name, arguments.protocol] for ablation in ablations}
    if arguments.as_json:
        print(json.dumps(effects_report(effects, arguments.protocol), allow_nan=False))
    else:
        print("\n".join(format_effect(find_ablation(name), effect) for name in effects for effect in effects[name]))


def main(args: Sequence[str] | None = None) -> None:
    """Run the command with the given arguments, or with those of the command line."""
    run_command(
        lambda: ablate_command(tyro.cli(AblateArguments, args=args, description=DESCRIPTION, prog="python -m benchmark.ablate"))
    )


if __name__ == "__main__":
    main()
