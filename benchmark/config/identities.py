"""Identities of records: one function per kind of record, called by both the writers and the readers of that kind.

An identity holds the identifying fields of :class:`benchmark.core.records.Record`: ``Record(**identity, value=...)`` makes a
record, ``record_id(identity)`` is its id, and :func:`runs_of` finds the records of all seeds. Identities contain the present
versions of the instruments; :func:`is_current` checks whether a record still rests on those.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from benchmark.config.conventions import FLOPS, LOOKUP_CONVENTION
from benchmark.config.latency import Setting
from benchmark.config.packages import declarations
from benchmark.config.predictions import PublishedPredictions
from benchmark.config.recipes import Recipe
from benchmark.config.searches import CostKind, SearchConfig, Strategy
from benchmark.core.errors import InputError
from benchmark.core.keypoints import joint_set_of
from benchmark.core.record_types import KINDS
from benchmark.core.records import RECORDS, Record, Records, StoredRecord, indexed, load_records, record_id, select
from benchmark.core.versions import VERSIONS, versions_of
from benchmark.models.registry import architecture_format, find_entry, is_known

Identity = dict[str, Any]

COMMON_TERMS = ("mpii", "256x256")  # dataset of the head, and input size, for comparing all networks on equal terms
MEAN_POSE = "mean pose"  # a baseline that ignores the image
MILLISECONDS = "milliseconds of a run"  # the metric of latency

SYNTHETIC = "synthetic-"  # begins the name of a dataset of drawn people, annotated as the dataset whose name follows

# The instruments that define a metric, by the joints of its dataset.
METRIC_INSTRUMENTS: Mapping[str, tuple[str, ...]] = {"mpii": ("pckh",), "lsp": ("pck",), "coco": ("oks", "oks_nms")}
_EVALUATION = ("crops", "batches", "protocols", "inference", "decoding", "scoring")
_TRAINING = ("crops", "batches", "augmentation", "targets", "training")
_PIPELINE = ("crops", "batches", "protocols", "decoding", "synthetic_people")  # timed with a network, from images to joints


# --- one function per kind ---------------------------------------------------------------------------------------------------


def cost_identity(model: str, dataset: str, size: str) -> Identity:
    """Identify the counts of a model with the head for a dataset, at an input size ``HxW``."""
    return {
        "kind": "cost",
        "subject": model,
        "dataset": dataset,
        "metric": "counts",
        "setting": {"input": size},
        "versions": _count_versions() | model_version(model),
    }


def description_identity(package: str, table: str, metric: str) -> Identity:
    """Identify what a package builds for a printed table: its ``structure`` or its ``readings``."""
    return {
        "kind": "architecture",
        "subject": package,
        "metric": metric,
        "setting": {"table": table},
        "versions": {"structure": declarations()[package].structure_version}
        | (_count_versions() if metric == "readings" else {}),
    }


def evaluation_identity(
    model: str,
    dataset: str,
    split: str,
    protocol: str,
    metric: str,
    *,
    over: str = "",
    size: str = "",
    weights: str = "",
    boxes: str = "",
    evidence: str = "",
) -> Identity:
    """Identify a metric of a network with given weights, tested under a protocol.

    Args:
        over: Protocol whose value is subtracted, for a paired difference; empty for the metric itself.
        size: Input size, if it is not the model's first.
        weights: Beginning of the weight file's hash, if the weights are not those that the paper's authors published.
        boxes: Beginning of the detection file's hash, if the boxes come from a detector.
        evidence: Who trained the weights, if somebody else published them; see
            :data:`benchmark.models.checkpoints.Evidence`.
    """
    return {
        "kind": "evaluation",
        "subject": model,
        "dataset": dataset,
        "split": split,
        "protocol": protocol,
        "metric": metric,
        "setting": {"over": over, "input": size, "weights": weights, "boxes": boxes}
        | ({"evidence": evidence} if evidence else {}),
        "versions": versions_of(*_EVALUATION, *_dataset_instruments(dataset)) | model_version(model),
    }


def predictions_identity(published: PublishedPredictions, metric: str, over: str = "") -> Identity:
    """Identify a metric of a published file of predicted joints; ``over``: id of the file whose value is subtracted."""
    return {
        "kind": "predictions",
        "subject": published.subject,
        "dataset": published.dataset,
        "split": published.split,
        "metric": metric,
        "setting": {
            "file": published.id,
            "sha256": published.sha256[:8],
            "evidence": published.evidence,
            "sides": published.sides,
            "over": over,
        },
        "versions": versions_of("prediction_files", *_dataset_instruments(published.dataset)),
    }


def training_setting(recipe: Recipe, start: str, overrides: Mapping[str, Any], rate: float = 1.0) -> dict[str, Any]:
    """Return the part of an identity that distinguishes the trainings of one network with one seed.

    Args:
        recipe: Recipe of the training.
        start: Name of the initial weights, or the name and hash of a weight file.
        overrides: Fields that differ from the recipe, by name.
        rate: Factor of the recipe's learning rate.
    """
    return {
        "recipe": recipe.name,
        "recipe_version": recipe.version,
        "start": start,
        "overrides": dict(overrides),
        "rate": rate,
    }


def accuracy_identity(model: str, recipe: Recipe, setting: Mapping[str, Any], metric: str, seed: int | None = None) -> Identity:
    """Identify a metric of a network trained here, on the recipe's test split; ``setting``: see :func:`training_setting`."""
    dataset, split = recipe.test
    instruments = {*_EVALUATION, *_TRAINING, *_dataset_instruments(dataset)}
    return {
        "kind": "accuracy",
        "subject": model,
        "dataset": dataset,
        "split": split,
        "protocol": recipe.protocol,
        "metric": metric,
        "setting": dict(setting),
        "versions": versions_of(*instruments) | model_version(model, trained=True),
        "seed": seed,
    }


def training_identity(model: str, recipe: Recipe, setting: Mapping[str, Any], seed: int | None = None) -> Identity:
    """Identify the curves of a training; ``setting``: see :func:`training_setting`."""
    dataset = recipe.train[0][0]
    return {
        "kind": "training",
        "subject": model,
        "dataset": dataset,
        "split": "+".join("/".join(pair) for pair in recipe.train),
        "metric": "loss",
        "setting": dict(setting),
        "versions": versions_of(*_TRAINING, *_drawn_people(dataset)) | model_version(model, trained=True),
        "seed": seed,
    }


def learning_rate_identity(model: str, recipe: Recipe, seed: int) -> Identity:
    """Identify the learning rate that was found for a recipe that only states how to find it."""
    return training_identity(model, recipe, {"recipe": recipe.name, "recipe_version": recipe.version}, seed) | {
        "kind": "learning_rate",
        "metric": "largest learning rate",
    }


def mean_pose_identity(recipe: Recipe, people: int, metric: str) -> Identity:
    """Identify a metric of the mean pose of a number of training people, on the recipe's test split."""
    dataset, split = recipe.test
    return {
        "kind": "mean_pose",
        "subject": MEAN_POSE,
        "dataset": dataset,
        "split": split,
        "protocol": recipe.protocol,
        "metric": metric,
        "setting": {"recipe": recipe.name, "recipe_version": recipe.version, "people": people},
        "versions": versions_of("crops", "protocols", "scoring", *_dataset_instruments(dataset)),
    }


def feature_map_identity(
    model: str, recipe: Recipe, setting: Mapping[str, Any], metric: str, module: str, epoch: int, seed: int | None = None
) -> Identity:
    """Identify a statistic of the feature maps of a trained network's module after an epoch."""
    dataset, split = recipe.test
    instruments = (*_TRAINING, "protocols", "synthetic_people", "feature_maps")  # an example map is of a Synthetic person
    return {
        "kind": "feature_maps",
        "subject": model,
        "dataset": dataset,
        "split": split,
        "metric": metric,
        "setting": {**setting, "module": module, "epoch": epoch},
        "versions": versions_of(*instruments) | model_version(model, trained=True),
        "seed": seed,
    }


def latency_identity(setting: Setting, device: str, *, together: Sequence[str], run: int) -> Identity:
    """Identify a network's time in one run.

    Args:
        setting: Network and conditions.
        device: Name of the processor.
        together: Subjects of all networks that are timed in the same rounds, in order.
        run: Number of the run, from 1.
    """
    model = latency_subject(setting.model)
    instruments = ("latency", "latency_runs", *(_PIPELINE if setting.part == "pipeline" else ()))
    return {
        "kind": "latency",
        "subject": model,
        "metric": MILLISECONDS,
        "setting": {**setting.conditions(), "together": list(together), "run": run},
        "versions": versions_of(*instruments) | model_version(model),
        "device": device,
    }


def agreement_identity(route: str, metric: str, augmentation: str, size: str, resolution: float | None, seed: int) -> Identity:
    """Identify the agreement of a route to training images with the direct one; ``resolution`` None keeps all pixels."""
    instruments = ("agreement", "batches", "augmentation", "crop_cache", "crops", "synthetic_people")
    return {
        "kind": "agreement",
        "subject": f"batches/{route}",
        "dataset": "synthetic-mpii",
        "split": "train",
        "metric": metric,
        "setting": {"route": route, "augmentation": augmentation, "input": size, "resolution": resolution},
        "versions": versions_of(*instruments),
        "seed": seed,
    }


def reference_identity(model: str, layout: str, repository: str, size: str, joints: int, seed: int) -> Identity:
    """Identify the agreement of a network with its publisher's own, built from ``repository`` and given random weights.

    Args:
        layout: Name of the layout in which the weights were read.
        repository: Public code, as owner/name@commit.
    """
    return {
        "kind": "agreement",
        "subject": model,
        "dataset": "mpii",
        "split": "sample",
        "metric": "largest difference",
        "setting": {"layout": layout, "repository": repository, "input": size, "joints": joints},
        "versions": versions_of("agreement") | model_version(model),
        "seed": seed,
    }


def search_identity(
    package: str, config: SearchConfig, cost: CostKind, strategy: Strategy, metric: str, device: str, seed: int
) -> Identity:
    """Identify the architecture that a strategy found.

    Args:
        package: Package that searches.
        config: Config of the search.
        cost: Kind of cost that the search limits.
        strategy: The search itself, or random search.
        metric: Metric of the derived network.
        device: Name of the processor that costs were measured on; empty for operations.
        seed: Seed of the search.
    """
    dataset, split = config.recipe.test
    instruments = {*_EVALUATION, *_TRAINING, *_dataset_instruments(dataset), "search", "lookup_table"}
    return {
        "kind": "search",
        "subject": package,
        "dataset": dataset,
        "split": split,
        "protocol": config.retrain.protocol,
        "metric": metric,
        "setting": {"config": config.name, "config_version": config.version, "cost": cost, "strategy": strategy},
        "versions": versions_of(*instruments) | _lookup_versions("flops") | _lookup_versions(cost) | package_version(package),
        "seed": seed,
        "device": device or None,
    }


def lookup_identity(
    package: str, config: str, size: str, joints: int, cost: CostKind, device: str, model: str = ""
) -> Identity:
    """Identify a lookup table's rank correlation with the cost of whole networks, or its prediction for one ``model``."""
    return {
        "kind": "lookup",
        "subject": package,
        "metric": "cost" if model else "rank correlation",
        "setting": {"config": config, "input": size, "joints": joints, "cost": cost, "model": model},
        "versions": versions_of("lookup_table") | _lookup_versions(cost) | package_version(package),
        "device": device or None,
    }


def cost_record_id(model: str, dataset: str, size: str) -> str:
    """Return the id of the record of a model's counts; see :func:`cost_identity`."""
    return record_id(cost_identity(model, dataset, size))


# --- versions ----------------------------------------------------------------------------------------------------------------


def model_version(model: str, *, trained: bool = False) -> dict[str, int]:
    """Return the version that a model's entry declares, as ``{"model": version}``; empty for a network of the user's.

    The id of an architecture file does not name the entry that it is built from, so the highest version in its package is used.

    Args:
        trained: Add the version of the initial weights, from which trainings start.
    """
    package, _, variant = model.partition("/")
    if variant.startswith("file:") and package in declarations():
        return package_version(package)
    if not is_known(model):
        return {}
    try:
        entry = find_entry(model)
    except InputError:  # an entry that has lost a switch
        return {}
    if not entry.version:
        return {}
    return {"model": entry.version} | ({"initial_weights": entry.init_version} if trained else {})


def package_version(package: str) -> dict[str, int]:
    """Return the highest version that an entry of a package declares, for what rests on no entry in particular."""
    return {"model": max(entry.version for entry in declarations()[package].entries)}


def convention_versions(names: Iterable[str] = FLOPS) -> dict[str, int]:
    """Return the versions of those counting conventions that ``VERSIONS["cost"]`` does not cover."""
    return {f"flops {name}": FLOPS[name].version for name in names if FLOPS[name].version}


def is_current(record: Record | StoredRecord) -> bool:
    """Return whether a record rests on the present versions of all its instruments and of its model, which all still exist."""
    current = {**VERSIONS, **convention_versions(), **_current_model_versions(record.subject)}
    return record.kind in KINDS and all(current.get(name) == version for name, version in record.versions.items())


def is_removed(record: Record | StoredRecord) -> bool:
    """Return whether a record rests on a model that no longer exists, or that has lost a switch."""
    return "model" in record.versions and not _current_model_versions(record.subject)


def _count_versions() -> dict[str, int]:
    return versions_of("cost") | convention_versions()


def _lookup_versions(cost: CostKind) -> dict[str, int]:
    """Return the versions of what the costs in a lookup table rest on: one convention, or the timer."""
    return versions_of("cost") | convention_versions([LOOKUP_CONVENTION]) if cost == "flops" else versions_of("latency")


def _drawn_people(dataset: str) -> tuple[str, ...]:
    return ("synthetic_people",) if dataset.startswith(SYNTHETIC) else ()


def _dataset_instruments(dataset: str) -> tuple[str, ...]:
    """List the instruments that a metric on a dataset rests on: its definition, and the people if they are drawn."""
    return METRIC_INSTRUMENTS[joint_set_of(dataset)] + _drawn_people(dataset)


def _current_model_versions(subject: str) -> dict[str, int]:
    if package := declarations().get(subject):
        return {"structure": package.structure_version} | package_version(subject)
    return model_version(subject, trained=True)


def load_current(folder: Path = RECORDS) -> Records:
    """Load the records that rest on present versions, by id; every reader of results starts from these.

    Raises:
        InputError: A file is malformed.
    """
    return current_records(load_records(folder))


def current_records(records: Mapping[str, Record]) -> Records:
    """Return the records that rest on present versions, by id."""
    return indexed(records).where(is_current)


def runs_of(records: Mapping[str, Record], identity: Identity) -> list[Record]:
    """Return the records that match an identity in everything but the seed, in the order of seeds."""
    fields = {name: value for name, value in identity.items() if name != "seed"}
    return sorted(select(records, **fields), key=lambda record: -1 if record.seed is None else record.seed)


# --- names and labels --------------------------------------------------------------------------------------------------------


def latency_subject(model: str) -> str:
    """Return the subject of a network's latency records: an architecture file is named by its content, not by its path."""
    return find_entry(model).id if architecture_format(model) else model


def describe_setting(record: Record) -> str:
    """Format the setting of a record as text: what identifies it besides subject, dataset, protocol, metric and seed."""
    setting = record.setting
    match record.kind:
        case "cost":
            return str(setting["input"])
        case "architecture":
            return str(setting["table"])
        case "latency":
            return f"{Setting.of(setting).label}, run {setting['run']}"
        case "evaluation":
            return describe_evaluation(setting)
        case "predictions":
            return f"file {setting['file']}, {setting['evidence']}" + f", minus {setting['over']}" * bool(setting["over"])
        case "mean_pose":
            return f"of {setting['people']} people; recipe {setting['recipe']} {setting['recipe_version']}"
        case "learning_rate":
            return f"{setting['recipe']} {setting['recipe_version']}"
        case "accuracy" | "training" | "feature_maps":
            return describe_training(setting)
        case "search":
            return f"config {setting['config']} {setting['config_version']}, cost {setting['cost']}"
        case "lookup":
            return f"config {setting['config']}, {setting['input']}, {setting['joints']} joints, cost {setting['cost']}"
        case "agreement" if "layout" in setting:
            return f"layout {setting['layout']} of {setting['repository']}, {setting['input']}, {setting['joints']} joints"
        case "agreement":
            resolution = setting["resolution"]
            cache = "cache at full resolution" if resolution is None else f"cache at resolution {resolution:g}"
            cache = "no cache" if setting["route"] == "direct" else cache
            return f"{setting['augmentation']}, {setting['input']}, {cache}"
    return ""


def describe_training(setting: Mapping[str, Any]) -> str:
    """Format the setting of a training as text: ``lsp 1 from fna-lite0; epochs 12; rate x0.5``."""
    rate = [f"rate x{setting['rate']:g}"] if setting["rate"] != 1 else []
    overrides = _pairs(sorted(setting["overrides"].items()))
    network = _pairs((name, setting[name]) for name in ("recipe_of", "code") if name in setting)  # of a user's network
    recipe = f"{setting['recipe']} {setting['recipe_version']} from {setting['start']}"
    return "; ".join([recipe, *overrides, *rate, *network])


def describe_evaluation(setting: Mapping[str, Any]) -> str:
    """Format what differs from a network's default evaluation as text: input size, weights, boxes; empty if nothing does."""
    size = [str(setting["input"])] if setting["input"] else []
    evidence = [str(setting["evidence"])] if "evidence" in setting else []
    return "; ".join([*size, *_pairs((name, setting[name]) for name in ("weights", "boxes") if setting[name]), *evidence])


def _pairs(items: Iterable[tuple[str, Any]]) -> list[str]:
    return [f"{name} {value}" for name, value in items]
