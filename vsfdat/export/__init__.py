"""Networks as ONNX graphs, for other runtimes."""

from .store import keep
from .write import OPSET, write_onnx

__all__ = ["OPSET", "keep", "write_onnx"]
