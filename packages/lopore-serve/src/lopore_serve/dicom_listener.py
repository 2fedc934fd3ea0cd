"""A DICOM listener: C-ECHO, and C-STORE of radiographs into the inbox; an object is on the disk before it is confirmed.

Source: DICOM PS3.4 annex B (storage) and PS3.7 annex C (status codes). DICONDE (ASTM E2339) uses the same classes.
"""

from __future__ import annotations

import re
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pydicom.dataset import Dataset
from pydicom.uid import UID
from pynetdicom import AE, evt

from lopore.atomic_files import atomic_write_bytes
from lopore.errors import ConfigError, LoporeError
from lopore.messages import plain
from lopore.reading.dicom_codings import NAMES
from lopore.reading.windows import open_film

if TYPE_CHECKING:
    from pynetdicom.events import Event

    from .settings import InboxSettings

_STORAGE = "1.2.840.10008.5.1.4.1.1."
CLASSES = {
    f"{_STORAGE}1": "Computed Radiography",
    f"{_STORAGE}1.1": "Digital X-Ray for presentation",
    f"{_STORAGE}1.1.1": "Digital X-Ray for processing",
    f"{_STORAGE}7": "Secondary Capture",
    f"{_STORAGE}7.2": "Secondary Capture, grey bytes",
    f"{_STORAGE}7.3": "Secondary Capture, grey words",
}
VERIFICATION = "1.2.840.10008.1.1"
UNCOMPRESSED = ("1.2.840.10008.1.2.1", "1.2.840.10008.1.2", "1.2.840.10008.1.2.2", "1.2.840.10008.1.2.1.99")
SUCCESS, DUPLICATE, OUT_OF_RESOURCES, NO_MATCH, CANNOT_UNDERSTAND = 0x0000, 0x0111, 0xA700, 0xA900, 0xC000
MOST_SENDERS = 8
SECONDS_OF_SILENCE = 30
"""A sender that says nothing for so long is cut off; what it sent of an object is dropped."""
LARGEST_PDU = 1 << 17


class DicomListener:
    """One port that takes radiographs. Raises ConfigError where the port is taken."""

    def __init__(self, settings: InboxSettings, most_bytes: int) -> None:
        self._folder, self._most_bytes = settings.folder, most_bytes
        self._came: dict[Any, int] = {}
        node = AE(ae_title=settings.dicom_title)
        node.maximum_associations, node.maximum_pdu_size = MOST_SENDERS, LARGEST_PDU
        node.network_timeout = node.acse_timeout = node.dimse_timeout = SECONDS_OF_SILENCE
        node.require_called_aet = True
        node.require_calling_aet = list(settings.dicom_calling)
        node.add_supported_context(VERIFICATION)
        for one in CLASSES:
            node.add_supported_context(one, [UID(syntax) for syntax in (*UNCOMPRESSED, *NAMES)])
        handlers: list[Any] = [
            (evt.EVT_C_STORE, self._store), (evt.EVT_DATA_RECV, self._count), (evt.EVT_CONN_CLOSE, self._forget),
        ]  # fmt: skip
        address = settings.dicom_address, settings.dicom_port or 0
        try:
            node.start_server(address, block=False, evt_handlers=handlers)
        except OSError as error:
            where = f"{address[0]} port {address[1]}"
            raise ConfigError(
                f"cannot listen for DICOM on {where} ({error.strerror}); choose another --dicom-port"
            ) from None
        self._node = node

    def stop(self) -> None:
        """Take nothing new, and cut off who still sends."""
        self._node.shutdown()

    def _count(self, event: Event) -> None:
        """Bytes of one object may not grow beyond the limit while they come."""
        came = self._came[event.assoc] = self._came.get(event.assoc, 0) + len(event.data)
        if came > self._most_bytes + LARGEST_PDU:
            socket = event.assoc.dul.socket
            if socket is not None:
                socket.close()

    def _forget(self, event: Event) -> None:
        self._came.pop(event.assoc, None)

    def _store(self, event: Event) -> Dataset:
        self._came[event.assoc] = 0
        name = str(getattr(event.request, "AffectedSOPInstanceUID", ""))
        if not re.fullmatch(r"[0-9.]{1,64}", name):
            return _status(NO_MATCH, "the instance's UID is none")
        try:
            return self._keep(event.encoded_dataset(), f"{name}.dcm")
        except LoporeError as error:
            return _status(CANNOT_UNDERSTAND, str(error))
        except Exception as error:
            return _status(OUT_OF_RESOURCES, f"{type(error).__name__} while it was stored")

    def _keep(self, content: bytes, name: str) -> Dataset:
        """Store an object that the reader opens; one that is there already, byte for byte, is confirmed again."""
        path = self._folder / name
        if path.exists():
            same = path.read_bytes() == content
            return _status(SUCCESS) if same else _status(DUPLICATE, "another object of this UID is here")
        with tempfile.TemporaryDirectory(prefix="lopore-dicom-") as folder:
            trial = Path(folder) / name
            trial.write_bytes(content)
            open_film(trial).close()
        try:
            atomic_write_bytes(path, content)
        except LoporeError as error:
            return _status(OUT_OF_RESOURCES, str(error))
        return _status(SUCCESS)


def _status(code: int, comment: str = "") -> Dataset:
    """A status; the comment is an LO: 64 letters at most."""
    status = Dataset()
    status.Status = code
    if comment:
        status.ErrorComment = plain(comment, 60).encode("ascii", "replace").decode()
    return status
