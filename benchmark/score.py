"""``python -m benchmark.score``: score a file of predicted joints under the public evaluation conventions."""

from __future__ import annotations

import json
from collections.abc import Sequence

import tyro

from benchmark.core.errors import run_command
from benchmark.metrics.score_files import SCORERS, ScoreArguments
from benchmark.metrics.score_tables import format_scores

DESCRIPTION = """Score predicted joints under the public evaluation conventions, with 95 % intervals.

MPII: PCKh@0.5 and @0.1 of each part and the mean, in percent; intervals by a bootstrap over people.
COCO: the ten keypoint metrics of pycocotools, as fractions from 0 to 1; intervals by a bootstrap over images.

examples:
  python -m benchmark.score --annotations gt_valid.mat --predictions mine.mat --against theirs.mat
  python -m benchmark.score --dataset coco --annotations person_keypoints_val2017.json --predictions mine.json --json
"""


def score_command(arguments: ScoreArguments) -> None:
    """Score the prediction files and print the result.

    Raises:
        InputError: see :func:`benchmark.metrics.score_files.score_mpii` and ``score_coco``.
    """
    scores = SCORERS[arguments.dataset](arguments)
    print(json.dumps(scores, allow_nan=False) if arguments.as_json else format_scores(arguments, scores))


def main(args: Sequence[str] | None = None) -> None:
    """Run the command with these command-line arguments, by default those of the process."""
    arguments = tyro.cli(ScoreArguments, args=args, description=DESCRIPTION, prog="python -m benchmark.score")
    run_command(lambda: score_command(arguments))


if __name__ == "__main__":
    main()
