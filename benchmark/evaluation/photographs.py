"""Predict the joints of the people on any photographs, and write skeletons and COCO's format of keypoint annotations."""

from __future__ import annotations

import json
import tempfile
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from tqdm import tqdm

from benchmark.config.packages import default_protocol, find_protocol
from benchmark.config.protocols import WHOLE_IMAGE, Protocol
from benchmark.core.errors import InputError, print_note
from benchmark.core.files import check_output_folder, hold_folder, write_file
from benchmark.core.input_size import parse_size
from benchmark.core.keypoints import JOINT_COUNTS
from benchmark.data.images import read_image
from benchmark.data.people import People
from benchmark.evaluation.arguments import PredictArguments
from benchmark.evaluation.backends import Backend, load_external
from benchmark.evaluation.distributed import choose_device
from benchmark.evaluation.inference import Predictions, assemble_chunks, predict_people
from benchmark.evaluation.visualize import add_caption, check_ignored_folder, draw_skeleton, limbs, write_picture
from benchmark.models.external import distinct_names, resolve_model

JSON_FILE = "predictions.json"
RADIUS = 1 / 150  # of a drawn joint, relative to the longer side of the person's box


def predict_photographs(arguments: PredictArguments) -> list[Path]:
    """Predict the people on photographs, and write a picture of each and ``predictions.json``; return the files.

    Raises:
        InputError: an option, a photograph, the network or its weights are wrong, or a file cannot be written.
    """
    paths = list(dict.fromkeys(arguments.images))
    boxes = [parse_box(text) for text in arguments.box]
    if not paths:
        raise InputError("give one photograph or more")
    if boxes and (len(paths) > 1 or arguments.detect):
        raise InputError("--box is for a single photograph, and without --detect")
    check_ignored_folder("--out", arguments.out)
    check_output_folder(arguments.out)

    with hold_folder(arguments.out), tempfile.TemporaryDirectory() as work:
        # Photographs, the network, and where the people are.
        upright = [turn_upright(path, Path(work) / f"{number}.png") for number, path in enumerate(paths)]
        photographs, images = [path for path, _ in upright], [image for _, image in upright]
        backend, protocol = load_network(arguments)
        if arguments.detect:
            from benchmark.evaluation.person_detector import detect_people, load_detector

            detector = load_detector().to(choose_device(arguments.device))
            found = detect_people(detector, images, arguments.least_detection)
        else:
            found = [np.array(boxes or [(0, 0, image.shape[1], image.shape[0])], float) for image in images]
        if arguments.detect or boxes:
            protocol = replace(protocol, crop="hrnet", padding=None, center_shift=0.0)

        # Predict, and write the files.
        people = people_in_boxes(photographs, found, len(backend.joints))
        with tqdm(total=len(people), unit=" people", disable=None) as bar:
            chunks = predict_people(
                people,
                backend,
                {"photographs": protocol},
                Path(work),
                device=choose_device(arguments.device),
                progress=bar.update,
            )
        joints, heights = (
            assemble_chunks([chunks], len(people))["photographs"] if len(people) else Predictions(*np.empty((2, 0)))
        )
        names = distinct_names([str(path.resolve()) for path in paths], [1] * len(paths))
        written = []
        for number, (name, image) in enumerate(zip(names, images, strict=True), 1):
            rows = np.flatnonzero(people.image_ids == number)
            if not len(rows):
                print_note(f"{name}: no person found")
            for row in rows:
                radius = max(2, round(RADIUS * people.sizes[row].max()))
                draw_skeleton(image, joints[row], heights[row] >= arguments.least_score, backend.joints, radius)
            picture = Path(name).with_suffix(".png").as_posix().replace("/", "-")
            written.append(write_picture(arguments.out / picture, add_caption(image, name)))
        content = coco_annotations(names, images, people, joints, heights, backend.joints)
        return [*written, write_file(arguments.out / JSON_FILE, json.dumps(content, allow_nan=False).encode())]


def parse_box(text: str) -> tuple[float, ...]:
    """Read ``x,y,width,height`` in pixels.

    Raises:
        InputError: it is not four numbers, or width or height is not positive.
    """
    try:
        x, y, width, height = map(float, text.split(","))
    except ValueError:
        width = height = 0.0
    if not (0 < width < np.inf and 0 < height < np.inf and np.isfinite([x, y]).all()):
        raise InputError(f"--box {text}: give x,y,width,height in pixels, as in 120,80,60,200")
    return x, y, width, height


def turn_upright(path: Path, copy: Path) -> tuple[Path, np.ndarray]:
    """Return a photograph, or a copy of it that is turned as the camera's orientation tag says; datasets ignore the tag.

    Returns:
        Its path, and its pixels, uint8 ``[H, W, 3]``.

    Raises:
        InputError: see :func:`benchmark.data.images.read_image`.
    """
    stored, turned = read_image(path), cv2.imread(str(path), cv2.IMREAD_COLOR)
    assert turned is not None  # it was just read
    upright = cv2.cvtColor(turned, cv2.COLOR_BGR2RGB)
    return (path if np.array_equal(stored, upright) else write_picture(copy, upright)), upright


def load_network(arguments: PredictArguments) -> tuple[Backend, Protocol]:
    """Load the network, and the protocol by which whole photographs are cropped, averaged and decoded.

    Raises:
        InputError: the network, its weights or the protocol are wrong.
    """
    external = resolve_model(arguments.model)
    input_hw = parse_size(arguments.input) if arguments.input else None if external.model else (256, 256)
    backend = load_external(
        external,
        arguments.weights,
        joints=JOINT_COUNTS[arguments.head],
        input_hw=input_hw,
        device=choose_device(arguments.device),
    )
    name = default_protocol(external.model, arguments.head, detected=True) if external.model else "hrnet"
    protocol = find_protocol(external.model, arguments.protocol or name, external.name)
    return backend, replace(protocol, crop=WHOLE_IMAGE)


def people_in_boxes(photographs: Sequence[Path], boxes: Sequence[np.ndarray], joints: int) -> People:
    """Return a row for each box of each photograph.

    Args:
        boxes: Of each photograph, ``[P, 4]``: x, y, width, height.
        joints: Number of joints, none of which is annotated.
    """
    rows = np.concatenate(boxes)
    of_image = np.repeat(np.arange(len(photographs)), [len(found) for found in boxes])
    return People(
        dataset="photographs",
        split="",
        images=tuple(photographs[int(number)] for number in of_image),
        image_ids=of_image + 1,
        ids=np.arange(len(rows)) + 1,
        joints=np.zeros((len(rows), joints, 2)),
        visible=np.zeros((len(rows), joints), np.uint8),
        centers=rows[:, :2] + rows[:, 2:] / 2,
        sizes=rows[:, 2:],
    )


def coco_annotations(
    names: Sequence[str],
    images: Sequence[np.ndarray],
    people: People,
    joints: np.ndarray,
    heights: np.ndarray,
    joint_names: tuple[str, ...],
) -> dict[str, Any]:
    """Return predictions in COCO's format of keypoint annotations (https://cocodataset.org, "Data format").

    The heights of the heatmaps' peaks stand in ``keypoint_scores``, the mean of them in ``score``; every ``v`` is 2.

    Args:
        joints: ``[N, K, 2]`` pixels.
        heights: ``[N, K]``.
    """
    annotations = [
        {
            "id": int(people.ids[row]),
            "image_id": int(people.image_ids[row]),
            "category_id": 1,
            "bbox": [*(people.centers[row] - people.sizes[row] / 2), *people.sizes[row]],
            "keypoints": np.column_stack([joints[row], np.full(len(joint_names), 2)]).ravel().tolist(),
            "num_keypoints": len(joint_names),
            "keypoint_scores": heights[row].tolist(),
            "score": float(heights[row].mean()),
        }
        for row in range(len(people))
    ]
    skeleton = [[joint_names.index(start) + 1, joint_names.index(end) + 1] for start, end in limbs(joint_names)]
    return {
        "images": [
            {"id": number, "file_name": name, "width": image.shape[1], "height": image.shape[0]}
            for number, (name, image) in enumerate(zip(names, images, strict=True), 1)
        ],
        "annotations": annotations,
        "categories": [{"id": 1, "name": "person", "keypoints": joint_names, "skeleton": skeleton}],
    }
