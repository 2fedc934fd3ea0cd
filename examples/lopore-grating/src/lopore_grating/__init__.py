"""Periodic lines of scanners and detectors taken out of radiographs."""
