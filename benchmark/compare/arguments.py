"""The arguments of ``python -m benchmark.compare``, which are read without importing what a comparison needs."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Literal

import tyro

from benchmark.evaluation.arguments import TestDataset
from benchmark.models.external import MODEL_SPECS_ONNX

ROUNDS = 6  # enough for a first estimate; latencies that are recorded take more


@dataclass(frozen=True, kw_only=True)
class CompareArguments:
    """Arguments of ``python -m benchmark.compare``."""

    model: Annotated[str, tyro.conf.Positional, tyro.conf.arg(help=f"The network: {MODEL_SPECS_ONNX}.")]
    table: str | None = None
    """A printed table, such as efficientpose_nas/table2; the network becomes a row of it."""
    input: str | None = None
    """Height x width of the image in pixels; default: the table's, or else 256x256."""
    joints: int | None = None
    """Number of keypoints that the network predicts; default: that of the table's or the given dataset, or else 16."""
    name: str | None = None
    """Name of the network in tables and plots."""
    against: tuple[str, ...] | None = None
    """Baselines, given like the network; MODEL@FILE adds its weights, or with --predictions its predictions, for paired
    differences. Default: the table's rows nearest in cost."""
    weights: Path | None = None
    """Trained weights, in any kind of file that benchmark.evaluate reads; default: the weights that
    the function returns."""
    dataset: TestDataset | None = None
    """With weights: the dataset to test on. With predictions: mpii or coco."""
    split: str | None = None
    """Default: test for LSP, val for MPII and COCO; sample is a small number of annotated images."""
    root: Path | None = None
    """The data root, or the dataset's own folder; default: POSE_DATA."""
    detections: Path | None = None
    """COCO: boxes of a detector instead of annotated ones."""
    protocol: str | None = None
    """The protocol (crop, averaging and decoding), as in benchmark.evaluate; default: the dataset's usual one."""
    predictions: Path | None = None
    """A file of predicted joints, as in benchmark.score."""
    annotations: Path | None = None
    """Ground truth of --predictions; default: that of the dataset below the data root."""
    latency: bool = True
    """Time the networks in interleaved rounds."""
    threads: int = 1
    """Number of threads of each network."""
    rounds: int = ROUNDS
    """Number of interleaved rounds."""
    device: Literal["cpu", "cuda"] = "cpu"
    """Device on which networks are timed and tested."""
    out: Path = Path("out/compare")
    """Folder for row.md, row.tex, row.csv, table.md and pareto.svg."""
    as_json: Annotated[bool, tyro.conf.arg(name="json"), tyro.conf.FlagCreatePairsOff] = False
    """Print JSON."""
