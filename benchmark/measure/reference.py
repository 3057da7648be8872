"""The command ``python -m benchmark.measure agreement``: compare a network with its publisher's, without published weights."""

from __future__ import annotations

import json
import re
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any

import tyro

from benchmark.config.identities import reference_identity
from benchmark.config.packages import layouts_of
from benchmark.core.errors import InputError
from benchmark.core.input_size import parse_size
from benchmark.core.records import Record, append_record, check_store, provenance
from benchmark.models.external import resolve_model
from benchmark.models.layouts import manifest_path, write_manifest
from benchmark.models.registry import build_model, check_input_size, find_entry, packages

PEOPLE, SEED = 5, 0  # MPII's sample images
Flag = tyro.conf.FlagCreatePairsOff


@dataclass
class ReferenceCommand:
    """Compare a network with its publisher's own code, through a weight file in the publisher's layout.

    A Python file of yours builds the publisher's network. It is given random weights and batch-norm statistics and saved; the
    file is read as published weights are. Both networks then run on real images in double precision, and all outputs of the
    publisher's are compared with as many of ours, from the last one on. The data root needs MPII's images of the split sample.

    Example: python -m benchmark.measure agreement baselines/hrnet-w32 --reference reference.py:hrnet_w32 --repository
    leoxiaobin/deep-high-resolution-net.pytorch@6f69e46
    """

    model: tyro.conf.Positional[str]
    """Id of a network of this project."""
    reference: str
    """The publisher's network: FILE.py:FUNCTION, called with joints=K if it takes that. A network with a method
    save_weights(path) is saved by it, any other as PyTorch saves a state dict."""
    repository: str
    """Public code that the file runs: owner/name@commit."""
    input: str | None = None
    """Height x width of the images; default: the model's own."""
    joints: int = 16
    """Number of joints of both networks."""
    manifest: Annotated[bool, Flag] = False
    """Also write the names and shapes of the publisher's tensors into the folder manifests of the model's package."""
    keep: bool = False
    """Store the result as a record under reports/records."""
    json: bool = False
    """Print JSON."""

    def __call__(self) -> None:
        """Compare, store and print.

        Raises:
            InputError: the repository has no commit, or see :func:`measure_reference`.
        """
        if self.joints < 1:
            raise InputError(f"--joints {self.joints}: at least one keypoint is needed")
        if self.keep:
            check_store()
        if not re.fullmatch(r"[\w.-]+/[\w.-]+@[0-9a-f]{7,40}", self.repository):
            raise InputError(f"--repository {self.repository}: expected owner/name@commit")
        record, shapes = measure_reference(
            self.model, self.reference, self.repository, self.input or find_entry(self.model).inputs[0], self.joints
        )
        if self.manifest:
            package = Path(packages()[self.model.split("/")[0]].__file__ or "").parent
            layout = next(layout for layout in layouts_of(self.model) if layout.name == record.setting["layout"])
            write_manifest(manifest_path(package, layout, self.model), shapes)
        if self.keep:
            append_record(record)
        samples = record.samples
        if self.json:
            print(json.dumps({"schema": 1, "model": record.subject, **record.setting, "difference": record.value, **samples}))
            return
        print(
            f"{record.subject} and {self.repository}, layout {record.setting['layout']}: the largest difference of "
            f"{samples['outputs']} outputs on {record.n} images is {record.value:.1e} of the largest output"
        )


def measure_reference(
    model: str, reference: str, repository: str, size: str, joints: int
) -> tuple[Record, dict[str, tuple[int, ...]]]:
    """Return a record of the largest difference between a network and its publisher's, and the shapes of the latter's tensors.

    The difference is relative to the largest output of the publisher's network.

    Raises:
        InputError: there are no sample images, the publisher's network cannot be built, its file is not read, or its outputs
            have other shapes.
    """
    import torch

    from benchmark.models.outputs import iter_maps
    from benchmark.models.weights import load_weights, read_tensors

    check_input_size(model, parse_size(size))
    external = resolve_model(reference)
    images = sample_images(parse_size(size))
    torch.manual_seed(SEED)
    published = external.build(joints, parse_size(size)).double()
    randomise(published, images)
    network = build_model(model, joints=joints).double().eval()
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "published"
        if save := getattr(published, "save_weights", None):
            save(path)
        else:
            torch.save({"state_dict": published.state_dict()}, path)
        layout = load_weights(network, path, model, layouts_of(model))
        manifest = {name: tuple(tensor.shape) for name, tensor in read_tensors(path).items()}
    with torch.inference_mode():
        expected, outputs = (list(iter_maps(module(images))) for module in (published, network))
    outputs = outputs[-len(expected) :]
    shapes = [[list(output.shape) for output in maps] for maps in (expected, outputs)]
    if shapes[0] != shapes[1]:
        raise InputError(f"{reference} returns maps of shapes {shapes[0]}, {model} of shapes {shapes[1]}")
    absolute = max(float((a - b).abs().max()) for a, b in zip(expected, outputs, strict=True))
    largest = max(float(a.abs().max()) for a in expected)
    samples = {"absolute": absolute, "largest_output": largest, "outputs": len(outputs)}
    record = Record(
        **reference_identity(model, layout.name, repository, size, joints, SEED),
        value=absolute / largest,
        n=len(images),
        samples=samples,
        **provenance(),
    )
    return record, manifest


def sample_images(input_hw: tuple[int, int]) -> Any:
    """Return crops of MPII's sample people, normalised, float64 ``[N, 3, H, W]``.

    Raises:
        InputError: there are none in the data root.
    """
    import numpy as np
    import torch

    from benchmark.config.protocols import PROTOCOLS
    from benchmark.data import load_people
    from benchmark.data.images import read_image
    from benchmark.pipeline.batches import normalize
    from benchmark.pipeline.crops import person_transforms, sample_inputs

    people = load_people("mpii", "sample")
    people = people.select(np.arange(min(PEOPLE, len(people))))
    images = [read_image(path) for path in people.images]
    transforms = person_transforms(people, images, PROTOCOLS["hrnet"], input_hw)
    return normalize(torch.from_numpy(sample_inputs(images, transforms, input_hw, antialias=False))).double()


def randomise(network: Any, images: Any) -> None:
    """Give a network random weights, and batch-norm statistics near those of its features on the images, in place.

    With statistics of its own features, the values in a deep network neither vanish nor grow, so that a wrong tensor anywhere
    changes the outputs.
    """
    import torch
    from torch import nn

    norms = [module for module in network.modules() if isinstance(module, nn.BatchNorm2d)]
    momenta = [norm.momentum for norm in norms]
    with torch.no_grad():
        for module in network.modules():
            if isinstance(module, nn.Conv2d | nn.ConvTranspose2d):
                nn.init.kaiming_normal_(module.weight)
            elif isinstance(getattr(module, "weight", None), nn.Parameter):
                nn.init.uniform_(module.weight, 0.5, 1.5)
            if isinstance(getattr(module, "bias", None), nn.Parameter):
                nn.init.normal_(module.bias, std=0.1)
        for norm in norms:
            norm.momentum = 1.0
        network.train()(images)
        for norm, momentum in zip(norms, momenta, strict=True):
            mean, variance = norm.get_buffer("running_mean"), norm.get_buffer("running_var")
            variance.mul_(torch.empty_like(variance).uniform_(0.5, 1.5))
            mean.add_(variance.sqrt() * torch.randn_like(mean) * 0.1)
            norm.momentum = momentum
    network.eval()
