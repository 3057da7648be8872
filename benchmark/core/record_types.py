"""Types of what the records of each kind hold: setting, value and samples.

A record is checked against them before it is written and when it is read. Only what readers rely on is listed; further keys may
be there, but no number is NaN or infinite, for which JSON has no word.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache
from typing import Annotated, Any, Literal, NotRequired

from pydantic import Field, TypeAdapter, ValidationError
from typing_extensions import TypedDict  # typing.TypedDict cannot be validated by pydantic before Python 3.12

Number = Annotated[float, Field(strict=True, allow_inf_nan=False)]  # not a text, and neither true nor false
Whole = Annotated[int, Field(strict=True)]
Count = Annotated[int, Field(strict=True, ge=0)]
Flag = Annotated[bool, Field(strict=True)]
Size = Annotated[str, Field(pattern=r"^[1-9]\d{0,4}x[1-9]\d{0,4}$")]  # height x width
AnySize = Annotated[str, Field(pattern=r"^([1-9]\d{0,4}x[1-9]\d{0,4})?$")]
Interval = tuple[Number, Number]
Numbers = dict[str, Number]

# --- settings ----------------------------------------------------------------------------------------------------------------


class _CostSetting(TypedDict):
    input: Size


class _TableSetting(TypedDict):
    table: str


class _EvaluationSetting(TypedDict):
    over: str
    input: AnySize
    weights: str
    boxes: str
    evidence: NotRequired[str]


class _FileSetting(TypedDict):
    file: str
    sha256: str
    evidence: str
    sides: str
    over: str


class _RecipeSetting(TypedDict):
    recipe: str
    recipe_version: Whole


class _MeanPoseSetting(_RecipeSetting):
    people: Count


class _TrainingSetting(_RecipeSetting):
    start: str
    overrides: dict[str, Any]
    rate: Number


class _MapSetting(_TrainingSetting):
    module: str
    epoch: Count


class _LatencySetting(TypedDict):
    input: Size
    joints: Count
    batch: Count
    threads: Count
    device: str
    layout: str
    backend: str
    part: str
    allocator: str
    together: list[str]
    run: Count


class _SearchSetting(TypedDict):
    config: str
    config_version: Whole
    cost: str
    strategy: str


class _LookupSetting(TypedDict):
    config: str
    input: Size
    joints: Count
    cost: str
    model: str


class _RouteSetting(TypedDict):
    route: str
    augmentation: str
    input: Size
    resolution: Number | None


class _ReferenceSetting(TypedDict):
    layout: str
    repository: str
    input: Size
    joints: Count


# --- values ------------------------------------------------------------------------------------------------------------------


class _PartCounts(TypedDict):
    params: dict[str, Count]
    flops: dict[str, Number]


class _Counts(_PartCounts):
    scopes: dict[str, _PartCounts]
    not_counted: NotRequired[dict[str, Count]]


class _Structure(TypedDict):
    structure: str
    basis: str


class _Reading(TypedDict):
    reading: str
    convention: str
    value: Number


# --- samples -----------------------------------------------------------------------------------------------------------------


class _Replicates(TypedDict):
    """Bootstrap replicates as :func:`benchmark.core.statistics.pack_replicates` stores them."""

    places: Annotated[int, Field(strict=True, ge=-9, le=9)]
    center: Whole
    int16: Annotated[str, Field(pattern=r"^[A-Za-z0-9+/]+={0,2}$")]


class _AccuracySamples(TypedDict, total=False):
    digest: str
    replicates: _Replicates
    parts: Numbers
    parts_ci95: dict[str, Interval]
    published: dict[str, str]
    weights: Annotated[list[str], Field(min_length=2, max_length=2)]
    data: str | list[str]  # digests of the photographs and annotations, of a training those trained and tested on


class _TrainingSamples(TypedDict):
    loss: list[Number]
    figures: list[tuple[Count, Numbers]]
    seconds: Number
    digest: str


class _RateSamples(TypedDict):
    tried: list[dict[Literal["rate", "diverges"], Number | Flag]]


class _LatencySamples(TypedDict):
    estimates: Numbers
    memory: Count
    stable: Flag
    parts: Numbers
    seconds: list[list[Number]]


class _SearchSamples(TypedDict):
    digest: str
    model: str
    architecture: str
    cost: Number
    unit: str
    table: str
    accuracy: str
    images: Count
    seconds: Number
    curves: NotRequired[list[tuple[Count, Numbers]]]


class _LookupSamples(TypedDict):
    unit: str
    bias: NotRequired[Number]
    error: NotRequired[Number]
    pairs: NotRequired[list[Interval]]
    predicted: NotRequired[Number]


class _ReferenceSamples(TypedDict):
    absolute: Number
    largest_output: Number
    outputs: Count


Image = list[str]  # rows of pixels, see benchmark.ablation.feature_maps.encode_images

# --- by kind -----------------------------------------------------------------------------------------------------------------

# Setting, value and samples of the records of each kind.
KINDS: Mapping[str, tuple[Any, Any, Any]] = {
    "accuracy": (_TrainingSetting, Number, _AccuracySamples),
    "agreement": (_RouteSetting | _ReferenceSetting, Number, _ReferenceSamples),
    "architecture": (_TableSetting, dict[str, str | _Structure | list[_Reading]], None),
    "cost": (_CostSetting, _Counts, None),
    "evaluation": (_EvaluationSetting, Number, _AccuracySamples),
    "feature_maps": (_MapSetting, Number, list[Image]),
    "latency": (_LatencySetting, Number, _LatencySamples),
    "learning_rate": (_RecipeSetting, Number, _RateSamples),
    "lookup": (_LookupSetting, Number, _LookupSamples),
    "mean_pose": (_MeanPoseSetting, Number, _AccuracySamples),
    "predictions": (_FileSetting, Number, _AccuracySamples),
    "search": (_SearchSetting, Number, _SearchSamples),
    "training": (_TrainingSetting, Number, _TrainingSamples),
}


# The fields of all kinds.
_FIELDS: Mapping[str, Any] = {
    "kind": str,
    "subject": str,
    "dataset": str,
    "split": str,
    "protocol": str,
    "metric": str,
    "setting": dict[str, Any],
    "versions": dict[str, Whole],
    "seed": NotRequired[Whole],
    "device": NotRequired[str],
    "value": Number | dict[str, Any],
    "n": NotRequired[Count],
    "interval": NotRequired[Interval],
    "samples": NotRequired[Any],
    "command": str,
    "environment": dict[str, Any],
    "commit": str,
    "time": str,
}


@cache
def _fields_type(kind: str) -> TypeAdapter[Any]:
    fields = dict(_FIELDS)
    if kind in KINDS:
        fields["setting"], fields["value"], samples = KINDS[kind]
        fields["samples"] = NotRequired[samples]
    return TypeAdapter(TypedDict("Fields", fields))  # type: ignore[operator]


def check_fields(fields: Mapping[str, Any]) -> None:
    """Check the fields of a record, without those that are None; of a kind that no longer exists, only what all kinds have.

    Raises:
        ValueError: one is missing, unknown or not of its type; the message is one line that names it.
    """
    if unknown := fields.keys() - _FIELDS.keys():
        raise ValueError(f"{min(unknown)}: unknown field")
    try:
        _fields_type(fields["kind"]).validate_python(fields)
    except ValidationError as problem:
        error = problem.errors(include_url=False, include_input=False)[0]
        raise ValueError(".".join(str(part) for part in error["loc"]) + ": " + error["msg"]) from None
