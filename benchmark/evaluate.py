"""``python -m benchmark.evaluate``: test a network with its weights on a dataset."""

from __future__ import annotations

import json
from collections.abc import Sequence

import tyro

from benchmark.core.errors import InputError, print_note, run_command
from benchmark.evaluation.arguments import EvaluateArguments
from benchmark.models.external import resolve_model

DESCRIPTION = """Crop, predict, decode, score and record: a network's accuracy with 95 % intervals.

Results that are on record already are read from there. A killed evaluation resumes where it was; under torchrun the people are
distributed over the processes.

examples:
  python -m benchmark.evaluate --published --dataset mpii
  python -m benchmark.evaluate efficientpose/RT --weights weights/efficientpose/EfficientPoseRT.h5 --dataset lsp
"""


def evaluate_command(arguments: EvaluateArguments) -> None:
    """Evaluate the model, and print the results in the first process.

    Raises:
        InputError: see :func:`benchmark.evaluation.run.evaluate_model`.
    """
    if arguments.published:
        evaluate_zoo(arguments)
        return
    if not arguments.model or arguments.weights is None:
        raise InputError("give a network and its --weights, or --published")
    resolve_model(arguments.model)  # an unknown one is refused before torch is imported; a Python file is executed later

    from benchmark.evaluation.distributed import process_rank
    from benchmark.evaluation.records import evaluation_report, format_evaluation
    from benchmark.evaluation.run import evaluate_model

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


def evaluate_zoo(arguments: EvaluateArguments) -> None:
    """Evaluate the published checkpoints, with a line for each as it is done and a table at the end.

    Raises:
        InputError: an option does not fit, or see :func:`benchmark.evaluation.published.evaluate_published`.
    """
    if arguments.weights or arguments.submission or arguments.draw:
        raise InputError("--published takes neither --weights nor --submission nor --draw")

    from benchmark.evaluation.distributed import process_rank
    from benchmark.evaluation.published import evaluate_published, format_published, published_report

    results = []
    for result in evaluate_published(arguments):
        results.append(result)
        if process_rank() == 0:
            print_note(f"{result.checkpoint.id}: {result.problem or 'done'}")
    if process_rank() == 0:
        report = published_report(results, arguments.dataset)
        print(json.dumps(report, allow_nan=False) if arguments.as_json else format_published(results, arguments.kind))
    if all(result.problem for result in results):
        raise InputError(f"none of {len(results)} published checkpoints could be evaluated")


def main(args: Sequence[str] | None = None) -> None:
    """Run the command with the given arguments, or with those of the command line."""
    run_command(
        lambda: evaluate_command(
            tyro.cli(EvaluateArguments, args=args, description=DESCRIPTION, prog="python -m benchmark.evaluate")
        )
    )


if __name__ == "__main__":
    main()
