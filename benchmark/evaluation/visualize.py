"""Predictions drawn beside the annotations, one picture a person, into a folder that git ignores: they show real people."""

from __future__ import annotations

import subprocess
from itertools import pairwise
from pathlib import Path

import cv2
import numpy as np

from benchmark.core.errors import InputError
from benchmark.data.images import read_image
from benchmark.data.people import People

SIDE = 384  # pixels of each of the two panels
MARGIN = 1.3  # how much more than the person's box is shown
CHAINS = (
    ("head_top", "upper_neck", "thorax", "pelvis"),
    ("head_top", "neck"),
    *((f"{side}_shoulder", f"{side}_elbow", f"{side}_wrist") for side in ("left", "right")),
    *((f"{side}_shoulder", f"{side}_hip", f"{side}_knee", f"{side}_ankle") for side in ("left", "right")),
    ("left_shoulder", "right_shoulder"),
    ("left_hip", "right_hip"),
    ("left_ear", "left_eye", "nose", "right_eye", "right_ear"),
)
LEFT, RIGHT, MIDDLE = (255, 140, 0), (0, 160, 255), (80, 220, 80)  # RGB


def check_ignored_folder(folder: Path) -> None:
    """Refuse a folder in a git checkout that git would take in.

    Raises:
        InputError: it is such a folder.
    """
    parent = next(path for path in [folder.absolute(), *folder.absolute().parents] if path.is_dir())
    try:
        asked = ["git", "-C", str(parent), "check-ignore", "-q", str(folder.absolute() / "0.png")]
        if subprocess.run(asked, capture_output=True).returncode == 1:  # 128 where there is no checkout
            raise InputError(f"--draw {folder}: git does not ignore this folder; take one below out/")
    except FileNotFoundError:  # no git
        return


def draw_predictions(folder: Path, people: People, joints: np.ndarray, names: tuple[str, ...]) -> None:
    """``<image>-<person>.png`` for every person: left the annotation, right the prediction.

    Args:
        joints: predicted, pixels of the photograph [N, K, 2].
        names: of the K joints.

    Raises:
        InputError: a photograph cannot be read.
    """
    folder.mkdir(parents=True, exist_ok=True)
    for row, path in enumerate(people.images):
        photograph = read_image(path)
        assert photograph is not None
        marked = people.visible[row] > 0
        left = draw_panel(photograph, people.centers[row], people.sizes[row], people.joints[row], marked, names)
        right = draw_panel(photograph, people.centers[row], people.sizes[row], joints[row], np.ones(len(names), bool), names)
        both = cv2.cvtColor(np.hstack([left, right]), cv2.COLOR_RGB2BGR)
        target = folder / f"{path.stem}-{people.ids[row]}.png"
        if not cv2.imwrite(str(target), both):
            raise InputError(f"{target}: cannot be written")


def draw_panel(
    photograph: np.ndarray, center: np.ndarray, size: np.ndarray, joints: np.ndarray, marked: np.ndarray, names: tuple[str, ...]
) -> np.ndarray:
    """The person's surroundings with a skeleton, uint8 ``[SIDE, SIDE, 3]``: the person's left orange, right blue.

    Args:
        center, size: of the person's box, pixels [2].
        joints: pixels of the photograph [K, 2].
        marked: which of them are drawn [K].
    """
    scale = SIDE / (MARGIN * max(float(size.max()), 1.0))
    matrix = np.array([[scale, 0, SIDE / 2 - scale * center[0]], [0, scale, SIDE / 2 - scale * center[1]]])
    image = cv2.warpAffine(photograph, matrix, (SIDE, SIDE))
    places = {
        name: tuple(int(value) for value in np.clip(np.round(matrix[:, :2] @ joint + matrix[:, 2]), -SIDE, 2 * SIDE))
        for name, joint, there in zip(names, joints, marked, strict=True)
        if there
    }
    for chain in CHAINS:
        for one, other in pairwise(name for name in chain if name in places):
            cv2.line(image, places[one], places[other], _colour(other), 3, cv2.LINE_AA)
    for name, place in places.items():
        cv2.circle(image, place, 4, _colour(name), -1, cv2.LINE_AA)
        cv2.circle(image, place, 4, (255, 255, 255), 1, cv2.LINE_AA)
    return image


def _colour(name: str) -> tuple[int, int, int]:
    return LEFT if name.startswith("left") else RIGHT if name.startswith("right") else MIDDLE
