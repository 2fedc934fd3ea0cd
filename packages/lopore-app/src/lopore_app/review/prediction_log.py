"""The session's records as JSON log, table of predictions, and labels for ``lopore data index``.

No Streamlit in here.
"""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Iterable, Sequence
from datetime import UTC, datetime
from importlib.metadata import PackageNotFoundError, version
from pathlib import PurePosixPath
from typing import Any

from lopore.data.cells import shown_cell
from lopore.inference.predictions_table import PredictionRow, PredictionsTable
from lopore_app.review.records import Entry, Unanswered
from lopore_app.wording import DEMONSTRATION

LOG_VERSION = 2
_LIBRARIES = (
    "lopore-core", "lopore-app", "lopore-enhance", "lopore-onnx", "lopore-torch", "lopore-tf", "numpy",
    "opencv-python-headless", "onnxruntime", "torch", "tensorflow", "streamlit",
)  # fmt: skip


def film_name(entry: Entry) -> str:
    """The film's name without any folder that a client sent with it."""
    return _placeless(entry.film)


def _placeless(name: str) -> str:
    return PurePosixPath(name.replace("\\", "/")).name or "film"


def shown_name(entry: Entry, limit: int = 120) -> str:
    """The film's name for a page: one line, bounded, without signs that are not seen or turn the writing direction."""
    return name_on_a_page(entry.film, limit)


def name_on_a_page(film: str, limit: int = 120) -> str:
    """``shown_name`` of a file's name as it came; both ends of a long one are kept."""
    name = "".join(sign if sign.isprintable() else "\N{REPLACEMENT CHARACTER}" for sign in _placeless(film))
    return name if len(name) <= limit else f"{name[: limit - 12]}...{name[-9:]}"


def log_json(entries: Iterable[Entry], failed: Sequence[Unanswered] = ()) -> str:
    """The prediction log: who answered what to which film under which settings, and what the reviewer said."""
    return json.dumps(
        {
            "log_version": LOG_VERSION,
            "written": datetime.now(UTC).isoformat(timespec="seconds"),
            "notice": DEMONSTRATION,
            "versions": installed_versions(),
            "predictions": [describe(entry) for entry in entries],
            "unanswered": [
                {
                    "film": _placeless(one.film),
                    "sha256": one.sha256,
                    "page": one.page,
                    "model": one.model or None,
                    "reason": one.reason,
                    "when": one.when,
                }
                for one in failed
            ],
        },
        indent=2,
        ensure_ascii=False,
    )


def describe(entry: Entry) -> dict[str, Any]:
    """One entry as plain data; nothing of this machine's folders is in it."""
    summary = entry.prediction.model_dump(mode="json")
    regions = {name: summary[name] for name in ("detections", "dropped", "rule") if name in summary}
    return {
        "film": film_name(entry),
        "sha256": entry.sha256,
        "page": summary["page"],
        "depth": summary["depth"],
        "when": entry.when,
        "model": {"name": entry.model, "runtime": summary["runtime"], **dict(entry.fingerprints)},
        "trained_with": dict(entry.versions),
        "chain": summary["chain"],
        "scores": summary["scores"],
        "decision": {**summary["decision"], "rule": entry.rule},
        **({"regions": regions} if regions else {}),
        "judged": entry.tone != "unjudged",
        "doubts": list(entry.doubts),
        "notes": summary["notes"],
        "explainer": entry.explainer,
        "explained_class": entry.explained_class,
        "milliseconds": {name: round(float(value), 2) for name, value in entry.milliseconds.items()},
        "review": {
            "verdict": entry.review.verdict,
            "label": entry.review.label or None,
            "note": entry.review.note or None,
            "when": entry.review.when or None,
        },
    }


def installed_versions() -> dict[str, str]:
    """Versions of lopore's packages and of the libraries that compute, as installed here."""
    found = {}
    for name in _LIBRARIES:
        try:
            found[name] = version(name)
        except PackageNotFoundError:
            continue
    return found


REVIEW_COLUMNS = ("rule", "chain", "explainer", "verdict", "label", "note", "when")


def predictions_csv(entries: Sequence[Entry], failed: Sequence[Unanswered] = ()) -> str:
    """The table of predictions with what the reviewer said; classes of all models, empty where a model has none of that
    name. Doubts stand among the notes; a film without an answer has its reason there.
    """
    text = io.StringIO()
    classes = dict.fromkeys(name for entry in entries for name in entry.classes)
    table = PredictionsTable(text, tuple(classes), REVIEW_COLUMNS)
    for entry in entries:
        prediction, review = entry.prediction, entry.review
        row = PredictionRow(
            path=film_name(entry),
            sha256=entry.sha256,
            page=prediction.page,
            model=entry.model,
            decision=prediction.decision,
            judged=entry.tone != "unjudged",
            notes=tuple(dict.fromkeys((*entry.doubts, *prediction.notes))),
            scores=prediction.scores,
        )
        more = (
            entry.rule,
            chain_text(entry),
            entry.explainer or "",
            review.verdict,
            review.label,
            review.note,
            entry.when,
        )
        table.write(row, more)
    for one in failed:
        row = PredictionRow(
            path=_placeless(one.film), sha256=one.sha256, page=one.page, model=one.model, decision=None, judged=False,
            notes=(one.reason,), scores={},
        )  # fmt: skip
        table.write(row, ("", "", "", "", "", "", one.when))
    return text.getvalue()


def chain_text(entry: Entry) -> str:
    """The chain as ``lopore enhance --chain`` takes it, empty where nothing was enhanced."""
    steps = []
    for step in entry.chain:
        values = ",".join(f"{name}={value}" for name, value in step.items() if name != "name")
        steps.append(f"{step.get('name')}({values})" if values else str(step.get("name")))
    return "|".join(steps)


def reviewed(entries: Iterable[Entry]) -> dict[str, tuple[Entry, tuple[str, ...]]]:
    """Film name -> entry and its right labels, for films that were accepted or relabelled; the last review wins.

    A rejected call says what a film is not, and gives no label.
    """
    said = [entry for entry in entries if entry.review.verdict in ("accept", "relabel")]
    found: dict[str, tuple[Entry, tuple[str, ...]]] = {}
    for entry in sorted(said, key=lambda entry: entry.review.when):
        right = entry.review.label.split("|") if entry.review.label else entry.prediction.decision.labels
        labels = tuple(label.strip() for label in right if label.strip())
        if labels:
            found[film_name(entry)] = entry, labels
    return found


def corrections_csv(entries: Iterable[Entry]) -> str:
    """Labels that a person confirmed or mended, one line a film; ``lopore data index FILE --root FOLDER`` takes it."""
    rows = [
        [name, "|".join(labels), entry.review.verdict, entry.sha256, entry.review.note]
        for name, (entry, labels) in reviewed(entries).items()
    ]
    return _table(["path", "labels", "verdict", "sha256", "note"], rows)


def _table(columns: Sequence[str], rows: Iterable[Sequence[Any]]) -> str:
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow([shown_cell(name) for name in columns])
    writer.writerows([shown_cell(cell) for cell in row] for row in rows)
    return text.getvalue()
