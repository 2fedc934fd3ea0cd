"""The parts of a training run: its folder, checkpoints, logs, folds and publication."""
