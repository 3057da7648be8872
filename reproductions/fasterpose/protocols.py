"""Test FasterPose as SimpleBaseline is tested, on the sigmoid of its logits; its own protocol is not public."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

from benchmark.config.protocols import Protocol

_FASTERPOSE = Protocol(
    activation="sigmoid", flip="shifted", description="SimpleBaseline's protocol, on the sigmoid of the logits"
)

PROTOCOLS: Mapping[str, Protocol] = {
    "fasterpose": _FASTERPOSE,
    "fasterpose-annotated": replace(_FASTERPOSE, crop="hrnet_annotated", description="the same, with COCO's annotated boxes"),
    "fasterpose-lsp": replace(_FASTERPOSE, crop="lsp", description="the same, cropped around the joints"),
}
