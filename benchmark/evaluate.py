"""``python -m benchmark.evaluate``: a network with its weights on a dataset, from photographs to figures that are kept."""

from __future__ import annotations

import json
from collections.abc import Sequence

import tyro

from benchmark.core.errors import run_command
from benchmark.evaluation.distributed import process_rank
from benchmark.evaluation.records import evaluation_report, format_evaluation
from benchmark.evaluation.run import EvaluateArguments, evaluate_model

DESCRIPTION = """Crop, run, decode, score and record: a network's accuracy with 95 % intervals.

The same evaluation again is read from the records. Killed, it goes on where it was; under torchrun the persons are shared out.

example:
  python -m benchmark.evaluate efficientpose/RT --weights weights/efficientpose/EfficientPoseRT.h5 --dataset lsp
"""


def evaluate_command(arguments: EvaluateArguments) -> None:
    """Evaluate and print.

    Raises:
        InputError: see :func:`evaluate`.
    """
    evaluation, made = evaluate_model(arguments)
    if process_rank() == 0:
        if arguments.as_json:
            print(json.dumps(evaluation_report(evaluation, made), allow_nan=False))
        elif made:
            print(format_evaluation(made))
        if arguments.submission and not arguments.as_json:
            print(f"wrote {arguments.submission}")


def main(args: Sequence[str] | None = None) -> None:
    arguments = tyro.cli(EvaluateArguments, args=args, description=DESCRIPTION, prog="python -m benchmark.evaluate")
    run_command(lambda: evaluate_command(arguments))


if __name__ == "__main__":
    main()
