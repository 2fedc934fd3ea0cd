"""The batch: which films there are, what is known of each, and their thumbnails."""

from __future__ import annotations

import base64
import time
from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from functools import partial

import numpy as np

from lopore.contracts import Pixels
from lopore.errors import LoporeError
from lopore.inference.decisions import Decision
from lopore.inference.overlay import for_screen
from lopore.messages import counted
from lopore.preprocessing.enhancement_chain import Chain
from lopore.preprocessing.geometry import round_to
from lopore.preprocessing.resampling import resize
from lopore_app.memory import SMALL
from lopore_app.session import Answer, Desk, Upload, decision_text

THUMB = (62, 108)
SLICE_SECONDS = 0.12
SOUND = {"no_defect", "ok", "good", "sound", "accept", "none", "background", "no_crack", "negative"}


@dataclass(frozen=True)
class State:
    """What the strip shows of one film. tone: found, sound, unsure, waiting or broken."""

    text: str
    tone: str


def tone_of(decision: Decision) -> str:
    """found for a defect, sound for none, unsure where the model abstains."""
    if not decision.decided:
        return "unsure"
    return "sound" if all(label.lower() in SOUND for label in decision.labels) else "found"


def state_of(desk: Desk, upload: Upload, chain: Chain, threshold: float | None) -> State:
    """What is known of a film without computing anything for it, but its decoding where that failed before."""
    if desk.broken(upload) is not None:
        return State("cannot be read", "broken")
    if desk.model is None:
        return State("", "waiting")
    if not desk.answered(upload, chain):
        return State("waiting", "waiting")
    try:
        decision = desk.decision(upload, chain, threshold)
    except LoporeError:
        return State("no answer", "broken")
    return State(f"{decision.score:.2f} {decision_text(decision)}", tone_of(decision))


def tally(states: Sequence[State]) -> str:
    """How many films there are, and how many of them have no answer: for good or not yet."""
    broken, late = (sum(state.tone == tone for state in states) for tone in ("broken", "waiting"))
    told = [counted(len(states), "film")]
    told += [f"{broken} without an answer"] if broken else []
    told += [f"{late} waiting"] if late and any(state.text for state in states) else []
    return ", ".join(told)


def waiting(desk: Desk, uploads: Sequence[Upload], chain: Chain) -> list[Upload]:
    """Films that have no answer yet and may get one."""
    if desk.model is None:
        return []
    return [upload for upload in uploads if desk.broken(upload) is None and not desk.answered(upload, chain)]


def answer_some(
    desk: Desk, uploads: Sequence[Upload], chain: Chain, threshold: float | None
) -> Iterator[tuple[Upload, Answer]]:
    """Answers for films that wait, as many as fit in a slice of time, so that the page stays quick."""
    until = time.monotonic() + SLICE_SECONDS
    for upload in waiting(desk, uploads, chain):
        with suppress(LoporeError):  # kept by the desk; the strip shows it
            yield upload, desk.answer(desk.film(upload), chain, threshold)
        if time.monotonic() > until:
            return


def thumbnails(desk: Desk, uploads: Sequence[Upload]) -> dict[str, str]:
    """sha256 -> JPEG in base64, for films that can be read."""
    found = {}
    for upload in uploads:
        try:
            found[upload.sha256] = desk.memory.get(
                ("thumbnail", upload.sha256), partial(_thumbnail_of, desk, upload), lambda text: len(text) + SMALL
            )
        except LoporeError:
            continue
    return found


def _thumbnail_of(desk: Desk, upload: Upload) -> str:
    return thumbnail(desk.film(upload).full.pixels)


def thumbnail(pixels: Pixels) -> str:
    """A JPEG of a few kilobytes in base64; a small picture for finding, not for judging."""
    import cv2

    height, width = pixels.shape[:2]
    factor = min(1.0, THUMB[0] * 2 / height, THUMB[1] * 2 / width) if height * width > 4 else 1.0
    # A film is thinned before it is stretched to 8 bits, so that a large one costs no more than it must.
    step = max(1, int(1 / factor) // 3)
    seen = np.ascontiguousarray(for_screen(pixels[::step, ::step])[..., 0])
    size = max(1, round(height * factor)), max(1, round(width * factor))
    small = round_to(resize(seen, size), np.dtype(np.uint8))
    return base64.b64encode(cv2.imencode(".jpg", small, [cv2.IMWRITE_JPEG_QUALITY, 78])[1].tobytes()).decode()
