"""The networks: registry of ids, networks that users bring, ONNX files, weight files."""

from benchmark.models.registry import Entry

__all__ = ["Entry"]
