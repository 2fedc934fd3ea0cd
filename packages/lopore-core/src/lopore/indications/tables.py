"""Indications as CSV and as COCO annotations."""

from __future__ import annotations

import csv
import io
import json
from typing import Any

from lopore.data.cells import shown_cell

from .film_inspection import FilmInspection
from .indication import Indication

COLUMNS = (
    "film", "id", "status", "class", "iso_6520", "peak", "mean", "class_share", "x_px", "y_px", "length_px",
    "width_px", "area_px", "diameter_px", "orientation_deg", "x_mm", "y_mm", "length_mm", "width_mm", "area_mm2",
    "diameter_mm", "nearest_id", "distance_px", "distance_mm", "group", "box_left", "box_top", "box_right",
    "box_bottom", "touches_edge", "reason", "doubts",
)  # fmt: skip


def to_csv(found: FilmInspection) -> str:
    """One row an indication, then one for each mark that was set aside, with the reason; mm are empty without a
    pitch.

    doubts: of the whole film, in every row; a film without a mark has a row of its own that holds them.
    """
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(COLUMNS)
    broken = set(found.verdict.fired) if found.verdict else set()
    for mark in found.indications:
        writer.writerow(_row(found, mark, "breaks a rule" if mark.id in broken else "indication", ""))
    for item in found.set_aside:
        writer.writerow(_row(found, item.indication, "set aside", item.reason))
    if not found.indications and not found.set_aside and found.doubts:
        cells = dict.fromkeys(COLUMNS, "") | {
            "film": found.film.name, "status": "no indication", "doubts": doubts_text(found),
        }  # fmt: skip
        writer.writerow([shown_cell(cells[name]) for name in COLUMNS])
    return text.getvalue()


def doubts_text(found: FilmInspection) -> str:
    """Every doubt about a film in one line."""
    return " ".join(doubt.text for doubt in found.doubts)


def _row(found: FilmInspection, mark: Indication, status: str, reason: str) -> list[Any]:
    x_mm, y_mm = mark.position_mm or ("", "")
    values = [
        found.film.name, mark.id, status, mark.class_name, mark.iso_6520, mark.peak, mark.mean,
        mark.class_share,
        *mark.centre, mark.length_px, mark.width_px, mark.area_px, mark.diameter_px, mark.orientation_deg, x_mm, y_mm,
        mark.length_mm, mark.width_mm, mark.area_mm2, mark.diameter_mm, mark.nearest_id, mark.distance_px,
        mark.distance_mm, mark.group_id, *mark.box, int(mark.touches_edge), reason,
        doubts_text(found),
    ]  # fmt: skip
    return [shown_cell(value) for value in values]


def to_coco(found: FilmInspection) -> str:
    """COCO's object detection format, with the peak probability as ``score``; polygons in px of the film."""
    classes = list(dict.fromkeys((*found.model.classes, *(mark.class_name for mark in found.indications))))
    annotations = [
        {
            "id": mark.id,
            "image_id": 1,
            "category_id": classes.index(mark.class_name) + 1,
            "segmentation": [[value for point in mark.contour for value in point]],
            "bbox": [
                mark.box[0], mark.box[1], round(mark.box[2] - mark.box[0], 2), round(mark.box[3] - mark.box[1], 2),
            ],
            "area": mark.area_px,
            "iscrowd": 0,
            "score": mark.peak,
        }
        for mark in found.indications
    ]  # fmt: skip
    plain = {
        "info": {
            "description": f"indications by {found.model.title}",
            "date_created": found.created,
            "doubts": [doubt.text for doubt in found.doubts],
        },
        "images": [{"id": 1, "file_name": found.film.name, "width": found.film.width, "height": found.film.height}],
        "categories": [{"id": number, "name": name} for number, name in enumerate(classes, start=1)],
        "annotations": annotations,
    }
    return json.dumps(plain, indent=1) + "\n"
