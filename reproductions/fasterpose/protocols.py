"""How FasterPose is tested: as SimpleBaseline, on the sigmoid of what the network predicts; nothing of it is public."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

from benchmark.config.protocols import Protocol

_OWN = Protocol(activation="sigmoid", flip="shifted", description="SimpleBaseline's, on the sigmoid of the maps")

PROTOCOLS: Mapping[str, Protocol] = {
    "fasterpose": _OWN,
    "fasterpose-annotated": replace(_OWN, crop="hrnet_annotated", description="the same with COCO's annotated boxes"),
    "fasterpose-lsp": replace(_OWN, crop="lsp", description="the same about the box of the joints"),
}
