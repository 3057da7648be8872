"""Draw predictions next to the annotations, one file per person, into a folder that git ignores: they show real people."""

from __future__ import annotations

import os
import subprocess
from itertools import pairwise
from pathlib import Path

import cv2
import numpy as np

from benchmark.core.errors import InputError
from benchmark.core.files import hold_folder, write_file
from benchmark.data.images import read_image
from benchmark.data.people import People

SIDE = 384  # pixels of each of the two panels
CAPTION = 24  # pixels of the strip below a picture
MARGIN = 1.3  # side of the visible region, relative to the longer side of the person's box
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


def check_ignored_folder(option: str, folder: Path) -> None:
    """Check that git ignores a folder, if it lies in a git checkout; of a link, the folder that it leads to.

    Args:
        option: Name of the option that gave the folder, for the message.

    Raises:
        InputError: git does not ignore the folder, or cannot tell.
    """
    place = folder.resolve()
    parent = next(path for path in [place, *place.parents] if path.is_dir())
    command = ["git", "-C", str(parent), "check-ignore", "-q", str(place / "0.png")]
    try:
        answer = subprocess.run(command, capture_output=True, text=True, errors="replace", env={**os.environ, "LC_ALL": "C"})
    except FileNotFoundError:  # git is not installed
        return
    if answer.returncode == 1:
        raise InputError(f"{option} {folder}: git does not ignore this folder; choose one below out/")
    if answer.returncode and "not a git repository" not in answer.stderr:
        reason = answer.stderr.strip().removeprefix("fatal: ")
        raise InputError(f"{option} {folder}: git cannot tell whether it ignores this folder: {reason}")


def draw_predictions(folder: Path, people: People, joints: np.ndarray, names: tuple[str, ...]) -> None:
    """Write ``<image>-<person>.png`` for every person: the annotation on the left, the prediction on the right.

    Args:
        joints: predicted, ``[N, K, 2]`` pixels of the image.
        names: of the K joints.

    Raises:
        InputError: an image cannot be read, a file cannot be written, or another process draws into the folder.
    """
    with hold_folder(folder):
        for row, path in enumerate(people.images):
            image = read_image(path)
            center, size = people.centers[row], people.sizes[row]
            annotated = draw_panel(image, center, size, people.joints[row], people.visible[row] > 0, names)
            predicted = draw_panel(image, center, size, joints[row], np.ones(len(names), bool), names)
            panels = [add_caption(annotated, "annotation"), add_caption(predicted, "prediction")]
            write_picture(folder / f"{path.stem}-{people.ids[row]}.png", np.hstack(panels))


def draw_panel(
    image: np.ndarray, center: np.ndarray, size: np.ndarray, joints: np.ndarray, drawn: np.ndarray, names: tuple[str, ...]
) -> np.ndarray:
    """Draw a person's surroundings with a skeleton, uint8 ``[SIDE, SIDE, 3]``; left limbs are orange, right ones blue.

    Args:
        image: uint8 ``[H, W, 3]``.
        center: of the person's box, ``[2]`` pixels.
        size: of the person's box, ``[2]`` pixels.
        joints: ``[K, 2]`` pixels of the image.
        drawn: whether each joint is drawn, ``[K]``.
        names: of the K joints.
    """
    scale = SIDE / (MARGIN * max(float(size.max()), 1.0))
    transform = np.array([[scale, 0, SIDE / 2 - scale * center[0]], [0, scale, SIDE / 2 - scale * center[1]]])
    panel = cv2.warpAffine(image, transform, (SIDE, SIDE))
    draw_skeleton(panel, joints @ transform[:, :2].T + transform[:, 2], drawn, names, radius=4)
    return panel


def draw_skeleton(image: np.ndarray, joints: np.ndarray, drawn: np.ndarray, names: tuple[str, ...], radius: int) -> None:
    """Draw a person's joints and the limbs between them into an image, in place.

    Args:
        image: uint8 ``[H, W, 3]``.
        joints: ``[K, 2]`` pixels of the image.
        drawn: whether each joint is drawn, ``[K]``.
        names: of the K joints.
        radius: of a joint in pixels.
    """
    height, width = image.shape[:2]
    points = np.clip(np.round(joints), [-width, -height], [2 * width, 2 * height])
    pixels = {name: (int(x), int(y)) for name, (x, y), is_drawn in zip(names, points, drawn, strict=True) if is_drawn}
    for start, end in limbs(tuple(pixels)):
        cv2.line(image, pixels[start], pixels[end], _colour(end), max(1, round(0.75 * radius)), cv2.LINE_AA)
    for name, pixel in pixels.items():
        cv2.circle(image, pixel, radius, _colour(name), -1, cv2.LINE_AA)
        cv2.circle(image, pixel, radius, (255, 255, 255), 1, cv2.LINE_AA)


def limbs(names: tuple[str, ...]) -> list[tuple[str, str]]:
    """Return the pairs of joints between which a limb is drawn; a joint that is not among the names is passed over."""
    return [pair for chain in CHAINS for pair in pairwise(name for name in chain if name in names)]


def add_caption(image: np.ndarray, title: str) -> np.ndarray:
    """Return an image with a strip below it that has a title and says which colour is which side of the body.

    Args:
        image: uint8 ``[H, W, 3]``.
    """
    height, width = image.shape[:2]
    captioned = np.full((height + CAPTION, max(width, SIDE // 2), 3), 255, np.uint8)
    captioned[:height, :width] = image
    x = 6
    for text, colour in (("left", LEFT), ("right", RIGHT), ("middle", MIDDLE), (title, (0, 0, 0))):
        dark = tuple(int(0.75 * channel) for channel in colour)  # these are read on white
        cv2.putText(captioned, text, (x, height + CAPTION - 7), cv2.FONT_HERSHEY_SIMPLEX, 0.45, dark, 1, cv2.LINE_AA)
        x += cv2.getTextSize(text, cv2.FONT_HERSHEY_SIMPLEX, 0.45, 1)[0][0] + 12
    return captioned


def write_picture(path: Path, image: np.ndarray) -> Path:
    """Write an image, uint8 ``[H, W, 3]`` RGB, as a PNG file, and return its path."""
    _, encoded = cv2.imencode(".png", cv2.cvtColor(image, cv2.COLOR_RGB2BGR))
    return write_file(path, encoded.tobytes())


def _colour(joint: str) -> tuple[int, int, int]:
    return LEFT if joint.startswith("left") else RIGHT if joint.startswith("right") else MIDDLE
