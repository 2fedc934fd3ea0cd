"""Indications as a DICONDE object: the evaluator and indication sequences of group 0014, with reference to the film.

Terms: ASTM E2339 (DICONDE) keeps DICOM's patient module for the component. Outlines are in pixels of the image, where
the centre of the first pixel is (1, 1), as DICOM's graphic annotations count.
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

RAW_DATA = "1.2.840.10008.5.1.4.1.1.66"
"""Raw Data Storage: an object without pixels of its own."""
TYPES = {"100": "CRACK", "2011": "POROSITY", "2012": "POROSITY", "401": "LACK_OF_FUSION", "402": "LACK_OF_PENETR"}
KEPT = (
    "PatientName", "PatientID", "StudyInstanceUID", "StudyID", "StudyDate", "StudyTime", "AccessionNumber",
    "SpecificCharacterSet",
)  # fmt: skip
"""What names the component and its study, taken over from the film's own file."""


def to_diconde(found: FilmInspection, source: FilmSource | None = None) -> bytes:
    """The indications as one DICOM file in explicit VR, little endian.

    source: the film; where it is a DICOM file the object belongs to its study and refers to it. Raises LoporeError
    where pydicom, the extra ``dicom``, is not installed.
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
    _identify(dataset, found, _film_header(source))
    dataset.SOPClassUID, dataset.SOPInstanceUID = RAW_DATA, meta.MediaStorageSOPInstanceUID
    dataset.EvaluatorSequence = [_evaluator(found)]
    stream = io.BytesIO()
    dataset.save_as(stream, enforce_file_format=True)
    return stream.getvalue()


def _film_header(source: FilmSource | None) -> Dataset | None:
    if source is None or source.format != "dicom" or source.path is None:
        return None
    from lopore.reading.dicom import open_dicom
    from lopore.reading.headers import Limits

    return open_dicom(source.path, source.name, Limits.from_environment())[0]


def _identify(dataset: FileDataset, found: FilmInspection, film: Dataset | None) -> None:
    from pydicom.uid import generate_uid

    dataset.SpecificCharacterSet = "ISO_IR 192"
    dataset.PatientName = dataset.PatientID = _short(found.film.name, 64)
    dataset.StudyInstanceUID = generate_uid()
    for name in KEPT if film is not None else ():
        if name in film:  # type: ignore[operator]  # the tuple is empty without a film
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


def _evaluator(found: FilmInspection) -> Dataset:
    broken = set(found.verdict.fired) if found.verdict else set()
    marks = [_indication(mark, mark.id in broken, found) for mark in found.indications]
    return _item(
        EvaluatorNumber=1,
        EvaluatorName=_short(f"lopore {found.model.title}", 64),
        EvaluationAttempt=1,
        IndicationSequence=marks,
    )


def _indication(mark: Indication, broken: bool, found: FilmInspection) -> Dataset:
    disposition = "UNEVALUATED" if found.verdict is None else "REJECT" if broken else "UNDECIDED"
    if found.verdict is not None and found.verdict.answer == "accept":
        disposition = "ACCEPT"
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
            f"{mark.class_name}, ISO 6520-1 {mark.iso_6520 or 'no number'}, peak probability {mark.peak:.3f}", 1000
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
