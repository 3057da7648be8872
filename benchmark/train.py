"""``python -m benchmark.train``: a paper's recipe, or a small one, from photographs to weights and kept figures."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path

import tyro

from benchmark.core.errors import run_command
from benchmark.core.records import RECORDS
from benchmark.evaluation.distributed import process_group
from benchmark.training.loader import load_training_people
from benchmark.training.records import format_training, training_report
from benchmark.training.run import (
    TrainArguments,
    cached_loader,
    describe_run,
    execute_training,
    find_rate,
    plan_training,
    print_estimate,
    with_people,
)

DESCRIPTION = """Train a network by a recipe, test it, and keep its figures.

Says what it will do and how long that takes here, then does it. Killed at any moment, the same command goes on where the last
checkpoint left it. Under torchrun --nproc_per_node=N the batch is shared out over N processes.

example:
  python -m benchmark.train efficientpose_nas/A --dataset lsp
  torchrun --nproc_per_node=4 -m benchmark.train heatmap_weighting/mobilenet_v3 --dataset coco --precision bfloat16
"""


def train_command(arguments: TrainArguments, folder: Path = RECORDS) -> None:
    """Say, train, test, keep and show.

    Raises:
        InputError: see :func:`plan_training` and :func:`benchmark.training.trainer.train_network`.
    """
    with process_group() as (rank, count):
        run = plan_training(arguments, count, folder)
        people, absent = load_training_people(run.recipe, arguments.root)
        run = with_people(run, people)
        talks = rank == 0 and not arguments.as_json
        if talks:
            print(describe_run(run, people, absent), flush=True)
        if arguments.find_lr:
            done = find_rate(run, cached_loader(run, people, arguments.cache, talks), folder if arguments.keep else None)
        elif arguments.dry_run:
            print_estimate(run, cached_loader(run, people, arguments.cache, talks), talks)
            return
        else:
            kept = folder if arguments.keep else None
            done = execute_training(run, people, root=arguments.root, cache=arguments.cache, folder=kept, talks=talks)
    if rank == 0:
        print(json.dumps(training_report(done), allow_nan=False) if arguments.as_json else format_training(done))


def main(args: Sequence[str] | None = None) -> None:
    arguments = tyro.cli(TrainArguments, args=args, description=DESCRIPTION, prog="python -m benchmark.train")
    run_command(lambda: train_command(arguments))


if __name__ == "__main__":
    main()
