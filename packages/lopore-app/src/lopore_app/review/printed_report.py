"""The records as one self-contained HTML page that prints on A4: nothing in it is loaded from elsewhere.

No Streamlit in here.
"""

from __future__ import annotations

import base64
import html
from collections.abc import Sequence
from datetime import UTC, datetime

import numpy as np
from numpy.typing import NDArray

from lopore.messages import counted, score_text
from lopore_app.review.prediction_log import chain_text, installed_versions, name_on_a_page, shown_name
from lopore_app.review.record_images import evidence, images_or_reason, thumbnail
from lopore_app.review.records import Entry, Unanswered
from lopore_app.viewer.heat_scale import Tops
from lopore_app.wording import DEMONSTRATION, words

MOST_FILMS = 200
SIDE = 460
_VERDICTS = {"open": "not reviewed", "accept": "accepted", "reject": "rejected", "relabel": "relabelled"}
_STYLE = """
@page { size: A4; margin: 14mm 13mm 15mm }
:root { color-scheme: light; --ink: #18212b; --soft: #5a6572; --line: #d5dce3; --wash: #f3f5f7; --mark: #0b6e82 }
* { box-sizing: border-box }
body { margin: 0; background: var(--wash); color: var(--ink); font: 13px/1.45 system-ui, "Segoe UI", sans-serif }
main { max-width: 190mm; margin: 0 auto; padding: 10mm 6mm; background: #fff }
h1 { font-size: 21px; margin: 0 }
h2 { font-size: 15px; margin: 22px 0 8px; padding-bottom: 3px; border-bottom: 2px solid var(--mark) }
p { margin: 4px 0 }
.soft, small { color: var(--soft) }
.notice { border: 1px solid var(--line); border-left: 4px solid var(--mark); padding: 6px 10px; margin: 10px 0 }
table { border-collapse: collapse; width: 100%; font-variant-numeric: tabular-nums }
th, td { text-align: left; padding: 4px 6px; border-bottom: 1px solid var(--line); vertical-align: top;
  overflow-wrap: anywhere }
th { color: var(--soft); font-weight: 600; font-size: 11.5px }
td.number, td.count { text-align: right; white-space: nowrap }
article { border: 1px solid var(--line); border-radius: 4px; padding: 9px 11px; margin: 10px 0; break-inside: avoid }
article header { display: flex; justify-content: space-between; gap: 12px; align-items: baseline }
article h3 { font-size: 13.5px; margin: 0; overflow-wrap: anywhere }
.call { white-space: nowrap; font-weight: 600 }
.body { display: grid; grid-template-columns: 1fr 1fr 1.05fr; gap: 9px; margin-top: 7px }
.body figure { margin: 0 }
.body img { width: 100%; max-height: 62mm; object-fit: contain; display: block; background: #14181c }
figcaption { font-size: 10.5px; color: var(--soft); margin-top: 2px }
.bar { display: grid; grid-template-columns: 1fr 3.2em; gap: 6px; align-items: center; margin: 2px 0 }
.bar i { display: block; height: 4px; background: var(--line) }
.bar i b { display: block; height: 4px; background: var(--mark) }
dl { display: grid; grid-template-columns: max-content 1fr; gap: 1px 8px; margin: 6px 0 0; font-size: 11px }
dt { color: var(--soft) } dd { margin: 0; overflow-wrap: anywhere }
.doubts { margin: 7px 0 0; padding: 5px 8px 5px 22px; border-left: 3px solid #b07a00; background: #fdf6e7;
  font-size: 11.5px }
.review { margin-top: 7px; padding-top: 6px; border-top: 1px dashed var(--line) }
.sign { display: grid; grid-template-columns: 1fr 1fr 1fr; gap: 18px; margin-top: 34px; break-inside: avoid }
.sign div { border-top: 1px solid var(--ink); padding-top: 3px; font-size: 11px; color: var(--soft) }
@media print { body { background: #fff } main { max-width: none; padding: 0 }
  * { -webkit-print-color-adjust: exact; print-color-adjust: exact } }
"""


def report_html(
    entries: Sequence[Entry], failed: Sequence[Unanswered] = (), *, images: bool = True, tops: Tops | None = None
) -> str:
    """A whole page as text; every name and note in it is plain text.

    images: draw films and heat maps for the newest ``MOST_FILMS`` records; the others stand in the table alone.
    tops: the session's colour scales, so that heat is drawn as the pages show it.
    """
    shown = list(entries)[-MOST_FILMS:] if images else []
    left = len(entries) - len(shown)
    return "\n".join(
        [
            "<!doctype html><html lang='en'><head><meta charset='utf-8'>",
            "<meta name='viewport' content='width=device-width,initial-scale=1'>",
            f"<title>lopore: {counted(len(entries), 'prediction')}</title><style>{_STYLE}</style></head><body><main>",
            "<h1>Radiographs examined with lopore</h1>",
            f"<p class='soft'>{_lead(entries)}</p>",
            f"<p class='notice'>{_plain(DEMONSTRATION)}</p>",
            "<h2>Summary</h2>",
            _summary(entries),
            *([_unanswered(failed)] if failed else []),
            *(["<h2>Films</h2>"] if shown else []),
            *(_article(number, entry, tops) for number, entry in enumerate(shown, start=left + 1)),
            *([f"<p class='soft'>The first {left} records are in the table alone.</p>"] if shown and left else []),
            "<h2>How it was computed</h2>",
            _software(entries),
            "<div class='sign'><div>Reviewed by</div><div>Date</div><div>Signature</div></div>",
            "</main></body></html>",
        ]
    )


def _plain(text: object, limit: int = 400) -> str:
    """Text from outside: one line, bounded, signs that turn the writing direction left out, escaped."""
    line = " ".join("".join(sign if sign.isprintable() else " " for sign in str(text)).split())
    return html.escape(line if len(line) <= limit else f"{line[: limit - 3]}...", quote=True)


def _lead(entries: Sequence[Entry]) -> str:
    done = sum(entry.review.verdict != "open" for entry in entries)
    written = datetime.now(UTC).strftime("%Y-%m-%d %H:%M UTC")
    films = len({entry.sha256 for entry in entries})
    return _plain(
        f"{counted(len(entries), 'prediction')} of {counted(films, 'film')}, {done} reviewed. Written {written}."
    )


def _summary(entries: Sequence[Entry]) -> str:
    head = "".join(f"<th>{name}</th>" for name in ("", "film", "call", "score", "model", "review", "note"))
    rows = []
    for number, entry in enumerate(entries, start=1):
        decision = entry.prediction.decision
        rows.append(
            f"<tr><td class='count'>{number}</td><td>{_plain(shown_name(entry), 120)}</td>"
            f"<td>{_plain(entry.call_text, 120)}{_count(entry)}</td>"
            f"<td class='number'>{score_text(decision.score)}</td>"
            f"<td>{_plain(entry.model, 80)}</td><td>{_verdict(entry)}</td>"
            f"<td><bdi>{_plain(entry.review.note, 200)}</bdi></td></tr>"
        )
    return f"<table><thead><tr>{head}</tr></thead><tbody>{''.join(rows)}</tbody></table>"


def _count(entry: Entry) -> str:
    doubts = len(entry.doubts)
    return f" <small>{counted(doubts, 'doubt')}</small>" if doubts else ""


def _unanswered(failed: Sequence[Unanswered]) -> str:
    """Files that got no answer, with the reason that the page gave."""
    rows = "".join(
        f"<tr><td>{_plain(name_on_a_page(one.film), 120)}</td><td>{_plain(one.model, 80)}</td>"
        f"<td>{_plain(one.reason)}</td></tr>"
        for one in failed
    )
    head = "".join(f"<th>{name}</th>" for name in ("file", "model", "reason"))
    return (
        f"<h2>Without an answer</h2><p class='soft'>{counted(len(failed), 'file')} got no answer and "
        f"{'was' if len(failed) == 1 else 'were'} not judged.</p>"
        f"<table><thead><tr>{head}</tr></thead><tbody>{rows}</tbody></table>"
    )


def _doubts(entry: Entry) -> str:
    """What spoke against the call on the page, word for word."""
    if not entry.doubts:
        return ""
    return f"<ul class='doubts'>{''.join(f'<li>{_plain(text)}</li>' for text in entry.doubts)}</ul>"


def _words(name: str) -> str:
    return _plain(words(name), 120)


def _verdict(entry: Entry) -> str:
    word = _VERDICTS[entry.review.verdict]
    return f"{word}: {_words(entry.review.label)}" if entry.review.label else word


def _article(number: int, entry: Entry, tops: Tops | None) -> str:
    decision = entry.prediction.decision
    return (
        f"<article><header><h3>{number}. {_plain(shown_name(entry), 160)}</h3>"
        f"<span class='call'>{_plain(entry.call_text, 120)} {score_text(decision.score)}</span></header>"
        f"<div class='body'>{_figures(entry, tops)}<div>{_bars(entry)}{_facts(entry)}</div></div>{_doubts(entry)}"
        f"<div class='review'>Review: <b>{_verdict(entry)}</b>{_said(entry)}</div></article>"
    )


def _said(entry: Entry) -> str:
    note = f". <bdi>{_plain(entry.review.note, 1000)}</bdi>" if entry.review.note else ""
    when = f" <small>{_moment(entry.review.when)}</small>" if entry.review.when else ""
    return note + when


def _moment(when: str) -> str:
    return _plain(when.replace("T", " ").replace("+00:00", " UTC"))


def _figures(entry: Entry, tops: Tops | None) -> str:
    found = images_or_reason(entry, tops)
    if isinstance(found, str):
        return f"<p class='soft' style='grid-column: span 2'>No images: {_plain(found)}</p>"
    return _figure(thumbnail(found.original, SIDE), "film") + _figure(*evidence(entry, found, SIDE))


def _figure(image: NDArray[np.uint8], caption: str) -> str:
    import cv2

    coded = cv2.imencode(".jpg", np.ascontiguousarray(image[:, :, ::-1]), [cv2.IMWRITE_JPEG_QUALITY, 88])[1]
    data = base64.b64encode(coded.tobytes()).decode()
    text = _plain(caption)
    return f"<figure><img alt='{text}' src='data:image/jpeg;base64,{data}'><figcaption>{text}</figcaption></figure>"


def _bars(entry: Entry) -> str:
    ranked = sorted(entry.prediction.scores.items(), key=lambda item: -item[1])[:5]
    return "".join(
        f"<div class='bar'><span>{_words(name)}</span><span>{score_text(score)}</span>"
        f"<i style='grid-column: span 2'><b style='width:{100 * min(1, max(0, score)):.1f}%'></b></i></div>"
        for name, score in ranked
    )


def _facts(entry: Entry) -> str:
    decision = entry.prediction.decision
    facts = {
        "model": f"{entry.model} ({entry.prediction.runtime})",
        "threshold": f"{decision.threshold:.3f}, {entry.rule}" if decision.threshold else entry.rule,
        "enhanced by": chain_text(entry) or "nothing",
        "sha256": f"{entry.sha256[:16]}...",
        "predicted": _moment(entry.when),
    }
    return f"<dl>{''.join(f'<dt>{name}</dt><dd>{_plain(value)}</dd>' for name, value in facts.items())}</dl>"


def _software(entries: Sequence[Entry]) -> str:
    models = {entry.model: entry for entry in entries}
    rows = [
        f"<tr><td>{_plain(name)}</td><td>{_plain(', '.join(f'{k} {v[:16]}' for k, v in entry.fingerprints.items()))}"
        "</td></tr>"
        for name, entry in models.items()
    ]
    versions = ", ".join(f"{name} {found}" for name, found in installed_versions().items())
    head = "<tr><th>model</th><th>fingerprints</th></tr>"
    return f"<table>{head}{''.join(rows)}</table><p class='soft'>{_plain(versions, 1000)}</p>"
