"""Crops follow each paper's rules to the pixel."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from benchmark.core.errors import InputError
from benchmark.data.images import read_image
from benchmark.pipeline.crops import (
    box_transform,
    compose_transforms,
    crop_transforms,
    fit_aspect,
    invert_transforms,
    letterbox_transform,
    transform_points,
    warp_image,
)
from tests.evaluation.generated_people import people as write_people
from tests.evaluation.generated_people import scene

PORTRAIT = (256, 192)


def three_points(center: np.ndarray, size: np.ndarray, rotation: float, output_hw: tuple[int, int]) -> np.ndarray:
    """Compute the transform as the public code does, in float32: from the centre, the middle of the top and a third corner."""
    height, width = output_hw
    angle = np.pi * rotation / 180
    up = np.array([size[0] * 0.5 * np.sin(angle), -size[0] * 0.5 * np.cos(angle)])
    source, target = np.zeros((3, 2), np.float32), np.zeros((3, 2), np.float32)
    source[0], target[0] = center, [width / 2, height / 2]
    source[1], target[1] = center + up, [width / 2, height / 2 - width / 2]
    for points in (source, target):
        across = points[0] - points[1]
        points[2] = points[1] + [-across[1], across[0]]
    return cv2.getAffineTransform(source, target)


@settings(deadline=None)
@given(
    center=st.tuples(st.floats(0, 600), st.floats(0, 400)),
    width=st.floats(20, 500),
    rotation=st.floats(-90, 90),
)
def test_the_map_is_the_three_point_map_of_the_public_code(center, width: float, rotation: float) -> None:
    size = fit_aspect(np.array([width, 1.0]), PORTRAIT)
    transform = box_transform(np.array(center), size, rotation, output_hw=PORTRAIT)
    expected = three_points(np.array(center), size, rotation, PORTRAIT)
    corners = np.array([[0.0, 0.0], [600.0, 0.0], [0.0, 400.0], [600.0, 400.0]])
    difference = transform_points(transform, corners) - transform_points(expected, corners)
    assert np.all(np.hypot(*difference.T) <= float32_error(np.array(center), size, corners) * 192 / width)


def float32_error(center: np.ndarray, size: np.ndarray, points: np.ndarray) -> np.ndarray:
    """Bound how far rounding the public code's three points to float32 moves the source of a point, in source pixels.

    Each of the three points is off by at most three roundings; a point is reached from them by barycentric coordinates, which
    grow with its distance from the centre in units of half a box width.
    """
    rounding = 3 * np.spacing(np.float32(np.abs(center).max() + size[0]))
    steps = np.linalg.norm(points - center, axis=1) / (size[0] / 2)
    return rounding * (1 + 2 * np.sqrt(2) * steps)


def test_an_evaluation_crop_equals_the_public_codes_pixel_for_pixel(tmp_path: Path) -> None:
    """Numbers that float32 holds exactly, so that the public code's three points lose nothing."""
    people = write_people(tmp_path, 3)
    people = replace(people, centers=np.round(people.centers), sizes=np.array([[96.0, 128.0], [60.0, 80.0], [48.0, 64.0]]))
    transforms = crop_transforms(people, "hrnet", PORTRAIT)
    for row, path in enumerate(people.images):
        image = read_image(path)
        transform = three_points(people.centers[row], people.sizes[row] * 1.25, 0.0, PORTRAIT)
        expected = cv2.warpAffine(image, transform, (192, 256), flags=cv2.INTER_LINEAR)
        np.testing.assert_array_equal(warp_image(image, transforms[row], PORTRAIT), expected)
    assert expected.std() > 10


def test_boxes_grow_to_the_aspect_of_the_input_and_by_a_quarter(tmp_path: Path) -> None:
    people = replace(
        write_people(tmp_path, 2),
        centers=np.array([[100.0, 80.0], [50.0, 60.0]]),
        sizes=np.array([[30.0, 120.0], [90.0, 40.0]]),
    )
    transforms = crop_transforms(people, "hrnet", PORTRAIT)
    # 30 x 120 becomes 90 x 120, then 112.5 x 150; 90 x 40 becomes 90 x 120 too.
    np.testing.assert_allclose(transforms[:, 0, 0], 192 / 112.5)
    left_top = transform_points(invert_transforms(transforms), np.zeros((2, 2)))
    np.testing.assert_allclose(left_top, people.centers - [112.5 / 2, 75.0])


def test_annotated_coco_boxes_lose_their_last_pixel(tmp_path: Path) -> None:
    people = write_people(tmp_path, 1)
    trimmed = replace(people, centers=people.centers - 0.5, sizes=people.sizes - 1)
    np.testing.assert_allclose(
        crop_transforms(people, "hrnet_annotated", PORTRAIT), crop_transforms(trimmed, "hrnet", PORTRAIT)
    )


def test_a_box_of_the_inputs_own_size_is_cut_out_unchanged_when_centres_meet(tmp_path: Path) -> None:
    image = scene(100, 120)
    center, size = np.array([49.5, 39.5]), np.array([40.0, 30.0])
    transform = box_transform(center, size, output_hw=(30, 40), alignment="center")
    np.testing.assert_array_equal(warp_image(image, transform, (30, 40)), image[25:55, 30:70])


def test_the_corner_alignment_is_half_a_pixel_off() -> None:
    center, size = np.array([50.0, 40.0]), np.array([40.0, 30.0])
    point = {
        alignment: transform_points(box_transform(center, size, output_hw=(30, 40), alignment=alignment), center)
        for alignment in ("corner", "center")
    }
    np.testing.assert_allclose(point["corner"], [20.0, 15.0])
    np.testing.assert_allclose(point["center"], [19.5, 14.5])


def test_a_quarter_turn_brings_the_right_side_up() -> None:
    transform = box_transform(np.array([50.0, 50.0]), np.array([100.0, 100.0]), 90.0, output_hw=(100, 100))
    np.testing.assert_allclose(transform_points(transform, np.array([90.0, 50.0])), [50.0, 10.0], atol=1e-9)


def test_a_letterbox_keeps_the_aspect_and_the_borders() -> None:
    transform = letterbox_transform((100, 200), (64, 64))
    borders = np.array([[-0.5, -0.5], [199.5, 99.5]])
    np.testing.assert_allclose(transform_points(transform, borders), [[-0.5, 15.5], [63.5, 47.5]])


@given(st.floats(-180, 180), st.booleans(), st.floats(5, 900))
def test_there_and_back(rotation: float, flip: bool, width: float) -> None:
    transform = box_transform(np.array([80.0, 90.0]), np.array([width, width]), rotation, output_hw=(64, 48), flips=flip)
    points = np.random.default_rng(0).uniform(-100, 700, (4, 5, 2))
    np.testing.assert_allclose(
        transform_points(invert_transforms(transform), transform_points(transform, points)), points, atol=1e-8
    )
    identity = compose_transforms(invert_transforms(transform), transform)
    np.testing.assert_allclose(identity, [[1, 0, 0], [0, 1, 0]], atol=1e-8)


def test_each_row_of_points_goes_through_its_own_map() -> None:
    transforms = np.array([[[1.0, 0.0, 5.0], [0.0, 1.0, 0.0]], [[2.0, 0.0, 0.0], [0.0, 2.0, 0.0]]])
    points = np.ones((2, 3, 2))
    np.testing.assert_array_equal(transform_points(transforms, points)[:, 0], [[6.0, 1.0], [2.0, 2.0]])


def test_impossible_boxes_and_unknown_rules_are_refused(tmp_path: Path) -> None:
    people = write_people(tmp_path, 2)
    with pytest.raises(InputError, match="no crop rule 'square'"):
        crop_transforms(people, "square", PORTRAIT)
    flat = replace(people, sizes=np.array([[10.0, 20.0], [0.0, 20.0]]))
    with pytest.raises(InputError, match=r"0001.png: person 1 has a box of 0 x 20"):
        crop_transforms(flat, "hrnet", PORTRAIT)


def test_images_are_read_as_rgb_and_broken_ones_are_named(tmp_path: Path) -> None:
    red = np.zeros((4, 5, 3), np.uint8)
    red[..., 2] = 200  # OpenCV writes blue first
    cv2.imwrite(str(tmp_path / "red.png"), red)
    np.testing.assert_array_equal(read_image(tmp_path / "red.png")[0, 0], [200, 0, 0])
    (tmp_path / "broken.jpg").write_bytes(b"\xff\xd8\xff")
    (tmp_path / "empty.jpg").write_bytes(b"")
    for name in ("broken.jpg", "empty.jpg", "absent.jpg"):
        with pytest.raises(InputError, match=name):
            read_image(tmp_path / name)
