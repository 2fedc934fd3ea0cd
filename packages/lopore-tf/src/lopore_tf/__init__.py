"""TensorFlow backend of lopore: twins of timm's networks, training, prediction, explanation and export."""
