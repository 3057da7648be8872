"""Train a network by a recipe, test it and keep the results: ``python -m benchmark.train``."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path

import tyro

from benchmark.core.errors import run_command
from benchmark.core.files import check_output_folder
from benchmark.core.records import RECORDS, check_store
from benchmark.models.external import resolve_model
from benchmark.training.arguments import TrainArguments

DESCRIPTION = """Train a network by a recipe, test it, and keep the results.

Prints the plan and how long it takes on this machine, then trains. If the run is interrupted, the same command resumes it from
the last checkpoint. Under torchrun --nproc_per_node=N the batch is split over N processes.

examples:
  python -m benchmark.train efficientpose_nas/A --dataset lsp
  python -m benchmark.train my_net.py:build --dataset lsp
  torchrun --nproc_per_node=4 -m benchmark.train heatmap_weighting/mobilenet_v3 --dataset coco --precision bfloat16
"""


def train_command(arguments: TrainArguments, folder: Path = RECORDS) -> None:
    """Plan, train, test, record and print.

    Args:
        folder: Folder of the records.

    Raises:
        InputError: see :func:`plan_training` and :func:`benchmark.training.trainer.train_network`.
    """
    resolve_model(arguments.model)  # an unknown one is refused before torch is imported; a Python file is executed later

    from benchmark.evaluation.distributed import process_group
    from benchmark.training.loader import load_training_people
    from benchmark.training.records import format_training, training_report
    from benchmark.training.run import (
        cached_loader,
        describe_run,
        execute_training,
        find_rate,
        plan_training,
        print_estimate,
        with_people,
    )

    with process_group() as (rank, count):
        run = plan_training(arguments, count, folder)
        if rank == 0:
            for place in (run.folder, arguments.cache):
                check_output_folder(place)
            if arguments.keep:
                check_store(folder)
        people, absent = load_training_people(run.recipe, arguments.root)
        run = with_people(run, people)
        verbose = rank == 0 and not arguments.as_json
        kept_in = folder if arguments.keep else None
        if verbose:
            print(describe_run(run, people, absent), flush=True)
        if arguments.find_lr:
            records = find_rate(run, cached_loader(run, people, arguments.cache, verbose), kept_in)
        elif arguments.dry_run:
            print_estimate(run, cached_loader(run, people, arguments.cache, verbose), verbose)
            return
        else:
            records = execute_training(run, people, root=arguments.root, cache=arguments.cache, folder=kept_in, verbose=verbose)
    if rank == 0:
        print(json.dumps(training_report(records), allow_nan=False) if arguments.as_json else format_training(records))


def main(args: Sequence[str] | None = None) -> None:
    """Run the command with the given arguments, or with those of the command line."""
    run_command(
        lambda: train_command(tyro.cli(TrainArguments, args=args, description=DESCRIPTION, prog="python -m benchmark.train"))
    )


if __name__ == "__main__":
    main()
