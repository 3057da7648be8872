"""Every layout covers, tensor by tensor, what its publisher's own code builds: the committed manifests."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
import torch

from benchmark.config.packages import declarations, layouts_of
from benchmark.models.checkpoints import checkpoints
from benchmark.models.layouts import COUNTER, Layout, manifest_path, read_manifest
from benchmark.models.registry import build_on_meta, entries, packages
from benchmark.models.weights import match_tensors

CASES = [(layout, model) for package in declarations().values() for layout in package.layouts for model in layout.models]
# The authors' file of this network is not among what could be had; its layout is that of the smaller ones.
WITHOUT_MANIFEST = {"efficientpose/II_LITE"}


def folder(model: str) -> Path:
    return Path(packages()[model.split("/")[0]].__file__ or "").parent


def joints_of(shapes: dict[str, tuple[int, ...]]) -> int:
    """Return the number of joints that a manifest's network predicts: MPII's, or COCO's if it is published for COCO alone."""
    biases = [shape for name, shape in shapes.items() if name.endswith("bias")]
    return 17 if biases[-1] == (17,) else 16


def label(case: Layout | str) -> str:
    return case.name if isinstance(case, Layout) else case


@pytest.mark.parametrize(("layout", "model"), CASES, ids=label)
def test_a_layout_covers_its_manifest_exactly(layout: Layout, model: str) -> None:
    path = manifest_path(folder(model), layout, model)
    if model in WITHOUT_MANIFEST:
        assert not path.exists()
        pytest.skip("the authors' file is not public code, and was not at hand")
    shapes = read_manifest(path)
    tensors = {name: torch.empty(shape, device="meta") for name, shape in shapes.items()}
    match = match_tensors(tensors, build_on_meta(model, joints=joints_of(shapes)), (layout,))
    assert (match.missing, match.unexpected, match.reshaped) == ((), (), ())
    targets = [layout.rename(name) for name in shapes]
    assert len(set(targets)) == len(targets)


@pytest.mark.parametrize(("layout", "model"), CASES, ids=label)
def test_a_layout_that_lost_any_one_tensor_is_noticed(layout: Layout, model: str) -> None:
    if model in WITHOUT_MANIFEST:
        pytest.skip("it has no manifest")
    shapes = read_manifest(manifest_path(folder(model), layout, model))
    network = build_on_meta(model, joints=joints_of(shapes))
    tensors = {name: torch.empty(shape, device="meta") for name, shape in shapes.items()}
    needed = [name for name in tensors if not name.endswith(COUNTER) and not layout.is_optional(layout.rename(name))]
    for name in (needed[0], needed[len(needed) // 2], needed[-1]):
        rest = {key: value for key, value in tensors.items() if key != name}
        assert match_tensors(rest, network, (layout,)).missing == (layout.rename(name),)


def test_no_manifest_is_left_without_a_layout() -> None:
    expected = {manifest_path(folder(model), layout, model) for layout, model in CASES}
    present = {path for package in packages() for path in (folder(package) / "manifests").glob("*")}
    assert present <= expected


def test_layouts_name_known_networks_and_valid_patterns() -> None:
    for layout, model in CASES:
        assert model.split("+")[0] in entries()
        assert layout in layouts_of(model)
        for pattern in (*(pattern for pattern, _ in layout.rules), *layout.axes, *layout.optional):
            re.compile(pattern)


def test_every_published_file_that_can_be_had_is_of_a_network_with_a_layout() -> None:
    for checkpoint in checkpoints().values():
        assert checkpoint.model.split("+")[0] in entries(), checkpoint.id
        assert not checkpoint.file or layouts_of(checkpoint.model), checkpoint.id
