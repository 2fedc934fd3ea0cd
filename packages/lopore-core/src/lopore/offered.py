"""What core offers itself, through the hooks that every plugin uses; nothing heavy is imported here."""

from __future__ import annotations

from lopore.augmentation.plugin import lopore_augmentations as lopore_augmentations
from lopore.contracts import LOPORE_API as LOPORE_API
from lopore.metrics.plugin import lopore_metrics as lopore_metrics
from lopore.tracking.plugin import lopore_callbacks as lopore_callbacks
