"""Compare your own network with the papers': ``python -m benchmark.compare``."""

from __future__ import annotations

import json
from collections.abc import Sequence

import tyro

from benchmark.compare.arguments import CompareArguments
from benchmark.core.errors import run_command
from benchmark.models.external import resolve_model

DESCRIPTION = """Compare your own network with the papers': cost, latency and accuracy, each measured as in the printed table.

A value that was not measured stays empty.

examples:
  python -m benchmark.compare benchmark/compare/example_net.py:build --table efficientpose_nas/table2
  python -m benchmark.compare mine.py:build --weights mine.safetensors --dataset lsp --against efficientpose/RT@RT.h5
  python -m benchmark.compare mine.onnx --predictions mine.mat --annotations gt_valid.mat --table efficientpose/table3
"""


def compare_command(arguments: CompareArguments) -> None:
    """Compare the networks, and print the result.

    Raises:
        InputError: see :func:`benchmark.compare.run.compare_networks`.
    """
    resolve_model(arguments.model)  # an unknown one is refused before torch is imported; a Python file is executed later

    from benchmark.compare.output import comparison_report, format_comparison
    from benchmark.compare.run import compare_networks

    comparison = compare_networks(arguments)
    print(json.dumps(comparison_report(comparison), allow_nan=False) if arguments.as_json else format_comparison(comparison))


def main(args: Sequence[str] | None = None) -> None:
    """Run the command with the given arguments, or with those of the command line."""
    run_command(
        lambda: compare_command(
            tyro.cli(CompareArguments, args=args, description=DESCRIPTION, prog="python -m benchmark.compare")
        )
    )


if __name__ == "__main__":
    main()
