"""Predictions as the benchmarks' servers take them: COCO's results file, MPII's annotation list with predicted joints."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np

from benchmark.core.errors import InputError
from benchmark.core.files import atomic_write
from benchmark.core.keypoints import MPII_JOINTS
from benchmark.data.annotation_files import first_existing, read_mat
from benchmark.data.mpii import MAT, ORIGIN, annolist_position
from benchmark.data.people import People

PERSON = 1  # COCO's category


def coco_entries(people: People, joints: np.ndarray, heights: np.ndarray, scores: np.ndarray) -> list[dict[str, Any]]:
    """COCO's "results format" for keypoints (https://cocodataset.org): one object a detection.

    Args:
        joints: [N, 17, 2] pixels; COCO counts from (0, 0) too.
        heights: [N, 17] of the heatmaps; they stand where annotations have visibilities, which the server does not use.
        scores: [N] of the persons.
    """
    keypoints = np.concatenate([joints, heights[..., None]], axis=-1).reshape(len(people), -1)
    return [
        {"image_id": int(image), "category_id": PERSON, "keypoints": values.tolist(), "score": float(score)}
        for image, values, score in zip(people.image_ids, keypoints, scores, strict=True)
    ]


def write_coco(path: Path, entries: list[dict[str, Any]]) -> None:
    """The file to upload, zipped, as ``person_keypoints_test-dev2017_<name>_results.json``."""
    with atomic_write(path) as temporary:
        temporary.write_text(json.dumps(entries, allow_nan=False))


def write_mpii(path: Path, people: People, joints: np.ndarray, folder: Path) -> None:
    """The file ``pred_keypoints_mpii.mat`` to send in: ``pred``, the test images of ``RELEASE.annolist`` in their order, where
    ``pred(i).annorect(r).annopoints.point`` are the 16 predicted joints of each single person: x, y (from pixel (1, 1)), id.

    The layout is that of the toolkit's README, "Single Person Pose Estimation". Validation persons go into the same layout.

    Args:
        people: with the ids of the MATLAB file: see :func:`benchmark.data.mpii.annolist_position`.
        joints: [N, 16, 2] pixels from (0, 0), in MPII's order.
        folder: where ``mpii_human_pose_v1_u12_1.mat`` is.

    Raises:
        InputError: that file is absent or knows a person not.
    """
    from scipy.io import savemat

    release = release_file(folder)
    annolist = read_mat(release, "RELEASE")["annolist"][0, 0].ravel()
    in_training = read_mat(release, "RELEASE")["img_train"][0, 0].ravel()
    images, persons = annolist_position(people.ids)
    wanted = np.flatnonzero(in_training == 0) if people.split == "test" else np.unique(images)
    predicted: dict[int, dict[int, np.ndarray]] = {int(image): {} for image in wanted}
    for name, image, person, points in zip(people.images, images, persons, joints, strict=True):
        if image >= len(annolist) or str(annolist[image]["image"]["name"][0, 0].item()) != name.name:
            raise InputError(
                f"{release}: image {image + 1} of annolist is not {name.name}: these persons come from another file"
            )
        if image not in predicted:
            raise InputError(f"{release}: {name.name} is no test image")
        predicted[int(image)][int(person)] = points + ORIGIN
    pred = np.empty((1, len(wanted)), dtype=[("image", object), ("annorect", object)])
    for place, image in enumerate(wanted):
        pred[0, place] = (annolist[image]["image"], _annorects(annolist[image]["annorect"], predicted[int(image)]))
    with atomic_write(path) as temporary:
        savemat(temporary, {"pred": pred}, appendmat=False)


def release_file(folder: Path) -> Path:
    """MPII's MATLAB annotations, without which persons cannot be put where its server looks for them.

    Raises:
        InputError: they are not there.
    """
    found = first_existing(folder, MAT)
    if found is None:
        raise InputError(f"{folder}: the submission needs {MAT[0]}, which tells where each person stands in its list")
    return found


def _annorects(rectangles: np.ndarray, predicted: dict[int, np.ndarray]) -> np.ndarray:
    """An image's persons as they are, with ``annopoints`` of those predicted."""
    fields = [name for name in rectangles.dtype.names or () if name != "annopoints"]
    filled = np.empty((1, rectangles.size), dtype=[(name, object) for name in [*fields, "annopoints"]])
    for person, rectangle in enumerate(rectangles.ravel()):
        for name in fields:
            filled[0, person][name] = rectangle[name]
        points = predicted.get(person)
        filled[0, person]["annopoints"] = np.zeros((0, 0)) if points is None else _annopoints(points)
    return filled


def _annopoints(points: np.ndarray) -> np.ndarray:
    point = np.empty((1, len(MPII_JOINTS)), dtype=[("x", object), ("y", object), ("id", object)])
    for joint, (x, y) in enumerate(points):
        point[0, joint] = (float(x), float(y), float(joint))
    annopoints = np.empty((1, 1), dtype=[("point", object)])
    annopoints[0, 0]["point"] = point
    return annopoints
