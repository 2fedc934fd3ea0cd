"""lopore's ONNX files through OpenVINO."""
