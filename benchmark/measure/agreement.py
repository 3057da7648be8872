"""The command that compares the routes from images to training inputs."""

from __future__ import annotations

import json
from dataclasses import dataclass

from benchmark.core.records import append_record


@dataclass
class AgreementCommand:
    """Compare the three routes from photographs to training images, on Synthetic people: pictures, and where targets lie.

    Example: python -m benchmark.measure routes --keep
    """

    keep: bool = False
    """Keep the figures as records under reports/records."""
    json: bool = False
    """Print JSON."""

    def __call__(self) -> None:
        from benchmark.pipeline.agreement import (
            agreement_records,  # needs torch
            agreement_report,
            format_agreement,
            measure_agreement,
        )

        found = list(measure_agreement())
        if self.keep:
            for record in agreement_records(found):
                append_record(record)
        print(json.dumps(agreement_report(found)) if self.json else format_agreement(found))
