"""Measure the accuracy of the compared networks, from weights and images or from files of predictions."""

from __future__ import annotations

import pickle
import tempfile
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal, NamedTuple, cast

import numpy as np

from benchmark.config.packages import default_protocol, find_protocol
from benchmark.config.protocols import Protocol, joint_mapping
from benchmark.core.errors import InputError
from benchmark.core.keypoints import JOINT_NAMES
from benchmark.core.processes import NetworkProcess
from benchmark.data.mpii import PERSON_COUNTS
from benchmark.data.people import People
from benchmark.evaluation.backends import Backend, load_external
from benchmark.evaluation.distributed import choose_device
from benchmark.evaluation.inference import Predictions, assemble_chunks, predict_people
from benchmark.evaluation.run import HIDDEN_SPLITS, EvaluateArguments, load_test_people
from benchmark.evaluation.scoring import MetricResult, score_predictions
from benchmark.metrics.average_precision import UNDEFINED
from benchmark.metrics.score_files import METRIC_NAMES, SCORERS, CocoScores, MpiiScores, ScoreArguments, Scores
from benchmark.models.external import ExternalModel

Interval = tuple[float, float]
Dataset = Literal["lsp", "mpii", "coco", "synthetic-mpii", "synthetic-coco"]
COCO_VAL_IMAGES = 5_000
PEOPLE_PER_REQUEST = 256  # so often is progress shown of a network in another process


class Estimate(NamedTuple):
    """A metric's value, or the paired difference of two: in percent, or as a fraction for COCO; ``parts`` are MPII's."""

    value: float
    ci95: Interval | None
    parts: Mapping[str, float] = {}


@dataclass(frozen=True, kw_only=True)
class Accuracy:
    """Accuracy of a network, and its differences to the baselines.

    Attributes:
        dataset: Dataset that it was measured on.
        split: Split of the dataset.
        n: Number of people, or of images for COCO's predictions.
        how: Files, input size and protocol, in words.
        estimates: By metric (see :func:`benchmark.evaluation.scoring.metric_names`).
        differences: By baseline and metric, the paired difference: the network's value minus the baseline's.
        not_comparable_reason: Why the values cannot be compared with printed ones, if so.
    """

    dataset: Dataset
    split: str
    n: int
    how: str
    estimates: Mapping[str, Estimate]
    differences: Mapping[str, Mapping[str, Estimate]] = field(default_factory=dict)
    not_comparable_reason: str = ""


# --- from files of predictions ---------------------------------------------------------------------------------------------


def accuracy_from_predictions(
    dataset: Literal["mpii", "coco"], annotations: Path, predictions: Path, baselines: Mapping[str, Path]
) -> Accuracy:
    """Score a file of predictions as ``benchmark.score`` does, with paired differences to the files of the baselines.

    Raises:
        InputError: a file is missing, broken, or does not fit the annotations.
    """

    def score(against: Path | None) -> Scores:
        arguments = ScoreArguments(annotations=annotations, predictions=predictions, against=against, dataset=dataset)
        return SCORERS[dataset](arguments)

    scores = score(None)
    differences = {name: _read_estimates(score(path), True) for name, path in baselines.items()}
    split_size, unit = (PERSON_COUNTS["val"], "people") if dataset == "mpii" else (COCO_VAL_IMAGES, "images")
    incomplete = f"measured on {scores['n']} {unit}, not on the {split_size} of the table's split"
    return Accuracy(
        dataset=dataset,
        split="val",
        n=scores["n"],
        how=f"{predictions.name}, scored against {annotations.name}",
        estimates=_read_estimates(scores, False),
        differences=differences,
        not_comparable_reason="" if scores["n"] == split_size else incomplete,
    )


def _read_estimates(scores: Scores, difference: bool) -> dict[str, Estimate]:
    """Read the metrics, or their paired differences, from the output of ``benchmark.score``."""
    if scores["dataset"] == "mpii":
        return _mpii_estimates(scores, difference)
    return _coco_estimates(cast(CocoScores, scores), difference)


def _mpii_estimates(scores: MpiiScores, difference: bool) -> dict[str, Estimate]:
    if difference:
        return {
            f"pckh@{threshold} ({preset})": Estimate(
                row["difference"], row["ci95"], {part: cell["difference"] for part, cell in row["joints"].items()}
            )
            for preset, differences in scores["against"].items()
            for threshold, row in differences.items()
        }
    return {
        f"pckh@{threshold} ({preset})": Estimate(
            score["mean"], score["ci95"], {part: percent for part, percent in score["joints"].items()}
        )
        for preset, results in scores["presets"].items()
        for threshold, score in results.items()
    }


def _coco_estimates(scores: CocoScores, difference: bool) -> dict[str, Estimate]:
    estimates: dict[str, Estimate] = {}
    for name in METRIC_NAMES:
        value = scores["against"][name]["difference"] if difference else scores[name]
        ci95 = scores["against"][name]["ci95"] if difference else scores["ci95"][name]
        if value is not None and (difference or value != UNDEFINED):
            estimates[name] = Estimate(value, ci95)
    return estimates


# --- from weights ----------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, kw_only=True)
class Trial:
    """The people and settings that all networks are tested with.

    Attributes:
        people: Annotated people of a split.
        folder: Folder of the dataset.
        kind: ``lsp``, ``mpii`` or ``coco``.
        protocol: Name of the protocol; None for the default of each network.
        input_hw: Input size (height, width) in pixels of networks that have none of their own.
        joints: Number of joints that the networks predict.
        device: Device that they run on.
        work: Folder for temporary predictions.
        detected: Whether the boxes are those of a detector.
    """

    people: People
    folder: Path
    kind: str
    protocol: str | None
    input_hw: tuple[int, int]
    joints: int
    device: str
    work: Path
    detected: bool

    @classmethod
    def load(
        cls,
        dataset: Dataset,
        *,
        split: str | None = None,
        root: Path | None = None,
        detections: Path | None = None,
        protocol: str | None = None,
        input_hw: tuple[int, int],
        joints: int,
        device: str = "cpu",
        work: Path = Path("out/compare/work"),
    ) -> Trial:
        """Load the people of a split.

        Raises:
            InputError: the dataset is missing, the split's labels are hidden, or an option does not fit the dataset.
        """
        arguments = EvaluateArguments(
            model="", weights=Path(), dataset=dataset, split=split, root=root, detections=detections, protocol=()
        )
        if split in HIDDEN_SPLITS.get(arguments.kind, ()):
            raise InputError(
                f"the labels of {arguments.kind} {split} are hidden; write a file for its server with benchmark.evaluate"
            )
        people, folder = load_test_people(arguments)
        return cls(
            people=people,
            folder=folder,
            kind=arguments.kind,
            protocol=protocol,
            input_hw=input_hw,
            joints=joints,
            device=device,
            work=work,
            detected=detections is not None,
        )

    def evaluate(
        self,
        external: ExternalModel,
        weights: Path | None,
        input_hw: tuple[int, int] | None,
        progress: Callable[[int], object] = lambda people: None,
    ) -> tuple[Mapping[str, MetricResult], str]:
        """Return a network's results by metric, and its weights, input size and protocol in words.

        Args:
            input_hw: None for the default size of a model of this project.
            progress: Called with the number of people that have just been processed.

        Raises:
            InputError: the weights do not fit the network, the network does not fit the dataset, or an image is unreadable.
        """
        name, protocol = self.choose_protocol(external)
        predict = self._predict if external.model or external.onnx else self._predict_in_process
        predictions, (height, width) = predict(external, weights, input_hw, progress)
        results = score_predictions(self.people, {name: predictions}, {name: protocol}, self.folder, (height, width))[name]
        return results, f"{weights.name if weights else 'weights as built'}, {height}x{width}, protocol {name}"

    def _predict(
        self,
        external: ExternalModel,
        weights: Path | None,
        input_hw: tuple[int, int] | None,
        progress: Callable[[int], object],
    ) -> tuple[Predictions, tuple[int, int]]:
        """Predict the people in this process; return their joints, in the dataset's order, and the input size."""
        backend = self.load_backend(external, weights, input_hw)
        chunks = self.predict_shard(external, backend, (0, 1), progress)
        return self.join_chunks(backend, chunks), backend.input_hw

    def _predict_in_process(
        self,
        external: ExternalModel,
        weights: Path | None,
        input_hw: tuple[int, int] | None,
        progress: Callable[[int], object],
    ) -> tuple[Predictions, tuple[int, int]]:
        """Predict as :meth:`_predict` does, in a process of the network's own, as a user's code is executed."""
        with tempfile.TemporaryDirectory() as folder, NetworkProcess("benchmark.compare.worker", external.name) as process:
            file, shards = Path(folder) / "data", -(-len(self.people) // PEOPLE_PER_REQUEST)
            file.write_bytes(pickle.dumps((self, external.spec, external.name, weights, input_hw)))
            process.ask("open", file=str(file))
            for rank in range(shards):
                progress(process.ask("predict", shard=[rank, shards])["people"])
            process.ask("save", file=str(file))
            predictions, input_hw = pickle.loads(file.read_bytes())
            return predictions, input_hw

    def load_backend(self, external: ExternalModel, weights: Path | None, input_hw: tuple[int, int] | None) -> Backend:
        """Build a network with its weights, for images of ``input_hw`` pixels; see :meth:`evaluate`."""
        return load_external(external, weights, joints=self.joints, input_hw=input_hw, device=self.device)

    def predict_shard(
        self, external: ExternalModel, backend: Backend, shard: tuple[int, int], progress: Callable[[int], object]
    ) -> dict[int, dict[str, Predictions]]:
        """Predict a share of the people; see :func:`benchmark.evaluation.inference.predict_people`."""
        name, protocol = self.choose_protocol(external)
        device = choose_device(self.device)
        return predict_people(self.people, backend, {name: protocol}, self.work, device=device, shard=shard, progress=progress)

    def join_chunks(self, backend: Backend, chunks: Mapping[int, Mapping[str, Predictions]]) -> Predictions:
        """Join the predictions of all shards, with the joints in the dataset's order."""
        mapping = joint_mapping(backend.joints, JOINT_NAMES[self.kind])
        (predictions,) = assemble_chunks([chunks], len(self.people)).values()
        return Predictions(predictions.joints[:, mapping], predictions.scores[:, mapping])

    def choose_protocol(self, external: ExternalModel) -> tuple[str, Protocol]:
        """Return the name and content of the protocol to test a model with."""
        if self.protocol is not None:
            name = self.protocol
        elif external.model:
            name = default_protocol(external.model, self.people.dataset, detected=self.detected)
        else:
            name = {"lsp": "lsp", "coco": "hrnet" if self.detected else "hrnet-annotated"}.get(self.kind, "hrnet")
        return name, find_protocol(external.model, name, external.name)


def accuracy_from_weights(
    trial: Trial,
    external: ExternalModel,
    weights: Path | None,
    baselines: Sequence[tuple[ExternalModel, Path]] = (),
    progress: Callable[[int], object] = lambda people: None,
) -> Accuracy:
    """Evaluate a network on a dataset, with paired differences to the baselines, each of which comes with its weights.

    Args:
        progress: Called with the number of people that have just been processed.

    Raises:
        InputError: see :meth:`Trial.evaluate`.
    """
    results, how = trial.evaluate(external, weights, trial.input_hw, progress)
    differences = {}
    for baseline, baseline_weights in baselines:
        input_hw = None if baseline.model else trial.input_hw
        baseline_results, _ = trial.evaluate(baseline, baseline_weights, input_hw, progress)
        # The bootstrap draws the same replicates for all networks on the same people, so their differences are paired.
        differences[baseline.name] = _to_estimates(
            {
                metric: MetricResult(results[metric].value - result.value, results[metric].replicates - result.replicates, {})
                for metric, result in baseline_results.items()
            }
        )
    people = trial.people
    annotated_boxes = people.dataset == "coco" and not trial.detected
    return Accuracy(
        dataset=cast(Dataset, people.dataset),  # Trial.load takes no other
        split=people.split,
        n=len(people),
        how=how,
        estimates=_to_estimates(results),
        differences=differences,
        not_comparable_reason="measured with annotated boxes, the table's networks with those of a detector"
        if annotated_boxes
        else "",
    )


def _to_estimates(results: Mapping[str, MetricResult]) -> dict[str, Estimate]:
    """Convert the results that are defined, which are those with at least one person that counts."""
    defined = {metric: result for metric, result in results.items() if np.isfinite(result.replicates).any()}
    return {metric: Estimate(result.value, result.interval(), result.parts) for metric, result in defined.items()}
