"""What core itself offers to training runs: CSV, TensorBoard, MLflow and Weights & Biases."""
