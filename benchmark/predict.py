"""``python -m benchmark.predict``: find the joints of the people on photographs, and draw their skeletons."""

from __future__ import annotations

from collections.abc import Sequence

import tyro

from benchmark.core.errors import run_command
from benchmark.evaluation.arguments import PredictArguments
from benchmark.models.external import resolve_model

DESCRIPTION = """Find the joints of the people on photographs, and draw their skeletons.

For each photograph, NAME.png is written with the skeletons, and for all of them predictions.json, in COCO's format of keypoint
annotations. By default one person fills the photograph; --box and --detect say where people are.

examples:
  python -m benchmark.predict efficientpose/RT --weights weights/efficientpose/EfficientPoseRT.h5 photo.jpg
  python -m benchmark.predict mine.py:build --weights mine.pth --head coco --detect team.jpg crowd.png
"""


def predict_command(arguments: PredictArguments) -> None:
    """Predict, draw and write, and name the files.

    Raises:
        InputError: see :func:`benchmark.evaluation.photographs.predict_photographs`.
    """
    resolve_model(arguments.model)  # an unknown one is refused before torch is imported; a Python file is executed later

    from benchmark.evaluation.photographs import predict_photographs

    for path in predict_photographs(arguments):
        print(f"wrote {path}")


def main(args: Sequence[str] | None = None) -> None:
    """Run the command with the given arguments, or with those of the command line."""
    run_command(
        lambda: predict_command(
            tyro.cli(PredictArguments, args=args, description=DESCRIPTION, prog="python -m benchmark.predict")
        )
    )


if __name__ == "__main__":
    main()
