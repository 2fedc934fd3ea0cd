"""The training run that core owns."""
