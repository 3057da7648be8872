"""Exported networks: running an ONNX file, and counting its operations as far as its graph tells them.

An export folds batch norms into convolutions and spells activations out, so what counts those cannot be told any more. The
multiply-accumulates of convolutions and matrix products stand in the shapes and attributes of their nodes, and are counted
by the same rules as a traced network's.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from benchmark.core.errors import InputError


def fix_input(graph: Any, path: Path, input_hw: tuple[int, int]) -> None:
    """Make the graph's one input a single image of ``input_hw`` pixels, where its size was left open.

    Raises:
        InputError: it takes something else.
    """
    held = {tensor.name for tensor in graph.initializer}
    inputs = [value for value in graph.input if value.name not in held]
    dims = inputs[0].type.tensor_type.shape.dim if len(inputs) == 1 else []
    wanted = (1, 3, *input_hw)
    given = [dim.dim_value if dim.HasField("dim_value") else None for dim in dims]
    if len(dims) != 4 or any(size not in (None, want) for size, want in zip(given, wanted, strict=True)):
        takes = "x".join(str(size or "?") for size in given) if given else f"{len(inputs)} inputs"
        raise InputError(f"{path} takes {takes}, not one image of 3x{input_hw[0]}x{input_hw[1]}")
    for dim, want in zip(dims, wanted, strict=True):
        dim.dim_value = want
    del graph.value_info[:]
    for output in graph.output:
        output.type.tensor_type.ClearField("shape")


def load_onnx(path: Path, input_hw: tuple[int, int]) -> nn.Module:
    """The network of a file, as a module that onnxruntime runs on as many threads as PyTorch.

    Raises:
        InputError: onnxruntime is missing, or cannot run the file, or the file is not for images of ``input_hw``.
    """
    try:
        import onnxruntime
    except ImportError:
        raise InputError(f"{path}: running it needs onnxruntime (the extra 'runtimes')") from None
    fix_input(_load(path).graph, path, input_hw)
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = torch.get_num_threads()
    try:
        session = onnxruntime.InferenceSession(path, options, providers=["CPUExecutionProvider"])
    except Exception as problem:
        raise InputError(f"{path}: onnxruntime cannot run it: {str(problem).splitlines()[0]}") from None
    return OnnxNetwork(session)


class OnnxNetwork(nn.Module):
    """``images [N, 3, H, W] -> tuple of maps``, run by an onnxruntime session; one image at a time."""

    def __init__(self, session: Any) -> None:
        super().__init__()
        self.session = session
        self.source = session.get_inputs()[0].name

    def forward(self, images: Tensor) -> tuple[Tensor, ...]:
        runs = [self.session.run(None, {self.source: image[None].cpu().numpy()}) for image in images]
        return tuple(
            torch.cat([torch.from_numpy(found) for found in maps]).to(images.device) for maps in zip(*runs, strict=True)
        )


def _load(path: Path) -> Any:
    try:
        import onnx
    except ImportError:
        raise InputError(f"{path}: reading it needs onnx (the extra 'runtimes')") from None
    try:
        return onnx.load(path, load_external_data=False)  # shapes are all that is wanted
    except Exception as problem:  # protobuf's errors, or the system's
        said = str(problem).strip() or type(problem).__name__
        raise InputError(f"{path}: not an ONNX file that can be read: {said.splitlines()[0]}") from None
