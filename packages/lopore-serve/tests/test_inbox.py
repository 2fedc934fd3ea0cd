"""Films that come by DICOM or lie in a watched folder: stored as sent, inspected once, refused with a reason."""

from __future__ import annotations

import json
import shutil
import socket
import subprocess
import time
from collections.abc import Iterator
from io import BytesIO
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from made.commands import error_line, lopore
from made.images import coded
from made.models import bright_areas, publish, record_for
from made.service import free_port, running
from made.whole_films import disc, ground

from lopore.record.model import Threshold
from lopore.record.preprocessing import Preprocessing, Window

pynetdicom = pytest.importorskip("pynetdicom")
pydicom = pytest.importorskip("pydicom")

from pydicom.uid import ImplicitVRLittleEndian, JPEGLSLossless  # noqa: E402
from pynetdicom import AE, build_context  # noqa: E402

STORAGE = "1.2.840.10008.5.1.4.1.1."
DX, CR, SC = f"{STORAGE}1.1", f"{STORAGE}1", f"{STORAGE}7"


def film(depth: int = 8) -> Any:
    pixels = ground(120, 300)
    disc(pixels, 150.5, 60.5, 14)
    return pixels if depth == 8 else pixels.astype(np.uint16) * 257


def dicom(pixels: Any, uid: str, sop_class: str = DX, **tags: Any) -> Any:
    """A data set with the tags that DICONDE names: a component in place of a patient."""
    data = pydicom.Dataset()
    data.file_meta = pydicom.dataset.FileMetaDataset()
    data.file_meta.TransferSyntaxUID = pydicom.uid.ExplicitVRLittleEndian
    data.SOPClassUID = data.file_meta.MediaStorageSOPClassUID = pydicom.uid.UID(sop_class)
    data.SOPInstanceUID = data.file_meta.MediaStorageSOPInstanceUID = pydicom.uid.UID(uid)
    data.PatientName, data.PatientID, data.Modality = "Weld seam 7", "W-7", "DX"
    data.Rows, data.Columns, data.SamplesPerPixel = *pixels.shape, 1
    data.BitsAllocated = data.BitsStored = 8 * pixels.dtype.itemsize
    data.HighBit, data.PixelRepresentation = data.BitsStored - 1, 0
    data.PhotometricInterpretation, data.ImagerPixelSpacing = "MONOCHROME2", [0.1, 0.1]
    for name, value in tags.items():
        setattr(data, name, value)
    data.PixelData = pixels.tobytes()
    data["PixelData"].VR = "OW" if pixels.dtype.itemsize == 2 else "OB"
    return data


def encoded(data: Any) -> bytes:
    """The data set alone, as it goes over the line."""
    stream = BytesIO()
    pydicom.dcmwrite(stream, data, enforce_file_format=True)
    return stream.getvalue()


def data_set_of(content: bytes) -> bytes:
    """What follows the file's meta information."""
    length = int.from_bytes(content[140:144], "little")
    return content[144 + length :]


class Place:
    def __init__(self, place: Path) -> None:
        self.port, self.inbox, self.out = free_port(), place / "inbox", place / "reports"

    def call(self, *classes: str, syntax: str = "1.2.840.10008.1.2.1", title: str = "LOPORE") -> Any:
        node = AE(ae_title="SCANNER")
        contexts = [build_context(one, syntax) for one in ("1.2.840.10008.1.1", *classes)]
        return node.associate("127.0.0.1", self.port, contexts, ae_title=title)

    def send(self, data: Any, **how: Any) -> Any:
        called = self.call(data.SOPClassUID, **how)
        assert called.is_established
        try:
            return called.send_c_store(data)
        finally:
            called.release()

    def report(self, name: str) -> dict[str, Any]:
        path = self.out / name / "inspection.json"
        until = time.monotonic() + 60
        while not path.exists() and time.monotonic() < until:
            failed = self.out / ".failed" / f"{name}.json"
            assert not failed.exists() or name == "note.txt", failed.read_text()
            time.sleep(0.02)
        found: dict[str, Any] = json.loads(path.read_text())
        found["indications"] = [one for one in found["indications"] if one["class_name"] == "pore"]  # slag is dark
        return found

    def failure(self, name: str) -> str:
        path = self.out / ".failed" / f"{name}.json"
        until = time.monotonic() + 60
        while not path.exists() and time.monotonic() < until:
            time.sleep(0.02)
        return str(json.loads(path.read_text())["error"])


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Place]:
    folder = tmp_path_factory.mktemp("dicom")
    plan = Preprocessing(size=(32, 32), window=Window(mode="percentile", low=0, high=100))  # 8 and 16 bits
    record = record_for(name="areas", task="segmentation", classes=("pore", "slag"), preprocessing=plan,
                        threshold=Threshold(value=0.6, rule="f1", chosen_on="val"))  # fmt: skip
    publish(folder / "models" / "areas" / "1", bright_areas(lines=((1, 0), (0, 0))), record)
    place = Place(folder)
    words = ("--inbox", str(place.inbox), "--out", str(place.out), "--dicom-port", str(place.port),
             "--dicom-from", "SCANNER", "--max-upload-mb", "1")  # fmt: skip
    with running(folder / "models", *words) as (_, process):
        assert process.poll() is None
        yield place


@pytest.mark.parametrize(("depth", "sop_class"), [(8, DX), (16, DX), (16, CR), (8, SC)])
def test_what_is_sent_is_stored_byte_for_byte_and_its_report_appears(place: Place, depth: int, sop_class: str) -> None:
    uid = f"1.2.3.{depth}.{len(sop_class)}.{sop_class[-1]}"
    data = dicom(film(depth), uid, sop_class)
    assert place.send(data).Status == 0x0000
    assert data_set_of((place.inbox / f"{uid}.dcm").read_bytes()) == data_set_of(encoded(data))
    found = place.report(f"{uid}.dcm")
    (mark,) = found["indications"]
    assert mark["length_mm"] == pytest.approx(1.4, abs=0.2) and found["film"]["depth"] == depth
    back = pydicom.dcmread(place.out / f"{uid}.dcm" / "indications.dcm")
    assert back.PatientID == "W-7" and back.Modality


@pytest.mark.skipif(shutil.which("storescu") is None, reason="DCMTK is not installed (Debian: apt-get install dcmtk)")
@pytest.mark.parametrize("depth", [8, 16])
def test_the_sender_of_another_package_is_answered_and_its_bytes_are_stored(
    place: Place, depth: int, tmp_path: Path
) -> None:
    called = ["-aet", "SCANNER", "-aec", "LOPORE", "127.0.0.1", str(place.port)]
    echo = subprocess.run(["echoscu", *called], capture_output=True, text=True, timeout=30, check=False)
    assert echo.returncode == 0, echo.stderr
    uid, sent = f"1.2.3.77.{depth}", tmp_path / "film.dcm"
    sent.write_bytes(encoded(dicom(film(depth), uid)))
    store = subprocess.run(["storescu", *called, str(sent)], capture_output=True, text=True, timeout=30, check=False)
    assert store.returncode == 0, store.stderr
    assert data_set_of((place.inbox / f"{uid}.dcm").read_bytes()) == data_set_of(sent.read_bytes())
    (mark,) = place.report(f"{uid}.dcm")["indications"]
    assert mark["width_mm"] == pytest.approx(1.4, abs=0.15)


def test_an_echo_is_answered_and_strangers_and_other_titles_are_not(place: Place) -> None:
    called = place.call()
    assert called.send_c_echo().Status == 0x0000
    called.release()
    assert not place.call(title="OTHER").is_established
    stranger = AE(ae_title="STRANGER").associate(
        "127.0.0.1", place.port, [build_context("1.2.840.10008.1.1")], ae_title="LOPORE"
    )
    assert not stranger.is_established


def test_an_object_that_comes_again_is_confirmed_and_another_of_its_uid_is_not(place: Place) -> None:
    data = dicom(film(), "1.2.3.100")
    assert [place.send(data).Status for _ in range(2)] == [0x0000, 0x0000]
    stored = (place.inbox / "1.2.3.100.dcm").read_bytes()
    assert place.send(dicom(film() + np.uint8(1), "1.2.3.100")).Status == 0x0111
    assert (place.inbox / "1.2.3.100.dcm").read_bytes() == stored


@pytest.mark.parametrize("tags", [{"Rows": 4000}, {"BitsStored": 40}], ids=["short", "bits"])
def test_what_the_reader_refuses_is_refused_and_not_stored(place: Place, tags: dict[str, Any]) -> None:
    answer = place.send(dicom(film(), "1.2.3.200", **tags))
    assert answer.Status == 0xC000 and answer.ErrorComment.startswith("1.2.3.200.dcm")
    assert not (place.inbox / "1.2.3.200.dcm").exists()


def test_an_object_beyond_the_limit_is_cut_off_while_it_comes(place: Place) -> None:
    called = place.call(DX)
    answer = called.send_c_store(dicom(np.zeros((3000, 1000), np.uint8), "1.2.3.300"))
    assert "Status" not in answer and not (place.inbox / "1.2.3.300.dcm").exists()
    assert place.call().is_established


def test_a_sender_that_drops_harms_nobody(place: Place) -> None:
    with socket.create_connection(("127.0.0.1", place.port)) as raw:
        raw.sendall(b"GET / HTTP/1.1\r\n\r\n")
    called = place.call(DX)
    line = called.dul.socket.socket
    line.sendall(bytes([4, 0]) + (60000).to_bytes(4, "big") + b"half of it")  # a P-DATA-TF that does not go on
    line.close()
    assert place.send(dicom(film(), "1.2.3.400")).Status == 0x0000
    assert sorted(path.name for path in place.inbox.glob("*.part")) == []


def test_compressed_and_implicit_objects_are_taken_as_they_are(place: Place) -> None:
    plain = dicom(film(16), "1.2.3.500")
    assert place.send(plain, syntax=ImplicitVRLittleEndian).Status == 0x0000
    codecs = pytest.importorskip("imagecodecs")
    pressed = dicom(film(16), "1.2.3.501")
    pressed.PixelData = pydicom.encaps.encapsulate([codecs.jpegls_encode(film(16))])
    pressed["PixelData"].VR, pressed["PixelData"].is_undefined_length = "OB", True
    pressed.file_meta.TransferSyntaxUID = JPEGLSLossless
    assert place.send(pressed, syntax=JPEGLSLossless).Status == 0x0000
    marks = [place.report(f"1.2.3.50{number}.dcm")["indications"] for number in (0, 1)]
    assert marks[0] == marks[1]


def test_a_file_in_the_folder_is_inspected_once_it_is_whole(place: Place) -> None:
    content = coded(".png", film())
    (place.inbox / "shift 2").mkdir()
    path = place.inbox / "shift 2" / "späte Naht.png"
    with path.open("wb") as stream:  # a scanner that writes slowly
        for begin in range(0, len(content), 40):
            stream.write(content[begin : begin + 40])
            stream.flush()
            time.sleep(0.1 if begin < 400 else 0)
    found = place.report("shift_2__späte_Naht.png")
    assert len(found["indications"]) == 1 and found["film"]["name"] == "späte Naht.png"
    assert not (place.out / ".failed" / "shift_2__späte_Naht.png.json").exists()


def test_a_file_that_is_no_film_is_told_once_and_tried_again_when_it_changes(place: Place) -> None:
    path = place.inbox / "note.txt"
    path.write_text("no film")
    assert "note.txt" in place.failure("note.txt") and "/tmp" not in place.failure("note.txt")
    path.write_bytes(coded(".png", film()))
    assert len(place.report("note.txt")["indications"]) == 1


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (("--inbox", "a"), "name both"),
        (("--dicom-port", "104"), "name both"),
        (("--inbox", "a", "--out", "a/b"), "lies in the inbox"),
        (("--inbox", "a", "--out", "b", "--dicom-port", "104", "--dicom-address", "0.0.0.0"), "--dicom-from"),
    ],
)
def test_a_wrong_inbox_is_one_line(words: tuple[str, ...], told: str) -> None:
    assert told in error_line(lopore("serve", *words).stderr)
