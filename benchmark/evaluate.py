"""``python -m benchmark.evaluate``: a network with its weights on a dataset, from photographs to figures that are kept."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Annotated, Literal

import numpy as np
import tyro
from tqdm import tqdm

from benchmark import accuracy, backends, data, distributed, draw, errors, inference, models, protocols, records, scoring
from benchmark import submission as submissions
from benchmark.accuracy import Evaluation
from benchmark.data import coco, mpii
from benchmark.data.people import People
from benchmark.errors import InputError
from benchmark.inference import Predictions
from benchmark.protocols import HEADS, Protocol
from benchmark.records import Record

DESCRIPTION = """Crop, run, decode, score and record: a network's accuracy with 95 % intervals.

The same evaluation again is read from the records. Killed, it goes on where it was; under torchrun the persons are shared out.

example:
  python -m benchmark.evaluate efficientpose/RT --weights weights/efficientpose/EfficientPoseRT.h5 --dataset lsp
"""
SPLITS = {"lsp": "test", "mpii": "val", "coco": "val"}
HIDDEN = {"mpii": ("test",), "coco": ("test-dev",)}  # only the servers know their labels


@dataclass(frozen=True, kw_only=True)
class Arguments:
    """What to evaluate, and what to do with it."""

    model: Annotated[str, tyro.conf.Positional]
    """A model's id, as in efficientpose/RT, or an architecture file."""
    weights: Path
    """Its weights: .safetensors, .tflite, or a file that the model's package reads; a path, or a path below the data root."""
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


def evaluate(arguments: Arguments, folder: Path = records.FOLDER) -> tuple[Evaluation, list[Record]]:
    """The figures of all protocols asked for, new or from the records in ``folder``; none in processes but the first.

    Raises:
        InputError: the model, weights, data, protocol or options do not fit together.
    """
    arguments = replace(arguments, model=models.find(arguments.model).id)  # which may be a file's name
    chosen = choose(arguments)
    with distributed.processes() as (rank, count):
        people, dataset_folder = load_people(arguments)
        weights, device = backends.locate(arguments.weights), distributed.device(arguments.device)
        backend = backends.load(
            arguments.model,
            weights,
            head=arguments.head or arguments.kind,
            input_hw=models.parse_size(arguments.input) if arguments.input else None,
            device=device,
        )
        answers = protocols.answering(backend.joints, HEADS[arguments.kind])
        evaluation = Evaluation.of(arguments.model, weights, backend, people, tuple(chosen), arguments.detections)
        keep = arguments.keep and arguments.limit is None
        must_run = not keep or arguments.submission or arguments.draw  # more is asked for than figures
        if not must_run and (known := distributed.agree(evaluation.on_record(folder))):
            return evaluation, known if rank == 0 else []
        own = sum(min(inference.CHUNK, len(people) - start) for start in _starts(len(people), rank, count))
        with tqdm(total=own, unit=" persons", disable=None if rank == 0 else True) as bar:
            part = inference.predict(
                people,
                backend,
                chosen,
                arguments.work / arguments.model.replace("/", "-"),
                device=device,
                broken=arguments.broken,
                shard=(rank, count),
                progress=bar.update,
            )
        parts = distributed.gather(part)
    if rank:
        return evaluation, []
    predictions = inference.assemble(parts, len(people))
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
        draw.draw_all(arguments.draw, people, next(iter(predictions.values())).joints, HEADS[arguments.kind])
    if arguments.split in HIDDEN.get(arguments.kind, ()):
        return evaluation, []
    figures = scoring.score(people, predictions, chosen, dataset_folder, backend.input_hw)
    made = evaluation.records(predictions, figures, len(people))
    if keep and found.all():
        evaluation.keep(made, folder)
    return evaluation, made


def choose(arguments: Arguments) -> dict[str, Protocol]:
    """The protocols asked for.

    Raises:
        InputError: an unknown model or protocol, or options that exclude each other.
    """
    names = arguments.protocol or (
        protocols.default(arguments.model, arguments.dataset, detected=arguments.detections is not None),
    )
    if names == ("all",):
        own = getattr(protocols.package(arguments.model), "PROTOCOLS", {})
        names = tuple(own or protocols.PROTOCOLS)
    if len(set(names)) != len(names):
        raise InputError(f"--protocol {' '.join(names)}: one is named twice")
    if arguments.limit is not None and arguments.limit < 1:
        raise InputError(f"--limit {arguments.limit}: at least one person is needed")
    if arguments.submission and (len(names) > 1 or arguments.kind == "lsp"):
        raise InputError("--submission takes one protocol, and MPII or COCO: LSP has no server")
    if arguments.split in HIDDEN.get(arguments.kind, ()) and not arguments.submission:
        raise InputError(
            f"the labels of {arguments.kind} {arguments.split} are hidden; write its server's file with --submission"
        )
    if arguments.detections and arguments.kind != "coco":
        raise InputError("--detections is for COCO")
    if arguments.draw:
        draw.check_folder(arguments.draw)
    return {name: protocols.find(arguments.model, name) for name in names}


def load_people(arguments: Arguments) -> tuple[People, Path]:
    """The persons to evaluate on, and the dataset's folder.

    Raises:
        InputError: they are not there, malformed, or not of the dataset asked for.
    """
    _, folder = data.find(arguments.dataset, arguments.root)
    split = arguments.split or SPLITS[arguments.kind]
    if arguments.kind == "coco":
        people = coco.load(folder, split, detections=arguments.detections)
    elif arguments.kind == "mpii" and arguments.submission:
        people = mpii.load(folder, split, annotations=submissions.release_file(folder))
    else:
        people = data.READERS[arguments.kind](folder, split)
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
    arguments: Arguments,
    people: People,
    chosen: Mapping[str, Protocol],
    predictions: Mapping[str, Predictions],
    folder: Path,
    input_hw: tuple[int, int],
) -> None:
    """The file for the server; see :mod:`benchmark.submission`."""
    assert arguments.submission is not None
    found, protocol = next(iter(predictions.values())), next(iter(chosen.values()))
    if arguments.kind == "coco":
        submissions.write_coco(arguments.submission, scoring.coco_detections(people, found, protocol, input_hw))
    else:
        submissions.write_mpii(arguments.submission, people, found.joints, folder)


def _starts(persons: int, rank: int, count: int) -> range:
    return range(rank * inference.CHUNK, persons, count * inference.CHUNK)


def run(arguments: Arguments) -> None:
    """Evaluate and print.

    Raises:
        InputError: see :func:`evaluate`.
    """
    evaluation, made = evaluate(arguments)
    if distributed.rank() == 0:
        if arguments.as_json:
            print(json.dumps(accuracy.report(evaluation, made), allow_nan=False))
        elif made:
            print(accuracy.show(made))
        if arguments.submission and not arguments.as_json:
            print(f"wrote {arguments.submission}")


def main(args: Sequence[str] | None = None) -> None:
    arguments = tyro.cli(Arguments, args=args, description=DESCRIPTION, prog="python -m benchmark.evaluate")
    errors.run(lambda: run(arguments))


if __name__ == "__main__":
    main()
