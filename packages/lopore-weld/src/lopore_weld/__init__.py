"""The model ``weld``: imperfections on whole weld films, learned from made films alone. Its card is ``CARD.md``."""

from pathlib import Path

MODELS = Path(__file__).resolve().parent / "model"
"""The model's folder, which entry-point group ``lopore.models`` names."""
