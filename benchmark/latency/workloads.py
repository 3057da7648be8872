"""Passes to time: a network under one of the backends, alone or with all steps from images to joints.

Everything is computed in float32. Weights are random and the same every time.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable, Generator, Iterator
from importlib import import_module
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import torch
from torch import Tensor, nn

from benchmark.config.latency import Setting
from benchmark.config.protocols import PROTOCOLS
from benchmark.core.errors import InputError
from benchmark.core.input_size import parse_size
from benchmark.core.keypoints import JOINT_NAMES, mirrored_indices
from benchmark.data.people import People
from benchmark.data.synthetic.scenes import draw_scene
from benchmark.models.external import resolve_model
from benchmark.models.onnx import image_dtype, read_onnx
from benchmark.models.outputs import final_heatmaps
from benchmark.pipeline.batches import normalize
from benchmark.pipeline.crops import invert_transforms, person_transforms, sample_inputs, transform_points
from benchmark.pipeline.decode import decode_heatmaps, flip_back

IMAGE_SIDE = 480  # pixels, about a side of COCO's images

# One pass over a batch; it yields the name of each part when the part is done.
Pass = Callable[[], Iterator[str]]


class NetworkFunction(NamedTuple):
    """Computes the output of a network for images ``[B, 3, H, W]``; an exported one may take them in another type."""

    run: Callable[[Tensor], Any]
    dtype: torch.dtype = torch.float32


def build_network(setting: Setting) -> nn.Module:
    """Build a setting's network in eval mode, with random weights that are the same every time."""
    torch.manual_seed(0)
    network = resolve_model(setting.model).build(setting.joints, parse_size(setting.input))
    network.eval()
    return network


def export_onnx(setting: Setting, path: Path) -> Path:
    """Export a setting's network as ONNX for its batch and input size; return the file's path.

    A model that is an ONNX file needs no export; its own path is returned.
    """
    if onnx := resolve_model(setting.model).onnx:
        read_onnx(onnx)  # refuses one that takes weights from outside its folder, before a runtime opens it
        return Path(onnx)
    network = build_network(setting)
    images = torch.rand(setting.batch, 3, *parse_size(setting.input))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # the tracer warns that sizes become constants, which is intended
        try:
            torch.onnx.export(network, (images,), path, input_names=["images"], dynamo=False, verbose=False)
        except Exception:  # the slower exporter handles networks that the tracer cannot
            torch.onnx.export(network, (images,), path, input_names=["images"], dynamo=True, verbose=False)
    return path


# --- backends -----------------------------------------------------------------------------------------------------------------


def network_function(setting: Setting, onnx: str) -> NetworkFunction:
    """Return a function that computes the output of a network for images by the setting's backend.

    Args:
        onnx: the exported network, for a backend that runs ONNX files.

    Raises:
        InputError: the network cannot be built, or the backend cannot run an ONNX file.
    """
    if setting.backend == "onnxruntime":
        return _run_by_onnxruntime(onnx, setting.threads)
    if setting.backend == "openvino":
        return _run_by_openvino(onnx, setting.threads)
    if resolve_model(setting.model).onnx:
        raise InputError(f"{setting.model}: an ONNX file needs --backend onnxruntime or openvino")
    network = build_network(setting)
    network.to(setting.device)
    network.to(memory_format=_memory_format(setting))
    return NetworkFunction(torch.compile(network) if setting.backend == "compile" else network)


def _memory_format(setting: Setting) -> torch.memory_format:
    return torch.channels_last if setting.layout == "nhwc" else torch.contiguous_format


def _run_by_onnxruntime(path: str, threads: int) -> NetworkFunction:
    onnxruntime = import_module("onnxruntime")
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads, options.inter_op_num_threads = threads, 1
    options.add_session_config_entry("session.set_denormal_as_zero", "1")
    session = onnxruntime.InferenceSession(path, options, providers=["CPUExecutionProvider"])
    input_name, dtype = session.get_inputs()[0].name, image_dtype(session)
    return NetworkFunction(lambda images: torch.from_numpy(session.run(None, {input_name: images.numpy()})[-1]), dtype)


def _run_by_openvino(path: str, threads: int) -> NetworkFunction:
    openvino = import_module("openvino")
    options = {
        "INFERENCE_NUM_THREADS": threads,
        "PERFORMANCE_HINT": "LATENCY",
        "INFERENCE_PRECISION_HINT": "f32",  # some processors would compute in bfloat16 by default
        "CPU_DENORMALS_OPTIMIZATION": True,
    }
    compiled = openvino.Core().compile_model(path, "CPU", options)
    request, last = compiled.create_infer_request(), len(compiled.outputs) - 1

    def heatmaps(images: Tensor) -> Tensor:
        request.infer({0: images.numpy()}, share_inputs=True)
        return torch.from_numpy(request.get_output_tensor(last).data.copy())  # the next call overwrites the tensor

    return NetworkFunction(heatmaps, torch.from_numpy(np.empty(0, compiled.inputs[0].get_element_type().to_dtype())).dtype)


# --- passes -------------------------------------------------------------------------------------------------------------------


def forward_pass(setting: Setting, network: NetworkFunction) -> Pass:
    """Return a pass of the network alone, on a random batch that is on its device already."""
    images = torch.rand(setting.batch, 3, *parse_size(setting.input))
    images = images.to(setting.device, network.dtype).contiguous(memory_format=_memory_format(setting))

    def run() -> Iterator[str]:
        network.run(images)
        yield "forward"

    return run


def pipeline_pass(setting: Setting, network: NetworkFunction) -> Pass:
    """Return a pass of all steps of the protocol ``hrnet``, from decoded images of Synthetic people to their joints.

    The pass returns the joints ``[B, K, 2]`` in pixels. A test compares them with :mod:`benchmark.evaluation.inference`.
    """
    protocol, input_hw = PROTOCOLS["hrnet"], parse_size(setting.input)
    joint_names = next(names for names in JOINT_NAMES.values() if len(names) == setting.joints)
    mirrored = mirrored_indices(joint_names)
    people, images = synthetic_people(setting.batch, joint_names)

    def heatmaps(inputs: Tensor) -> Tensor:
        inputs = inputs.to(network.dtype).contiguous(memory_format=_memory_format(setting))
        return final_heatmaps(network.run(inputs)).float()

    def run() -> Generator[str, None, np.ndarray]:
        transforms = person_transforms(people, images, protocol, input_hw)
        pixels = torch.from_numpy(sample_inputs(images, transforms, input_hw, antialias=protocol.antialias))
        yield "crop"
        inputs = normalize(pixels.to(setting.device)).contiguous(memory_format=_memory_format(setting))
        yield "normalise"
        of_inputs = heatmaps(inputs)
        yield "forward"
        of_mirrored = heatmaps(inputs.flip(-1))
        yield "flipped forward"
        mean = (of_inputs + flip_back(of_mirrored, mirrored, shift=protocol.flip == "shifted")) / 2
        yield "average"
        peaks = decode_heatmaps(mean, protocol.decoding, input_hw[1] / mean.shape[-1], protocol.convention)
        joints = transform_points(invert_transforms(transforms), peaks.points.double().cpu().numpy())
        yield "decode"
        return joints

    return run


def synthetic_people(count: int, joints: tuple[str, ...]) -> tuple[People, list[np.ndarray]]:
    """Draw ``count`` Synthetic people, each on an image of its own; return them and the images, uint8 ``[H, W, 3]`` each."""
    images: list[np.ndarray] = []
    boxes, points, number = [], [], 0
    while len(images) < count:
        scene = draw_scene(0, "val", number, size=IMAGE_SIDE)
        number += 1
        if scene.people:
            images.append(scene.pixels)
            boxes.append(scene.people[0].box)
            points.append([scene.people[0].joints.get(name, (0.0, 0.0)) for name in joints])
    box = np.array(boxes, float)
    people = People(
        dataset="synthetic",
        split="val",
        images=tuple(Path(f"{row:06d}.png") for row in range(count)),
        image_ids=np.arange(count),
        ids=np.arange(count),
        joints=np.array(points),
        visible=np.full((count, len(joints)), 2, np.uint8),
        centers=box[:, :2] + (box[:, 2:] - 1) / 2,
        sizes=box[:, 2:],
    )
    return people, images
