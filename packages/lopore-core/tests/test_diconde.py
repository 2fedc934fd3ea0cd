"""Indications leave as DICONDE: known tags with their own value representations, in the film's study."""

from __future__ import annotations

import io
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from made.models import publish_areas
from made.whole_films import disc, ground

from lopore.indications import FilmInspection, inspect_film, parse_profile
from lopore.indications.diconde import to_diconde
from lopore.indications.indication import SetAside
from lopore.indications.readings import FilmSignature, MarkReading, Reader
from lopore.models.opening import open_model
from lopore.reading.film_source import ArrayFilm
from lopore.reading.windows import open_film

pydicom = pytest.importorskip("pydicom")
RULES = {
    "title": "t", "source": "s",
    "rules": [{"name": "small", "check": "largest", "measure": "diameter", "limit": 20, "unit": "px"}],
}  # fmt: skip


def two_pores(tmp_path: Path, source: Any = None) -> FilmInspection:
    pixels = ground(80, 200)
    disc(pixels, 40, 40, 12)
    disc(pixels, 140, 40, 30)
    model = open_model(publish_areas(tmp_path / "areas"))
    film = source or ArrayFilm(pixels, pixel_pitch_mm=0.1)
    return inspect_film(model, film, profile=parse_profile(RULES, source="rules"))


def read(content: bytes) -> Any:
    return pydicom.dcmread(io.BytesIO(content))


def every_element(dataset: Any) -> list[Any]:
    found = []
    for element in dataset:
        found.append(element)
        if element.VR == "SQ":
            found += [inner for item in element.value for inner in every_element(item)]
    return found


def test_every_tag_is_in_the_dictionary_with_its_value_representation(tmp_path: Path) -> None:
    from pydicom.datadict import dictionary_VR

    elements = every_element(read(to_diconde(two_pores(tmp_path))))
    assert sum(element.tag.group == 0x0014 for element in elements) > 10
    for element in elements:
        assert dictionary_VR(element.tag) == element.VR
        if element.VR in ("CS", "SH", "DS", "IS"):
            pydicom.valuerep.validate_value(element.VR, str(element.value), pydicom.config.RAISE)


def test_an_indication_has_its_class_sizes_outline_and_disposition(tmp_path: Path) -> None:
    found = two_pores(tmp_path)
    (evaluator,) = read(to_diconde(found)).EvaluatorSequence
    marks = {item.IndicationNumber: item for item in evaluator.IndicationSequence}
    assert len(marks) == 2
    for mark in found.indications:
        item = marks[mark.id]
        sizes = {part.PropertyLabel: float(part.NumericValue) for part in item.IndicationPhysicalPropertySequence}
        assert sizes["Length"] == pytest.approx(mark.length_mm)
        outline = np.array(item.IndicationROISequence[0].GraphicData).reshape(-1, 2)
        assert np.allclose(outline[:-1], np.array(mark.contour) + 0.5)
        assert np.allclose(outline[0], outline[-1])
        assert item.IndicationDisposition == ("REJECT" if mark.diameter_px > 20 else "UNDECIDED")
        assert item.IndicationType == "POROSITY"


def test_readers_and_their_verdicts_stand_in_evaluators_of_their_own_and_a_signature_approves(tmp_path: Path) -> None:
    found = two_pores(tmp_path)
    eva, when = Reader(name="Eva Rößler", level="RT 2"), "2026-03-01T10:20:30+00:00"
    small, large = sorted(found.indications, key=lambda mark: mark.area_px)
    aside = SetAside(indication=small, reason="rejected by Eva", by_reader=True)
    drawn = large.model_copy(update={"id": 9})
    seen = found.model_copy(update={
        "indications": (large, drawn), "set_aside": (aside,),
        "readings": (
            MarkReading(mark=small.id, verdict="rejected", reader=eva, when=when, note="a scratch"),
            MarkReading(mark=large.id, verdict="accepted", reader=eva, when=when),
            MarkReading(mark=9, verdict="accepted", origin="drawn", reader=Reader(name="Karl"), when=when),
        ),
    })  # fmt: skip
    made = read(to_diconde(seen))
    model, first, second = made.EvaluatorSequence
    assert {item.IndicationNumber for item in model.IndicationSequence} == {small.id, large.id}  # none that was drawn
    assert (str(first.EvaluatorName), str(second.EvaluatorName)) == ("Eva Rößler (RT 2)", "Karl")
    told = {item.IndicationNumber: item for item in (*first.IndicationSequence, *second.IndicationSequence)}
    assert told[small.id].IndicationDisposition == "ACCEPT"
    assert "rejected, no indication by Eva Rößler (RT 2) 2026-03-01" in told[small.id].IndicationDescription
    assert "a scratch" in told[small.id].IndicationDescription
    assert told[large.id].IndicationDisposition == "REJECT"  # by the rule; a pore it is, says the reader
    assert "drawn and accepted as an indication by Karl" in told[9].IndicationDescription
    assert made.ApprovalStatus == "UNAPPROVED"
    assert "ReviewerName" not in made
    signed = seen.model_copy(update={"signature": FilmSignature(answer="not acceptable", reader=eva, when=when)})
    made = read(to_diconde(signed))
    assert (made.ApprovalStatus, str(made.ReviewerName)) == ("APPROVED", "Eva Rößler (RT 2)")
    assert (made.ReviewDate, made.ReviewTime) == ("20260301", "102030")
    assert made.ApprovalStatusFurtherDescription.startswith("not acceptable")
    assert FilmInspection.from_json(signed.to_json()) == signed


def test_the_object_belongs_to_the_study_of_a_film_that_is_dicom(tmp_path: Path) -> None:
    from pydicom.data import get_testdata_file

    path = Path(str(get_testdata_file("CT_small.dcm")))
    with open_film(path) as source:
        found = two_pores(tmp_path)
        made, film = read(to_diconde(found, source)), pydicom.dcmread(path, stop_before_pixels=True)
    assert (made.StudyInstanceUID, made.PatientID) == (film.StudyInstanceUID, film.PatientID)
    assert made.SOPInstanceUID != film.SOPInstanceUID
    held = ArrayFilm(np.zeros((80, 200), np.uint8), name="upload")
    held.facts = replace(held.facts, format="dicom")  # an upload: its file is in memory alone
    assert read(to_diconde(found, held, content=path.read_bytes())).StudyInstanceUID == film.StudyInstanceUID
    assert made.ReferencedImageSequence[0].ReferencedSOPInstanceUID == film.SOPInstanceUID
