"""The parity gate for files that take whole films: reading, window, resize and decision are compared, too."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import closing
from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from lopore.arrays import gives_maps
from lopore.atomic_files import sha256_of
from lopore.contracts import Explainer, Exporter
from lopore.errors import ConfigError, ModelError, ParityError
from lopore.inference.decisions import decide
from lopore.inference.explain import explainers_for, raw_maps
from lopore.inference.predict import Prepared, prepare_radiograph, score_images
from lopore.inference.segment import segment_images
from lopore.models.opening import OpenModel, open_model
from lopore.plugins.registry import call_entry, discover
from lopore.preprocessing.pipeline import read_for
from lopore.record.folder import ModelFolder
from lopore.record.model import ModelRecord

from .parity_gate import NO_IMAGES, publish_export
from .parity_report import ParityReport

MOST_FILMS = 64
"""Films are read whole, and the answer to one does not depend on another."""


def export_film(folder: ModelFolder, format: str, films: Sequence[Path]) -> tuple[ModelFolder, ParityReport]:
    """``parity_gate.export_model`` for a format that takes whole films, proven on these files.

    films: real ones, evenly picked where there are more than 64. ImageError for a file that cannot be read, ModelError
    where no film is left that the model takes, ParityError where an answer differs.
    """
    if not films:
        raise ModelError(NO_IMAGES)
    chosen = films[:: -(-len(films) // MOST_FILMS)]

    def measure(exporter: Exporter, source: str, candidate: ModelFolder, notes: dict[str, Any]) -> ParityReport:
        return _compare(folder, source, candidate, exporter, chosen, notes)

    return publish_export(folder, format, measure)


@dataclass
class _Differences:
    """Of each film: largest difference of a probability and of its maps; how many decisions differ."""

    scores: list[float] = field(default_factory=list)
    maps: list[float] = field(default_factory=list)
    flipped: int = 0

    def as_fields(self) -> dict[str, Any]:
        """The fields of a ``ParityReport`` that films decide."""
        return {
            "images": len(self.scores), "max_dp": max(self.scores), "mean_dp": float(np.mean(self.scores)),
            "flipped": self.flipped, "cam": max(self.maps, default=None), "cam_plus": None,
        }  # fmt: skip


def _compare(
    folder: ModelFolder, source: str, candidate: ModelFolder, exporter: Exporter, films: Sequence[Path],
    notes: dict[str, Any],
) -> ParityReport:  # fmt: skip
    path, owner = candidate.file_for(exporter.format), discover().exporters.sources[exporter.key]
    opens = exporter.opens_film
    assert opens is not None, "only such exporters come here"
    run = call_entry("exporter", exporter.key, owner, lambda: opens(path))
    found = _Differences()
    model = open_model(folder, runtime=source, device="cpu")
    with closing(model.session):
        cam = explainers_for(model).get("grad-cam")
        for film in films:
            prepared = _taken(folder.record, film)
            if prepared is None:
                continue
            radiograph = prepared.radiograph
            answer = call_entry("exporter", exporter.key, owner, partial(run, radiograph.pixels, radiograph.window))
            row = score_images(model, [prepared.pixels])[0]
            scores = np.asarray(answer["scores"], np.float64)
            if scores.shape != row.shape or not np.isfinite(scores).all():
                raise ParityError(f"{folder.title} as {exporter.format} gave scores {scores} for {film.name}")
            found.scores.append(float(np.abs(scores - row).max()))
            found.flipped += _called(folder.record, row) != [bool(one) for one in answer["decision"]]
            if "maps" in answer:
                found.maps += _map_difference(model, cam, prepared, answer["maps"])
    if not found.scores:
        raise ModelError(f"none of {len(films)} films has a depth that {folder.title} takes; name others with --images")
    return ParityReport(
        format=exporter.format,
        **found.as_fields(),
        tolerance=exporter.tolerance,
        source_sha256=sha256_of(folder.file_for(source)),
        export_sha256=sha256_of(path),
        checked=datetime.now(UTC).isoformat(timespec="seconds"),
        notes=notes,
    )


def _taken(record: ModelRecord, film: Path) -> Prepared | None:
    """The film with its pixels, prepared; None where the model does not take its depth."""
    try:
        return prepare_radiograph(record, read_for(record.preprocessing, film))
    except ConfigError:
        return None


def _called(record: ModelRecord, row: NDArray[np.float32]) -> list[bool]:
    found = decide(record, row)
    return [found.decided and name in found.labels for name in record.classes]


def _map_difference(
    model: OpenModel, cam: Explainer | None, prepared: Prepared, maps: NDArray[np.float32]
) -> list[float]:
    """Largest difference over the hottest place in the maps of any class; empty where the source has no such maps."""
    if gives_maps(model.record.task):
        expected = segment_images(model, [prepared.pixels])[0]
        return [float(np.abs(expected - maps).max())]
    if cam is None:
        return []
    batch = prepared.pixels[None]
    expected = np.stack([raw_maps(model, cam, batch, index)[0] for index in range(len(model.record.classes))])
    return [float(np.abs(expected - maps).max() / max(float(np.abs(expected).max()), 1e-12))]
