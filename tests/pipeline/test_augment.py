"""Training views: their distributions, and that the three routes show the same views."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np
import pytest
import torch

from benchmark.config.pipeline import AUGMENTATIONS
from benchmark.core.errors import InputError
from benchmark.core.keypoints import MPII_JOINTS, mirrored_indices, upper_body_indices
from benchmark.data.images import read_image
from benchmark.data.people import People
from benchmark.pipeline.augment import Views, draw_views, epoch_generator, half_bodies, view_joints, visible_region
from benchmark.pipeline.batches import load_batch, normalize, resample_cached_crops, warp_cached_crops, warp_images
from benchmark.pipeline.crop_cache import CropCache, build_cache, crop_resolutions
from benchmark.pipeline.crops import crop_transforms, invert_transforms, transform_points, warp_image
from tests.evaluation.generated_people import people as write_people
from tests.evaluation.generated_people import psnr

SQUARE = (256, 256)


def crowd(count: int) -> People:
    """Many rows of one person with all joints annotated: a box of 100 x 200 about (200, 300), without images."""
    generator = np.random.default_rng(0)
    return People(
        dataset="generated",
        split="test",
        images=(Path("nowhere.jpg"),) * count,
        image_ids=np.arange(count),
        ids=np.arange(count),
        joints=np.array([200, 300]) + generator.uniform(-1, 1, (count, 16, 2)) * [50, 100],
        visible=np.full((count, 16), 2, np.uint8),
        centers=np.tile([200.0, 300.0], (count, 1)),
        sizes=np.tile([100.0, 200.0], (count, 1)),
    )


def views_of(people: People, name: str, seed: int = 0, epoch: int = 0) -> Views:
    return draw_views(people, MPII_JOINTS, AUGMENTATIONS[name], "mpii", epoch_generator(seed, epoch))


def test_the_same_seed_and_epoch_give_the_same_views_and_no_others_do() -> None:
    people = crowd(50)
    first = views_of(people, "hrnet_coco", 1, 7).transforms(SQUARE)
    np.testing.assert_array_equal(first, views_of(people, "hrnet_coco", 1, 7).transforms(SQUARE))
    for seed, epoch in ((1, 8), (2, 7)):
        assert not np.isclose(first, views_of(people, "hrnet_coco", seed, epoch).transforms(SQUARE)).all()


def test_two_augmentations_share_their_draws() -> None:
    people = crowd(200)
    small, large = views_of(people, "hrnet_mpii"), views_of(people, "mmpose_mpii")
    np.testing.assert_array_equal(small.flips, large.flips)
    np.testing.assert_allclose(small.rotations / 30, large.rotations / 40)
    np.testing.assert_allclose((small.zooms / 1.25 - 1) / 0.25, (large.zooms / 1.25 - 1) / 0.5)


def test_normal_draws_are_clipped_and_rotation_has_its_probability() -> None:
    views = views_of(crowd(40_000), "hrnet_mpii")
    scale = views.zooms / 1.25
    assert scale.min() == 0.75
    assert scale.max() == 1.25
    assert (scale == 1.25).mean() == pytest.approx(0.1587, abs=0.01)  # P(z > 1) piles up at the bound
    assert np.abs(views.rotations).max() == 60
    assert (views.rotations != 0).mean() == pytest.approx(0.6, abs=0.01)
    rotated = views.rotations[(views.rotations != 0) & (np.abs(views.rotations) < 60)]
    assert rotated.std() == pytest.approx(30 * 0.8796, rel=0.02)  # of a normal number cut at two deviations
    assert views.flips.mean() == pytest.approx(0.5, abs=0.01)


def test_uniform_draws_are_even() -> None:
    views = views_of(crowd(40_000), "efficientpose")
    scale = views.zooms / 1.25
    assert 0.75 <= scale.min() < 0.7501
    assert 1.2499 < scale.max() <= 1.25
    assert views.rotations.std() == pytest.approx(45 / np.sqrt(3), rel=0.02)
    assert np.abs(views.rotations).max() <= 45


def test_without_augmentation_a_view_is_the_evaluation_crop(tmp_path: Path) -> None:
    people = write_people(tmp_path, 4)
    views = draw_views(people, MPII_JOINTS, AUGMENTATIONS["none"], "hrnet", epoch_generator(0, 0))
    np.testing.assert_allclose(views.transforms((256, 192)), crop_transforms(people, "hrnet", (256, 192)))


def test_half_body_on_a_known_person() -> None:
    """Ten joints: four of the legs in a square of side 20 about (50, 150), six above in a box of 40 x 60 about (50, 50)."""
    legs = dict(right_knee=(40, 140), left_knee=(60, 140), right_ankle=(40, 160), left_ankle=(60, 160))
    arms = dict(right_wrist=(30, 20), left_wrist=(70, 20), right_elbow=(30, 80), left_elbow=(70, 80))
    arms |= dict(right_shoulder=(50, 40), left_shoulder=(50, 60))
    people = crowd(4000)
    points, visible = np.zeros((16, 2)), np.zeros(16, np.uint8)
    for name, position in (legs | arms).items():
        points[MPII_JOINTS.index(name)], visible[MPII_JOINTS.index(name)] = position, 1
    people = replace(people, joints=np.tile(points, (4000, 1, 1)), visible=np.tile(visible, (4000, 1)))
    views = views_of(people, "hrnet_coco")
    upper = (views.centers == [50, 50]).all(1)
    lower = (views.centers == [50, 150]).all(1)
    whole = (views.centers == [200, 300]).all(1)
    assert (upper | lower | whole).all()
    np.testing.assert_array_equal(views.sizes[upper][0], [40, 60])
    np.testing.assert_array_equal(views.sizes[lower][0], [20, 20])
    assert (upper | lower).mean() == pytest.approx(0.3, abs=0.03)
    assert upper.sum() / (upper | lower).sum() == pytest.approx(0.6915, abs=0.04)
    assert views.zooms[upper].max() == pytest.approx(1.5 * 1.35)
    assert views.zooms[whole].max() == pytest.approx(1.25 * 1.35)


def test_half_body_leaves_persons_with_eight_joints_alone_and_falls_back_to_the_other_half() -> None:
    people = crowd(500)
    visible = np.zeros((500, 16), np.uint8)
    visible[:, :8] = 2
    assert (views_of(replace(people, visible=visible), "hrnet_coco").centers == [200, 300]).all()
    everybody = replace(AUGMENTATIONS["hrnet_coco"], half_body=1.0, half_body_joints=0)
    visible[:] = 0
    visible[:, list(upper_body_indices(MPII_JOINTS))[:5]] = 1  # no leg at all
    sample = replace(people, visible=visible)
    views = draw_views(sample, MPII_JOINTS, everybody, "mpii", epoch_generator(0, 0))
    np.testing.assert_allclose(views.centers, half_bodies(sample, MPII_JOINTS)[0][:, 0])
    visible[:, list(upper_body_indices(MPII_JOINTS))[1:5]] = 0  # a single joint makes no box
    single = draw_views(replace(people, visible=visible), MPII_JOINTS, everybody, "mpii", epoch_generator(0, 0))
    assert (single.centers == [200, 300]).all()


def test_a_half_of_two_joints_is_shown_and_one_of_a_single_joint_is_not() -> None:
    augmentation = replace(AUGMENTATIONS["hrnet_coco"], half_body=1.0, half_body_joints=0)
    upper = upper_body_indices(MPII_JOINTS)
    for count in (1, 2):
        person = crowd(1)
        visible = np.zeros_like(person.visible)
        visible[0, upper[:count]] = 1
        joints = person.joints.copy()
        joints[0, upper[:count]] = person.centers[0] + 20 * person.sizes[0] + np.arange(count)[:, None] * person.sizes[0]
        person = replace(person, visible=visible, joints=joints)
        views = draw_views(person, MPII_JOINTS, augmentation, "hrnet", epoch_generator(0, 0))
        shown = half_bodies(person, MPII_JOINTS)[0][:, 0] if count == 2 else person.centers
        np.testing.assert_allclose(views.centers, shown)
        with_half, without = (
            visible_region(person, MPII_JOINTS, each, "hrnet", (64, 64))
            for each in (augmentation, replace(augmentation, half_body=0.0))
        )
        assert np.array_equal(with_half, without) == (count == 1)


def test_flipping_twice_changes_nothing() -> None:
    order = np.array(mirrored_indices(MPII_JOINTS))
    np.testing.assert_array_equal(order[order], np.arange(16))
    assert MPII_JOINTS[order[MPII_JOINTS.index("left_wrist")]] == "right_wrist"
    assert [MPII_JOINTS[joint] for joint in range(16) if order[joint] == joint] == [
        "pelvis",
        "thorax",
        "upper_neck",
        "head_top",
    ]


def test_a_mirrored_view_shows_left_joints_as_right_ones_where_the_picture_shows_them(tmp_path: Path) -> None:
    """Mirroring the image itself, its joints and its box leads to the same input."""
    people = write_people(tmp_path, 1)
    views = draw_views(people, MPII_JOINTS, AUGMENTATIONS["none"], "mpii", epoch_generator(0, 0))
    views = replace(views, flips=np.array([True]), rotations=np.array([25.0]))
    transforms = views.transforms(SQUARE)
    points, _ = view_joints(people, MPII_JOINTS, np.array([0]), views, transforms)

    image = read_image(people.images[0])
    mirror = np.array([[-1.0, 0.0, image.shape[1] - 1], [0.0, 1.0, 0.0]])
    by_hand = replace(views, flips=np.array([False]), centers=transform_points(mirror, people.centers)).transforms(SQUARE)
    swapped = transform_points(mirror, people.joints)[:, list(mirrored_indices(MPII_JOINTS))]
    np.testing.assert_allclose(points, transform_points(by_hand, swapped), atol=1e-9)
    mirror_image = np.ascontiguousarray(image[:, ::-1])
    difference = warp_image(image, transforms[0], SQUARE).astype(int) - warp_image(mirror_image, by_hand[0], SQUARE)
    assert np.abs(difference).max() <= 1


@pytest.mark.parametrize("name", ["hrnet_mpii", "hrnet_coco", "mmpose_coco", "efficientpose"])
def test_no_view_reaches_beyond_what_the_cache_keeps(name: str) -> None:
    people = crowd(20_000)
    output = (256, 192)
    region = visible_region(people, MPII_JOINTS, AUGMENTATIONS[name], "mpii", output)
    inverse = invert_transforms(views_of(people, name).transforms(output))
    corners = np.array([[0.0, 0.0], [191.0, 0.0], [0.0, 255.0], [191.0, 255.0]])
    shown = transform_points(inverse, np.tile(corners, (len(people), 1, 1)))
    assert (shown.min(1) >= region[:, :2] - 1e-6).all()
    assert (shown.max(1) <= region[:, 2:] + 1e-6).all()
    if name == "efficientpose":  # not much more is cached: all have the same box, which the farthest view nearly fills
        assert (region[0, :2] > shown.min((0, 1)) - 5).all()


# --------------------------------------------------------------------------------------------------------------- routes


def route_images(people: People, views: Views, cache: CropCache, output: tuple[int, int]) -> dict[str, np.ndarray]:
    rows, transforms = np.arange(len(people)), views.transforms(output)
    return {
        "direct": warp_images(people, transforms, rows, output),
        "cached": warp_cached_crops(cache, transforms, rows, output),
        "resampled": resample_cached_crops(cache, transforms, rows, output, torch.device("cpu")).numpy(),
    }


def cached_people(folder: Path, people: People, name: str, output: tuple[int, int], density: float | None):
    regions = visible_region(people, MPII_JOINTS, AUGMENTATIONS[name], "mpii", output)
    return build_cache(folder, people, regions, crop_resolutions(people, "mpii", output, density), threads=2)


@pytest.mark.parametrize("name", ["hrnet_mpii", "mmpose_coco"])
def test_with_all_pixels_cached_the_three_routes_differ_by_rounding_alone(tmp_path: Path, name: str) -> None:
    people = write_people(tmp_path / "images", 12)
    output = (128, 96)
    cache = cached_people(tmp_path / "cache", people, name, output, None)
    images = route_images(people, views_of(people, name), cache, output)
    for route in ("cached", "resampled"):
        difference = np.abs(images["direct"].astype(int) - images[route])
        assert difference.max() <= 1, route
        assert psnr(images["direct"], images[route]) > 65, route
    assert images["direct"].std() > 20


def test_shrunk_caches_come_closer_the_more_pixels_they_keep(tmp_path: Path, pose_data: Path) -> None:
    """Real images: what a shrunk cache lacks is what a single linear interpolation of the image aliases."""
    people = mpii_people(pose_data)
    agreements = []
    for density in (1.0, 2.0, None):
        cache = cached_people(tmp_path / f"cache{density}", people, "hrnet_mpii", SQUARE, density)
        epochs = [route_images(people, views_of(people, "hrnet_mpii", epoch=epoch), cache, SQUARE) for epoch in range(4)]
        direct, cached, resampled = (np.stack([images[route] for images in epochs]) for route in epochs[0])
        assert psnr(cached, resampled) > 75
        agreements.append((psnr(direct, cached), psnr(direct, resampled)))
    (single, single_gpu), (double, double_gpu), (whole, whole_gpu) = agreements
    assert 28 < single < double < whole
    assert double > 34
    assert min(whole, whole_gpu) > 75
    assert abs(single - single_gpu) < 0.1
    assert abs(double - double_gpu) < 0.1


def mpii_people(pose_data: Path) -> People:
    """Load the five MPII images of the sample."""
    annotations = json.loads((pose_data / "mpii" / "annotations_5_images.json").read_text())
    count = len(annotations)
    scale = np.array([person["scale"] for person in annotations])
    return People(
        dataset="mpii",
        split="sample",
        images=tuple(pose_data / "mpii" / "images" / person["image"] for person in annotations),
        image_ids=np.arange(count),
        ids=np.arange(count),
        joints=np.array([person["joints"] for person in annotations], float),
        visible=2 * np.array([person["joints_vis"] for person in annotations], np.uint8),
        centers=np.array([person["center"] for person in annotations]) + np.stack([0 * scale, 15 * scale], 1),
        sizes=200 * np.stack([scale, scale], 1),
    )


def test_content_lands_where_the_joints_say_on_every_route(tmp_path: Path) -> None:
    """A soft spot on a joint: its centre of gravity in the input is the joint's target, from shrunk crops too."""
    people = write_people(tmp_path / "images", 6, (480, 640))
    y, x = np.mgrid[:480, :640]
    for row, path in enumerate(people.images):
        joint = people.joints[row, 0] = people.centers[row] + [10.3, -20.6]
        spot = 250 * np.exp(-((x - joint[0]) ** 2 + (y - joint[1]) ** 2) / (2 * 8.0**2))
        cv2.imwrite(str(path), np.repeat(spot[..., None], 3, 2).round().astype(np.uint8))
    cache = cached_people(tmp_path / "cache", people, "hrnet_mpii", (128, 128), 1.0)
    views = views_of(people, "hrnet_mpii")
    transforms = views.transforms((128, 128))
    points = transform_points(transforms, people.joints[:, 0])
    in_crops = transform_points(cache.transforms, people.joints[:, 0])
    through_cache = transform_points(cache.crop_to_input(transforms, np.arange(6)), in_crops)
    np.testing.assert_allclose(points, through_cache, atol=1e-9)  # targets do not depend on the route
    v, u = np.mgrid[:128, :128]
    for route, images in route_images(people, views, cache, (128, 128)).items():
        weight = images[..., 0].astype(float)
        gravity = np.stack([(weight * u).sum((1, 2)), (weight * v).sum((1, 2))], 1) / weight.sum((1, 2))[:, None]
        np.testing.assert_allclose(gravity, points, atol=0.05, err_msg=route)


def test_targets_of_all_routes_agree_to_a_thousandth_of_a_pixel(tmp_path: Path) -> None:
    people = write_people(tmp_path / "images", 8)
    cache = cached_people(tmp_path / "cache", people, "hrnet_mpii", SQUARE, 2.0)
    views, rows = views_of(people, "hrnet_mpii"), np.array([5, 0, 3])
    exact = transform_points(views.transforms(SQUARE), people.joints)
    for route in ("direct", "cached", "resampled"):
        batch = load_batch(people, MPII_JOINTS, views, rows, SQUARE, cache=cache, route=route)
        expected = np.where(views.flips[:, None, None], exact[:, list(mirrored_indices(MPII_JOINTS))], exact)[rows]
        np.testing.assert_allclose(batch.joints.numpy(), expected, atol=1e-3)
        assert batch.images.shape == (3, 3, *SQUARE)
        assert batch.images.dtype == torch.float32
    with pytest.raises(InputError, match="route cached needs a cache"):
        load_batch(people, MPII_JOINTS, views, rows, SQUARE, route="cached")


def test_normalising_is_the_usual_formula() -> None:
    images = np.random.default_rng(0).integers(0, 256, (2, 5, 7, 3), dtype=np.uint8)
    expected = (images / 255 - [0.485, 0.456, 0.406]) / [0.229, 0.224, 0.225]
    normalized = normalize(torch.from_numpy(images))
    np.testing.assert_allclose(normalized.numpy(), expected.transpose(0, 3, 1, 2), atol=1e-6)
    # As HRNet's code has it: mean and deviation keep their places where blue comes first.
    expected = (images[..., ::-1] / 255 - [0.485, 0.456, 0.406]) / [0.229, 0.224, 0.225]
    blue_first = normalize(torch.from_numpy(images), bgr=True)
    np.testing.assert_allclose(blue_first.numpy(), expected.transpose(0, 3, 1, 2), atol=1e-6)
