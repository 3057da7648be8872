"""Settings under which networks are timed, as data."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields
from importlib.util import find_spec
from typing import Any, Literal, get_args

from benchmark.core.errors import InputError
from benchmark.core.input_size import parse_size
from benchmark.core.keypoints import JOINT_COUNTS

MAX_RELATIVE_IQR = 0.10  # interquartile range over median; costs in a lookup table with a larger one are marked

MIN_RUNS = 5  # smallest number of separate runs that an interval is taken over
MIN_GAP = 60.0  # seconds; runs closer together share the machine's state, and count as one
MAX_RELATIVE_WIDTH = 0.10  # width of the interval over value; a wider one does not pass the noise gate

# How one time is computed from the calls of a run: the clock, and the percentile of its times over all calls. The page of
# latencies compares their repeatability.
Clock = Literal["seconds", "cpu_seconds"]
ESTIMATORS: Mapping[str, tuple[Clock, float]] = {
    "median": ("seconds", 50),
    "10th percentile": ("seconds", 10),
    "5th percentile": ("seconds", 5),
    "minimum": ("seconds", 0),
    "median of CPU time": ("cpu_seconds", 50),
    "10th percentile of CPU time": ("cpu_seconds", 10),
    "minimum of CPU time": ("cpu_seconds", 0),
}
WALL_ESTIMATOR, CPU_ESTIMATOR = "10th percentile", "10th percentile of CPU time"

MemoryLayout = Literal["nchw", "nhwc"]
BackendName = Literal["eager", "compile", "onnxruntime", "openvino"]
TimedPart = Literal["forward", "pipeline"]
AllocatorName = Literal["keep", "default"]
RUNTIMES = ("onnxruntime", "openvino")  # those that run an ONNX file


@dataclass(frozen=True, kw_only=True)
class Setting:
    """A network and the conditions under which it is timed.

    Attributes:
        model: Model id, or another name of a network that the command line accepts.
        input: Input size ``HxW`` in pixels.
        joints: Number of joints that the network predicts.
        batch: Number of images in an input.
        threads: Number of CPU threads.
        device: ``cpu`` or ``cuda``.
        layout: Memory layout of the input and the weights.
        backend: Runtime that executes the network.
        part: ``forward``: the network alone, on a random input that stays on the device; ``pipeline``: everything from the
            decoded images of ``batch`` people to their joints, under the protocol ``hrnet``.
        allocator: ``keep``: the process keeps the memory that it frees, and a call reuses that of the call before;
            ``default``: the C library may return it to the system, and then every call has to ask for it again.
    """

    model: str
    input: str = "256x256"
    joints: int = 16
    batch: int = 1
    threads: int = 1
    device: str = "cpu"
    layout: MemoryLayout = "nchw"
    backend: BackendName = "eager"
    part: TimedPart = "forward"
    allocator: AllocatorName = "keep"

    def conditions(self) -> dict[str, Any]:
        """Return all fields but the model."""
        return {name: value for name, value in asdict(self).items() if name != "model"}

    @classmethod
    def of(cls, conditions: Mapping[str, Any], model: str = "") -> Setting:
        """Return the setting with these :meth:`conditions`, ignoring all other keys, such as those of a record's setting."""
        return cls(model=model, **{field.name: conditions[field.name] for field in fields(cls) if field.name != "model"})

    @property
    def estimator(self) -> str:
        """Name of the estimator of a run's time.

        On one thread of a CPU it is CPU time: that of a pass which no other process interrupts is its time on the wall clock,
        and only the former stays so on a shared machine. CPU time is summed over threads, and leaves out the work of a GPU.
        """
        return CPU_ESTIMATOR if (self.device, self.threads) == ("cpu", 1) else WALL_ESTIMATOR

    @property
    def label(self) -> str:
        """The conditions as text."""
        threads = f"{self.threads} thread" + "s" * (self.threads > 1)
        sizes = f"{self.input}, {self.joints} joints, batch {self.batch}"
        return f"{sizes}, {self.device}, {threads}, {self.layout}, {self.backend}, {self.part}, allocator {self.allocator}"

    def check(self) -> None:
        """Check that the setting can be measured, as far as possible without building the network.

        Raises:
            InputError: a value is out of range, options contradict each other, or a runtime is not installed.
        """
        parse_size(self.input)
        processors = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
        for name in ("joints", "batch", "threads"):
            if getattr(self, name) < 1:
                raise InputError(f"--{name} {getattr(self, name)}: at least 1 is needed")
        if self.threads > processors:
            raise InputError(f"--threads {self.threads}: there are only {processors} processors")
        for name, values in (
            ("layout", MemoryLayout),
            ("backend", BackendName),
            ("part", TimedPart),
            ("allocator", AllocatorName),
            ("device", Literal["cpu", "cuda"]),
        ):
            if getattr(self, name) not in get_args(values):
                raise InputError(f"--{name} {getattr(self, name)!r} is not one of {', '.join(get_args(values))}")
        if self.backend in RUNTIMES:
            if self.device != "cpu" or self.layout != "nchw":
                raise InputError(
                    f"--backend {self.backend} runs on the cpu and chooses its own layout; leave out --device and --layout"
                )
            if missing := [name for name in ("onnx", self.backend) if find_spec(name) is None]:
                raise InputError(f"--backend {self.backend} needs {' and '.join(missing)} (the extra 'runtimes')")
        if self.part == "pipeline" and self.joints not in JOINT_COUNTS.values():
            known = ", ".join(f"{joints} ({name})" for name, joints in JOINT_COUNTS.items())
            raise InputError(f"--joints {self.joints}: --part pipeline needs the joints of a dataset: {known}")
