"""Object keypoint similarity and COCO's ten keypoint figures, from arrays: equal to pycocotools to the last bit.

Where a last bit or a tie depends on it, the operations and their order are those of pycocotools' ``COCOeval`` with
``iouType="keypoints"``: at most 20 detections an image, stable order of equal scores, persons without keypoints and crowds
ignored. What makes it fast: similarities are computed for all pairs with as many visible keypoints at once, and images with as
many persons are matched side by side, under all areas and thresholds. What it refuses: values that are not finite. pycocotools
takes a detection with NaN for a perfect one, because ``nan < threshold`` is false.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from benchmark.core.errors import InputError
from benchmark.metrics.average_precision import AREAS, THRESHOLDS, TINY, Matches, compute_average_precision

MAX_DETECTIONS = 20  # an image
# The spread of human annotators for each of COCO_JOINTS, as a fraction of the person's size. Divided as pycocotools does it:
# 0.26 / 10 is not 0.026 in its last bit.
OKS_SIGMAS = (
    np.array([0.26, 0.25, 0.25, 0.35, 0.35, 0.79, 0.79, 0.72, 0.72, 0.62, 0.62, 1.07, 1.07, 0.87, 0.87, 0.89, 0.89]) / 10.0
)
OKS_VARIANCES = (OKS_SIGMAS * 2) ** 2
KEYPOINTS = len(OKS_SIGMAS)
CHUNK = 4096  # pairs computed at once: what they need stays in the processor's cache


@dataclass(frozen=True, kw_only=True)
class CocoPersons:
    """Annotated persons, in the file's order, of the images that are scored (also those without anybody).

    ``images`` [I] int: every image's id. ``image_ids`` [N] int. ``keypoints`` [N, 17, 3] pixels (x, y) and visibility, 0 where
    not annotated. ``boxes`` [N, 4] x, y, width, height, pixels. ``areas`` [N] pixels squared, of the segment. ``crowd`` [N]
    bool. ``annotated`` [N] int: the file's own count of keypoints ("num_keypoints"); at 0 the person is ignored.
    """

    images: np.ndarray
    image_ids: np.ndarray
    keypoints: np.ndarray
    boxes: np.ndarray
    areas: np.ndarray
    crowd: np.ndarray
    annotated: np.ndarray


@dataclass(frozen=True, kw_only=True)
class CocoDetections:
    """Detected persons, in the file's order, which decides between equal scores.

    ``image_ids`` [D] int. ``keypoints`` [D, 17, 2] pixels (x, y). ``scores`` [D]. ``areas`` [D] pixels squared: of the box, or
    of the keypoints' extent where the detector gives no box.
    """

    image_ids: np.ndarray
    keypoints: np.ndarray
    scores: np.ndarray
    areas: np.ndarray


def evaluate_oks(persons: CocoPersons, detections: CocoDetections) -> dict[str, float]:
    """AP, AP50, AP75, APM, APL, AR, AR50, AR75, ARM and ARL: fractions from 0 to 1, -1 where no person counts.

    Raises:
        InputError: as :func:`match`.
    """
    return compute_average_precision(match_detections(persons, detections))


def match_detections(persons: CocoPersons, detections: CocoDetections) -> Matches:
    """Which detection finds whom: the best still free person, in every area range and at every threshold.

    Raises:
        InputError: shapes disagree, a value is not finite, an area is negative, an image is unknown or named twice.
    """
    check_persons(persons)
    check_detections(detections, persons.images)
    images = np.sort(persons.images)
    of_person = np.searchsorted(images, persons.image_ids)
    by_image = np.argsort(of_person, kind="stable")
    of_person = of_person[by_image]
    of_detection = np.searchsorted(images, detections.image_ids)
    best_first = np.lexsort((-detections.scores, of_detection))
    best_first = best_first[_rank(of_detection[best_first]) < MAX_DETECTIONS]
    of_detection = of_detection[best_first]

    areas = persons.areas[by_image]
    crowd = persons.crowd[by_image].astype(bool)
    out_of_area = (areas < AREAS[:, :1]) | (areas > AREAS[:, 1:])
    counts = ~(out_of_area | crowd | (persons.annotated[by_image] == 0))  # [A, N]
    person, detection = _pairs(of_person, of_detection, len(images))
    similar = compute_oks(persons, detections, by_image[person], best_first[detection])
    matched, ignored = _assign(of_person, of_detection, person, detection, similar, counts, crowd, len(images))

    detected = detections.areas[best_first]
    scores = detections.scores[best_first]
    order = np.argsort(-scores, kind="stable")
    return Matches(
        image=of_detection[order],
        score=scores[order],
        in_area=((detected >= AREAS[:, :1]) & (detected <= AREAS[:, 1:]))[:, order],
        matched=matched[..., order],
        ignored=ignored[..., order],
        persons=np.stack([np.bincount(of_person[row], minlength=len(images)) for row in counts], axis=1),
    )


def _rank(groups: np.ndarray) -> np.ndarray:
    """[N] how many of the same group stand before each; groups are sorted."""
    place = np.arange(len(groups))
    first = np.concatenate([[True], groups[1:] != groups[:-1]])[: len(groups)]
    return place - np.maximum.accumulate(np.where(first, place, 0))


def _pairs(of_person: np.ndarray, of_detection: np.ndarray, images: int) -> tuple[np.ndarray, np.ndarray]:
    """The person and the detection of every pair [P] within an image; both lists are sorted by image."""
    partners = np.bincount(of_detection, minlength=images)[of_person]
    person = np.repeat(np.arange(len(of_person)), partners)
    first = np.searchsorted(of_detection, of_person)
    return person, np.repeat(first, partners) + _rank(person)


@np.errstate(over="ignore")  # a keypoint light years away is infinitely far: similarity 0
def compute_oks(persons: CocoPersons, detections: CocoDetections, person: np.ndarray, detection: np.ndarray) -> np.ndarray:
    """Object keypoint similarity [P] of pairs, from 0 to 1: of the person and the detection at these indices ([P] each)."""
    # Pairs with as many visible keypoints go together, so that each sum has exactly the addends that pycocotools gives it:
    # numpy sums pairwise, in an order that depends on how many there are.
    x, y = (np.ascontiguousarray(detections.keypoints[..., axis], dtype=np.float64) for axis in (0, 1))
    true_x, true_y, visibility = (np.ascontiguousarray(values) for values in np.moveaxis(persons.keypoints, 2, 0))
    shown = (visibility > 0).sum(1)
    shown_first = np.argsort(visibility <= 0, axis=1, kind="stable")
    left, top, width, height = persons.boxes.T[..., None]
    scale = -2 * (persons.areas[:, None] + TINY)  # the sign and the factor 2 are exact wherever they stand
    similarity = np.empty(len(person))
    by_shown = np.argsort(shown[person], kind="stable")
    ends = np.cumsum(np.bincount(shown[person], minlength=KEYPOINTS + 1)).tolist()
    for count, (start, end) in enumerate(zip([0, *ends[:-1]], ends, strict=True)):
        for chunk in range(start, end, CHUNK):
            pair = by_shown[chunk : min(chunk + CHUNK, end)]
            whom, what = person[pair], detection[pair]
            if count:
                joint = shown_first[whom, :count]
                ours, theirs = joint + what[:, None] * KEYPOINTS, joint + whom[:, None] * KEYPOINTS
                dx, dy = x.take(ours) - true_x.take(theirs), y.take(ours) - true_y.take(theirs)
                variance = OKS_VARIANCES.take(joint)
            else:  # nobody says where the keypoints are: the distance to the box, enlarged by its own size on every side
                dx, dy = _outside(x[what], left[whom], width[whom]), _outside(y[what], top[whom], height[whom])
                variance = OKS_VARIANCES
            exponent = (dx**2 + dy**2) / variance / scale[whom]
            similarity[pair] = np.exp(exponent).sum(1) / exponent.shape[1]
    return similarity


def _outside(values: np.ndarray, start: np.ndarray, size: np.ndarray) -> np.ndarray:
    return np.maximum(0.0, (start - size) - values) + np.maximum(0.0, values - (start + size * 2))


def _assign(
    of_person: np.ndarray,
    of_detection: np.ndarray,
    person: np.ndarray,
    detection: np.ndarray,
    similarity: np.ndarray,
    counts: np.ndarray,
    crowd: np.ndarray,
    images: int,
) -> tuple[np.ndarray, np.ndarray]:
    """``matched`` and ``ignored`` [A, T, D]. Detections choose in turn; images with as many persons do so side by side.

    A person that counts is preferred to one that does not, then the more similar one, then the later one. A person is taken
    once, a crowd as often as wanted.
    """
    matched = np.zeros((len(AREAS), len(THRESHOLDS), len(of_detection)), dtype=bool)
    ignored = np.zeros_like(matched)
    person_rank, turn = _rank(of_person), _rank(of_detection)
    crowdedness = np.bincount(of_person, minlength=images)[of_person]  # of each person's image
    for size in np.unique(crowdedness):
        members = np.flatnonzero(crowdedness == size).reshape(-1, size)  # [images, size]
        pair = np.flatnonzero(crowdedness[person] == size)
        if not len(pair):
            continue
        column = np.searchsorted(members[:, 0], person[pair], side="right") - 1
        turns = turn[detection[pair]].max() + 1
        similar = np.full((size, turns, len(members)), -1.0)
        similar[person_rank[person[pair]], turn[detection[pair]], column] = similarity[pair]
        chooser = np.full((turns, len(members)), -1)
        chooser[turn[detection[pair]], column] = detection[pair]

        # One whole number orders a detection's wishes: first whether the person counts, then the place among similarities.
        whole = np.int16 if size < 2**14 else np.int32
        place = np.empty(similar.shape, dtype=whole)
        np.put_along_axis(place, similar.argsort(axis=0, kind="stable"), np.arange(1, size + 1)[:, None, None], 0)
        bonus = (counts[:, members].transpose(2, 0, 1) * size).astype(whole)  # [size, A, images]
        often = crowd[members].T[:, None, None]
        free = np.ones((size, len(AREAS), len(THRESHOLDS), len(members)), dtype=bool)
        for now in range(turns):
            enough = similar[:, now, None] >= THRESHOLDS[:, None]  # [size, T, images]
            if not enough.any():
                continue
            wish = (free & enough[:, None]) * (place[:, now, None] + bonus)[:, :, None]
            best = wish.max(0)
            free &= (wish != np.where(best > 0, best, -1)) | often
            there = chooser[now] >= 0
            matched[..., chooser[now, there]] = (best > 0)[..., there]
            ignored[..., chooser[now, there]] = ((best > 0) & (best <= size))[..., there]
    return matched, ignored


def check_persons(persons: CocoPersons, source: str = "annotations") -> None:
    """Refuse annotations that cannot be scored.

    Raises:
        InputError: shapes disagree, a value is not finite, an area is negative, an image is unknown or named twice.
    """
    _check_shapes(persons, (KEYPOINTS, 3), ("boxes", (4,)), ("crowd", ()), ("annotated", ()), source=source, row="annotation")
    ids, seen = np.unique(persons.images, return_counts=True)
    if (seen > 1).any():
        raise InputError(f"{source}: image {ids[seen > 1][0]} is named {seen[seen > 1][0]} times")
    _check_rows(persons, persons.images, source, "annotation")


def check_detections(detections: CocoDetections, images: np.ndarray, source: str = "detections") -> None:
    """Refuse detections that cannot be scored on ``images`` [I].

    Raises:
        InputError: shapes disagree, a value is not finite, an area is negative, an image is unknown.
    """
    _check_shapes(detections, (KEYPOINTS, 2), ("scores", ()), source=source, row="detection")
    _check_rows(detections, images, source, "detection")


def _check_shapes(
    rows: CocoPersons | CocoDetections, keypoints: tuple[int, ...], *others: tuple[str, tuple[int, ...]], source: str, row: str
) -> None:
    for name, shape in (("keypoints", keypoints), ("areas", ()), *others):
        found, expected = getattr(rows, name).shape, (len(rows.image_ids), *shape)
        if found != expected:
            raise InputError(f"{source}: {name} has shape {list(found)}, expected {list(expected)} for {expected[0]} {row}s")


def _check_rows(rows: CocoPersons | CocoDetections, images: np.ndarray, source: str, row: str) -> None:
    unknown = np.flatnonzero(~np.isin(rows.image_ids, images))
    if len(unknown):
        raise InputError(f"{source}: {row} {unknown[0]}: image {rows.image_ids[unknown[0]]} is not among the annotated ones")
    for name, values in vars(rows).items():
        if name != "images" and not np.isfinite(values).all():
            bad, *at = np.argwhere(~np.isfinite(values))[0].tolist()
            where = f"{source}: {row} {bad} (image {rows.image_ids[bad]})"
            raise InputError(f"{where}: {name}{at or ''} is {values[(bad, *at)]:g}")
    if (rows.areas < 0).any():
        bad = np.flatnonzero(rows.areas < 0)[0]
        raise InputError(f"{source}: {row} {bad} (image {rows.image_ids[bad]}): its area is negative, {rows.areas[bad]:g}")
