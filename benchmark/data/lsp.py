"""Leeds Sports Pose (Johnson and Everingham, BMVC 2010) and its extension (CVPR 2011): 14 joints, one person per image.

Their ``joints.mat`` differ in two ways. LSP's is ``[3, 14, N]``, and its third row is 1 where a joint is occluded. The
extension's is ``[14, 3, N]``, and its third column is 1 where a joint is visible; other joints have no usable position.
Positions are fractions of pixels without a stated origin and are used unchanged. The person's box is the box of the annotated
joints.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np

from benchmark.core.errors import InputError
from benchmark.core.keypoints import LSP_JOINTS
from benchmark.data.annotation_files import dataset_label, read_mat
from benchmark.data.people import People

K = len(LSP_JOINTS)
# Images im0001 to im1000, and im1001 to im2000. This project divides the training images once more: learning rates and lengths
# of trainings are chosen on the last 400.
SPLITS = {"train": slice(0, 1000), "test": slice(1000, 2000), "fit": slice(0, 600), "held-out": slice(600, 1000)}


def load_lsp(folder: Path, split: str = "test") -> People:
    """Load Leeds Sports Pose: train is its first 1,000 images, test the second; occluded joints are annotated.

    The training images are also ``fit`` and ``held-out``, 600 and 400.

    Raises:
        InputError: the split is unknown, or joints.mat is missing or malformed.
    """
    if split not in SPLITS:
        raise InputError(f"LSP has no split {split!r}; known: {', '.join(SPLITS)}")
    joints, flags = _read_joints(_joints_file("lsp", folder), axes=(2, 1, 0))
    return _people("lsp", folder, split, joints[SPLITS[split]], 2 - flags[SPLITS[split]], SPLITS[split].start, digits=4)


def read_lsp_test(path: Path) -> tuple[np.ndarray, np.ndarray]:
    """Read the test images' joints ``[N, 14, 2]`` and visibilities ``[N, 14]``, as in People, from a file like joints.mat.

    Of 2,000 people the second half is the test split; a file of fewer people holds that split alone.

    Raises:
        InputError: the file is missing, malformed, or the extension's.
    """
    joints, flags = _read_joints(path, axes=(2, 1, 0))
    test = SPLITS["test"] if len(joints) == SPLITS["test"].stop else slice(None)
    return joints[test], (2 - flags[test]).astype(np.uint8)


def load_lspet(folder: Path, split: str = "train") -> People:
    """Load the extension, all of it for training; people without any visible joint are left out.

    Raises:
        InputError: the split is unknown, or joints.mat is missing or malformed.
    """
    if split != "train":
        raise InputError(f"LSP-extended has no split {split!r}; known: train")
    joints, flags = _read_joints(_joints_file("lspet", folder), axes=(2, 0, 1))
    people = _people("lspet", folder, split, joints, 2 * flags, 0, digits=5)
    return people.select(np.flatnonzero(flags.any(axis=1)))


def _joints_file(dataset: str, folder: Path) -> Path:
    path = folder / "joints.mat"
    if not path.is_file():
        raise InputError(f"{path}: no such file; download it by python -m benchmark.data fetch {dataset}")
    return path


def _read_joints(path: Path, axes: tuple[int, int, int]) -> tuple[np.ndarray, np.ndarray]:
    """Read joints ``[N, 14, 2]`` and flags ``[N, 14]``; ``axes`` transpose the file's array to ``[N, 14, 3]``."""
    values = np.asarray(read_mat(path, "joints"))
    expected = [0, 0, 0]
    for axis, size in zip(axes[1:], (K, 3), strict=True):
        expected[axis] = size
    if values.ndim != 3 or list(values.shape[:2]) != expected[:2]:
        extended = f"; this is the layout of {'LSP-extended' if values.shape[:2] == (K, 3) else 'LSP'}"
        hint = extended if values.ndim == 3 and sorted(values.shape[:2]) == [3, K] else ""
        raise InputError(f"{path}: joints has shape {list(values.shape)}, expected [{expected[0]}, {expected[1]}, N]{hint}")
    values = np.transpose(values.astype(np.float64), axes)
    flags = values[..., 2]
    if bad := np.flatnonzero(~np.isin(flags, (0, 1)).all(axis=1)).tolist():
        raise InputError(f"{path}: image {bad[0] + 1}: a visibility is neither 0 nor 1")
    if bad := np.flatnonzero(~np.isfinite(values).all(axis=(1, 2))).tolist():
        raise InputError(f"{path}: image {bad[0] + 1}: a joint is not finite")
    return values[..., :2], flags.astype(np.uint8)


def _people(dataset: str, folder: Path, split: str, joints: np.ndarray, visible: np.ndarray, start: int, digits: int) -> People:
    """Return people of the images from number ``start`` + 1 on, whose names have this number of digits."""
    annotated = visible[..., None] > 0
    low = np.where(annotated, joints, np.inf).min(axis=1)
    high = np.where(annotated, joints, -np.inf).max(axis=1)
    empty = ~annotated.any(axis=1)
    low, high = np.where(empty, 0.0, low), np.where(empty, 0.0, high)
    ids = np.arange(start + 1, start + 1 + len(joints), dtype=np.int64)  # the number in the image's name
    return People(
        dataset=dataset_label(dataset, folder),
        split=split,
        images=tuple(folder / "images" / f"im{number:0{digits}d}.jpg" for number in ids),
        image_ids=ids,
        ids=ids,
        joints=np.where(annotated, joints, 0.0),
        visible=visible.astype(np.uint8),
        centers=(low + high) / 2,
        sizes=high - low,
    )
