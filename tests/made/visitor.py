"""A browser window without a browser, that speaks Streamlit's own protocol to an app on this machine."""

from __future__ import annotations

import http.client
import time
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass, field
from typing import Any

import pytest

connecting = pytest.importorskip("websockets.sync.client", reason="the visitors speak by websocket")
from streamlit.proto.BackMsg_pb2 import BackMsg  # noqa: E402  # after the skip
from streamlit.proto.ForwardMsg_pb2 import ForwardMsg  # noqa: E402

SECONDS = 30
EARLY = ForwardMsg.ScriptFinishedStatus.FINISHED_EARLY_FOR_RERUN


@dataclass
class Visitor:
    """One browser window without a browser: it runs pages, uploads files and keeps what it was told to draw."""

    port: int
    drawn: dict[tuple[int, ...], Any] = field(default_factory=dict)
    session: str = ""
    texts_entered: dict[str, str] = field(default_factory=dict)

    def __post_init__(self) -> None:
        link = http.client.HTTPConnection("127.0.0.1", self.port, timeout=SECONDS)
        link.request("GET", "/_stcore/health")
        cookie = link.getresponse().getheader("Set-Cookie") or ""
        link.close()
        self.token = cookie.split("=", 1)[1].split(";")[0] if "=" in cookie else ""
        self.cookie = f"_streamlit_xsrf={self.token}"
        self.open = ExitStack()

    def __enter__(self) -> Visitor:
        self.socket = self.open.enter_context(
            connecting.connect(
                f"ws://127.0.0.1:{self.port}/_stcore/stream",
                subprotocols=["streamlit"],
                origin=f"http://127.0.0.1:{self.port}",
                additional_headers={"Cookie": self.cookie},
                max_size=None,
                open_timeout=SECONDS,
            )
        )
        self.run()
        assert self.session, "the server opened no session"
        return self

    def __exit__(self, *_: object) -> None:
        self.open.close()

    def run(self, page: str = "", files: list[Any] | None = None, pressed: str = "") -> None:
        """Run a page, with uploads in its uploader and what was entered, to its end. pressed: the button's label."""
        message = BackMsg()
        message.rerun_script.page_name = page
        for label, text in self.texts_entered.items():
            for one in self.elements("text_input", label):
                widget = message.rerun_script.widget_states.widgets.add()
                widget.id, widget.string_value = one.id, text
        if pressed:
            widget = message.rerun_script.widget_states.widgets.add()
            widget.id, widget.trigger_value = next(self.elements("button", pressed)).id, True
        if files is not None:
            widget = message.rerun_script.widget_states.widgets.add()
            widget.id = self.uploader
            for one in files:
                widget.file_uploader_state_value.uploaded_file_info.add().CopyFrom(one)
        self.drawn.clear()
        self.socket.send(message.SerializeToString())
        while (done := self.receive()).WhichOneof("type") != "script_finished" or done.script_finished == EARLY:
            if done.WhichOneof("type") == "script_finished":
                self.drawn.clear()  # the page begins anew

    def receive(self) -> Any:
        message = ForwardMsg()
        message.ParseFromString(self.socket.recv(timeout=SECONDS))
        if message.WhichOneof("type") == "new_session":
            self.session = message.new_session.initialize.session_id
        if message.WhichOneof("type") == "delta" and message.delta.WhichOneof("type") == "new_element":
            self.drawn[tuple(message.metadata.delta_path)] = message.delta.new_element
        return message

    def elements(self, kind: str, label: str) -> Iterator[Any]:
        """What is drawn of this kind under this label."""
        parts = (getattr(one, kind) for one in self.drawn.values() if one.WhichOneof("type") == kind)
        return (part for part in parts if part.label == label)

    @property
    def uploader(self) -> str:
        return next(
            str(one.file_uploader.id) for one in self.drawn.values() if one.WhichOneof("type") == "file_uploader"
        )

    def upload(self, *files: tuple[str, bytes]) -> None:
        """Send files as a browser does and run the page with them."""
        message = BackMsg()
        message.file_urls_request.request_id = "1"
        message.file_urls_request.session_id = self.session
        message.file_urls_request.file_names.extend(name for name, _ in files)
        self.socket.send(message.SerializeToString())
        while (answer := self.receive()).WhichOneof("type") != "file_urls_response":
            pass
        told = []
        for (name, content), urls in zip(files, answer.file_urls_response.file_urls, strict=True):
            assert self.put(urls.upload_url, name, content) == 204
            message = BackMsg()
            info = message.rerun_script.widget_states.widgets.add().file_uploader_state_value.uploaded_file_info.add()
            info.name, info.size, info.file_id = name, len(content), urls.file_id
            info.file_urls.CopyFrom(urls)
            told.append(info)
        self.files = told
        self.run(files=told)

    def download(self, label: str) -> bytes:
        """What the button with this label gives, made by the server when it is pressed, as for a browser."""
        button = next(
            one.download_button
            for one in self.drawn.values()
            if one.WhichOneof("type") == "download_button" and one.download_button.label == label
        )
        message = BackMsg()
        request = message.backend_operation_request
        request.request_id, request.session_id = "download", self.session
        request.deferred_file.file_id = button.deferred_file_id
        self.socket.send(message.SerializeToString())
        while (answer := self.receive()).WhichOneof("type") != "backend_operation_response":
            pass
        assert not answer.backend_operation_response.error_msg, answer.backend_operation_response.error_msg
        link = http.client.HTTPConnection("127.0.0.1", self.port, timeout=SECONDS)
        link.request("GET", answer.backend_operation_response.deferred_file.url, headers={"Cookie": self.cookie})
        found = link.getresponse()
        assert found.status == 200
        content = found.read()
        link.close()
        return content

    def put(self, place: str, name: str, content: bytes, claimed: int | None = None) -> int:
        """PUT one file; the status. claimed: the length that the header states, sent without the bytes."""
        quoted = name.replace("\\", "\\\\").replace('"', "%22").replace("\n", "%0A").replace("\r", "%0D")
        head = f'--x\r\nContent-Disposition: form-data; name="file"; filename="{quoted}"\r\n\r\n'
        body = b"".join((head.encode("utf-8", "replace"), content, b"\r\n--x--\r\n"))
        link = http.client.HTTPConnection("127.0.0.1", self.port, timeout=SECONDS)
        link.putrequest("PUT", place)
        for key, value in (
            ("Cookie", self.cookie),
            ("X-Xsrftoken", self.token),
            ("Content-Type", "multipart/form-data; boundary=x"),
            ("Content-Length", str(claimed or len(body))),
        ):
            link.putheader(key, value)
        link.endheaders()
        if claimed is None:
            link.send(body)
        status = link.getresponse().status
        link.close()
        return status

    def texts(self, *kinds: str) -> list[str]:
        """What was drawn of these kinds (all where none is named), as the page was told it."""
        found = []
        for one in self.drawn.values():
            kind = one.WhichOneof("type")
            if not kinds or kind in kinds:
                part = getattr(one, kind)
                found.append(str(getattr(part, "body", "")) or str(part))
        return found

    def waits_for(self, call: str) -> None:
        """Run the page with its files until this call stands on the card of the film that is looked at, the first."""
        until = time.monotonic() + SECONDS
        while time.monotonic() < until:
            assert not self.texts("exception")
            if call in self.texts("heading"):
                return
            time.sleep(0.1)
            self.run(files=self.files)
        pytest.fail(f"{call} did not come: {self.texts('heading')} {self.texts('alert')}")
