"""Figures with their bounds; no file access."""
