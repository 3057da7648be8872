"""Figures are legible: no label overlaps another or is cut off, no series rests on its colour alone, bytes are repeatable."""

from __future__ import annotations

import math
import re
from itertools import combinations
from xml.etree import ElementTree

import matplotlib as mpl
import matplotlib.pyplot as plt
import numpy as np
import pytest
from matplotlib.colors import to_rgb

from benchmark.compare.accuracy import Estimate
from benchmark.compare.pareto import pareto_figure
from benchmark.config.identities import load_current
from benchmark.ledger.tokens import OUTCOMES
from benchmark.papers.tables import load_papers
from benchmark.report.labels import LABEL_SIZE, Labelled, place_labels, text_width
from benchmark.report.plots import BAR_STYLES, SERIES_STYLES, STYLE, log_cost_axis, series_styles, svg
from tests.report.conftest import drawn_figures


def test_no_label_of_any_figure_overlaps_another_or_leaves_the_figure(built_report) -> None:
    assert len(built_report.figures) > 10
    assert {name: faults for name, figure in built_report.figures.items() if (faults := figure.faults())} == {}


def test_every_network_is_named_in_the_accuracy_figures(built_report) -> None:
    texts = [text for text, _ in built_report.figures["figures/coco.svg"].texts]
    assert {"HRNet-W32", "EfficientPose-C", "Lite-HRNet-30, 384x288", "Heatmap weighting MobileNetV3, 256x192"} <= set(texts)
    texts = [text for text, _ in built_report.figures["figures/mpii.svg"].texts]
    assert {"HRNet-W32", "EfficientPose-C", "EfficientPose IV, 600x600", "CPMs"} <= set(texts)


@pytest.mark.parametrize("name", ["net", "a_network_of_a_user_with_a_rather_long_name_of_its_own"])
@pytest.mark.parametrize("accuracy", [None, 88.1, 71.3])
@pytest.mark.parametrize("dataset", ["mpii", "coco"])
def test_a_users_network_fits_among_the_printed_ones(dataset: str, accuracy: float | None, name: str) -> None:
    estimate = None if accuracy is None else Estimate(accuracy, (accuracy - 1, accuracy + 1), 100)
    with drawn_figures() as figures:
        pareto_figure(load_papers(), load_current(), dataset, name, 0.54, estimate)
    assert figures[0].faults() == []


def test_a_cut_off_and_an_overlapping_label_are_noticed() -> None:
    with drawn_figures() as figures:
        figure, axes = plt.subplots(figsize=(3, 2))
        axes.axis("off")
        axes.text(0.5, 0.5, "second", transform=axes.transAxes)
        axes.text(0.51, 0.51, "third", transform=axes.transAxes)
        axes.text(0.9, 0.2, "a label that is much too long", transform=axes.transAxes)
        svg(figure)
    assert figures[0].faults() == ["'third' overlaps 'second'", "'a label that is much too long' leaves the figure"]


# --- placement ---------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("seed", range(10))
def test_labels_of_random_points_never_overlap(seed: int) -> None:
    generator = np.random.default_rng(seed)
    x, y = 10 ** generator.uniform(-1, 2, 35), generator.uniform(80, 90, 35)
    points = [
        Labelled(f"network {n}" + ", 256x192" * (n % 2), tuple(sorted({a, a * (1 + 0.5 * (n % 3))})), b)
        for n, (a, b) in enumerate(zip(x, y, strict=True))
    ]
    with mpl.rc_context(STYLE), drawn_figures() as figures:
        figure, axes = plt.subplots(figsize=(9, 6))
        log_cost_axis(axes, [a for point in points for a in point.x], "GFLOPs")
        axes.set_ylim(79, 91)
        texts = place_labels(axes, points)
        svg(figure)
    assert sorted(text.get_text() for text in texts) == sorted(point.text for point in points)
    assert figures[0].faults() == []


def test_a_label_stands_beside_its_point_if_there_is_room() -> None:
    figure, axes = plt.subplots(figsize=(4, 4))
    axes.set_xlim(0, 10)
    axes.set_ylim(0, 10)
    (text,) = place_labels(axes, [Labelled("here", (5.0,), 5.0)])
    x, y = axes.transData.transform((5, 5))
    box = text.get_window_extent()
    assert 0 < box.x0 - x < 10
    assert box.y0 < y < box.y1
    assert not axes.lines  # no line to it
    plt.close(figure)


def test_the_width_of_a_text_is_what_is_drawn() -> None:
    with mpl.rc_context(STYLE), drawn_figures() as figures:
        figure = plt.figure(figsize=(4, 1))
        figure.text(0.1, 0.5, "SimpleBaseline MobileNetV2", fontsize=LABEL_SIZE)
        svg(figure)
    assert text_width("SimpleBaseline MobileNetV2") == pytest.approx(figures[0].texts[0][1].width, abs=0.1)


def test_cost_axes_have_plain_numbers_and_room_on_both_sides() -> None:
    figure, axes = plt.subplots()
    log_cost_axis(axes, [0.27, 3.0, 175.0], "GFLOPs")
    low, high = axes.get_xlim()
    assert 1.2 < 0.27 / low < 1.5
    assert 1.2 < high / 175 < 1.5
    assert list(axes.get_xticks()) == pytest.approx([0.2, 0.5, 1, 2, 5, 10, 20, 50, 100, 200])
    assert axes.xaxis.get_major_formatter()(0.5, 0) == "0.5"
    plt.close(figure)


# --- colours -----------------------------------------------------------------------------------------------------------------

# Machado, Oliveira and Fernandes 2009: how colours look without one kind of cone, in linear RGB.
COLOUR_BLINDNESS = {
    "full colour vision": np.eye(3),
    "protanopia": [[0.152286, 1.052583, -0.204868], [0.114503, 0.786281, 0.099216], [-0.003882, -0.048116, 1.051998]],
    "deuteranopia": [[0.367322, 0.860646, -0.227968], [0.280085, 0.672501, 0.047413], [-0.011820, 0.042940, 0.968881]],
    "tritanopia": [[1.255528, -0.076749, -0.178779], [-0.078411, 0.930809, 0.147602], [0.004733, 0.691367, 0.303900]],
}


def linear(colour: str) -> np.ndarray:
    rgb = np.array(to_rgb(colour))
    return np.where(rgb <= 0.04045, rgb / 12.92, ((rgb + 0.055) / 1.055) ** 2.4)


def lightness(rgb: np.ndarray) -> float:
    """Compute L* of a colour in linear RGB, from 0 to 100."""
    luminance = float(np.clip(rgb, 0, 1) @ [0.2126, 0.7152, 0.0722])
    return 116 * luminance ** (1 / 3) - 16 if luminance > 0.008856 else 903.3 * luminance


def oklab(rgb: np.ndarray) -> np.ndarray:
    lms = np.cbrt(
        np.clip(rgb, 0, 1)
        @ np.array(
            [
                [0.4122214708, 0.5363325363, 0.0514459929],
                [0.2119034982, 0.6806995451, 0.1073969566],
                [0.0883024619, 0.2817188376, 0.6299787005],
            ]
        ).T
    )
    return (
        np.array(
            [
                [0.2104542553, 0.7936177850, -0.0040720468],
                [1.9779984951, -2.4285922050, 0.4505937099],
                [0.0259040371, 0.7827717662, -0.8086757660],
            ]
        )
        @ lms
    )


@pytest.mark.parametrize("vision", COLOUR_BLINDNESS)
def test_series_differ_in_colour_for_all_kinds_of_vision(vision: str) -> None:
    seen = [oklab(np.array(COLOUR_BLINDNESS[vision]) @ linear(style.colour)) for style in SERIES_STYLES]
    assert min(float(np.linalg.norm(a - b)) for a, b in combinations(seen, 2)) > 0.05


def test_series_differ_in_marker_and_dashes_too() -> None:
    assert len({style.marker for style in SERIES_STYLES}) == len(SERIES_STYLES)
    assert len({str(style.line) for style in SERIES_STYLES}) == len(SERIES_STYLES)
    styles = series_styles()
    many = [next(styles) for _ in range(3 * len(SERIES_STYLES))]
    assert len({style.colour for style in many}) == len(many)


def test_series_stand_out_from_white() -> None:
    assert max(lightness(linear(style.colour)) for style in SERIES_STYLES) < 75


def test_bars_are_told_apart_in_grey() -> None:
    assert set(BAR_STYLES) >= set(OUTCOMES)
    for (colour, hatch), (other_colour, other_hatch) in combinations(BAR_STYLES.values(), 2):
        assert hatch != other_hatch or abs(lightness(linear(colour)) - lightness(linear(other_colour))) > 7


# --- bytes -------------------------------------------------------------------------------------------------------------------


def test_figures_hold_no_digits_that_depend_on_the_processor(built_report) -> None:
    for name in built_report.figures:
        text = re.sub(r"<!--.*?-->|<title>.*?</title>|scale\([^)]*\)", "", built_report.files[name].decode(), flags=re.DOTALL)
        assert not re.search(r"\d\.\d{3}", text), name
        assert not re.search(r'["#][A-Za-z]\w*?[0-9a-f]{10}[")]', text), name
        assert not re.search(r"(?<!\w)-0(?![.\d])", text), name


def test_noise_in_the_last_digits_of_the_data_does_not_change_a_figure() -> None:
    def draw(noise: float) -> bytes:
        with mpl.rc_context(STYLE):
            figure, axes = plt.subplots(figsize=(3, 2))
            axes.plot([0.1 + noise, 0.7 - noise], [math.pi + noise, 2.0], "o-")
            axes.set_xlim(0.03 + noise, 0.97 - noise)
            axes.set_ylim(1.1 - noise, 4.2 + noise)
            return svg(figure)

    assert draw(0) == draw(1e-13)
    assert draw(0) != draw(0.01)


def test_every_reference_in_a_figure_has_its_target(built_report) -> None:
    for name in built_report.figures:
        text = built_report.files[name].decode()
        ids = re.findall(r'\bid="([^"]+)"', text)
        assert len(ids) == len(set(ids)), name
        assert set(re.findall(r'(?:href="#|url\(#)([^")]+)', text)) <= set(ids), name


# --- values under the pointer ------------------------------------------------------------------------------------------------


def titles_of(drawn: bytes) -> list[str]:
    root = ElementTree.fromstring(drawn)
    return [title.text or "" for title in root.iter("{http://www.w3.org/2000/svg}title")]


def test_markers_and_lines_of_labelled_series_have_titles_in_the_order_of_drawing() -> None:
    figure, (left, right) = plt.subplots(1, 2, sharey=True)
    left.scatter([1, 2], [3, 4], label="a <b> & c")
    left.set_xlabel("cost")
    left.set_ylabel("accuracy")
    right.plot([1, 2], [5, 6], "o-", label="_not in the legend")
    right.plot([1, 2], [7, 8], label="no markers")
    right.plot([], [], label="empty")
    right.plot([1, 2], [9, 9], "o")
    right.set_xlabel("epochs")
    assert titles_of(svg(figure)) == [
        "a <b> & c\ncost: 1\naccuracy: 3",
        "a <b> & c\ncost: 2\naccuracy: 4",
        "not in the legend\nepochs: 1 to 2\naccuracy: 5 to 6",
        "not in the legend\nepochs: 1\naccuracy: 5",
        "not in the legend\nepochs: 2\naccuracy: 6",
        "no markers\nepochs: 1 to 2\naccuracy: 7 to 8",
    ]


def test_bars_have_the_titles_that_they_are_given() -> None:
    figure, axes = plt.subplots()
    bars = axes.barh(["x", "y"], [1, 2])
    assert titles_of(svg(figure, {bar: [f"bar {number}"] for number, bar in enumerate(bars)})) == ["bar 0", "bar 1"]


def test_every_figure_with_data_shows_values(built_report) -> None:
    for name in built_report.figures:
        is_picture = name.startswith("figures/maps-")
        assert bool(titles_of(built_report.files[name])) != is_picture, name
