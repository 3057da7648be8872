"""Read exported networks in ONNX files, and run them."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path, PurePosixPath
from typing import Any

import torch
from torch import Tensor, nn

from benchmark.core.errors import InputError

IMAGE_DTYPES = {
    "tensor(float)": torch.float32,
    "tensor(float16)": torch.float16,
    "tensor(double)": torch.float64,
    "tensor(uint8)": torch.uint8,
}


def fix_input(graph: Any, path: Path, input_hw: tuple[int, int]) -> None:
    """Set the open dimensions of the graph's one input to a single image of ``input_hw`` pixels.

    Raises:
        InputError: the graph takes something else.
    """
    parameters = {tensor.name for tensor in graph.initializer}
    inputs = [value for value in graph.input if value.name not in parameters]
    expected = (1, 3, *input_hw)
    if len(inputs) == 1 and not inputs[0].type.tensor_type.HasField("shape"):
        for _ in expected:
            inputs[0].type.tensor_type.shape.dim.add()
    dims = inputs[0].type.tensor_type.shape.dim if len(inputs) == 1 else []
    declared = [dim.dim_value if dim.HasField("dim_value") else None for dim in dims]
    if len(dims) != 4 or any(size not in (None, wanted) for size, wanted in zip(declared, expected, strict=True)):
        shape = "x".join(str(size or "?") for size in declared) if declared else f"{len(inputs)} inputs"
        raise InputError(f"{path} takes {shape}, not one image of 3x{input_hw[0]}x{input_hw[1]}")
    for dim, size in zip(dims, expected, strict=True):
        dim.dim_value = size
    # Shapes that the export inferred for other sizes are wrong now.
    del graph.value_info[:]
    for output in graph.output:
        output.type.tensor_type.ClearField("shape")


def load_onnx(path: Path, input_hw: tuple[int, int]) -> nn.Module:
    """Load a network that onnxruntime runs with as many threads as PyTorch.

    Raises:
        InputError: onnxruntime is not installed or cannot run the file, or the network does not take images of ``input_hw``.
    """
    try:
        import onnxruntime
    except ImportError:
        raise InputError(f"{path}: running it needs onnxruntime (the extra 'runtimes')") from None
    fix_input(read_onnx(path).graph, path, input_hw)  # only checks here; the session reads the file itself
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = torch.get_num_threads()
    try:
        session = onnxruntime.InferenceSession(path, options, providers=["CPUExecutionProvider"])
    except Exception as problem:
        raise InputError(f"{path}: onnxruntime cannot run it: {str(problem).splitlines()[0]}") from None
    return OnnxNetwork(session)


def image_dtype(session: Any) -> torch.dtype:
    """Return the type in which a network that onnxruntime runs takes its images.

    Raises:
        InputError: it takes something else than numbers.
    """
    kind = session.get_inputs()[0].type
    if kind not in IMAGE_DTYPES:
        raise InputError(f"an ONNX file takes images of type {kind}, not of {', '.join(IMAGE_DTYPES)}")
    return IMAGE_DTYPES[kind]


class OnnxNetwork(nn.Module):
    """Network that an onnxruntime session runs, one image at a time; its outputs are float32."""

    def __init__(self, session: Any) -> None:
        super().__init__()
        self.session = session
        self.input_name = session.get_inputs()[0].name
        self.dtype = image_dtype(session)

    def forward(self, images: Tensor) -> tuple[Tensor, ...]:
        """Return all outputs for images ``[N, 3, H, W]``, with the images along the first axis of each."""
        inputs = images.to("cpu", self.dtype)
        runs = [self.session.run(None, {self.input_name: image[None].numpy()}) for image in inputs]
        return tuple(
            torch.cat([torch.from_numpy(array) for array in arrays]).to(images.device, torch.float32)
            for arrays in zip(*runs, strict=True)
        )


def external_data(path: Path) -> list[Path]:
    """List the files beside an ONNX file that hold its weights; none where they are in the file itself.

    Raises:
        InputError: see :func:`read_onnx`.
    """
    names = {name for tensor in _tensors(read_onnx(path)) for name in _locations(tensor)}
    return [file for name in sorted(names) if (file := path.parent / name).is_file()]


def _tensors(message: Any) -> Iterator[Any]:
    """Yield all tensors in a model: weights, constants, and those in parts that run on a condition or several times."""
    if message.DESCRIPTOR.name == "TensorProto":
        yield message
        return
    for field, value in message.ListFields():
        if field.message_type is not None:
            for part in [value] if field.message_type.name == type(value).__name__ else value:
                yield from _tensors(part)


def _locations(tensor: Any) -> list[str]:
    """Return the files, as the model names them, that hold a tensor's content."""
    return [entry.value for entry in tensor.external_data if entry.key == "location"]


def _check_locations(model: Any, path: Path) -> None:
    """Check that files of weights lie beside the model or in a folder below."""
    for tensor in _tensors(model):
        for name in _locations(tensor):
            if Path(name).is_absolute() or ".." in PurePosixPath(name.replace("\\", "/")).parts:
                raise InputError(
                    f"{path} takes {tensor.name!r} from {name!r}, which is not in the model's folder; it is not read"
                )


def read_onnx(path: Path) -> Any:
    """Read the graph of an ONNX file as an ``onnx.ModelProto``, without weights that are stored in other files.

    Raises:
        InputError: onnx is not installed, the file cannot be read, or it takes weights from outside its folder.
    """
    try:
        import onnx
    except ImportError:
        raise InputError(f"{path}: reading it needs onnx (the extra 'runtimes')") from None
    try:
        model = onnx.load(path, load_external_data=False)  # only shapes are needed
    except Exception as problem:  # from protobuf or from the file system
        reason = str(problem).strip() or type(problem).__name__
        raise InputError(f"{path} cannot be read as an ONNX file: {reason.splitlines()[0]}") from None
    _check_locations(model, path)
    return model
