"""``python -m benchmark.evaluate``: test a network with its weights on a dataset."""

from __future__ import annotations

import json
from collections.abc import Sequence

import tyro

from benchmark.core.errors import run_command
from benchmark.evaluation.distributed import process_rank
from benchmark.evaluation.records import evaluation_report, format_evaluation
from benchmark.evaluation.run import EvaluateArguments, evaluate_model

DESCRIPTION = """Crop, predict, decode, score and record: a network's accuracy with 95 % intervals.

Results that are on record already are read from there. A killed evaluation resumes where it was; under torchrun the people are
distributed over the processes.

example:
  python -m benchmark.evaluate efficientpose/RT --weights weights/efficientpose/EfficientPoseRT.h5 --dataset lsp
"""


def evaluate_command(arguments: EvaluateArguments) -> None:
    """Evaluate the model, and print the results in the first process.

    Raises:
        InputError: see :func:`benchmark.evaluation.run.evaluate_model`.
    """
    evaluation, records = evaluate_model(arguments)
    if process_rank() != 0:
        return
    if arguments.as_json:
        print(json.dumps(evaluation_report(evaluation, records), allow_nan=False))
        return
    if records:
        print(format_evaluation(records))
    if arguments.submission:
        print(f"wrote {arguments.submission}")


def main(args: Sequence[str] | None = None) -> None:
    """Run the command with the given arguments, or with those of the command line."""
    arguments = tyro.cli(EvaluateArguments, args=args, description=DESCRIPTION, prog="python -m benchmark.evaluate")
    run_command(lambda: evaluate_command(arguments))


if __name__ == "__main__":
    main()
