"""Build the report once for all tests of its pages and figures."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, NamedTuple

import matplotlib.pyplot as plt
import pytest
from matplotlib.backend_bases import RendererBase
from matplotlib.figure import Figure
from matplotlib.text import Text
from matplotlib.transforms import Bbox

from benchmark.report.build import build_report

POINT = 72  # of an inch, and the SVG backend's pixel


class DrawnFigure(NamedTuple):
    """A figure as it was written: its size, and each text with its extent, in points."""

    width: float
    height: float
    texts: list[tuple[str, Bbox]]

    def faults(self, tolerance: float = 0.5) -> list[str]:
        """Describe every text that leaves the figure, and every pair of texts that overlap."""
        faults = []
        for number, (text, box) in enumerate(self.texts):
            if min(box.x0, box.y0) < -tolerance or box.x1 > self.width + tolerance or box.y1 > self.height + tolerance:
                faults.append(f"{text!r} leaves the figure")
            for other, other_box in self.texts[:number]:
                across = min(box.x1, other_box.x1) - max(box.x0, other_box.x0)
                along = min(box.y1, other_box.y1) - max(box.y0, other_box.y0)
                if across > tolerance and along > tolerance:
                    faults.append(f"{text!r} overlaps {other!r}")
        return faults


@contextmanager
def drawn_figures() -> Iterator[list[DrawnFigure]]:
    """Collect every figure that is drawn and closed in the block, in order."""
    figures: list[DrawnFigure] = []
    texts: list[tuple[str, Bbox]] = []
    draw, close = Text.draw, plt.close

    def draw_and_note(self: Text, renderer: RendererBase) -> None:
        if self.get_visible() and self.get_text().strip():
            texts.append((self.get_text(), self.get_window_extent(renderer)))
        draw(self, renderer)

    def close_and_note(figure: Figure) -> None:
        width, height = figure.get_size_inches() * POINT
        figures.append(DrawnFigure(width, height, texts.copy()))
        texts.clear()
        close(figure)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Text, "draw", draw_and_note)
        patch.setattr(plt, "close", close_and_note)
        yield figures


class BuiltReport(NamedTuple):
    """The files of the report, and its figures by file name."""

    files: dict[str, bytes]
    figures: dict[str, DrawnFigure]

    @property
    def pages(self) -> dict[str, str]:
        """The Markdown files by name."""
        return {name: content.decode() for name, content in self.files.items() if name.endswith(".md")}


@pytest.fixture(scope="session")
def built_report() -> Any:
    """Return the report of the committed records."""
    with drawn_figures() as figures:
        files = build_report()
    names = [name for name in files if name.startswith("figures/")]
    return BuiltReport(files, dict(zip(names, figures, strict=True)))
