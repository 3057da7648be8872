"""Write a store of any number of records, for measuring load: python -m tests.bench.generated_records FOLDER 1000000.

They are the committed records, then again and again these with another identity: of earlier versions of the instruments; of
networks that are not here; and, for the kinds that have seeds, of more seeds. Only these last ones are shown on the pages.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

from tqdm import tqdm

from benchmark.core.record_lines import format_line
from benchmark.core.record_types import KINDS
from benchmark.core.records import Record, load_records

SEEDED = ("accuracy", "agreement", "feature_maps", "training")  # a search has a seed, too, and its own figure

# The field of the setting that tells apart the records of a kind without seeds.
FURTHER = {
    "architecture": "table",
    "cost": "input",
    "evaluation": "weights",
    "latency": "run",
    "lookup": "config",
    "mean_pose": "people",
    "predictions": "sha256",
}


def vary(record: Record, number: int) -> Record:
    """Return a record with another identity, which is another one for each number from 1."""
    if name := FURTHER.get(record.kind):
        record = replace(record, setting={**record.setting, name: _vary(record.setting[name], number)})
    else:
        record = replace(record, seed=_vary(record.seed or 0, number))
    if number % 3 == 1 or (number % 3 == 0 and record.kind not in SEEDED):
        return replace(record, versions={name: version - 100 for name, version in record.versions.items()})
    return replace(record, subject=f"lab-{number}/{record.subject}") if number % 3 == 2 else record


def _vary(value: Any, number: int) -> Any:
    if isinstance(value, int):
        return value + 1000 * number
    height, by, width = value.partition("x")
    return f"{int(height) + 32 * number}x{width}" if by and height.isdigit() else f"{value}{number:08x}"


def generate_records(count: int) -> Iterator[Record]:
    """Iterate over this number of records."""
    committed = list(load_records().values())
    for number in range(count):
        again, index = divmod(number, len(committed))
        yield vary(committed[index], again) if again else committed[index]


def write_store(folder: Path, count: int) -> None:
    """Write this number of records to a folder."""
    folder.mkdir(parents=True, exist_ok=True)
    with ExitStack() as stack:
        files = {kind: stack.enter_context(open(folder / f"{kind}.jsonl", "wb")) for kind in KINDS}
        for record in tqdm(generate_records(count), total=count, unit=" records", disable=None):
            files[record.kind].write(format_line(record.id, asdict(record)))


if __name__ == "__main__":
    write_store(Path(sys.argv[1]), int(sys.argv[2]))
