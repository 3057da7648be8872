"""Generate COCO keypoint files with all cases that are hard to score, and evaluate them with pycocotools."""

from __future__ import annotations

import contextlib
import copy
import io
import itertools
from typing import Any

import numpy as np
from pycocotools.coco import COCO
from pycocotools.cocoeval import COCOeval

from benchmark.metrics.average_precision import AP_METRICS

Annotations = dict[str, Any]
Detections = list[dict[str, Any]]
EDGES = (32.0**2, 96.0**2, 1e10)
CATEGORY = {"id": 1, "name": "person", "keypoints": [], "skeleton": []}


def pycocotools_metrics(annotations: Annotations, detections: Detections) -> dict[str, float]:
    """Compute the ten metrics with the public reference."""
    return dict(zip(AP_METRICS, evaluate_with_pycocotools(annotations, detections).stats.tolist(), strict=True))


def evaluate_with_pycocotools(annotations: Annotations, detections: Detections) -> COCOeval:
    """Evaluate with pycocotools and return its evaluation object, with all intermediate results."""
    with contextlib.redirect_stdout(io.StringIO()):
        truth = COCO()
        truth.dataset = copy.deepcopy(annotations)
        truth.createIndex()
        evaluation = COCOeval(truth, truth.loadRes(copy.deepcopy(detections)), "keypoints")
        evaluation.evaluate()
        evaluation.accumulate()
        evaluation.summarize()
    return evaluation


def person(index: int, image: int, keypoints: np.ndarray, box: np.ndarray, area: float, crowd: bool = False) -> dict[str, Any]:
    """Return one annotation; ``keypoints`` [17, 3] are x, y and visibility."""
    return {
        "id": index,
        "image_id": image,
        "category_id": 1,
        "iscrowd": int(crowd),
        "num_keypoints": int((keypoints[:, 2] > 0).sum()),
        "keypoints": keypoints.ravel().tolist(),
        "bbox": np.asarray(box).tolist(),
        "area": area,
    }


def perturb(annotations: Annotations, seed: int, boxes: bool = True) -> Detections:
    """Return annotated people as detections: moved by up to their size, dropped, doubled and shuffled, with tied scores."""
    generator = np.random.default_rng(seed)
    images = [image["id"] for image in annotations["images"]]
    digits = generator.choice([1, 2, 8])
    detections = []
    for annotation in annotations["annotations"]:
        truth = np.array(annotation["keypoints"], dtype=float).reshape(17, 3)[:, :2]
        x, y, width, height = annotation["bbox"]
        inside = [x, y] + generator.uniform(size=(17, 2)) * [width, height]
        points = np.where((truth != 0).any(1, keepdims=True), truth, inside)
        for _ in range(generator.choice([0, 1, 2, 5], p=[0.15, 0.55, 0.2, 0.1])):
            size = max(np.sqrt(annotation["area"]), 1.0)
            moved = points + generator.normal(size=(17, 2)) * size * generator.choice([0, 0.02, 0.1, 0.3])
            image = images[generator.integers(len(images))] if generator.random() < 0.05 else annotation["image_id"]
            score = round(float(generator.random()), digits)
            detection = {"image_id": image, "category_id": 1, "score": score}
            detection["keypoints"] = np.concatenate([moved, np.ones((17, 1))], axis=1).ravel().tolist()
            if boxes:
                scale = generator.choice([1, 1, 0.8, 1.3])
                detection["bbox"] = [x, y, width * scale, height * scale]
            detections.append(detection)
    generator.shuffle(detections)
    distinct = {(entry["image_id"], entry["score"], *entry["keypoints"]): entry for entry in detections}
    return list(distinct.values())


def random_case(seed: int) -> tuple[Annotations, Detections]:
    """Return a dataset with empty images, crowds, people without keypoints, areas on boundaries, ties and many detections."""
    generator = np.random.default_rng(seed)
    images = generator.permutation(50)[: generator.integers(1, 7)].tolist()
    density = generator.choice([0.5, 2, 6])
    whole = generator.random() < 0.3  # whole pixels make similarities tie too
    people: list[dict[str, Any]] = []
    for image in images:
        for _ in range(generator.poisson(density) + (image == images[0])):
            size = generator.choice([0, 5, 32, 60, 96, 200])
            box = np.concatenate([generator.uniform(0, 300, 2), size * generator.uniform(0.5, 1.5, 2)])
            points = box[:2] + generator.uniform(size=(17, 2)) * box[2:]
            visibility = generator.choice([0, 1, 2], size=(17, 1)) * (generator.random() < 0.8)
            if whole:
                box, points = box.round(), points.round()
            area = float(
                generator.choice([box[2] * box[3] * 0.6, *EDGES, *np.nextafter(EDGES, 0), *np.nextafter(EDGES, np.inf)])
            )
            keypoints = np.concatenate([points, visibility], axis=1) * (visibility > 0)
            entry = person(len(people) + 1, image, keypoints, box, area, crowd=generator.random() < 0.15)
            if generator.random() < 0.1:  # the file's own count may differ from the keypoints
                entry["num_keypoints"] = int(generator.choice([0, 3]))
            people.append(entry)
            if generator.random() < 0.15:  # a duplicate person: of equal similarities, the later one is chosen
                twin = copy.deepcopy(entry) | {"id": len(people) + 1, "iscrowd": int(generator.random() < 0.3)}
                people.append(twin)
    generator.shuffle(people)
    annotations = {"images": [{"id": image} for image in images], "annotations": people, "categories": [CATEGORY]}
    detections = perturb(annotations, seed, boxes=bool(generator.random() < 0.7))
    for _ in range(generator.choice([0, 3, 40]) + (not detections)):  # more than 20 per image
        box = np.concatenate([generator.uniform(0, 300, 2), generator.choice([10, 32, 96, 150], 2)])
        points = np.concatenate([box[:2] + generator.uniform(size=(17, 2)) * box[2:], np.ones((17, 1))], axis=1)
        score = round(float(generator.random()), 1)
        detection = {"image_id": images[generator.integers(len(images))], "category_id": 1, "score": score}
        detections.append(detection | {"keypoints": points.ravel().tolist(), "bbox": box.tolist()})
    if not all("bbox" in detection for detection in detections):
        for detection in detections:
            detection.pop("bbox", None)
    return annotations, detections


def repeat(annotations: Annotations, detections: Detections, counts: np.ndarray) -> tuple[Annotations, Detections]:
    """Return a resampled dataset, where the i-th image by id occurs ``counts[i]`` times, with its copies next to each other."""
    images = sorted(image["id"] for image in annotations["images"])
    spread = int(counts.max(initial=1))
    people, copied_detections = [], []
    copies = {
        image: [position * spread + copy for copy in range(count)]
        for position, (image, count) in enumerate(zip(images, counts, strict=True))
    }
    for annotation in annotations["annotations"]:
        people += [annotation | {"image_id": image} for image in copies[annotation["image_id"]]]
    for index, entry in enumerate(people):
        people[index] = entry | {"id": index + 1}
    for detection in detections:
        copied_detections += [detection | {"image_id": image} for image in copies[detection["image_id"]]]
    copied_images = [{"id": image} for image in sorted(itertools.chain(*copies.values()))]
    return annotations | {"images": copied_images, "annotations": people}, copied_detections


def val2017_sized(seed: int = 0) -> tuple[Annotations, Detections]:
    """Return a dataset of val2017's size: 5,000 images, 11,004 people (6,352 with keypoints) and 104,125 detections.

    The number of detections is that of the person boxes published by HRNet's authors; most of them are false. Half the images
    are empty; each of the others has between 1 and about 20 people.
    """
    generator = np.random.default_rng(seed)
    people, detections, with_keypoints = 11_004, 104_125, 6_352
    crowded = generator.gamma(1.0, size=2_693)
    image = np.sort(np.concatenate([np.arange(2_693), generator.choice(2_693, people - 2_693, p=crowded / crowded.sum())]))
    height = np.exp(generator.normal(4.4, 0.8, people)).clip(8, 600)
    box = np.stack([generator.uniform(0, 500, people), generator.uniform(0, 400, people), height * 0.5, height], axis=1).round(
        2
    )
    inside = box[:, None, :2] + generator.uniform(size=(people, 17, 2)) * box[:, None, 2:]
    visible = generator.uniform(size=(people, 17)) < generator.uniform(0.3, 1, (people, 1))
    visible &= (generator.permutation(people) < with_keypoints)[:, None]
    shown = np.concatenate([inside.round(), np.full((people, 17, 1), 2.0)], axis=2) * visible[..., None]
    area = (box[:, 2] * box[:, 3] * generator.uniform(0.4, 0.8, people)).round(4).tolist()
    crowd = ~visible.any(1) & (generator.uniform(size=people) < 0.05)
    truth = [person(i + 1, int(image[i]), shown[i], box[i], area[i], bool(crowd[i])) for i in range(people)]

    detected = np.flatnonzero(generator.uniform(size=people) < 0.9)
    copied = generator.choice(people, detections - len(detected))
    size = np.sqrt(area)[:, None, None]
    near = inside[detected] + generator.normal(size=(len(detected), 17, 2)) * size[detected] * generator.choice(
        [0.02, 0.04, 0.1], (len(detected), 1, 1)
    )
    far = inside[copied] + generator.normal(size=(len(copied), 17, 2)) * size[copied]
    points = (
        np.concatenate([np.concatenate([near, far]), np.ones((detections, 17, 1))], axis=2).round(3).reshape(detections, -1)
    )
    images = np.concatenate([image[detected], generator.integers(5_000, size=len(copied))])
    score = np.concatenate([generator.beta(6, 2, len(detected)), generator.beta(1, 8, len(copied))]).round(6)
    boxes = np.concatenate([box[detected], box[copied]])
    columns = zip(images.tolist(), score.tolist(), points.tolist(), boxes.tolist(), strict=True)
    entries = [{"image_id": i, "category_id": 1, "score": s, "keypoints": k, "bbox": b} for i, s, k, b in columns]
    generator.shuffle(entries)
    return {"images": [{"id": i} for i in range(5_000)], "annotations": truth, "categories": [CATEGORY]}, entries
