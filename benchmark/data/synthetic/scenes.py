"""Synthetic people: drawn people with exact joints, so that the whole suite runs without a download.

Each scene is a function of (seed, split, number) alone: drawing more scenes does not change the earlier ones. Up to three
people (bodies of :mod:`benchmark.data.synthetic.poses`, seen by a distant camera) are drawn in front of clutter and partly
behind objects; for each pixel it is known which part is seen there.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np

from benchmark.core.files import write_file
from benchmark.core.keypoints import COCO_JOINTS, MPII_JOINTS
from benchmark.core.versions import VERSIONS
from benchmark.data.synthetic.painting import (
    HAIR,
    SKIN,
    Canvas,
    Cloth,
    bright_colour,
    draw_background,
    draw_cloth,
    finish_image,
)
from benchmark.data.synthetic.poses import HEAD, HEAD_RADIUS, draw_camera, draw_pose, place_joints

SPLITS = ("train", "val")
LIMBS = ("upper_arm", "forearm", "thigh", "shin", "foot")  # a hand belongs to its forearm
PARTS = ("torso", "neck", "head", "skirt", *(side + limb for side in ("left_", "right_") for limb in LIMBS))
STRIDE = 32  # owner = STRIDE x person (from 1) + part
LEAST_JOINTS, LEAST_AREA = 5, 60  # visible joints and pixels that a person needs to be annotated
# A joint is visible where one of these parts is seen; any other part, person or object occludes it.
SHOWN_BY = {
    "pelvis": ("torso", "skirt", "left_thigh", "right_thigh"),
    "thorax": ("torso", "neck"),
    "upper_neck": ("neck", "head", "torso"),
    "head_top": ("head",),
    **{name: ("head",) for name in COCO_JOINTS[:5]},
    "shoulder": ("torso", "upper_arm"),
    "elbow": ("upper_arm", "forearm"),
    "wrist": ("forearm",),
    "hip": ("torso", "thigh", "skirt"),
    "knee": ("thigh", "shin", "skirt"),
    "ankle": ("shin", "foot"),
}


@dataclass(frozen=True, kw_only=True)
class Person:
    """The annotations of a drawn person: pixels, where (0, 0) is the centre of the top-left pixel.

    Attributes:
        joints: (x, y) by joint name.
        visible: by joint name, as in :class:`benchmark.data.people.People`.
        height: of the person standing upright, pixels.
        head_box: left, top, right, bottom.
        box: x, y, width, height of the visible part.
        area: of the visible part, square pixels.
        outlines: of the visible part, ``[n, 2]`` each.
    """

    joints: dict[str, tuple[float, float]]
    visible: dict[str, int]
    height: float
    head_box: tuple[float, float, float, float]
    box: tuple[int, int, int, int]
    area: int
    outlines: tuple[np.ndarray, ...]

    def arrays(self, names: tuple[str, ...]) -> tuple[np.ndarray, np.ndarray]:
        """Return joints ``[K, 2]`` and visibility ``[K]`` in the order of ``names``."""
        return np.array([self.joints[name] for name in names]), np.array([self.visible[name] for name in names], np.uint8)


@dataclass(frozen=True, kw_only=True)
class Scene:
    """An image, uint8 RGB ``[H, W, 3]``, and the people annotated in it."""

    pixels: np.ndarray
    people: tuple[Person, ...]


@dataclass(frozen=True)
class _Body:
    """A posed body in the image: joints ``[3]`` in pixels, with the third axis towards the camera."""

    at: dict[str, np.ndarray]
    height: float

    def flat(self, name: str) -> np.ndarray:
        return self.at[name][:2]


def draw_scene(seed: int, split: str, number: int, size: int = 256, most: int = 3) -> Scene:
    """Draw the scene of this number: an image about ``size`` pixels wide and high, with at most ``most`` people."""
    random = np.random.default_rng([VERSIONS["synthetic_people"], seed, SPLITS.index(split), number])
    height, width = (int(side) for side in np.round(size * random.uniform(0.85, 1.2, 2)))
    canvas = Canvas(draw_background(random, height, width).astype(np.float32))
    count = min(int(random.choice([1, 2, 3], p=[0.66, 0.25, 0.09])), most)
    heights = np.sort(height * random.uniform(0.45, 1.0, count))  # smaller people are further back
    bodies = []
    for person, pixels in enumerate(heights, 1):
        body = _pose_body(random, float(pixels), height, width)
        bodies.append(body)
        _paint_person(canvas, random, body, person)
        if random.random() < 0.35:
            _paint_occluder(canvas, random, body)
    people = [_annotate(canvas, body, person) for person, body in enumerate(bodies, 1)]
    return Scene(pixels=finish_image(random, canvas.pixels), people=tuple(person for person in people if person))


def _pose_body(random: np.random.Generator, pixels: float, height: int, width: int) -> _Body:
    """Draw a body in the image; on each axis at most a fifth of it lies outside, unless the body is larger than the image."""
    camera = draw_camera(random)
    at = {name: camera @ joint * pixels for name, joint in place_joints(draw_pose(random)).items()}
    points = np.array([joint[:2] for joint in at.values()])
    low, high = points.min(0), points.max(0)
    extent, frame = high - low, np.array([width, height])
    room = np.maximum(frame - extent, 0)
    beyond = 0.2 * extent * (random.random() < 0.25)
    start = random.uniform(-beyond, room + beyond + 0.001)
    shift = np.append(np.where(extent > frame, (frame - extent) / 2, start) - low, 0)
    return _Body({name: joint + shift for name, joint in at.items()}, pixels)


def _paint_person(canvas: Canvas, random: np.random.Generator, body: _Body, person: int) -> None:
    size = body.height
    build = random.uniform(0.85, 1.25)  # slim to sturdy
    tone = SKIN[random.integers(len(SKIN))] * np.float32(random.uniform(0.92, 1.05))
    skin = Cloth(colour=tone, second=tone)
    shirt, trousers, shoes = draw_cloth(random, size), draw_cloth(random, size), draw_cloth(random, size)
    sleeves, legs = int(random.integers(0, 3)), int(random.integers(0, 2))
    skirt = random.random() < 0.15

    def owner(part: str) -> int:
        return STRIDE * person + PARTS.index(part)

    def limb(part: str, start: str, end: str, radii: tuple[float, float], cloth: Cloth) -> None:
        depth = float(body.at[start][2] + body.at[end][2]) / 2
        shade = float(np.clip(1 + 0.5 * (depth - body.at["pelvis"][2]) / size, 0.75, 1.1))  # parts behind the pelvis are darker
        scaled = (radii[0] * size * build, radii[1] * size * build)
        strokes.append((depth, lambda: canvas.capsule(body.flat(start), body.flat(end), scaled, cloth, owner(part), shade)))

    strokes: list[tuple[float, object]] = []
    for side in ("left_", "right_"):
        limb(side + "upper_arm", side + "shoulder", side + "elbow", (0.034, 0.027), shirt if sleeves else skin)
        limb(side + "forearm", side + "elbow", side + "wrist", (0.027, 0.019), shirt if sleeves == 2 else skin)
        limb(side + "thigh", side + "hip", side + "knee", (0.052, 0.038), trousers if not skirt else skin)
        limb(side + "shin", side + "knee", side + "ankle", (0.037, 0.024), trousers if legs and not skirt else skin)
        limb(side + "foot", side + "ankle", side + "toe", (0.025, 0.019), shoes)
        body.at[side + "hand"] = body.at[side + "wrist"] + 0.22 * (body.at[side + "wrist"] - body.at[side + "elbow"])
        limb(side + "forearm", side + "wrist", side + "hand", (0.020, 0.023), skin)
    limb("neck", "thorax", "upper_neck", (0.028, 0.030), skin)
    strokes.append(
        (float(body.at["thorax"][2] + body.at["pelvis"][2]) / 2, lambda: _torso(canvas, body, build, shirt, owner("torso")))
    )
    if skirt:
        depth = max(float(body.at[side + "knee"][2]) for side in ("left_", "right_"))
        strokes.append(
            (
                max(depth, float(body.at["pelvis"][2])) + 0.01 * size,
                lambda: _skirt(canvas, body, build, trousers, owner("skirt")),
            )
        )
    hair = HAIR[random.integers(len(HAIR))].astype(np.float32)
    style = (
        float(random.uniform(0.15, 0.75)),
        random.random() < 0.35,
        bright_colour(random) if random.random() < 0.2 else None,
    )
    strokes.append((float(body.at["head"][2]) + 0.02 * size, lambda: _head(canvas, body, tone, hair, style, owner("head"))))
    for _, stroke in sorted(strokes, key=lambda entry: entry[0]):  # the farthest part first
        stroke()  # type: ignore[operator]


def _torso(canvas: Canvas, body: _Body, build: float, cloth: Cloth, owner: int) -> None:
    size = body.height * build
    circles = [(body.flat(side + "shoulder"), 0.036 * size) for side in ("left_", "right_")]
    circles += [(body.flat(side + "hip"), 0.054 * size) for side in ("left_", "right_")]
    chest = 0.75 * body.flat("thorax") + 0.25 * body.flat("pelvis")
    canvas.hull([*circles, (chest, 0.075 * size)], (body.flat("thorax"), body.flat("pelvis")), cloth, owner)


def _skirt(canvas: Canvas, body: _Body, build: float, cloth: Cloth, owner: int) -> None:
    size = body.height * build
    circles = [(body.flat(side + "hip"), 0.056 * size) for side in ("left_", "right_")]
    hem = [0.3 * body.flat(side + "hip") + 0.7 * body.flat(side + "knee") for side in ("left_", "right_")]
    circles += [(end, 0.062 * size) for end in hem]
    canvas.hull(circles, (body.flat("pelvis"), (hem[0] + hem[1]) / 2 + 1e-3), cloth, owner, 0.95)


def _head(
    canvas: Canvas, body: _Body, tone: np.ndarray, hair: np.ndarray, style: tuple[float, bool, np.ndarray | None], owner: int
) -> None:
    """Paint long hair behind the head, ears, face, eyes and mouth if they face the camera, and the hair or a cap on top."""
    fringe, long, cap = style
    centre, size = body.flat("head"), body.height
    up = body.flat("head_top") - body.flat("upper_neck")
    up = up / max(float(np.hypot(*up)), 1e-3)
    towards = (body.at["nose"] - body.at["head"]) / (1.12 * HEAD_RADIUS * size)  # direction of the face, about unit length
    width, tall = 0.78 * HEAD * 0.5 * size, 0.47 * HEAD * size
    if long:
        canvas.ellipse(
            centre - up * 0.35 * tall - towards[:2] * 0.25 * width, up, (1.15 * width, 1.25 * tall), hair * 0.85, owner
        )
    for side in ("left_", "right_"):
        if body.at[side + "ear"][2] > body.at["head"][2] - 0.3 * HEAD_RADIUS * size:
            canvas.ellipse(body.flat(side + "ear"), up, (0.16 * width, 0.24 * tall), tone * 0.93, owner)
    canvas.ellipse(centre, up, (width, tall), tone, owner)
    if towards[2] > 0.05:
        for side in ("left_", "right_"):
            if body.at[side + "eye"][2] > body.at["head"][2] + 0.25 * HEAD_RADIUS * size:
                eye = body.flat(side + "eye")
                canvas.ellipse(eye, up, (0.17 * width, 0.10 * tall), np.full(3, 235, np.float32), owner)
                canvas.ellipse(eye, up, (0.08 * width, 0.09 * tall), np.full(3, 30, np.float32), owner)
        nose, mouth = body.flat("nose"), centre + towards[:2] * 0.85 * width - up * 0.48 * tall
        canvas.ellipse(nose, up, (0.10 * width, 0.15 * tall), tone * 0.86, owner)
        canvas.ellipse(mouth, up, (0.28 * width, 0.06 * tall), tone * np.array([0.8, 0.5, 0.5], np.float32), owner)
    # Hair covers the back of the head: the more the face turns away, the more of it is seen.
    away = float(np.clip(-towards[2], 0, 1))
    back = centre - towards[:2] * 0.45 * width + up * (0.52 - 0.3 * away) * tall
    cover = (0.45 + 0.25 * fringe) * (1 - away) + 0.95 * away
    canvas.ellipse(back, up, (width * (1.0 + 0.04 * fringe), tall * cover), hair if cap is None else cap, owner)


def _paint_occluder(canvas: Canvas, random: np.random.Generator, body: _Body) -> None:
    """Paint an object over a random joint: a post, a ball or a board."""
    target = body.flat(str(random.choice(list(body.at))))
    cloth, size = draw_cloth(random, body.height), body.height
    kind = random.integers(3)
    if kind == 0:
        tilt = np.array([random.normal(0, 0.15), 1.0]) * size * random.uniform(0.3, 0.9)
        canvas.capsule(target - tilt, target + tilt, (size * random.uniform(0.01, 0.035),) * 2, cloth, 0)
    elif kind == 1:
        radius = size * random.uniform(0.03, 0.09)
        canvas.capsule(target, target + 0.5, (radius, radius), cloth, 0)
    else:
        half = size * random.uniform(0.04, 0.12, 2)
        corners = [(target + half * (sx, sy), 1.0) for sx in (-1, 1) for sy in (-1, 1)]
        canvas.hull(corners, (target - half * (0, 1), target + half * (0, 1)), cloth, 0)


def _annotate(canvas: Canvas, body: _Body, person: int) -> Person | None:
    """Return the annotations of a painted person, or None if too little is visible."""
    height, width = canvas.owner.shape
    seen = (canvas.owner >= STRIDE * person) & (canvas.owner < STRIDE * (person + 1))
    joints, visible = {}, {}
    for name in dict.fromkeys(MPII_JOINTS + COCO_JOINTS):
        x, y = (float(value) for value in body.flat(name))
        inside = 0 <= x <= width - 1 and 0 <= y <= height - 1
        joints[name] = (x, y)
        visible[name] = (
            0 if not inside or _faces_away(body, name) else 1 + _is_visible(canvas, name, person, round(x), round(y))
        )
    area = int(np.count_nonzero(seen))
    if area < LEAST_AREA or sum(visible[name] == 2 for name in COCO_JOINTS[5:]) < LEAST_JOINTS:
        return None
    mask = seen.astype(np.uint8)
    contours, _ = cv2.findContours(mask, cv2.RETR_EXTERNAL, cv2.CHAIN_APPROX_SIMPLE)
    x, y, w, h = cv2.boundingRect(mask)
    return Person(
        joints=joints,
        visible=visible,
        height=body.height,
        head_box=_head_box(body),
        box=(x, y, w, h),
        area=area,
        outlines=tuple(contour[:, 0] for contour in contours if len(contour) >= 3),
    )


def _faces_away(body: _Body, name: str) -> bool:
    """Return whether an eye, an ear or the nose is on the far side of the head; annotators of COCO omit those."""
    if name not in COCO_JOINTS[:5]:
        return False
    return bool(body.at[name][2] < body.at["head"][2] - (0.3 * HEAD_RADIUS * body.height if name.endswith("ear") else 0))


def _is_visible(canvas: Canvas, name: str, person: int, x: int, y: int) -> bool:
    """Return whether one of the joint's own parts is seen at the pixel or next to it."""
    side, _, joint = name.partition("_")
    parts = [part if part in PARTS else f"{side}_{part}" for part in SHOWN_BY.get(name) or SHOWN_BY[joint]]
    near = canvas.owner[max(y - 1, 0) : y + 2, max(x - 1, 0) : x + 2]
    return not {STRIDE * person + PARTS.index(part) for part in parts}.isdisjoint(near.ravel().tolist())


def _head_box(body: _Body) -> tuple[float, float, float, float]:
    top, bottom = body.flat("head_top"), body.flat("upper_neck")
    up, half = (top - bottom) / 2, 0.39 * HEAD * body.height
    length = max(float(np.hypot(*up)), 1e-3)
    extent = np.hypot(up, half * np.abs(up[::-1]) / length)  # the upright box around the head's ellipse
    (left, high), (right, low) = (top + bottom) / 2 - extent, (top + bottom) / 2 + extent
    return float(left), float(high), float(right), float(low)


def draw_preview(folder: Path, seed: int = 0) -> Path:
    """Draw a grid of scenes with their joints into ``folder/synthetic_people.png``, and return its path."""
    rows, columns, size = 4, 6, 256
    sheet = np.zeros((rows * size, columns * size, 3), np.uint8)
    for number in range(rows * columns):
        scene = draw_scene(seed, "train", number, size)
        image = scene.pixels.copy()
        for person in scene.people:
            for (x, y), visible in zip(*person.arrays(COCO_JOINTS), strict=True):
                if visible:
                    cv2.circle(
                        image, (round(x), round(y)), 2, (60, 255, 60) if visible == 2 else (255, 60, 60), -1, cv2.LINE_AA
                    )
        row, column = divmod(number, columns)
        sheet[row * size : (row + 1) * size, column * size : (column + 1) * size] = cv2.resize(image, (size, size))
    _, encoded = cv2.imencode(".png", cv2.cvtColor(sheet, cv2.COLOR_RGB2BGR))
    return write_file(folder / "synthetic_people.png", encoded.tobytes())
