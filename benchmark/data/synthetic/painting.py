"""Painting of Synthetic people: bodies of tapered capsules shaded as cylinders, cloth, and backgrounds."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

import cv2
import numpy as np

Colour = np.ndarray  # float32 [3], 0 to 255, RGB
SKIN = np.array([[255, 219, 184], [241, 194, 150], [224, 172, 125], [198, 134, 88], [141, 85, 54], [92, 56, 38]], np.float32)
HAIR = np.array([[28, 22, 20], [60, 40, 28], [110, 72, 40], [176, 130, 70], [205, 175, 120], [130, 60, 35], [150, 148, 146]])
LIGHT = np.array([-0.45, -0.6], np.float32)  # direction of the light in the image (x, y)


@dataclass(frozen=True, kw_only=True)
class Cloth:
    """The appearance of a garment: two colours in a pattern that follows the limb and repeats every ``period`` pixels."""

    colour: Colour
    second: Colour
    pattern: Literal["plain", "stripes", "hoops", "checks", "dots"] = "plain"
    period: float = 6.0
    phase: float = 0.0

    def paint(self, along: np.ndarray, across: np.ndarray) -> np.ndarray:
        """Return the colours ``[..., 3]`` at distances along and across the limb, in pixels."""
        if self.pattern == "plain":
            return np.broadcast_to(self.colour, (*along.shape, 3))
        frequency = 2 * np.pi / self.period
        u, v = np.sin(along * frequency + self.phase), np.sin(across * frequency)
        value = {"stripes": v, "hoops": u, "checks": u * v, "dots": u + v - 0.9}[self.pattern]
        return self.colour + np.clip(value * 2.5 + 0.5, 0, 1)[..., None] * (self.second - self.colour)


def bright_colour(random: np.random.Generator) -> Colour:
    """Draw a colour of cloth or objects, float32 ``[3]``: any hue, from grey to vivid."""
    hsv = np.array([[[random.integers(180), 255 * random.beta(1.3, 1.3), random.integers(35, 250)]]], np.uint8)
    return cv2.cvtColor(hsv, cv2.COLOR_HSV2RGB)[0, 0].astype(np.float32)


def draw_cloth(random: np.random.Generator, scale: float) -> Cloth:
    """Draw a garment for a person ``scale`` pixels high."""
    pattern = str(random.choice(["plain", "stripes", "hoops", "checks", "dots"], p=[0.45, 0.15, 0.15, 0.15, 0.1]))
    return Cloth(
        colour=bright_colour(random),
        second=bright_colour(random),
        pattern=pattern,  # type: ignore[arg-type]
        period=max(3.0, scale * random.uniform(0.015, 0.05)),
        phase=random.uniform(0, 6),
    )


class Canvas:
    """An image that is being painted.

    Attributes:
        pixels: float32 ``[H, W, 3]`` RGB.
        owner: which body part is seen at each pixel, int32 ``[H, W]``; 0 is none.
    """

    def __init__(self, pixels: np.ndarray) -> None:
        self.pixels = pixels
        self.owner: np.ndarray = np.zeros(pixels.shape[:2], np.int32)

    def _window(self, low: np.ndarray, high: np.ndarray) -> tuple[slice, slice, np.ndarray, np.ndarray] | None:
        """Return rows, columns and pixel coordinates of the part of a rectangle that lies in the image; None if it is empty."""
        height, width = self.owner.shape
        x0, y0 = (max(int(edge), 0) for edge in np.floor(low))
        x1, y1 = min(int(np.ceil(high[0])) + 1, width), min(int(np.ceil(high[1])) + 1, height)
        if x0 >= x1 or y0 >= y1:
            return None
        xs, ys = np.arange(x0, x1, dtype=np.float32)[None, :], np.arange(y0, y1, dtype=np.float32)[:, None]
        return slice(y0, y1), slice(x0, x1), xs, ys

    def _blend(self, rows: slice, columns: slice, colour: np.ndarray, alpha: np.ndarray, owner: int) -> None:
        under = self.pixels[rows, columns]
        under += alpha[..., None] * (colour - under)
        self.owner[rows, columns][alpha > 0.5] = owner

    def capsule(
        self, start: np.ndarray, end: np.ndarray, radii: tuple[float, float], cloth: Cloth, owner: int, shade: float = 1.0
    ) -> None:
        """Paint a limb from ``start`` to ``end`` (pixels) with these radii at its ends, lit as a round body."""
        margin = max(radii) + 1
        window = self._window(np.minimum(start, end) - margin, np.maximum(start, end) + margin)
        if window is None:
            return
        rows, columns, xs, ys = window
        (dx, dy), px, py = (end - start).astype(np.float32), xs - np.float32(start[0]), ys - np.float32(start[1])
        length = max(float(np.hypot(dx, dy)), 1e-3)
        ux, uy = dx / length, dy / length
        along = px * ux + py * uy
        across = py * ux - px * uy
        share = np.clip(along / length, 0, 1)
        radius = radii[0] + (radii[1] - radii[0]) * share
        distance = np.hypot(along - share * length, across)
        alpha = np.clip(radius - distance + 0.5, 0, 1)
        side = np.clip(across / np.maximum(radius, 0.5), -1, 1)
        facing = float(-uy * LIGHT[0] + ux * LIGHT[1])  # which side of the limb the light hits
        light = (0.60 + 0.40 * np.sqrt(1 - 0.9 * side * side) + 0.16 * side * facing) * shade
        self._blend(rows, columns, cloth.paint(along, across) * light[..., None], alpha, owner)

    def hull(
        self,
        circles: list[tuple[np.ndarray, float]],
        axis: tuple[np.ndarray, np.ndarray],
        cloth: Cloth,
        owner: int,
        shade: float = 1.0,
    ) -> None:
        """Paint the convex hull of circles (centre, radius), as a torso or a skirt; the cloth's pattern follows ``axis``."""
        centres, radii = np.array([centre for centre, _ in circles]), np.array([radius for _, radius in circles])
        window = self._window((centres - radii[:, None]).min(0) - 1, (centres + radii[:, None]).max(0) + 1)
        if window is None:
            return
        rows, columns, xs, ys = window
        ring = np.linspace(0, 2 * np.pi, 14, endpoint=False)
        rim = (centres[:, None] + radii[:, None, None] * np.stack([np.cos(ring), np.sin(ring)], -1)).reshape(-1, 2)
        corners = cv2.convexHull((rim - (xs[0, 0], ys[0, 0])).astype(np.float32))
        mask = np.zeros((ys.size, xs.size), np.uint8)
        cv2.fillConvexPoly(mask, np.round(corners * 16).astype(np.int32), 255, cv2.LINE_AA, 4)
        start, end = axis
        length = max(float(np.hypot(*(end - start))), 1e-3)
        ux, uy = ((end - start) / length).astype(np.float32)
        px, py = xs - np.float32(start[0]), ys - np.float32(start[1])
        along, across = px * ux + py * uy, py * ux - px * uy
        half = max(float(np.abs((rim - start) @ np.array([-uy, ux])).max()), 1.0)
        side = np.clip(across / half, -1, 1)
        facing = float(-uy * LIGHT[0] + ux * LIGHT[1])
        light = (0.66 + 0.34 * np.sqrt(1 - 0.85 * side * side) + 0.14 * side * facing) * shade
        light = light + 0.05 * np.sin(along * (7 / length) + across * (4 / half))  # folds
        self._blend(rows, columns, cloth.paint(along, across) * light[..., None], mask.astype(np.float32) / 255, owner)

    def ellipse(self, centre: np.ndarray, up: np.ndarray, radii: tuple[float, float], colour: Colour, owner: int) -> None:
        """Paint an ellipse, as a head or an eye, with radii across and along the unit vector ``up``, in pixels."""
        margin = max(radii) + 1
        window = self._window(centre - margin, centre + margin)
        if window is None:
            return
        rows, columns, xs, ys = window
        px, py = xs - np.float32(centre[0]), ys - np.float32(centre[1])
        along = (px * np.float32(up[0]) + py * np.float32(up[1])) / max(radii[1], 0.3)
        across = (py * np.float32(up[0]) - px * np.float32(up[1])) / max(radii[0], 0.3)
        distance = np.hypot(along, across)
        alpha = np.clip((1 - distance) * min(radii) + 0.5, 0, 1)
        light = 0.72 + 0.28 * np.sqrt(np.clip(1 - 0.8 * distance * distance, 0, 1))
        light = light + (px * LIGHT[0] + py * LIGHT[1]) * (0.12 / max(radii))
        self._blend(rows, columns, colour * light[..., None], alpha, owner)


def draw_background(random: np.random.Generator, height: int, width: int) -> np.ndarray:
    """Draw a cluttered background, float32 ``[H, W, 3]``: soft colours, a ground, patterned boxes, poles, discs, and grain."""
    cells = int(random.integers(2, 5))
    base = np.stack([bright_colour(random) for _ in range(cells * cells)]).reshape(cells, cells, 3)
    image = cv2.resize(base, (width, height), interpolation=cv2.INTER_CUBIC)
    if random.random() < 0.6:
        horizon = int(height * random.uniform(0.45, 0.85))
        image[horizon:] = 0.35 * image[horizon:] + 0.65 * bright_colour(random)
    image = np.clip(image, 0, 255)
    shapes: list[Callable[[np.ndarray, np.random.Generator], None]] = [_box, _pole, _disc, _triangle]
    for _ in range(int(random.integers(8, 22))):
        shapes[int(random.integers(len(shapes)))](image, random)
    if random.random() < 0.7:  # out of focus, as behind people
        sigma = random.uniform(0.6, 2.0)
        image = cv2.GaussianBlur(image, (0, 0), sigma)
    for octave in (4, 16):
        coarse = random.integers(0, 256, (height // octave + 1, width // octave + 1), np.uint8).astype(np.float32)
        grain = cv2.resize(coarse, (width, height), interpolation=cv2.INTER_LINEAR) - 127.5
        image += grain[..., None] * np.float32(random.uniform(0.03, 0.2))
    return np.clip(image, 0, 255)


def _random_pixel(image: np.ndarray, random: np.random.Generator) -> tuple[int, int]:
    height, width = image.shape[:2]
    return int(random.integers(width)), int(random.integers(height))


def _tuple(colour: Colour) -> tuple[float, float, float]:
    return float(colour[0]), float(colour[1]), float(colour[2])


def _box(image: np.ndarray, random: np.random.Generator) -> None:
    x, y = _random_pixel(image, random)
    w, h = (int(size) for size in random.integers(8, max(image.shape[:2]) // 2, 2))
    part = image[max(y - h // 2, 0) : y + h // 2 + 1, max(x - w // 2, 0) : x + w // 2 + 1]
    rows, columns = np.arange(part.shape[0], dtype=np.float32)[:, None], np.arange(part.shape[1], dtype=np.float32)[None, :]
    along, across = np.broadcast_arrays(rows, columns)
    part[:] = draw_cloth(random, 2 * h).paint(along, across)


def _pole(image: np.ndarray, random: np.random.Generator) -> None:
    start, end = _random_pixel(image, random), _random_pixel(image, random)
    cv2.line(image, start, end, _tuple(bright_colour(random)), int(random.integers(1, 12)), cv2.LINE_AA)


def _disc(image: np.ndarray, random: np.random.Generator) -> None:
    filled = random.random() < 0.7
    radius, colour = int(random.integers(4, 30)), _tuple(bright_colour(random))
    cv2.circle(image, _random_pixel(image, random), radius, colour, -1 if filled else int(random.integers(1, 5)), cv2.LINE_AA)


def _triangle(image: np.ndarray, random: np.random.Generator) -> None:
    corners = np.array(_random_pixel(image, random)) + random.integers(-50, 50, (int(random.integers(3, 6)), 2))
    cv2.fillConvexPoly(image, cv2.convexHull(corners.astype(np.int32)), _tuple(bright_colour(random)), cv2.LINE_AA)


def finish_image(random: np.random.Generator, image: np.ndarray) -> np.ndarray:
    """Imitate a camera, uint8 ``[H, W, 3]``: uneven light and exposure, a little blur, and noise."""
    height, width = image.shape[:2]
    corners = random.uniform(0.75, 1.15, (2, 2)).astype(np.float32)
    image = image * cv2.resize(corners, (width, height), interpolation=cv2.INTER_LINEAR)[..., None]
    if random.random() < 0.5:
        image = cv2.GaussianBlur(image, (0, 0), random.uniform(0.3, 0.8))
    noise = random.integers(-128, 128, image.shape, np.int8).astype(np.float32)
    return np.clip(image + noise * np.float32(random.uniform(0.01, 0.06)), 0, 255).astype(np.uint8)
