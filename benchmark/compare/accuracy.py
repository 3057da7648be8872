"""How accurate the compared networks are: from weights and photographs, or from files of predictions, with paired intervals."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal, NamedTuple

import numpy as np

from benchmark.config.packages import default_protocol, known_protocols
from benchmark.config.protocols import PROTOCOLS, Protocol, joint_mapping
from benchmark.core.errors import InputError
from benchmark.core.keypoints import JOINT_NAMES
from benchmark.data import find_dataset
from benchmark.data.annotation_files import first_existing
from benchmark.data.coco import annotation_names
from benchmark.data.mpii import H5, HEADS, PERSON_COUNTS
from benchmark.data.people import People
from benchmark.evaluation.backends import load_external
from benchmark.evaluation.distributed import choose_device
from benchmark.evaluation.inference import Predictions, assemble_chunks, predict_people
from benchmark.evaluation.run import HIDDEN_SPLITS, EvaluateArguments, load_test_people
from benchmark.evaluation.scoring import MetricResult, score_predictions
from benchmark.metrics.average_precision import AP_METRICS, UNDEFINED
from benchmark.metrics.score_files import SCORERS, ScoreArguments, Scores
from benchmark.models.external import ExternalModel

Interval = tuple[float, float]
Dataset = Literal["lsp", "mpii", "coco", "synthetic-mpii", "synthetic-coco"]
IMAGES = 5_000  # of COCO val2017


class Estimate(NamedTuple):
    """A figure, or a paired difference: percent, or COCO's fractions; parts are MPII's."""

    value: float
    ci95: Interval | None
    parts: Mapping[str, float] = {}


@dataclass(frozen=True, kw_only=True)
class Accuracy:
    """The figures of a network by metric (see :func:`benchmark.evaluation.scoring.metric_names`), and how they exceed each
    baseline's.

    ``n`` persons, or COCO's images, stand behind them. ``apart`` says why they do not belong beside printed ones, if so.
    """

    dataset: str
    split: str
    n: int
    how: str
    figures: Mapping[str, Estimate]
    over: Mapping[str, Mapping[str, Estimate]] = field(default_factory=dict)
    apart: str = ""


# --- from files of predictions ---------------------------------------------------------------------------------------------


def validation_annotations(dataset: Literal["mpii", "coco"], root: Path | None) -> Path:
    """The annotations of the validation split, below the data root.

    Raises:
        InputError: they are not there.
    """
    _, folder = find_dataset(dataset, root)
    found = first_existing(folder, (*HEADS, *H5) if dataset == "mpii" else annotation_names("val"))
    if found is None:
        raise InputError(f"{folder}: no annotations to score predictions against; give --annotations")
    return found


def accuracy_from_predictions(
    dataset: Literal["mpii", "coco"], annotations: Path, predictions: Path, against: Mapping[str, Path]
) -> Accuracy:
    """The figures of a file, and its paired differences to each baseline's, as ``benchmark.score`` has them.

    Raises:
        InputError: a file is missing, broken, or does not fit the annotations.
    """

    def scored(other: Path | None) -> Scores:
        arguments = ScoreArguments(annotations=annotations, predictions=predictions, against=other, dataset=dataset)
        return SCORERS[dataset](arguments)

    read = _mpii if dataset == "mpii" else _coco
    own = scored(None)
    over = {name: read(scored(path), True) for name, path in against.items()}
    whole = PERSON_COUNTS["val"] if dataset == "mpii" else IMAGES
    unit = "persons" if dataset == "mpii" else "images"
    apart = "" if own["n"] == whole else f"measured on {own['n']} {unit}, not on the {whole} of the table's split"
    how = f"{predictions.name}, scored against {annotations.name}"
    return Accuracy(dataset=dataset, split="val", n=own["n"], how=how, figures=read(own, False), over=over, apart=apart)


def _mpii(scores: Scores, difference: bool) -> dict[str, Estimate]:
    key, kind = ("difference", "against") if difference else ("mean", "presets")
    return {
        f"pckh@{threshold} ({preset})": Estimate(
            row[key],
            tuple(row["ci95"]),
            {part: cell["difference"] if difference else cell for part, cell in row["joints"].items()},
        )
        for preset, rows in scores[kind].items()
        for threshold, row in rows.items()
    }


def _coco(scores: Scores, difference: bool) -> dict[str, Estimate]:
    found = {}
    for name in AP_METRICS:
        value = scores["against"][name]["difference"] if difference else scores[name]
        ci95 = scores["against"][name]["ci95"] if difference else scores["ci95"][name]
        if value is not None and (difference or value != UNDEFINED):
            found[name] = Estimate(value, tuple(ci95) if ci95 else None)
    return found


# --- from weights ----------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, kw_only=True)
class Trial:
    """On whom, and how, networks are tested."""

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
    def on(
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
        """The persons of a split.

        Raises:
            InputError: they are not there, their labels are hidden, or no dataset has a head of so many joints.
        """
        asked = EvaluateArguments(
            model="", weights=Path(), dataset=dataset, split=split, root=root, detections=detections, protocol=()
        )
        if split in HIDDEN_SPLITS.get(asked.kind, ()):
            raise InputError(
                f"the labels of {asked.kind} {split} are hidden; its server's file is written by benchmark.evaluate"
            )
        people, folder = load_test_people(asked)
        return cls(
            people=people,
            folder=folder,
            kind=asked.kind,
            protocol=protocol,
            input_hw=input_hw,
            joints=joints,
            device=device,
            work=work,
            detected=detections is not None,
        )

    def figures(
        self,
        subject: ExternalModel,
        weights: Path | None,
        input_hw: tuple[int, int] | None,
        progress: Callable[[int], object] = lambda persons: None,
    ) -> tuple[Mapping[str, MetricResult], str]:
        """A network's figures, and how they came about in words.

        Args:
            input_hw: None for the size that the network was made for, if it is one of this project's.

        Raises:
            InputError: weights or network do not fit, or a photograph is unreadable.
        """
        name, protocol = self._protocol(subject)
        backend = load_external(subject, weights, joints=self.joints, input_hw=input_hw, device=self.device)
        answers = joint_mapping(backend.joints, JOINT_NAMES[self.kind])
        done = predict_people(
            self.people, backend, {name: protocol}, self.work, device=choose_device(self.device), progress=progress
        )
        found = assemble_chunks([done], len(self.people))[name]
        found = Predictions(found.joints[:, answers], found.scores[:, answers])
        scored = score_predictions(self.people, {name: found}, {name: protocol}, self.folder, backend.input_hw)[name]
        height, width = backend.input_hw
        return scored, f"{weights.name if weights else 'weights as built'}, {height}x{width}, protocol {name}"

    def _protocol(self, subject: ExternalModel) -> tuple[str, Protocol]:
        known = known_protocols(subject.model) if subject.model else PROTOCOLS
        if self.protocol is not None:
            name = self.protocol
        elif subject.model:
            name = default_protocol(subject.model, self.people.dataset, detected=self.detected)
        else:
            name = {"lsp": "lsp", "coco": "hrnet" if self.detected else "hrnet-annotated"}.get(self.kind, "hrnet")
        if name not in known:
            raise InputError(f"no protocol {name!r} for {subject.name}; known: {', '.join(known)}")
        return name, known[name]


def accuracy_from_weights(
    trial: Trial,
    subject: ExternalModel,
    weights: Path | None,
    against: Sequence[tuple[ExternalModel, Path]] = (),
    progress: Callable[[int], object] = lambda persons: None,
) -> Accuracy:
    """A network's figures on a dataset, and its paired differences to baselines whose weights there are.

    Args:
        progress: called with a number of persons each time so many are done.

    Raises:
        InputError: see :meth:`Trial.figures`.
    """
    own, how = trial.figures(subject, weights, trial.input_hw, progress)
    over = {}
    for other, file in against:
        theirs, _ = trial.figures(other, file, None if other.model else trial.input_hw, progress)
        # All replicates of one set of persons are drawn alike, so those of two networks are paired.
        over[other.name] = _estimates(
            {
                metric: MetricResult(own[metric].value - figure.value, own[metric].replicates - figure.replicates, {})
                for metric, figure in theirs.items()
            }
        )
    people = trial.people
    apart = ""
    if people.dataset == "coco" and not trial.detected:
        apart = "measured with annotated boxes, the table's networks with those of a detector"
    return Accuracy(
        dataset=people.dataset,
        split=people.split,
        n=len(people),
        how=how,
        figures=_estimates(own),
        over=over,
        apart=apart,
    )


def _estimates(figures: Mapping[str, MetricResult]) -> dict[str, Estimate]:
    """Those for which somebody counts."""
    defined = {metric: figure for metric, figure in figures.items() if np.isfinite(figure.replicates).any()}
    return {metric: Estimate(figure.value, figure.interval(), figure.parts) for metric, figure in defined.items()}
