"""``python -m benchmark.score``: score files of predicted joints under the public evaluation conventions."""

from __future__ import annotations

import json
from collections.abc import Sequence

import tyro

from benchmark.core.errors import InputError, run_command
from benchmark.core.records import RECORDS, append_records, check_store
from benchmark.metrics.score_files import ScoreArguments, score_file
from benchmark.metrics.score_tables import format_scores

DESCRIPTION = """Score predicted joints under the public evaluation conventions, with 95 % intervals.

MPII: PCKh@0.5 and @0.1 of each part and the mean, in percent; intervals by a bootstrap over people.
LSP: PCK at 0.2, 0.1 and 0.05 of the torso's length, or at any threshold, person-centric and observer-centric; likewise.
COCO: the ten keypoint metrics of pycocotools, as fractions from 0 to 1; intervals by a bootstrap over images. What deviates
from COCO's formats, but is scored by pycocotools, is scored in the same way, with one warning for each kind.

examples:
  python -m benchmark.score --annotations gt_valid.mat --predictions mine.mat --against theirs.mat
  python -m benchmark.score --dataset lsp --predictions mine.mat --threshold 0.2 0.15
  python -m benchmark.score --dataset coco --annotations person_keypoints_val2017.json --predictions mine.json --json
  python -m benchmark.score --dataset coco --predictions mine.json --intervals none
  python -m benchmark.score --published --dataset mpii --keep
"""


def score_command(arguments: ScoreArguments) -> None:
    """Score the prediction files and print the result.

    Raises:
        InputError: see :func:`benchmark.metrics.score_files.score_file` and
            :func:`benchmark.metrics.published.score_published`.
    """
    if arguments.published:
        score_published_command(arguments)
        return
    scores = score_file(arguments)
    print(json.dumps(scores, allow_nan=False) if arguments.as_json else format_scores(arguments, scores))


def score_published_command(arguments: ScoreArguments) -> None:
    """Score all published files of a dataset, keep the records with ``--keep``, and print them.

    Raises:
        InputError: an option does not apply, or see :func:`benchmark.metrics.published.score_published`.
    """
    # Imported here, because it takes a tenth of a second, as long as reading the annotations of COCO.
    from benchmark.metrics.published import format_published, published_report, score_published

    options = ("predictions", "against", "preset", "threshold", "sides", "origin", "intervals")
    arguments.refuse("does not apply to --published", *options)
    if arguments.dataset == "coco":
        raise InputError("--published: no predictions on coco are listed; choose mpii or lsp")
    if arguments.keep:
        check_store(RECORDS)
    records, absent = score_published(arguments.dataset, arguments.annotation_file)
    added = append_records(records, RECORDS) if arguments.keep else []
    if arguments.as_json:
        print(json.dumps(published_report(records), allow_nan=False))
        return
    print(format_published(records, absent))
    if arguments.keep:
        print(f"{len(added)} records added, {len(records) - len(added)} are on record already")


def main(args: Sequence[str] | None = None) -> None:
    """Run the command with these command-line arguments, by default those of the process."""
    run_command(
        lambda: score_command(tyro.cli(ScoreArguments, args=args, description=DESCRIPTION, prog="python -m benchmark.score"))
    )


if __name__ == "__main__":
    main()
