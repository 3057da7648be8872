"""The command ``python -m benchmark.measure routes``: compare the routes from images to training inputs."""

from __future__ import annotations

import json
from dataclasses import dataclass

from benchmark.core.records import append_records, check_store


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
            check_store()
        agreements = list(measure_agreement())
        if self.keep:
            append_records(agreement_records(agreements))
        print(json.dumps(agreement_report(agreements)) if self.json else format_agreement(agreements))
