"""ONNX Runtime behind lopore's session protocol."""
