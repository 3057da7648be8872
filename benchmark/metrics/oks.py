"""Compute object keypoint similarity (OKS) and match COCO detections to people, equal to pycocotools to the last bit.

Where a last bit or a tie depends on it, the operations and their order are those of pycocotools' ``COCOeval`` with
``iouType="keypoints"``: at most 20 detections per image, a stable order of equal scores, people without keypoints and crowds
ignored. It is fast because similarities are computed for all pairs with the same number of visible keypoints at once, and
images with the same number of people are matched side by side, for all areas and thresholds. Values that are not finite are
refused: pycocotools scores a detection with NaN as perfect, because ``nan < threshold`` is false.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from benchmark.core.errors import InputError
from benchmark.metrics.average_precision import AREAS, THRESHOLDS, TINY, Matches

MAX_DETECTIONS = 20  # per image
# Spread of human annotators for each of COCO_JOINTS, as a fraction of the person's size. Divided as in pycocotools: 0.26 / 10
# differs from 0.026 in the last bit.
OKS_SIGMAS = (
    np.array([0.26, 0.25, 0.25, 0.35, 0.35, 0.79, 0.79, 0.72, 0.72, 0.62, 0.62, 1.07, 1.07, 0.87, 0.87, 0.89, 0.89]) / 10.0
)
OKS_VARIANCES = (OKS_SIGMAS * 2) ** 2
KEYPOINTS = len(OKS_SIGMAS)
PERSON = 1  # COCO's id of the only category that has keypoints
Id = int | float | str  # as the file has it
CHUNK = 4096  # pairs computed at once, so that intermediate results stay in the processor's cache


@dataclass(frozen=True, kw_only=True)
class CocoPeople:
    """N annotated people, in the file's order, and the I scored images, including those without people.

    Attributes:
        images: [I] ids of all images: int or, in unusual files, float or str.
        image_ids: [N] image of each person.
        keypoints: [N, 17, 3] x and y in pixels, and visibility: 0 where not annotated.
        boxes: [N, 4] x, y, width, height in pixels.
        areas: [N] square pixels, of the segment.
        crowd: [N] bool.
        annotated: [N] int, the file's own number of keypoints ("num_keypoints"); a person with 0 is ignored.
        zero_id: [N] bool, whether the person's id is 0. pycocotools stores a match as the person's id, so a detection matched
            to such a person counts as false.
        category: the id of the only category.
    """

    images: np.ndarray
    image_ids: np.ndarray
    keypoints: np.ndarray
    boxes: np.ndarray
    areas: np.ndarray
    crowd: np.ndarray
    annotated: np.ndarray
    zero_id: np.ndarray
    category: Id = PERSON


@dataclass(frozen=True, kw_only=True)
class CocoDetections:
    """D detected people, in the file's order, which decides between equal scores.

    Attributes:
        image_ids: [D] of the same type as the ids of the images.
        keypoints: [D, 17, 2] x and y in pixels.
        scores: [D].
        areas: [D] square pixels, of the box, or of the keypoints' bounding box if the detector returns no boxes.
    """

    image_ids: np.ndarray
    keypoints: np.ndarray
    scores: np.ndarray
    areas: np.ndarray


def match_detections(people: CocoPeople, detections: CocoDetections) -> Matches:
    """Match each detection to the most similar person still free, in every area range and at every threshold.

    Raises:
        InputError: shapes disagree, a value is not finite, or an image is unknown or listed twice.
    """
    check_people(people)
    check_detections(detections, people.images)

    # Sort people by image, and detections by image and score; drop detections beyond the limit per image.
    images = np.sort(people.images)
    person_image = np.searchsorted(images, people.image_ids)
    by_image = np.argsort(person_image, kind="stable")
    person_image = person_image[by_image]
    detection_image = np.searchsorted(images, detections.image_ids)
    best_first = np.lexsort((-detections.scores, detection_image))
    best_first = best_first[_rank_in_group(detection_image[best_first]) < MAX_DETECTIONS]
    detection_image = detection_image[best_first]

    # Compute the similarities of all pairs within an image, and match.
    areas = people.areas[by_image]
    crowd = people.crowd[by_image].astype(bool)
    out_of_area = (areas < AREAS[:, :1]) | (areas > AREAS[:, 1:])
    counts = ~(out_of_area | crowd | (people.annotated[by_image] == 0))  # [A, N]
    person, detection = _pair_within_images(person_image, detection_image, len(images))
    similarity = compute_oks(people, detections, by_image[person], best_first[detection])
    zero_id = people.zero_id[by_image]
    matched, ignored = _assign(
        person_image, detection_image, person, detection, similarity, counts, crowd, zero_id, len(images)
    )

    # Sort the detections of all images by score.
    detected_areas = detections.areas[best_first]
    scores = detections.scores[best_first]
    order = np.argsort(-scores, kind="stable")
    return Matches(
        image=detection_image[order],
        score=scores[order],
        in_area=((detected_areas >= AREAS[:, :1]) & (detected_areas <= AREAS[:, 1:]))[:, order],
        matched=matched[..., order],
        ignored=ignored[..., order],
        people=np.stack([np.bincount(person_image[row], minlength=len(images)) for row in counts], axis=1),
    )


def _rank_in_group(groups: np.ndarray) -> np.ndarray:
    """Return the index [N] of each element within its group; ``groups`` [N] is sorted."""
    index = np.arange(len(groups))
    first = np.concatenate([[True], groups[1:] != groups[:-1]])[: len(groups)]
    return index - np.maximum.accumulate(np.where(first, index, 0))


def _pair_within_images(person_image: np.ndarray, detection_image: np.ndarray, images: int) -> tuple[np.ndarray, np.ndarray]:
    """Return the person and the detection of every pair [P] within an image; both lists of images are sorted."""
    partners = np.bincount(detection_image, minlength=images)[person_image]
    person = np.repeat(np.arange(len(person_image)), partners)
    first = np.searchsorted(detection_image, person_image)
    return person, np.repeat(first, partners) + _rank_in_group(person)


@np.errstate(over="ignore")  # a keypoint at a huge distance is infinitely far: similarity 0
def compute_oks(people: CocoPeople, detections: CocoDetections, person: np.ndarray, detection: np.ndarray) -> np.ndarray:
    """Compute the object keypoint similarity [P], from 0 to 1, of pairs given by the indices of person and detection ([P])."""
    # NumPy sums pairwise, in an order that depends on the number of addends. Pairs with the same number of visible keypoints
    # go together, so that each sum has exactly the addends that it has in pycocotools.
    x, y = (np.ascontiguousarray(detections.keypoints[..., axis], dtype=np.float64) for axis in (0, 1))
    true_x, true_y, visibility = (np.ascontiguousarray(values) for values in np.moveaxis(people.keypoints, 2, 0))
    visible_count = (visibility > 0).sum(1)
    visible_first = np.argsort(visibility <= 0, axis=1, kind="stable")
    left, top, width, height = people.boxes.T[..., None]
    scale = -2 * (people.areas[:, None] + TINY)  # multiplying by -2 is exact, so its position in the formula is free
    similarity = np.empty(len(person))
    by_visible_count = np.argsort(visible_count[person], kind="stable")
    ends = np.cumsum(np.bincount(visible_count[person], minlength=KEYPOINTS + 1)).tolist()
    for count, (start, end) in enumerate(zip([0, *ends[:-1]], ends, strict=True)):
        for chunk in range(start, end, CHUNK):
            pair = by_visible_count[chunk : min(chunk + CHUNK, end)]
            p, d = person[pair], detection[pair]
            if count:
                joint = visible_first[p, :count]
                detected, true = joint + d[:, None] * KEYPOINTS, joint + p[:, None] * KEYPOINTS  # flat indices
                dx, dy = x.take(detected) - true_x.take(true), y.take(detected) - true_y.take(true)
                variance = OKS_VARIANCES.take(joint)
            else:  # no visible keypoint: the distance to the box, enlarged by its own size on every side
                dx = _distance_to_enlarged_box(x[d], left[p], width[p])
                dy = _distance_to_enlarged_box(y[d], top[p], height[p])
                variance = OKS_VARIANCES
            exponent = (dx**2 + dy**2) / variance / scale[p]
            similarity[pair] = np.exp(exponent).sum(1) / exponent.shape[1]
    return similarity


def _distance_to_enlarged_box(values: np.ndarray, start: np.ndarray, size: np.ndarray) -> np.ndarray:
    return np.maximum(0.0, (start - size) - values) + np.maximum(0.0, values - (start + size * 2))


def _assign(
    person_image: np.ndarray,
    detection_image: np.ndarray,
    person: np.ndarray,
    detection: np.ndarray,
    similarity: np.ndarray,
    counts: np.ndarray,
    crowd: np.ndarray,
    zero_id: np.ndarray,
    images: int,
) -> tuple[np.ndarray, np.ndarray]:
    """Return ``matched`` and ``ignored`` [A, T, D] of detections that choose among the people of their image, best first.

    A detection prefers a person that counts to one that is ignored, then the more similar person, then the later one. A
    person can be chosen once, a crowd any number of times. Images with the same number of people are processed side by side.

    Args:
        person_image: [N] image of each person, sorted.
        detection_image: [D] image of each detection, sorted, best first within an image.
        person, detection, similarity: [P] every pair within an image.
        counts: [A, N] whether each person counts; all others are ignored.
        crowd: [N] bool.
        zero_id: [N] bool, people of whom a match is not counted.
        images: number of images.
    """
    matched = np.zeros((len(AREAS), len(THRESHOLDS), len(detection_image)), dtype=bool)
    ignored = np.zeros_like(matched)
    person_rank, detection_rank = _rank_in_group(person_image), _rank_in_group(detection_image)
    people_in_image = np.bincount(person_image, minlength=images)[person_image]  # [N]
    for size in np.unique(people_in_image):
        members = np.flatnonzero(people_in_image == size).reshape(-1, size)  # [images, size]
        pair = np.flatnonzero(people_in_image[person] == size)
        if not len(pair):
            continue

        # Lay out the pairs as people x turns x images: in a turn, every image's next best detection chooses.
        column = np.searchsorted(members[:, 0], person[pair], side="right") - 1
        turns = detection_rank[detection[pair]].max() + 1
        similar = np.full((size, turns, len(members)), -1.0)
        similar[person_rank[person[pair]], detection_rank[detection[pair]], column] = similarity[pair]
        chooser = np.full((turns, len(members)), -1)
        chooser[detection_rank[detection[pair]], column] = detection[pair]

        # A detection's preference for a person is one whole number: the rank by similarity, from 1 to size, plus size if the
        # person counts.
        integer = np.int16 if size < 2**14 else np.int32
        rank = np.empty(similar.shape, dtype=integer)
        np.put_along_axis(rank, similar.argsort(axis=0, kind="stable"), np.arange(1, size + 1)[:, None, None], 0)
        bonus = (counts[:, members].transpose(2, 0, 1) * size).astype(integer)  # [size, A, images]
        reusable, lost = (flags[members].T[:, None, None] for flags in (crowd, zero_id))
        free = np.ones((size, len(AREAS), len(THRESHOLDS), len(members)), dtype=bool)
        for turn in range(turns):
            similar_enough = similar[:, turn, None] >= THRESHOLDS[:, None]  # [size, T, images]
            if not similar_enough.any():
                continue
            preference = (free & similar_enough[:, None]) * (rank[:, turn, None] + bonus)[:, :, None]
            best = preference.max(0)
            free &= (preference != np.where(best > 0, best, -1)) | reusable
            chooses = chooser[turn] >= 0
            taken, unimportant = best > 0, (best > 0) & (best <= size)
            if lost.any():
                taken &= unimportant | ~((preference == best) & lost).any(0)
            matched[..., chooser[turn, chooses]] = taken[..., chooses]
            ignored[..., chooser[turn, chooses]] = unimportant[..., chooses]
    return matched, ignored


def check_people(people: CocoPeople, source: str = "annotations", numbers: np.ndarray | None = None) -> None:
    """Raise an error for annotations that cannot be scored; ``numbers`` as in :func:`check_detections`.

    Raises:
        InputError: shapes disagree, a value is not finite, or an image is unknown or listed twice.
    """
    others = (("boxes", (4,)), ("crowd", ()), ("annotated", ()), ("zero_id", ()))
    _check_shapes(people, (KEYPOINTS, 3), *others, source=source, row="annotation")
    ids, occurrences = np.unique(people.images, return_counts=True)
    if (repeated := occurrences > 1).any():
        raise InputError(f"{source}: image {ids[repeated][0]} is listed {occurrences[repeated][0]} times")
    _check_rows(people, people.images, source, "annotation", numbers)


def check_detections(
    detections: CocoDetections, images: np.ndarray, source: str = "detections", numbers: np.ndarray | None = None
) -> None:
    """Raise an error for detections that cannot be scored on the images with these ids [I].

    Args:
        numbers: [D] number of each detection in its file, for messages; by default its index.

    Raises:
        InputError: shapes disagree, a value is not finite, or an image is unknown.
    """
    _check_shapes(detections, (KEYPOINTS, 2), ("scores", ()), source=source, row="detection")
    _check_rows(detections, images, source, "detection", numbers)


def _check_shapes(
    rows: CocoPeople | CocoDetections, keypoints: tuple[int, ...], *others: tuple[str, tuple[int, ...]], source: str, row: str
) -> None:
    for name, shape in (("keypoints", keypoints), ("areas", ()), *others):
        actual, expected = getattr(rows, name).shape, (len(rows.image_ids), *shape)
        if actual != expected:
            raise InputError(f"{source}: {name} has shape {list(actual)}, expected {list(expected)} for {expected[0]} {row}s")


def _check_rows(
    rows: CocoPeople | CocoDetections, images: np.ndarray, source: str, row: str, numbers: np.ndarray | None
) -> None:
    def place(index: int) -> int:
        return index if numbers is None else int(numbers[index])

    if (unknown := np.flatnonzero(~is_among(rows.image_ids, images))).size:
        image, where = rows.image_ids[unknown[0]], place(unknown[0])
        raise InputError(f"{source}: {row} {where}: image {image} is not among the annotated images{_types(image, images)}")
    for name, values in vars(rows).items():
        # Ids are known to be those of images.
        if name not in ("images", "image_ids", "category") and not np.isfinite(values).all():
            index, *rest = np.argwhere(~np.isfinite(values))[0].tolist()
            entry = f"{source}: {row} {place(index)} (image {rows.image_ids[index]})"
            raise InputError(f"{entry}: {name}{rest or ''} is {values[(index, *rest)]:g}, must be finite")


def is_among(ids: np.ndarray, known: np.ndarray) -> np.ndarray:
    """Return which ids [N] are among the known ones; text never equals a number."""
    if "O" in (ids.dtype.kind, known.dtype.kind):  # whole numbers beyond 64 bits, which isin compares one by one
        listed = set(known.tolist())
        return np.array([value in listed for value in ids.tolist()], dtype=bool)
    return np.isin(ids, known) & ((ids.dtype.kind == "U") == (known.dtype.kind == "U"))


def _types(image: Id, images: np.ndarray) -> str:
    """Say that the ids of images are of another type than that of ``image``, or return ``""``."""
    text = images.dtype.kind == "U"
    return "" if isinstance(image, str) == text else f", whose ids are {'text' if text else 'numbers'}"
