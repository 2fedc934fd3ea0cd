"""Evaluation reports that lie on this server, opened as data: nothing of a report is shown as markup.

No Streamlit in here.
"""

from __future__ import annotations

import base64
import binascii
import csv
import html.parser
import os
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel, ValidationError

from lopore.errors import DataError
from lopore.evaluation.report.curves import precision_recall_points, roc_points
from lopore.evaluation.shortcuts import SpuriousReport
from lopore.metrics.classification import Metrics
from lopore.record.folder import ModelFolder

MOST_REPORTS = 100
_LIMITS = {"metrics.json": 8 << 20, "predictions.csv": 64 << 20, "report.html": 96 << 20, "spurious.json": 16 << 20}
_MOST_FIGURES, _MOST_IMAGE = 400, 4 << 20
_TITLE = re.compile(r"<title>([^<:]{1,200}):")

T = TypeVar("T", bound=BaseModel)


@dataclass(frozen=True)
class EvaluationReport:
    """A folder with ``metrics.json``. model: ``NAME/VERSION`` where known. place: where it lies, for a person."""

    folder: Path
    model: str
    location: str

    def has(self, name: str) -> bool:
        """Whether the folder has this paper."""
        return (self.folder / name).is_file()


@dataclass(frozen=True)
class GalleryImage:
    """One mistake of a gallery: JPEG files (film, film with heat) and its caption lines as plain text."""

    images: tuple[bytes, ...]
    lines: tuple[str, ...]


@dataclass
class Gallery:
    """Mistakes of one kind. note: the report's own words on order and heat scale."""

    title: str
    note: str = ""
    images: list[GalleryImage] = field(default_factory=list)


@dataclass(frozen=True)
class ClassCurve:
    """One class against the rest: ROC (false, true positive rate) and precision over recall; (n, 2) float each."""

    name: str
    roc: NDArray[np.float64]
    precision_recall: NDArray[np.float64]


def report_roots() -> list[Path]:
    """Where reports are looked for: ``./reports``, then the folders of the path list ``LOPORE_REPORTS``."""
    listed = os.environ.get("LOPORE_REPORTS", "").split(os.pathsep)
    return [Path("reports"), *(Path(part) for part in listed if part)]


def find_reports(models: tuple[ModelFolder, ...]) -> list[EvaluationReport]:
    """Reports of ``lopore eval`` under the roots, the newest first, then the papers of the models' own training."""
    found: dict[Path, EvaluationReport] = {}
    for root in report_roots():
        metrics_files = [path for depth in ("", "*/", "*/*/") for path in root.glob(f"{depth}metrics.json")]
        for file in sorted(metrics_files, key=lambda path: path.stat().st_mtime, reverse=True)[:MOST_REPORTS]:
            folder = file.parent
            found.setdefault(folder.resolve(), EvaluationReport(folder, _titled(folder), folder.name))
    for model in models[:MOST_REPORTS]:
        if (model.path / "metrics.json").is_file():
            found.setdefault(
                model.path.resolve(), EvaluationReport(model.path, model.title, "scored when it was trained")
            )
    return list(found.values())


def _titled(folder: Path) -> str:
    """The model that a report's page names in its title; empty where there is none."""
    page = folder / "report.html"
    if not page.is_file():
        return ""
    with page.open(encoding="utf-8", errors="replace") as stream:
        hit = _TITLE.search(stream.read(4096))
    return hit.group(1).strip() if hit else ""


def read_metrics(report: EvaluationReport) -> Metrics:
    """The scores; DataError in one line where the file is none of lopore's."""
    return _parsed(report, "metrics.json", Metrics)


def read_spurious(report: EvaluationReport) -> SpuriousReport:
    """The check for shortcuts; DataError in one line where the file is none of lopore's."""
    return _parsed(report, "spurious.json", SpuriousReport)


def _text(report: EvaluationReport, name: str) -> str:
    path = report.folder / name
    try:
        size = path.stat().st_size
        if size > _LIMITS[name]:
            raise DataError(f"{path} has {size >> 20} MB; at most {_LIMITS[name] >> 20} are read")
        return path.read_text(encoding="utf-8", errors="replace")
    except OSError as error:
        raise DataError(f"{path} cannot be read ({error.strerror}); run `lopore eval` again") from None


def _parsed(report: EvaluationReport, name: str, kind: type[T]) -> T:
    try:
        return kind.model_validate_json(_text(report, name))
    except ValidationError as error:
        where = ".".join(str(part) for part in error.errors()[0]["loc"]) or "the file"
        raise DataError(
            f"{report.folder / name} is not what `lopore eval` writes ({where}); run `lopore eval` again"
        ) from None


def read_curves(report: EvaluationReport, metrics: Metrics) -> list[ClassCurve]:
    """Curves of each class from the table of answers, on the split that the metrics are of."""
    split = metrics.split.split(" ")[0]
    rows = list(csv.DictReader(_text(report, "predictions.csv").splitlines()))
    chosen = [row for row in rows if split not in ("train", "val", "test") or row.get("split") == split]
    names = [metrics.positive] if metrics.task == "binary" and metrics.positive else list(metrics.classes)
    return [curve for name in names if (curve := _curve(chosen, name)) is not None]


def _curve(rows: list[dict[str, str]], name: str) -> ClassCurve | None:
    try:
        scores = np.array([float(row[f"score:{name}"]) for row in rows], np.float64)
        truth = np.array([name in re.split(r"[|;,]", row["labels"]) for row in rows], np.int64)
    except (KeyError, ValueError):
        raise DataError("predictions.csv is not what `lopore eval` writes; run `lopore eval` again") from None
    if not len(truth) or truth.min() == truth.max() or not np.isfinite(scores).all():
        return None
    return ClassCurve(name, np.stack(roc_points(scores, truth), 1), np.stack(precision_recall_points(scores, truth), 1))


def read_galleries(report: EvaluationReport) -> list[Gallery]:
    """False positives and false negatives with their heat maps, read out of ``report.html``."""
    parser = _Galleries()
    parser.feed(_text(report, "report.html"))
    return [gallery for gallery in parser.found if gallery.title.startswith(("False", "Wrong"))]


class _Galleries(html.parser.HTMLParser):
    """Headings, leads and figures of a report; everything else is passed over."""

    def __init__(self) -> None:
        super().__init__()
        self.found: list[Gallery] = []
        self._into: Callable[[str], None] | None = None
        self._images: list[bytes] = []
        self._lines: list[str] = []
        self._count = 0

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        if tag == "h2":
            self.found.append(Gallery(""))
            self._into = self._title
        elif tag == "p" and self.found:
            self._into = self._note
        elif tag == "figure":
            self._images, self._lines = [], []
        elif tag == "img":
            self._images += list(_jpeg(dict(attrs).get("src") or ""))
        elif tag == "figcaption":
            self._into = self._caption
            self._lines = [""]
        elif tag == "br" and self._lines:
            self._lines.append("")

    def handle_endtag(self, tag: str) -> None:
        if tag in ("h2", "p", "figcaption"):
            self._into = None
        if tag == "figure" and self.found and self._count < _MOST_FIGURES:
            lines = tuple(line.strip()[:300] for line in self._lines if line.strip())
            self.found[-1].images.append(GalleryImage(tuple(self._images[:2]), lines))
            self._count += 1

    def handle_data(self, data: str) -> None:
        if self._into is not None:
            self._into(data)

    def _title(self, data: str) -> None:
        self.found[-1].title += data[:100]

    def _note(self, data: str) -> None:
        self.found[-1].note += data[:600]

    def _caption(self, data: str) -> None:
        self._lines[-1] += data[:600]


def _jpeg(source: str) -> Iterator[bytes]:
    head = "data:image/jpeg;base64,"
    if source.startswith(head) and len(source) < _MOST_IMAGE:
        try:
            content = base64.b64decode(source[len(head) :], validate=True)
        except binascii.Error:
            return
        if content[:3] == b"\xff\xd8\xff":
            yield content
