"""List the models, measure their cost or latency, their agreement with public code, or that of the routes to training images.

Examples:
    python -m benchmark.measure models hrnet
    python -m benchmark.measure cost efficientpose_nas/A --input 256x256 --joints 16
    python -m benchmark.measure cost baselines/simple_baseline-r50 efficientpose_nas/C --json
    python -m benchmark.measure cost benchmark/compare/example_net.py:build --input 256x192 --joints 17
    python -m benchmark.measure cost --all
    python -m benchmark.measure latency efficientpose_nas/A baselines/hrnet-w32 --input 256x192 --joints 17
    python -m benchmark.measure agreement baselines/hrnet-w32 --reference reference.py:hrnet_w32 --repository owner/name@commit
    python -m benchmark.measure routes
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import tyro

from benchmark.core.errors import run_command
from benchmark.measure.agreement import AgreementCommand
from benchmark.measure.cost import CostCommand
from benchmark.measure.latency import LatencyCommand
from benchmark.measure.models import ModelsCommand
from benchmark.measure.reference import ReferenceCommand


def main() -> None:
    """Run the subcommand that the command line names."""
    commands: dict[str, Callable[..., Any]] = {
        "models": ModelsCommand,
        "cost": CostCommand,
        "latency": LatencyCommand,
        "agreement": ReferenceCommand,
        "routes": AgreementCommand,
    }
    run_command(
        lambda: tyro.extras.subcommand_cli_from_dict(commands, prog="python -m benchmark.measure", description=__doc__)()
    )


if __name__ == "__main__":
    main()
