"""What a latency cell times: a network under one of the backends, alone or with all that stands before and after it.

Everything is computed in float32. Weights are random and the same every time.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable, Generator, Iterator
from importlib import import_module
from pathlib import Path

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
from benchmark.models.outputs import final_heatmaps
from benchmark.pipeline.batches import normalize
from benchmark.pipeline.crops import invert_transforms, person_transforms, sample_inputs, transform_points
from benchmark.pipeline.decode import decode_heatmaps, flip_back

IMAGE_SIDE = 480  # pixels, about a side of COCO's photographs

# One pass over a batch: the name of each part is yielded when the part is done.
Pass = Callable[[], Iterator[str]]


def build_network(cell: Setting) -> nn.Module:
    """The network of a cell in eval mode, with random weights that are the same every time."""
    torch.manual_seed(0)
    return resolve_model(cell.model).build(cell.joints, parse_size(cell.input)).eval()


def export_onnx(cell: Setting, path: Path) -> Path:
    """Write a cell's network as ONNX, for its batch and size; a subject that is an ONNX file is its own export."""
    if own := resolve_model(cell.model).onnx:
        return Path(own)
    network = build_network(cell)
    images = torch.rand(cell.batch, 3, *parse_size(cell.input))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # the tracer's, of sizes that it takes for constants: they are meant to be
        try:
            torch.onnx.export(network, (images,), path, input_names=["images"], dynamo=False, verbose=False)
        except Exception:  # what the tracer cannot follow, the slower exporter may
            torch.onnx.export(network, (images,), path, input_names=["images"], dynamo=True, verbose=False)
    return path


def heatmap_function(cell: Setting, onnx: str) -> Callable[[Tensor], Tensor]:
    """``images [B, 3, H, W] -> final heatmaps [B, K, h, w]`` by the cell's backend."""
    if cell.backend == "onnxruntime":
        return _onnxruntime(onnx, cell.threads)
    if cell.backend == "openvino":
        return _openvino(onnx, cell.threads)
    if resolve_model(cell.model).onnx:
        raise InputError(f"{cell.model} runs by --backend onnxruntime or openvino")
    network = build_network(cell).to(cell.device).to(memory_format=_format(cell))
    run = torch.compile(network) if cell.backend == "compile" else network
    return lambda images: final_heatmaps(run(images))


def _format(cell: Setting) -> torch.memory_format:
    return torch.channels_last if cell.layout == "nhwc" else torch.contiguous_format


def _onnxruntime(path: str, threads: int) -> Callable[[Tensor], Tensor]:
    onnxruntime = import_module("onnxruntime")
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads, options.inter_op_num_threads = threads, 1
    options.add_session_config_entry("session.set_denormal_as_zero", "1")
    session = onnxruntime.InferenceSession(path, options, providers=["CPUExecutionProvider"])
    name = session.get_inputs()[0].name
    return lambda images: torch.from_numpy(session.run(None, {name: images.numpy()})[-1])


def _openvino(path: str, threads: int) -> Callable[[Tensor], Tensor]:
    openvino = import_module("openvino")
    told = {
        "INFERENCE_NUM_THREADS": threads,
        "PERFORMANCE_HINT": "LATENCY",
        "INFERENCE_PRECISION_HINT": "f32",  # some processors would compute in bfloat16 by default
        "CPU_DENORMALS_OPTIMIZATION": True,
    }
    compiled = openvino.Core().compile_model(path, "CPU", told)
    request, last = compiled.create_infer_request(), len(compiled.outputs) - 1

    def maps(images: Tensor) -> Tensor:
        request.infer({0: images.numpy()}, share_inputs=True)
        return torch.from_numpy(request.get_output_tensor(last).data.copy())  # the next request writes to the same place

    return maps


def forward_pass(cell: Setting, maps: Callable[[Tensor], Tensor]) -> Pass:
    """The network alone, on a random batch that lies ready on its device."""
    images = torch.rand(cell.batch, 3, *parse_size(cell.input))
    images = images.to(cell.device).contiguous(memory_format=_format(cell))

    def run() -> Iterator[str]:
        maps(images)
        yield "forward"

    return run


def pipeline_pass(cell: Setting, maps: Callable[[Tensor], Tensor]) -> Pass:
    """All that the protocol ``hrnet`` does, from decoded photographs of Synthetic people to joints ``[B, K, 2]`` in pixels.

    The pass returns the joints; evaluation's own :mod:`benchmark.evaluation.inference` gives the same (see the tests).
    """
    protocol, input_hw = PROTOCOLS["hrnet"], parse_size(cell.input)
    joints = next(names for names in JOINT_NAMES.values() if len(names) == cell.joints)
    mirror = mirrored_indices(joints)
    people, photographs = synthetic_people(cell.batch, joints)

    def run() -> Generator[str, None, np.ndarray]:
        matrices = person_transforms(people, photographs, protocol, input_hw)
        pixels = torch.from_numpy(sample_inputs(photographs, matrices, input_hw, antialias=protocol.antialias))
        yield "crop"
        images = normalize(pixels.to(cell.device)).contiguous(memory_format=_format(cell))
        yield "normalise"
        plain = maps(images)
        yield "forward"
        turned = maps(images.flip(-1).contiguous(memory_format=_format(cell)))
        yield "flipped forward"
        heatmaps = (plain + flip_back(turned, mirror, shift=protocol.flip == "shifted")) / 2
        yield "average"
        peaks = decode_heatmaps(heatmaps, protocol.decoding, input_hw[1] / heatmaps.shape[-1], protocol.convention)
        found = transform_points(invert_transforms(matrices), peaks.points.double().cpu().numpy())
        yield "decode"
        return found

    return run


def synthetic_people(count: int, joints: tuple[str, ...]) -> tuple[People, list[np.ndarray]]:
    """So many Synthetic people, one a photograph, and the photographs as they lie in memory, uint8 ``[h, w, 3]``."""
    pixels: list[np.ndarray] = []
    boxes, points, number = [], [], 0
    while len(pixels) < count:
        scene = draw_scene(0, "val", number, size=IMAGE_SIDE)
        number += 1
        if scene.people:
            pixels.append(scene.pixels)
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
    return people, pixels
