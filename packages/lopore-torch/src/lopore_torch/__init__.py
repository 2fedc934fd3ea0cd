"""PyTorch for lopore; ``plugin`` lists what it offers, the other modules import torch."""
