"""Place the labels of a figure's points so that none covers another label, a point or a line.

A label takes the first free one of a fixed list of places around its point, nearest first, so that the same data always gives
the same figure; a library that moves labels step by step would depend on the last digit of its forces.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cache
from math import cos, pi, sin
from typing import NamedTuple

from matplotlib.axes import Axes
from matplotlib.font_manager import FontProperties
from matplotlib.text import Text
from matplotlib.textpath import text_to_path

LABEL_SIZE = 6.5  # points
POINT_RADIUS = 3.2  # points, around the centre of a marker
LINE_HEIGHT = 1.15  # of a label, in units of its size
RINGS = (9.0, 14.0, 20.0, 27.0, 35.0, 45.0, 60.0)  # points from the marker to a label with a line to it
DIRECTIONS = 16


class Box(NamedTuple):
    """A rectangle, in points from the lower left corner of the axes."""

    left: float
    bottom: float
    right: float
    top: float

    def overlaps(self, other: Box) -> bool:
        """Return whether the rectangles have points in common."""
        return self.left < other.right and other.left < self.right and self.bottom < other.top and other.bottom < self.top


class Place(NamedTuple):
    """A place for a label, and the marker from which a line leads to it; None beside the marker."""

    box: Box
    anchor: tuple[float, float] | None = None

    def end(self) -> tuple[float, float]:
        """Return the point of the box that is nearest to the marker."""
        assert self.anchor is not None
        (x, y), box = self.anchor, self.box
        return min(max(x, box.left), box.right), min(max(y, box.bottom), box.top)

    def line(self, pieces: int = 8) -> list[Box]:
        """Cover the line to the label with small rectangles, without its ends."""
        if self.anchor is None:
            return []
        (x0, y0), (x1, y1) = self.anchor, self.end()
        points = [(x0 + (x1 - x0) * piece / pieces, y0 + (y1 - y0) * piece / pieces) for piece in range(1, pieces)]
        return [Box(x - 0.5, y - 0.5, x + 0.5, y + 0.5) for x, y in points]

    def is_free(self, taken: Sequence[Box], labels: Sequence[Box]) -> bool:
        """Return whether the label covers nothing that is taken, and its line no label."""
        return not any(self.box.overlaps(box) for box in taken) and not any(
            piece.overlaps(label) for piece in self.line() for label in labels
        )


@dataclass(frozen=True)
class Labelled:
    """A point, or the two ends of a horizontal line, with a label.

    Attributes:
        text: The label.
        x: Positions of the markers on the horizontal axis, in ascending order.
        y: Position on the vertical axis.
    """

    text: str
    x: tuple[float, ...]
    y: float


@cache
def text_width(text: str, size: float = LABEL_SIZE) -> float:
    """Return the width of a text in points, in the figures' font."""
    properties = FontProperties(family="DejaVu Sans", size=size)
    return float(text_to_path.get_text_width_height_descent(text, properties, ismath=False)[0])


def place_labels(axes: Axes, points: Sequence[Labelled]) -> list[Text]:
    """Write the label of every point; the axes must have their final limits, scales and place in the figure.

    A label that does not fit beside its point stands farther away, with a thin line to it. Points with many neighbours come
    first.
    """
    window = axes.get_window_extent()
    pixels = 72 / axes.get_figure().dpi  # type: ignore[union-attr]  # axes always belong to a figure
    to_data = axes.transData.inverted()
    frame = Box(0, 0, window.width * pixels, window.height * pixels)
    ends = [
        [((x - window.x0) * pixels, (y - window.y0) * pixels) for x, y in axes.transData.transform([(x, p.y) for x in p.x])]
        for p in points
    ]
    taken = [box for markers in ends for box in _marker_boxes(markers)]

    def crowd(index: int) -> tuple[int, str]:
        x, y = ends[index][-1]
        near = Box(x - 60, y - 15, x + 60, y + 15)
        return -sum(near.overlaps(box) for box in taken), points[index].text

    labels: list[Box] = []
    texts = []
    for index in sorted(range(len(points)), key=crowd):
        label, markers = points[index].text, ends[index]
        places = list(_places(markers, text_width(label)))
        inside = [place for place in places if _contains(frame, place.box)] or places
        place = next((place for place in inside if place.is_free(taken, labels)), inside[-1])
        labels.append(place.box)
        taken += [place.box, *place.line()]
        if place.anchor:
            line = to_data.transform([(x / pixels + window.x0, y / pixels + window.y0) for x, y in (place.anchor, place.end())])
            axes.plot(*line.T, color="#888888", linewidth=0.4, zorder=1)
        x, y = to_data.transform((place.box.left / pixels + window.x0, place.box.bottom / pixels + window.y0))
        texts.append(axes.text(x, y, label, fontsize=LABEL_SIZE, ha="left", va="bottom", zorder=4))
    return texts


def _marker_boxes(markers: Sequence[tuple[float, float]]) -> Iterator[Box]:
    """Return the rectangles of the markers and of the line between them."""
    for x, y in markers:
        yield Box(x - POINT_RADIUS, y - POINT_RADIUS, x + POINT_RADIUS, y + POINT_RADIUS)
    (first, y), (last, _) = markers[0], markers[-1]
    if first < last:
        yield Box(first, y - 0.6, last, y + 0.6)


def _places(markers: Sequence[tuple[float, float]], width: float) -> Iterator[Place]:
    """Iterate over the places of a label, nearest first."""
    (left, y), (right, _) = markers[0], markers[-1]
    height, gap = LABEL_SIZE * LINE_HEIGHT, POINT_RADIUS + 1.0
    for x0, y0 in (
        (right + gap, y - height / 2),
        (left - gap - width, y - height / 2),
        (right - width / 2, y + gap),
        (right - width / 2, y - gap - height),
        (left - width / 2, y + gap),
        (left - width / 2, y - gap - height),
        ((left + right - width) / 2, y + 1.5),
        ((left + right - width) / 2, y - 1.5 - height),
        (right, y + gap),
        (right, y - gap - height),
        (left - width, y + gap),
        (left - width, y - gap - height),
    ):
        yield Place(Box(x0, y0, x0 + width, y0 + height))
    for radius in RINGS:
        for step in range(DIRECTIONS):
            angle = 2 * pi * step / DIRECTIONS
            for x in (right, left):
                # The label's nearest side faces the marker.
                x0 = x + radius * cos(angle) - width * (1 - cos(angle)) / 2
                y0 = y + radius * sin(angle) - height * (1 - sin(angle)) / 2
                yield Place(Box(x0, y0, x0 + width, y0 + height), (x, y))


def _contains(outer: Box, inner: Box) -> bool:
    return outer.left <= inner.left and inner.right <= outer.right and outer.bottom <= inner.bottom and inner.top <= outer.top
