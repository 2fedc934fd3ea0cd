"""What a film's own file says of it, line by line. No Streamlit in here."""

from __future__ import annotations

from lopore.errors import LoporeError
from lopore.messages import plain
from lopore.reading.dicom import open_dicom
from lopore.reading.headers import Limits
from lopore.reading.radiograph import Radiograph
from lopore_app.inspection.upload import Upload

MOST_LINES, MOST_TEXT = 300, 200
Line = tuple[str, str]
_MEANS = {"film": "brighter is less radiation", "detector": "brighter is more radiation"}


def header_lines(upload: Upload, film: Radiograph) -> tuple[Line, ...]:
    """Format, size, pitch and polarity; of a DICOM or DICONDE file every element of its data set but the pixels."""
    source = film.source
    height, width = film.pixels.shape[:2]
    pitch = film.pixel_pitch_mm
    lines = [
        ("File", plain(upload.name, MOST_TEXT)),
        ("SHA-256", upload.sha256),
        ("Format", f"{source.format}, {source.file_depth} bit, page {source.page} of {source.pages}"),
        ("Size", f"{width} × {height} px"),
        ("Pitch", "not stated" if pitch is None else f"{pitch:.5g} mm"),
        ("Polarity", _MEANS.get(film.polarity, "not stated")),
        *(("Note", plain(note, MOST_TEXT)) for note in film.notes),
    ]
    return (*lines, *_elements(upload)) if source.format == "dicom" else tuple(lines)


def _elements(upload: Upload) -> tuple[Line, ...]:
    try:
        dataset = open_dicom(upload.content, upload.name, Limits.from_environment())[0]
    except LoporeError as error:
        return (("Note", plain(error, MOST_TEXT)),)
    found: list[Line] = []
    for element in dataset.iterall():
        if len(found) == MOST_LINES:
            return (*found, ("Note", f"more than {MOST_LINES} elements: the rest is not shown"))
        if element.VR in ("OB", "OW", "OF", "OD", "UN", "SQ"):
            continue
        found.append((f"{element.tag} {plain(element.name, 60)}", plain(element.value, MOST_TEXT)))
    return tuple(found)
