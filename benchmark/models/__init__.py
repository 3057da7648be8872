"""Registry of model ids, models that users bring, ONNX files and weight files."""

from benchmark.models.registry import Entry

__all__ = ["Entry"]
