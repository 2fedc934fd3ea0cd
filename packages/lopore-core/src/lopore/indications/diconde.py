"""Indications as a DICONDE object: the evaluator and indication sequences of group 0014, with reference to the film.

The model is the first evaluator; each reader who decided on marks is one more. Terms: ASTM E2339 (DICONDE) keeps
DICOM's patient module for the component. Outlines are in pixels of the image, where the centre of the first pixel is
(1, 1), as DICOM's graphic annotations count.
"""

from __future__ import annotations

import io
from typing import TYPE_CHECKING, Any

from lopore.errors import LoporeError

from .film_inspection import FilmInspection
from .indication import Indication

if TYPE_CHECKING:
    from pydicom.dataset import Dataset, FileDataset

    from lopore.reading.film_source import FilmSource

    from .readings import MarkReading, Reader

RAW_DATA = "1.2.840.10008.5.1.4.1.1.66"
"""Raw Data Storage: an object without pixels of its own."""
TYPES = {"100": "CRACK", "2011": "POROSITY", "2012": "POROSITY", "401": "LACK_OF_FUSION", "402": "LACK_OF_PENETR"}
KEPT = (
    "PatientName", "PatientID", "StudyInstanceUID", "StudyID", "StudyDate", "StudyTime", "AccessionNumber",
    "SpecificCharacterSet",
)  # fmt: skip
"""What names the component and its study, taken over from the film's own file."""


def to_diconde(found: FilmInspection, source: FilmSource | None = None, *, content: bytes | None = None) -> bytes:
    """The indications as one DICOM file in explicit VR, little endian.

    source: the film; where it is a DICOM file the object belongs to its study and refers to it. content: the film's
    file, where ``source`` has no path to it. Raises LoporeError where pydicom, the extra ``dicom``, is not installed.
    """
    try:
        from pydicom.dataset import FileDataset, FileMetaDataset
        from pydicom.uid import UID, ExplicitVRLittleEndian, generate_uid
    except ImportError:
        raise LoporeError("DICONDE needs pydicom; pip install 'lopore-core[dicom]'") from None
    meta = FileMetaDataset()
    meta.MediaStorageSOPClassUID, meta.MediaStorageSOPInstanceUID = UID(RAW_DATA), generate_uid()
    meta.TransferSyntaxUID = ExplicitVRLittleEndian
    dataset = FileDataset("", {}, file_meta=meta, preamble=b"\0" * 128)
    _identify(dataset, found, _film_header(source, content))
    _approve(dataset, found)
    dataset.SOPClassUID, dataset.SOPInstanceUID = RAW_DATA, meta.MediaStorageSOPInstanceUID
    dataset.EvaluatorSequence = [_model(found), *_readers(found)]
    stream = io.BytesIO()
    dataset.save_as(stream, enforce_file_format=True)
    return stream.getvalue()


def _film_header(source: FilmSource | None, content: bytes | None) -> Dataset | None:
    file = None if source is None or source.format != "dicom" else source.path or content
    if source is None or file is None:
        return None
    from lopore.reading.dicom import open_dicom
    from lopore.reading.headers import Limits

    return open_dicom(file, source.name, Limits.from_environment())[0]


def _identify(dataset: FileDataset, found: FilmInspection, film: Dataset | None) -> None:
    from pydicom.uid import generate_uid

    dataset.SpecificCharacterSet = "ISO_IR 192"
    dataset.PatientName = dataset.PatientID = _short(found.film.name, 64)
    dataset.StudyInstanceUID = generate_uid()
    for name in () if film is None else (kept for kept in KEPT if kept in film):
        setattr(dataset, name, getattr(film, name))
    dataset.Modality, dataset.SeriesNumber, dataset.InstanceNumber = "OT", 1, 1
    dataset.SeriesInstanceUID, dataset.CreatorVersionUID = generate_uid(), generate_uid()
    dataset.SeriesDescription = _short(f"indications by lopore {found.lopore}, {found.model.title}", 64)
    if said := [*(doubt.text for doubt in found.doubts), *found.notes]:
        dataset.ImageComments = _short(" ".join(said), 10240)
    day, _, time = found.created.partition("T")
    dataset.ContentDate, dataset.ContentTime = day.replace("-", ""), time[:8].replace(":", "")
    if film is not None:
        dataset.ReferencedImageSequence = [
            _item(ReferencedSOPClassUID=film.SOPClassUID, ReferencedSOPInstanceUID=film.SOPInstanceUID)
        ]


def _approve(dataset: FileDataset, found: FilmInspection) -> None:
    """Whether a person signed for the film, in DICOM's approval attributes."""
    signed = found.signature
    dataset.ApprovalStatus = "UNAPPROVED" if signed is None else "APPROVED"
    if signed is not None:
        day, _, time = signed.when.partition("T")
        dataset.ReviewerName = _person(signed.reader)
        dataset.ReviewDate, dataset.ReviewTime = day.replace("-", ""), time[:8].replace(":", "")
        dataset.ApprovalStatusFurtherDescription = _short(f"{signed.answer}, signed by {signed.reader.title}", 1000)


def _model(found: FilmInspection) -> Dataset:
    """What the model found, with the answer of the acceptance profile where one was given."""
    drawn = {said.mark for said in found.readings if said.origin == "drawn"}
    rejected = {said.mark for said in found.readings if said.verdict == "rejected"}
    marks = [_indication(mark, _by_rules(mark, found)) for mark in found.indications if mark.id not in drawn]
    marks += [
        _indication(one.indication, "UNEVALUATED")
        for one in found.set_aside
        if one.indication.id in rejected - drawn and one.by_reader
    ]
    return _item(
        EvaluatorNumber=1,
        EvaluatorName=_short(f"lopore {found.model.title}", 64),
        EvaluationAttempt=1,
        IndicationSequence=marks,
    )


def _readers(found: FilmInspection) -> list[Dataset]:
    """One evaluator a reader, with the marks that this reader decided on.

    A mark that was rejected is no indication and speaks against nothing: ACCEPT. One that was accepted is an indication
    that the rules dispose of: REJECT, ACCEPT, or UNDECIDED without a profile. The verdict itself stands in words.
    """
    marks = {mark.id: mark for mark in found.indications}
    marks |= {one.indication.id: one.indication for one in found.set_aside if one.by_reader}
    said: dict[Reader, list[Dataset]] = {}
    for one in found.readings:
        mark = marks[one.mark]
        ruled = _by_rules(mark, found)
        accepted = "UNDECIDED" if ruled == "UNEVALUATED" else ruled
        item = _indication(mark, accepted if one.verdict == "accepted" else "ACCEPT", _said(one))
        said.setdefault(one.reader, []).append(item)
    return [
        _item(EvaluatorNumber=number, EvaluatorName=_person(reader), EvaluationAttempt=1, IndicationSequence=items)
        for number, (reader, items) in enumerate(said.items(), start=2)
    ]


def _person(reader: Reader) -> str:
    return _short(reader.title, 64) or "without a name"


def _said(one: MarkReading) -> str:
    meant = {"accepted": "accepted as an indication", "rejected": "rejected, no indication"}[one.verdict]
    drawn = "drawn and " if one.origin == "drawn" else ""
    return f"; {drawn}{meant} by {_person(one.reader)} {one.when}{': ' + one.note if one.note else ''}"


def _by_rules(mark: Indication, found: FilmInspection) -> str:
    """The disposition by the acceptance profile."""
    if found.verdict is None:
        return "UNEVALUATED"
    if found.verdict.answer == "accept":
        return "ACCEPT"
    return "REJECT" if mark.id in found.verdict.fired else "UNDECIDED"


def _indication(mark: Indication, disposition: str, said: str = "") -> Dataset:
    points = [value + 0.5 for point in mark.contour for value in point]
    points += points[:2]  # a polyline is closed by its first point
    outline = _item(
        GraphicAnnotationUnits="PIXEL",
        GraphicDimensions=2,
        NumberOfGraphicPoints=len(points) // 2,
        GraphicData=points,
        GraphicType="POLYLINE",
    )
    return _item(
        IndicationNumber=mark.id,
        IndicationLabel=_short(mark.class_name, 16),
        IndicationDescription=_short(
            f"{mark.class_name}, ISO 6520-1 {mark.iso_6520 or 'no number'}, peak probability {mark.peak:.3f}{said}",
            1000,
        ),
        IndicationType=TYPES.get(mark.iso_6520 or "", "OTHER"),
        IndicationDisposition=disposition,
        IndicationROISequence=[outline],
        IndicationPhysicalPropertySequence=_properties(mark),
    )


def _properties(mark: Indication) -> list[Dataset]:
    """Sizes in mm where the pitch is known, else in pixels."""
    if mark.length_mm is not None:
        named = [("Length", mark.length_mm, "mm"), ("Width", mark.width_mm, "mm"), ("Area", mark.area_mm2, "mm2")]
    else:
        named = [("Length", mark.length_px, "{pixels}"), ("Width", mark.width_px, "{pixels}")]
        named.append(("Area", mark.area_px, "{pixels}2"))
    named.append(("Peak", mark.peak, "1"))
    return [
        _item(
            PropertyLabel=label,
            NumericValue=f"{value:.6g}",
            MeasurementUnitsCodeSequence=[
                _item(CodeValue=unit, CodingSchemeDesignator="UCUM", CodeMeaning=unit.strip("{}"))
            ],
        )
        for label, value, unit in named
    ]


def _item(**values: Any) -> Dataset:
    from pydicom.dataset import Dataset

    made = Dataset()
    for name, value in values.items():
        setattr(made, name, value)
    return made


def _short(text: str, most: int) -> str:
    """Text that DICOM's value representations can hold: no control characters, no backslash."""
    return "".join(letter if letter.isprintable() and letter not in "\\^=" else "_" for letter in text)[:most]
