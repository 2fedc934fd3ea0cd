"""What every exporter promises; judged on a small model that was really trained."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping

import numpy as np
from numpy.typing import NDArray

from lopore.arrays import PixelBatch
from lopore.contracts import Exporter, Predictor
from lopore.export.parity_report import QUANTISED_AGREEMENT
from lopore.inference.decisions import decide
from lopore.plugins.process_guard import Changes
from lopore.record.folder import ModelFolder

from .check import require
from .images import images_for
from .process import require_none
from .workshop import Workshop

COUNT = 6
CLOSE = 1e-5
ExportCheck = Callable[[Exporter, Workshop], None]


def checks() -> Iterator[ExportCheck]:
    """The promises of an exporter."""
    yield from (
        writes_the_file_it_names,
        leaves_the_source_untouched,
        equals_its_source,
        answers_alone_as_in_a_batch,
        leaves_the_process_as_it_was,
    )


def _images(folder: ModelFolder, count: int = COUNT) -> PixelBatch:
    return images_for(folder.record.preprocessing, count)


def writes_the_file_it_names(exporter: Exporter, workshop: Workshop) -> None:
    """It writes ``file_name`` into its folder and returns its notes."""
    run = workshop.export(exporter)
    written = sorted(path.name for path in run.target.iterdir())
    require((run.target / exporter.file_name).exists(), f"there is no {exporter.file_name}; it wrote {written}")
    require(isinstance(run.notes, Mapping), f"export gave {type(run.notes).__name__}, not a mapping of notes")


def leaves_the_source_untouched(exporter: Exporter, workshop: Workshop) -> None:
    """The model that it reads is the same afterwards, file by file."""
    changed = workshop.export(exporter).changed
    require(not changed, f"it changed {', '.join(changed)} in the folder of its source")


def equals_its_source(exporter: Exporter, workshop: Workshop) -> None:
    """The export answers as its source does, within the tolerance that it states (quantised: equal decisions)."""
    source = workshop.native_model(exporter.framework)
    predictor = workshop.predictor(exporter.format)
    native = workshop.trainer(source.record.framework).native_format
    expected = _opened_scores(workshop.predictor(native), source)
    got = _opened_scores(predictor, workshop.exported(exporter))
    require(got.shape == expected.shape, f"the export gives scores {got.shape}, its source {expected.shape}")
    flips = sum(
        decide(source.record, a).labels != decide(source.record, b).labels for a, b in zip(expected, got, strict=True)
    )
    if exporter.quantised:
        agreement = 1 - flips / len(expected)
        require(agreement >= QUANTISED_AGREEMENT, f"decisions agree on {agreement:.0%} of the images only")
        return
    difference = float(np.abs(expected.astype(np.float64) - got).max())
    require(
        difference <= exporter.tolerance,
        f"probabilities differ by {difference:.1e}; it states {exporter.tolerance:.0e}",
    )
    require(flips == 0, f"{flips} of {len(expected)} decisions differ")


def answers_alone_as_in_a_batch(exporter: Exporter, workshop: Workshop) -> None:
    """The export takes any number of images, and an image's scores do not depend on the others."""
    folder = workshop.exported(exporter)
    session = workshop.predictor(exporter.format).opens(folder, "cpu", 1)
    batch = _images(folder)
    together = np.asarray(session.predict(batch), np.float64)
    alone = np.concatenate([session.predict(batch[at : at + 1]) for at in range(COUNT)])
    session.close()
    off = float(np.abs(together - alone).max())
    require(off <= max(CLOSE, exporter.tolerance), f"alone and in a batch its scores differ by {off:.1e}")


def leaves_the_process_as_it_was(exporter: Exporter, workshop: Workshop) -> None:
    """Random states, directory, locale and library settings are the same after an export."""
    require_none(Changes(workshop.export(exporter).process.names))  # a framework may keep a thread of its own


def _opened_scores(predictor: Predictor, folder: ModelFolder) -> NDArray[np.float32]:
    session = predictor.opens(folder, "cpu", 1)
    try:
        return session.predict(_images(folder, 24))
    finally:
        session.close()
