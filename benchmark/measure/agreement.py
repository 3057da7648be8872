"""The command ``python -m benchmark.measure routes``: compare the routes from images to training inputs."""

from __future__ import annotations

import json
from dataclasses import dataclass

from benchmark.core.files import check_output_folder
from benchmark.core.records import RECORDS, append_record


@dataclass
class AgreementCommand:
    """Compare the three routes to training images on Synthetic people: the pixels, and the positions of targets.

    Example: python -m benchmark.measure routes --keep
    """

    keep: bool = False
    """Store the results as records under reports/records."""
    json: bool = False
    """Print JSON."""

    def __call__(self) -> None:
        """Measure, store and print."""
        # Imported here, so that the other subcommands start without torch.
        from benchmark.pipeline.agreement import agreement_records, agreement_report, format_agreement, measure_agreement

        if self.keep:
            check_output_folder(RECORDS)
        agreements = list(measure_agreement())
        if self.keep:
            for record in agreement_records(agreements):
                append_record(record)
        print(json.dumps(agreement_report(agreements)) if self.json else format_agreement(agreements))
