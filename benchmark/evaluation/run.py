"""Evaluate a model with given weights under one or several protocols."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Annotated, Literal

import numpy as np
import tyro
from tqdm import tqdm

from benchmark.config.packages import default_protocol, find_protocol, package_of
from benchmark.config.protocols import PROTOCOLS, Protocol, joint_mapping
from benchmark.core.errors import InputError
from benchmark.core.input_size import parse_size
from benchmark.core.keypoints import JOINT_COUNTS, JOINT_NAMES
from benchmark.core.records import RECORDS, Record
from benchmark.data import READERS, find_dataset
from benchmark.data.coco import load_coco
from benchmark.data.mpii import load_mpii
from benchmark.data.people import People
from benchmark.evaluation.backends import load_external
from benchmark.evaluation.distributed import broadcast, choose_device, gather_parts, process_group
from benchmark.evaluation.inference import CHUNK, Predictions, assemble_chunks, predict_people
from benchmark.evaluation.records import Evaluation
from benchmark.evaluation.scoring import score_predictions, to_coco_detections
from benchmark.evaluation.submission import release_file, write_coco, write_mpii
from benchmark.evaluation.visualize import check_ignored_folder, draw_predictions
from benchmark.models.external import MODEL_SPECS, check_heatmaps, register_external, resolve_model
from benchmark.models.registry import find_entry
from benchmark.models.weights import locate_weights

EVALUATION_SPLITS = {"lsp": "test", "mpii": "val", "coco": "val"}
HIDDEN_SPLITS = {"mpii": ("test",), "coco": ("test-dev",)}  # only the servers know their labels


@dataclass(frozen=True, kw_only=True)
class EvaluateArguments:
    """What to evaluate, and what to do with it."""

    model: Annotated[str, tyro.conf.Positional, tyro.conf.arg(help=f"The network: {MODEL_SPECS}.")]
    weights: Path
    """Its weights: .safetensors, .tflite, or a file that the model's package reads; of a network of your own .safetensors or
    .pth. A path, or a path below the data root."""
    dataset: Literal["lsp", "mpii", "coco", "synthetic-mpii", "synthetic-coco"]
    """Which persons, and with them which metric."""
    split: str | None = None
    """Default: test of LSP, val of MPII and COCO; sample stands for a few annotated images."""
    protocol: tuple[str, ...] = ()
    """How to crop, average and decode: names, or all for all of the model's own. Others are compared with the first."""
    head: Literal["mpii", "coco", "lsp"] | None = None
    """Whose joints the network predicts, where the weights do not say; default: the dataset's."""
    input: str | None = None
    """Height x width of the network's input; default: the model's own."""
    detections: Path | None = None
    """COCO: boxes of a detector instead of annotated ones."""
    root: Path | None = None
    """The data root, or the dataset's own folder; default: POSE_DATA (Synthetic people: its folder synthetic)."""
    limit: int | None = None
    """Only the first so many persons (COCO: all persons of their images). Nothing is recorded."""
    broken: Literal["raise", "skip"] = "raise"
    """What to do about a photograph that cannot be read; where one was skipped nothing is recorded."""
    submission: Path | None = None
    """Write the file that the benchmark's server takes: COCO's .json, MPII's .mat. Needs one protocol."""
    draw: Path | None = None
    """Draw predictions beside the annotations into this folder, which git must ignore."""
    device: str | None = None
    """As PyTorch calls it; default: a GPU if there is one."""
    work: Path = Path("out/evaluate")
    """Where chunks of predictions are kept until they are no longer wanted."""
    keep: bool = True
    """Keep the figures as records under reports/records."""
    as_json: Annotated[bool, tyro.conf.arg(name="json"), tyro.conf.FlagCreatePairsOff] = False
    """Print JSON; benchmark/schemas/evaluate.schema.json describes it."""

    @property
    def kind(self) -> str:
        """The dataset whose format, joints and metric these are."""
        return self.dataset.removeprefix("synthetic-")


def evaluate_model(arguments: EvaluateArguments, folder: Path = RECORDS) -> tuple[Evaluation, list[Record]]:
    """The figures of all protocols asked for, new or from the records in ``folder``; none in processes but the first.

    Raises:
        InputError: the model, weights, data, protocol or options do not fit together.
    """
    external = resolve_model(arguments.model)
    arguments = replace(arguments, model=external.model or register_external(external))
    chosen = choose_protocols(arguments)
    joints = JOINT_COUNTS[arguments.head or arguments.kind]
    input_hw = parse_size(arguments.input or find_entry(arguments.model).inputs[0])
    if not external.model:
        check_heatmaps(external, joints, input_hw)
    with process_group() as (rank, count):
        people, dataset_folder = load_test_people(arguments)
        weights, device = locate_weights(arguments.weights), choose_device(arguments.device)
        backend = load_external(external, weights, joints=joints, input_hw=input_hw, device=device)
        answers = joint_mapping(backend.joints, JOINT_NAMES[arguments.kind])
        evaluation = Evaluation.of(arguments.model, weights, backend, people, tuple(chosen), arguments.detections)
        keep = arguments.keep and arguments.limit is None
        must_run = not keep or arguments.submission or arguments.draw  # more is asked for than figures
        if not must_run and (known := broadcast(evaluation.on_record(folder))):
            return evaluation, known if rank == 0 else []
        own = sum(min(CHUNK, len(people) - start) for start in _starts(len(people), rank, count))
        with tqdm(total=own, unit=" persons", disable=None if rank == 0 else True) as bar:
            part = predict_people(
                people,
                backend,
                chosen,
                arguments.work / arguments.model.replace("/", "-"),
                device=device,
                broken=arguments.broken,
                shard=(rank, count),
                progress=bar.update,
            )
        parts = gather_parts(part)
    if rank:
        return evaluation, []
    predictions = assemble_chunks(parts, len(people))
    found = next(iter(predictions.values())).found()
    if not found.any():
        raise InputError(f"{arguments.dataset}: none of {len(people)} photographs could be read")
    people = people.select(found)
    predictions = {
        name: Predictions(p.joints[found][:, answers], p.scores[found][:, answers]) for name, p in predictions.items()
    }
    if arguments.submission:
        write_submission(arguments, people, chosen, predictions, dataset_folder, backend.input_hw)
    if arguments.draw:
        draw_predictions(arguments.draw, people, next(iter(predictions.values())).joints, JOINT_NAMES[arguments.kind])
    if arguments.split in HIDDEN_SPLITS.get(arguments.kind, ()):
        return evaluation, []
    figures = score_predictions(people, predictions, chosen, dataset_folder, backend.input_hw)
    made = evaluation.records(predictions, figures, len(people))
    if keep and found.all():
        evaluation.keep(made, folder)
    return evaluation, made


def choose_protocols(arguments: EvaluateArguments) -> dict[str, Protocol]:
    """The protocols asked for.

    Raises:
        InputError: an unknown model or protocol, or options that exclude each other.
    """
    names = arguments.protocol or (
        default_protocol(arguments.model, arguments.dataset, detected=arguments.detections is not None),
    )
    if names == ("all",):
        own = package_of(arguments.model).protocols
        names = tuple(own or PROTOCOLS)
    if len(set(names)) != len(names):
        raise InputError(f"--protocol {' '.join(names)}: one is named twice")
    if arguments.limit is not None and arguments.limit < 1:
        raise InputError(f"--limit {arguments.limit}: at least one person is needed")
    if arguments.submission and (len(names) > 1 or arguments.kind == "lsp"):
        raise InputError("--submission takes one protocol, and MPII or COCO: LSP has no server")
    if arguments.split in HIDDEN_SPLITS.get(arguments.kind, ()) and not arguments.submission:
        raise InputError(
            f"the labels of {arguments.kind} {arguments.split} are hidden; write its server's file with --submission"
        )
    if arguments.detections and arguments.kind != "coco":
        raise InputError("--detections is for COCO")
    if arguments.draw:
        check_ignored_folder(arguments.draw)
    return {name: find_protocol(arguments.model, name) for name in names}


def load_test_people(arguments: EvaluateArguments) -> tuple[People, Path]:
    """The persons to evaluate on, and the dataset's folder.

    Raises:
        InputError: they are not there, malformed, or not of the dataset asked for.
    """
    _, folder = find_dataset(arguments.dataset, arguments.root)
    split = arguments.split or EVALUATION_SPLITS[arguments.kind]
    if arguments.kind == "coco":
        people = load_coco(folder, split, detections=arguments.detections)
    elif arguments.kind == "mpii" and arguments.submission:
        people = load_mpii(folder, split, annotations=release_file(folder))
    else:
        people = READERS[arguments.kind](folder, split)
    if people.dataset != arguments.dataset:
        raise InputError(f"{folder} holds {people.dataset}, not {arguments.dataset}")
    if not len(people):
        raise InputError(f"{folder}: nobody in {split}")
    if arguments.limit is None:
        return people, folder
    chosen = np.arange(len(people)) < arguments.limit
    if arguments.kind == "coco":
        chosen = np.isin(people.image_ids, people.image_ids[chosen])
    return replace(people.select(chosen), split=f"{split}[:{arguments.limit}]"), folder


def write_submission(
    arguments: EvaluateArguments,
    people: People,
    chosen: Mapping[str, Protocol],
    predictions: Mapping[str, Predictions],
    folder: Path,
    input_hw: tuple[int, int],
) -> None:
    """The file for the server; see :mod:`benchmark.evaluation.submission`."""
    assert arguments.submission is not None
    found, protocol = next(iter(predictions.values())), next(iter(chosen.values()))
    if arguments.kind == "coco":
        write_coco(arguments.submission, to_coco_detections(people, found, protocol, input_hw))
    else:
        write_mpii(arguments.submission, people, found.joints, folder)


def _starts(persons: int, rank: int, count: int) -> range:
    return range(rank * CHUNK, persons, count * CHUNK)
