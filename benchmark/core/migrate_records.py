"""Give every committed record a checksum, and pack its replicates: python -m benchmark.core.migrate_records."""

from __future__ import annotations

from dataclasses import asdict

import numpy as np
import orjson

from benchmark.core.files import lock_file, write_file
from benchmark.core.record_lines import format_line, parse_line
from benchmark.core.records import RECORDS, to_record
from benchmark.core.statistics import unpack_replicates


def migrate_line(line: bytes) -> bytes:
    """Return a line of the present schema with the same content."""
    record, before = to_record(data := parse_line(line)), orjson.loads(line)
    assert record.id == data["id"] == before["id"]
    sealed = format_line(record.id, asdict(record))
    after = parse_line(sealed)
    for fields in (before, after):
        samples = fields.get("samples")
        if isinstance(samples, dict) and isinstance(samples.get("replicates"), dict):
            samples["replicates"] = unpack_replicates(samples["replicates"])
    replicates = [
        fields["samples"].pop("replicates", []) for fields in (before, after) if isinstance(fields.get("samples"), dict)
    ]
    assert not replicates or np.array_equal(*replicates)  # not one is rounded
    for fields in (before, after):
        del fields["schema"]
    before.pop("checksum", None)
    assert before == after
    return sealed


def main() -> None:
    """Migrate all files of records; a second call changes nothing."""
    for path in sorted(RECORDS.glob("*.jsonl")):
        with lock_file(path, wait=True):
            content = path.read_bytes()
            migrated = b"".join(migrate_line(line) for line in content.splitlines(keepends=True))
            write_file(path, migrated)
        print(f"{path.name}: {len(content):,} bytes before, {len(migrated):,} after")


if __name__ == "__main__":
    main()
