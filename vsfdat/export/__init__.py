"""Networks as ONNX graphs, for other runtimes."""
