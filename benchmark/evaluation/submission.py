"""Write files for the benchmarks' servers: COCO's results file, and MPII's annotation list with predicted joints."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np

from benchmark.core.errors import InputError
from benchmark.core.files import atomic_write
from benchmark.core.keypoints import MPII_JOINTS
from benchmark.data.annotation_files import first_existing, read_mat
from benchmark.data.mpii import MAT, ORIGIN, split_mpii_ids
from benchmark.data.people import People

PERSON_CATEGORY = 1  # COCO's id of the category person


def coco_entries(people: People, joints: np.ndarray, heights: np.ndarray, scores: np.ndarray) -> list[dict[str, Any]]:
    """Return one object per person in COCO's "results format" for keypoints (https://cocodataset.org).

    Args:
        joints: ``[N, 17, 2]`` pixels; COCO counts from (0, 0) too.
        heights: heights of the heatmaps' peaks, ``[N, 17]``. They take the place of the annotations' visibilities, which the
            server does not use.
        scores: of the people, ``[N]``.
    """
    keypoints = np.concatenate([joints, heights[..., None]], axis=-1).reshape(len(people), -1)
    return [
        {"image_id": int(image), "category_id": PERSON_CATEGORY, "keypoints": values.tolist(), "score": float(score)}
        for image, values, score in zip(people.image_ids, keypoints, scores, strict=True)
    ]


def write_coco(path: Path, entries: list[dict[str, Any]]) -> None:
    """Write the file to upload, zipped, as ``person_keypoints_test-dev2017_<name>_results.json``."""
    with atomic_write(path) as temporary:
        temporary.write_text(json.dumps(entries, allow_nan=False))


def write_mpii(path: Path, people: People, joints: np.ndarray, folder: Path) -> None:
    """Write the file ``pred_keypoints_mpii.mat`` for MPII's server.

    Its variable ``pred`` lists the test images of ``RELEASE.annolist`` in their order, and
    ``pred(i).annorect(r).annopoints.point`` holds the 16 predicted joints of a person: x, y (from pixel (1, 1)) and id. The
    layout is that of the toolkit's README, section "Single Person Pose Estimation". Validation people are written in the same
    layout.

    Args:
        people: with the ids of the MATLAB file: see :func:`benchmark.data.mpii.split_mpii_ids`.
        joints: ``[N, 16, 2]`` pixels from (0, 0), in MPII's order.
        folder: the folder of ``mpii_human_pose_v1_u12_1.mat``.

    Raises:
        InputError: that file is missing, or a person is not in it.
    """
    from scipy.io import savemat

    release = release_file(folder)
    annolist = read_mat(release, "RELEASE")["annolist"][0, 0].ravel()
    is_train = read_mat(release, "RELEASE")["img_train"][0, 0].ravel()
    image_indices, person_indices = split_mpii_ids(people.ids)

    # The images to write, and on each of them the joints of each person, by their positions in the MATLAB file.
    written_images = np.flatnonzero(is_train == 0) if people.split == "test" else np.unique(image_indices)
    predicted: dict[int, dict[int, np.ndarray]] = {int(image): {} for image in written_images}
    for file, image, person, points in zip(people.images, image_indices, person_indices, joints, strict=True):
        if image >= len(annolist) or str(annolist[image]["image"]["name"][0, 0].item()) != file.name:
            raise InputError(
                f"{release}: image {image + 1} of annolist is not {file.name}; the people come from another annotation file"
            )
        if image not in predicted:
            raise InputError(f"{release}: {file.name} is not a test image")
        predicted[int(image)][int(person)] = points + ORIGIN

    pred = np.empty((1, len(written_images)), dtype=[("image", object), ("annorect", object)])
    for row, image in enumerate(written_images):
        pred[0, row] = (annolist[image]["image"], _annorects(annolist[image]["annorect"], predicted[int(image)]))
    with atomic_write(path) as temporary:
        savemat(temporary, {"pred": pred}, appendmat=False)


def release_file(folder: Path) -> Path:
    """Return the path of MPII's MATLAB annotations, which define each person's position in a submission.

    Raises:
        InputError: the file is missing.
    """
    path = first_existing(folder, MAT)
    if path is None:
        raise InputError(f"{folder}: the submission needs {MAT[0]}, which defines each person's position in it")
    return path


def _annorects(rectangles: np.ndarray, predicted: dict[int, np.ndarray]) -> np.ndarray:
    """Return an image's people as MATLAB stores them, with ``annopoints`` only of those that were predicted."""
    fields = [name for name in rectangles.dtype.names or () if name != "annopoints"]
    written = np.empty((1, rectangles.size), dtype=[(name, object) for name in [*fields, "annopoints"]])
    for person, rectangle in enumerate(rectangles.ravel()):
        for name in fields:
            written[0, person][name] = rectangle[name]
        points = predicted.get(person)
        written[0, person]["annopoints"] = np.zeros((0, 0)) if points is None else _annopoints(points)
    return written


def _annopoints(points: np.ndarray) -> np.ndarray:
    point = np.empty((1, len(MPII_JOINTS)), dtype=[("x", object), ("y", object), ("id", object)])
    for joint, (x, y) in enumerate(points):
        point[0, joint] = (float(x), float(y), float(joint))
    annopoints = np.empty((1, 1), dtype=[("point", object)])
    annopoints[0, 0]["point"] = point
    return annopoints
