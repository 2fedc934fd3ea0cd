"""Reasons to trust a call less, as the command line, the report and the log say them too.

No Streamlit in here.
"""

from __future__ import annotations

from lopore.inference.decisions import Decision
from lopore.inference.doubts import Doubt, doubts_about
from lopore.record.model import ModelRecord
from lopore_app.inspection.films import Scored


def doubts(record: ModelRecord, scored: Scored, decision: Decision) -> tuple[Doubt, ...]:
    """Reasons to doubt this call, the gravest first; see ``lopore.inference.doubts``."""
    return doubts_about(
        record,
        scored.film,
        decision,
        geometry=scored.geometry,
        appearance=scored.appearance,
        feature_distance=scored.feature_distance,
        chain=scored.chain.as_data(),
        scores=dict(zip(record.classes, map(float, scored.row), strict=True)),
    )
