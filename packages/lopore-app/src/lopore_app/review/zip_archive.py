"""The ZIP of a session: images, tables and log, under names that are safe on every disk. No Streamlit in here."""

from __future__ import annotations

import io
import re
import unicodedata
import zipfile
from collections.abc import Sequence

from lopore_app.review.prediction_log import corrections_csv, film_name, log_json, predictions_csv
from lopore_app.review.record_images import enhanced_png, images_or_reason, overlay_png
from lopore_app.review.records import Entry, Unanswered
from lopore_app.viewer.heat_scale import Tops

MOST_IMAGES = 200
MOST_BYTES = 256 << 20
_ABOUT = """Records of one session of lopore, a demonstration with a human in the loop; it certifies nothing.

log.json           every prediction: film, model, settings, scores, decision, review
predictions.csv    the same as a table
corrections.csv    labels that the reviewer accepted or mended; `lopore data index corrections.csv --root FILMS`
"""
_FOLDERS = {
    "enhanced/": "films after their enhancement chain, in their own depth",
    "overlays/": "films with the heat map of the call and its scale in raw values, or with outlines of what was found",
}


def safe_stem(name: str) -> str:
    """A file name's stem in ASCII letters, digits, - and _, at most 60: no path, no hidden file, no device name."""
    stem = name.replace("\\", "/").rsplit("/", 1)[-1].rsplit(".", 1)[0]
    plain = unicodedata.normalize("NFKD", stem).encode("ascii", "ignore").decode()
    return re.sub(r"[^A-Za-z0-9-]+", "_", plain).strip("_-")[:60] or "film"


def zip_file(entries: Sequence[Entry], failed: Sequence[Unanswered] = (), tops: Tops | None = None) -> bytes:
    """The whole archive as bytes. Names begin with the record's number, which keeps equal film names apart.

    At most ``MOST_IMAGES`` films and ``MOST_BYTES`` of images, the newest records first; README.txt names what was
    left out and why. tops: the session's colour scales, so that overlays are drawn as the pages show them.
    """
    stream = io.BytesIO()
    left_out: list[str] = []
    with zipfile.ZipFile(stream, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, text in (
            ("log.json", log_json(entries, failed)),
            ("predictions.csv", predictions_csv(entries, failed)),
            ("corrections.csv", corrections_csv(entries)),
        ):
            archive.writestr(name, text)
        _write_images(archive, entries, left_out, tops)
        archive.writestr("README.txt", _about(archive.namelist(), left_out, failed))
    return stream.getvalue()


def _about(names: Sequence[str], left_out: Sequence[str], failed: Sequence[Unanswered]) -> str:
    """What the archive holds, folder by folder where there is one, and what it does not."""
    there = [
        f"{folder:<19}{what}" for folder, what in _FOLDERS.items() if any(name.startswith(folder) for name in names)
    ]
    more = ["", "Without images:", *left_out] if left_out else []
    if failed:
        more += ["", "Without an answer:"]
        more += [f"{one.film.encode('ascii', 'backslashreplace').decode()[:120]}: {one.reason}" for one in failed]
    return _ABOUT + "".join(f"{line}\n" for line in (*there, *more))


def _write_images(archive: zipfile.ZipFile, entries: Sequence[Entry], left_out: list[str], tops: Tops | None) -> None:
    spent = drawn_image = 0
    for number, entry in reversed(list(enumerate(entries, start=1))):
        summary = f"{number:04d} {film_name(entry).encode('ascii', 'backslashreplace').decode()[:120]}"
        if drawn_image >= MOST_IMAGES or spent > MOST_BYTES:
            left_out.append(f"{summary}: the archive is full ({MOST_IMAGES} films or {MOST_BYTES >> 20} MB)")
            continue
        found = images_or_reason(entry, tops)
        if isinstance(found, str):
            left_out.append(f"{summary}: {found}")
            continue
        stem = f"{number:04d}-{safe_stem(entry.film)}"
        pieces = {f"enhanced/{stem}.png": enhanced_png(found), f"overlays/{stem}.png": overlay_png(entry, found)}
        for name, content in pieces.items():
            if content is not None:
                archive.writestr(zipfile.ZipInfo(name), content, zipfile.ZIP_STORED)
                spent += len(content)
        drawn_image += 1
