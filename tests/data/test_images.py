"""A broken image file is reported by its name, and never returned as an image."""

from __future__ import annotations

import cv2
import numpy as np
import pytest

from benchmark.core.errors import InputError
from benchmark.data.images import is_truncated, read_image

IMAGE = np.random.default_rng(0).integers(0, 256, (40, 60, 3), np.uint8)


def encoded(suffix: str) -> bytes:
    return cv2.imencode(suffix, cv2.cvtColor(IMAGE, cv2.COLOR_RGB2BGR))[1].tobytes()


def test_a_png_comes_back_in_rgb(tmp_path):
    path = tmp_path / "a.png"
    path.write_bytes(encoded(".png"))
    np.testing.assert_array_equal(read_image(path), IMAGE)


@pytest.mark.parametrize("suffix", [".jpg", ".png"])
def test_an_image_cut_short_is_refused_though_opencv_would_fill_it_with_grey(tmp_path, suffix):
    path = tmp_path / f"cut{suffix}"
    whole = encoded(suffix)
    path.write_bytes(whole[: len(whole) // 2])
    with pytest.raises(InputError, match=f"cut{suffix}: the image is truncated"):
        read_image(path)


@pytest.mark.parametrize("suffix", [".bmp", ".gif", ".tiff", ".webp", ".ppm", ".jp2"])
def test_an_image_of_another_kind_cut_short_is_refused_in_one_line(tmp_path, capfd, suffix):
    whole, path = encoded(suffix), tmp_path / f"cut{suffix}"
    path.write_bytes(whole)
    assert read_image(path).shape == IMAGE.shape
    for share in (0.3, 0.7, 0.99):
        path.write_bytes(whole[: int(len(whole) * share)])
        assert read_image(path, on_error="skip") is None
        assert capfd.readouterr().err == f"skipped: {path}: not a readable image\n"


# What cameras and programs write behind an image, some of it like a beginning of another one.
TAILS = {
    "zeros": bytes(1000),
    "a video": b"\x00\x00\x00\x18ftypmp42" + bytes(range(256)) * 8,
    "markers alone": b"\xff\xda\xff\xd8\xff\xe1",
    "a second image": encoded(".jpg"),
    "half a second image": encoded(".jpg")[:1500],
    "half a PNG": encoded(".png")[:300],
    "text": b"SEFH\x6a\x00\x00\x00SEFT" * 20,
}


@pytest.mark.parametrize("tail", TAILS)
@pytest.mark.parametrize("suffix", [".jpg", ".png"])
def test_data_behind_the_end_of_an_image_do_not_matter(tmp_path, suffix, tail):
    path, plain = tmp_path / f"a{suffix}", tmp_path / f"plain{suffix}"
    path.write_bytes(encoded(suffix) + TAILS[tail])
    plain.write_bytes(encoded(suffix))
    np.testing.assert_array_equal(read_image(path), read_image(plain))


@pytest.mark.parametrize("options", [(), (cv2.IMWRITE_JPEG_PROGRESSIVE, 1), (cv2.IMWRITE_JPEG_RST_INTERVAL, 2)])
def test_a_jpeg_cut_anywhere_is_truncated(options):
    whole = cv2.imencode(".jpg", IMAGE, options)[1].tobytes()
    assert not is_truncated(whole)
    assert all(is_truncated(whole[:length]) for length in range(2, len(whole)))


def test_a_png_cut_anywhere_is_truncated():
    whole = encoded(".png")
    assert all(is_truncated(whole[:length]) for length in range(8, len(whole)))


def test_the_end_marker_of_an_embedded_thumbnail_is_not_the_image_s():
    whole = encoded(".jpg")
    thumbnail = b"\xff\xe1" + (len(whole) + 2).to_bytes(2, "big") + whole  # an APP1 segment with a JPEG in it
    nested = whole[:2] + thumbnail + whole[2:]
    assert not is_truncated(nested)
    assert is_truncated(nested[:-200])


@pytest.mark.parametrize(
    ("content", "message"),
    [(None, "No such file"), (b"", "the file is empty"), (b"<html>404</html>", "not a readable image")],
)
def test_what_is_no_image_is_named_and_fatal_or_skipped_as_asked(tmp_path, capsys, content, message):
    path = tmp_path / "photo.jpg"
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(InputError, match=rf"photo.jpg: .*{message}"):
        read_image(path)
    assert read_image(path, on_error="skip") is None
    assert capsys.readouterr().err.startswith(f"skipped: {path}: ")


def test_every_photograph_of_the_sample_is_whole(pose_data):
    paths = [*(pose_data / "mpii/images").glob("*.jpg"), *(pose_data / "coco/images").glob("*.jpg")]
    assert len(paths) == 69
    assert all(read_image(path).size for path in paths)
