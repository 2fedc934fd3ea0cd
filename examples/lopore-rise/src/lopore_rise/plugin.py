"""What lopore-rise offers; nothing heavy is imported here."""

from __future__ import annotations

from collections.abc import Iterable

from lopore.contracts import Explainer, HeatMaps, PixelBatch, Session
from lopore.hookspecs import hookimpl

LOPORE_API = 1


def _explain(session: Session, batch: PixelBatch, class_index: int) -> HeatMaps:
    from .rise import explain

    return explain(session, batch, class_index)


@hookimpl
def lopore_explainers() -> Iterable[Explainer]:
    yield Explainer(
        name="rise",
        summary="What seeing each place adds to the probability, from 1024 randomly masked copies of the image",
        formats=("*",),
        needs="nothing",
        explain=_explain,
        scale="probability gained",
        source="Petsiuk et al., BMVC 2018",
    )
