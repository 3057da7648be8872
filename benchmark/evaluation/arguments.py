"""The arguments of ``python -m benchmark.evaluate`` and ``predict``, which are read without importing what the work needs."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Literal

import tyro

from benchmark.core.keypoints import joint_set_of
from benchmark.models.external import MODEL_SPECS

TestDataset = Literal["lsp", "mpii", "coco", "synthetic-mpii", "synthetic-coco"]


@dataclass(frozen=True, kw_only=True)
class EvaluateArguments:
    """Arguments of ``python -m benchmark.evaluate``."""

    model: Annotated[str, tyro.conf.Positional, tyro.conf.arg(help=f"The network: {MODEL_SPECS}.")] = ""
    weights: Path | None = None
    """Its weights: .safetensors, .pth, .pth.tar, .pt, .ckpt, .bin, .h5 or .tflite, with our names for the tensors or those of a
    publisher. A path, or a path below the data root."""
    dataset: TestDataset
    """The people to test on; the dataset determines the metric."""
    split: str | None = None
    """Default: test for LSP, val for MPII and COCO; sample is a small number of annotated images."""
    protocol: tuple[str, ...] = ()
    """Protocols, which define crop, averaging and decoding, or all for the model's own. Each is compared with the first."""
    head: Literal["mpii", "coco", "lsp"] | None = None
    """The joint set that the network predicts, if the weight file does not determine it; default: the dataset's."""
    input: str | None = None
    """Height x width of the network's input; default: the model's own."""
    detections: Path | None = None
    """COCO: boxes of a detector instead of annotated ones."""
    root: Path | None = None
    """The data root, or the dataset's own folder; default: POSE_DATA (Synthetic people: its folder synthetic)."""
    limit: int | None = None
    """Test only this number of people (COCO: all people on their images). Nothing is recorded."""
    broken: Literal["raise", "skip"] = "raise"
    """Stop at an image that cannot be read, or skip it. After a skip, nothing is recorded."""
    submission: Path | None = None
    """Write the file for the benchmark's server: COCO's .json, MPII's .mat. Needs a single protocol."""
    draw: Path | None = None
    """Draw predictions next to the annotations into this folder, which git must ignore."""
    published: Annotated[bool, tyro.conf.FlagCreatePairsOff] = False
    """Evaluate all published weights for the dataset, or those of one model, each at its own input size. Missing files are
    downloaded; python -m benchmark.data fetch lists them."""
    offline: Annotated[bool, tyro.conf.FlagCreatePairsOff] = False
    """With --published: download nothing, and evaluate the files that are in the data root."""
    device: str | None = None
    """Device in PyTorch's notation; default: a GPU if there is one."""
    work: Path = Path("out/evaluate")
    """Where predictions are cached, in chunks, so that a killed evaluation can resume."""
    keep: bool = True
    """Store the results as records under reports/records."""
    as_json: Annotated[bool, tyro.conf.arg(name="json"), tyro.conf.FlagCreatePairsOff] = False
    """Print JSON."""

    @property
    def kind(self) -> str:
        """The dataset whose format, joints and metric are used: mpii, coco or lsp."""
        return joint_set_of(self.dataset)


@dataclass(frozen=True, kw_only=True)
class PredictArguments:
    """Arguments of ``python -m benchmark.predict``."""

    model: Annotated[str, tyro.conf.Positional, tyro.conf.arg(help=f"The network: {MODEL_SPECS}.")]
    images: Annotated[tuple[Path, ...], tyro.conf.Positional]
    """The photographs; a camera's orientation tag turns them upright."""
    weights: Path | None = None
    """The network's weights, as in benchmark.evaluate; a function of your own may return a network that has them."""
    box: tuple[str, ...] = ()
    """People on a single photograph: x,y,width,height in pixels from the top left corner, one for each person."""
    detect: Annotated[bool, tyro.conf.FlagCreatePairsOff] = False
    """Find the people by torchvision's Faster R-CNN, whose weights (78 MB) are downloaded once."""
    least_detection: float = 0.7
    """With --detect: the least score of a detection that counts as a person."""
    head: Literal["mpii", "coco", "lsp"] = "mpii"
    """The joint set that the network predicts, if the weight file does not determine it."""
    input: str | None = None
    """Height x width of the network's input; default: the model's own, or 256x256."""
    protocol: str | None = None
    """The protocol whose averaging and decoding is used, as in benchmark.evaluate; default: the model's own."""
    least_score: float = 0.0
    """Joints with a score below this are not drawn; predictions.json has all of them."""
    device: str | None = None
    """Device in PyTorch's notation; default: a GPU if there is one."""
    out: Path = Path("out/predict")
    """Folder for the results. In a git checkout, git must ignore it, as the pictures show people."""
