"""A real service on the loopback: the records of the commands, the field's protocol, limits, and a clean stop."""

from __future__ import annotations

import base64
import contextlib
import json
import logging
import signal
import socket
import sys
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any
from urllib.parse import quote

import cv2
import httpx
import numpy as np
import pytest
from made.commands import lopore
from made.models import publish
from made.service import TOKEN, free_port, running
from made.whole_films import disc, ground


def png(pixels: Any) -> bytes:
    return bytes(cv2.imencode(".png", pixels)[1].tobytes())


AUTHORIZED = {"Authorization": f"Bearer {TOKEN}"}  # the client of Triton writes into what it is given
FILM = np.tile(np.arange(0, 240, 3, np.uint8), (64, 1))


def wait_for(client: httpx.Client, job: str) -> dict[str, Any]:
    for _ in range(300):
        found: dict[str, Any] = client.get(f"/v1/jobs/{job}").json()
        if found["state"] not in ("waiting", "running"):
            return found
        time.sleep(0.05)
    raise AssertionError(found)


def test_it_is_live_and_ready_without_a_token_and_tells_nothing_else(served: str) -> None:
    assert httpx.get(f"{served}/v2/health/live").json() == {"live": True}
    assert httpx.get(f"{served}/v2/health/ready").json() == {"ready": True}
    for path in ("/v1/models", "/v2", "/metrics", "/docs", "/openapi.json"):
        assert httpx.get(f"{served}{path}").status_code == 401, path
    assert httpx.get(f"{served}/v2", headers={"Authorization": "Bearer wrong"}).status_code == 401


def test_a_model_that_cannot_be_opened_is_told_and_the_others_answer(client: httpx.Client) -> None:
    found = {one["model"]: one for one in client.get("/v1/models").json()}
    assert found["bright/1"]["classes"] == ["no_defect", "pore"]
    assert "problem" in found["broken/1"] and "\n" not in found["broken/1"]["problem"]


def test_predict_answers_what_the_command_prints(client: httpx.Client, tmp_path: Path) -> None:
    (tmp_path / "film.png").write_bytes(png(FILM))
    folder = publish(tmp_path / "bright" / "1").path
    printed = json.loads(lopore("predict", str(tmp_path / "film.png"), "--model", str(folder), "--json").stdout)
    (answer,) = client.post("/v1/predict?model=bright", files={"file": ("film.png", png(FILM))}).json()
    assert answer.pop("source") == "film.png" and printed.pop("source").endswith("film.png")
    assert answer == printed


def test_a_bad_file_among_many_is_told_and_the_rest_goes_on(client: httpx.Client) -> None:
    files = [("file", ("a.png", png(FILM))), ("file", ("<b>.png", b"no image")), ("file", ("c.png", png(FILM)))]
    done = client.post("/v1/predict?model=bright", files=files)
    first, second, third = done.json()
    assert done.status_code == 207 and first["scores"] == third["scores"]
    assert second["source"] == "<b>.png" and "error" in second
    assert client.post("/v1/predict?model=bright", files=files[1:2]).status_code == 422


MARKUP = "<img src=x onerror=alert(1)>.png"


@pytest.mark.parametrize("name", [MARKUP, "=1+1.png", "esc\x1b[31m.png", "bidi\u202e.png", "../../up.png"])
def test_a_hostile_name_stays_text_in_every_answer(client: httpx.Client, name: str) -> None:
    film = client.post("/v1/predict?model=bright", files={"file": (name, png(FILM))})
    none = client.post("/v1/predict?model=bright", files={"file": (name, b"no image")})
    unknown = client.post("/v1/predict", params={"model": name}, files={"file": (name, png(FILM))})
    job = client.post("/v1/films?model=bright", files={"file": (name, png(FILM))})
    path = client.get(f"/v2/models/{quote(name, safe='')}")
    for done in (film, none, unknown, job, path, client.get("/v1/jobs/none")):
        assert done.headers["content-type"] == "application/json"
        assert done.headers["x-content-type-options"] == "nosniff"
        assert not any(sign < 32 or sign == 127 for sign in done.content.replace(b"\n", b""))
        json.loads(done.content)
    assert film.status_code == 200


def test_a_heat_map_comes_on_request(client: httpx.Client) -> None:
    (answer,) = client.post("/v1/predict?model=bright&heat=true", files={"file": ("f.png", png(FILM))}).json()
    image = cv2.imdecode(np.frombuffer(base64.b64decode(answer["heat"]["png"]), np.uint8), cv2.IMREAD_COLOR)
    assert image is not None and image.shape[1] >= 80


@pytest.mark.parametrize(
    ("query", "message"),
    [
        ("", "name a model; served are areas, bright"),
        ("?model=brigth", "did you mean bright"),
        ("?page=0&model=bright", "page"),
    ],
)
def test_a_wrong_request_is_one_line(client: httpx.Client, query: str, message: str) -> None:
    done = client.post(f"/v1/predict{query}", files={"file": ("f.png", png(FILM))})
    assert done.status_code in (404, 422) and message in done.json()["error"]


def test_a_film_is_a_job_with_progress_and_the_result_of_the_command(client: httpx.Client) -> None:
    film = ground(300, 700)
    disc(film, 200.5, 100.5, 14)
    begun = client.post(
        "/v1/inspect?model=areas", files={"file": ("film.png", png(film))}, data={"options": '{"mm_per_pixel": 0.1}'}
    )
    assert begun.status_code == 202
    ended = wait_for(client, begun.json()["id"])
    assert (ended["state"], ended["film"]) == ("done", "film.png") and ended["done"] == ended["total"]
    found = client.get(f"/v1/jobs/{ended['id']}/result").json()
    (mark,) = found["indications"]
    assert mark["centre"] == pytest.approx([200.5, 100.5], abs=1) and mark["length_mm"] == pytest.approx(1.4, abs=0.2)
    assert found["film"]["name"] == "film.png" and "lopore-" not in json.dumps(found["film"])


def test_images_do_not_wait_for_a_film_to_end(client: httpx.Client) -> None:
    film = png(ground(1500, 3000))
    job = client.post("/v1/inspect?model=areas", files={"file": ("f.png", film)}).json()["id"]
    while not (running := client.get(f"/v1/jobs/{job}").json())["done"]:
        assert running["state"] in ("waiting", "running")
    answered = client.post("/v1/predict?model=areas", files={"file": ("f.png", png(FILM))})
    after = client.get(f"/v1/jobs/{job}").json()
    client.delete(f"/v1/jobs/{job}")
    assert answered.status_code == 200 and after["state"] == "running" and after["stage"] == "map", after


def test_a_film_that_is_none_fails_in_one_line_under_its_own_name(client: httpx.Client) -> None:
    begun = client.post("/v1/inspect?model=areas", files={"file": ("weld.tif", b"II*\0 nothing more")}).json()
    ended = wait_for(client, begun["id"])
    assert ended["state"] == "failed" and "weld.tif" in ended["error"] and "/tmp" not in ended["error"]
    assert client.get(f"/v1/jobs/{begun['id']}/result").status_code == 410


@pytest.mark.parametrize("options", ['{"treshold": 1}', "[", '{"threshold": 7}'])
def test_options_of_a_film_are_checked_at_once(client: httpx.Client, options: str) -> None:
    done = client.post("/v1/inspect?model=areas", files={"file": ("f.png", png(FILM))}, data={"options": options})
    assert done.status_code == 400 and "options" in done.json()["error"]


def test_a_film_can_be_cancelled_and_an_unknown_job_is_told(client: httpx.Client) -> None:
    big = png(ground(1500, 3000))
    jobs = [client.post("/v1/inspect?model=areas", files={"file": ("f.png", big)}).json()["id"] for _ in range(3)]
    assert client.delete(f"/v1/jobs/{jobs[-1]}").status_code == 202
    assert wait_for(client, jobs[-1])["state"] == "cancelled"
    for job in jobs[:-1]:
        client.delete(f"/v1/jobs/{job}")
    assert client.get("/v1/jobs/nowhere").status_code == 404


def test_more_bytes_than_allowed_are_refused_stated_or_not(served: str, client: httpx.Client) -> None:
    large = b"\0" * (3 << 20)
    assert client.post("/v1/predict?model=bright", files={"file": ("f.png", large)}).status_code == 413
    came = 0

    def chunks() -> Iterator[bytes]:  # 200 MB, without a stated length
        nonlocal came
        for _ in range(3200):
            came += 65536
            yield large[:65536]

    try:
        status = client.post("/v2/models/bright/infer", content=chunks()).status_code
    except httpx.TransportError:  # the service may close before all has been sent
        status = 413
    assert status == 413 and came < 100 << 20
    assert client.get("/v2/health/live").status_code == 200


def test_a_slow_sender_keeps_nobody_waiting(served: str, client: httpx.Client) -> None:
    host, port = served.removeprefix("http://").split(":")
    lines = [socket.create_connection((host, int(port))) for _ in range(5)]
    for one in lines:
        head = f"POST /v1/predict?model=bright HTTP/1.1\r\nHost: a\r\nAuthorization: Bearer {TOKEN}\r\n"
        one.sendall(f"{head}Content-Type: multipart/form-data; boundary=x\r\nContent-Length: 90000\r\n\r\n".encode())
    for _ in range(10):
        for one in lines:
            one.sendall(b"-")
        assert client.post("/v1/predict?model=bright", files={"file": ("f.png", png(FILM))}).status_code == 200
    for one in lines:
        one.close()


def test_a_thousand_malformed_bodies_leave_it_well(client: httpx.Client) -> None:
    rng = np.random.default_rng(0)
    tensor = {"name": "pixels", "shape": [1, 32, 32, 1], "datatype": "UINT8", "data": [1]}
    head = json.dumps({"inputs": [tensor]}).encode()

    def send(number: int) -> int:
        body = bytearray(head[: 1 + number % len(head)])
        for place in rng.integers(0, len(body), 3):
            body[place] = int(rng.integers(0, 256))
        extra = {"Inference-Header-Content-Length": str(int(rng.integers(-5, 400)))} if number % 3 == 0 else {}
        return client.post("/v2/models/bright/infer", content=bytes(body), headers=extra).status_code

    assert {send(number) for number in range(1000)} <= {400}
    assert client.post("/v1/predict?model=bright", files={"file": ("f.png", png(FILM))}).status_code == 200


def test_a_client_of_triton_talks_to_it_unchanged(served: str) -> None:
    triton = pytest.importorskip("tritonclient.http")
    client = triton.InferenceServerClient(served.removeprefix("http://"))
    assert client.is_server_live(headers=dict(AUTHORIZED)) and client.is_server_ready(headers=dict(AUTHORIZED))
    assert client.is_model_ready("bright", headers=dict(AUTHORIZED))
    described = client.get_model_metadata("bright", headers=dict(AUTHORIZED))
    (given,) = described["inputs"]
    shape = [3, *given["shape"][1:]]
    pixels = triton.InferInput("pixels", shape, given["datatype"])
    values = np.random.default_rng(0).integers(0, 255, shape).astype(np.uint8)
    for binary in (True, False):
        pixels.set_data_from_numpy(values, binary_data=binary)
        wanted = triton.InferRequestedOutput("scores", binary_data=binary)
        answer = client.infer("bright", [pixels], outputs=[wanted], headers=dict(AUTHORIZED), request_id="7")
        scores = answer.as_numpy("scores")
        assert scores.shape == (3, 2) and np.allclose(scores.sum(axis=1), 1, atol=1e-5)
        assert answer.get_response()["id"] == "7" and answer.get_response()["model_version"] == "1"
    with pytest.raises(triton.InferenceServerException, match="no model 'nothing'"):
        client.infer("nothing", [pixels], headers=dict(AUTHORIZED))
    wrong = triton.InferInput("pixels", [1, 5, 5, 1], "UINT8")
    wrong.set_data_from_numpy(np.zeros((1, 5, 5, 1), np.uint8))
    with pytest.raises(triton.InferenceServerException, match="is needed"):
        client.infer("bright", [wrong], headers=dict(AUTHORIZED))


def test_twenty_clients_get_their_own_answers_and_share_batches(client: httpx.Client) -> None:
    images = {value: png(np.full((64, 64), value, np.uint8)) for value in range(5, 245, 12)}
    alone = {value: client.post("/v1/predict?model=bright", files={"file": ("f.png", body)}).json()[0]["scores"]
             for value, body in images.items()}  # fmt: skip

    def ask(value: int) -> bool:
        with httpx.Client(base_url=client.base_url, headers=client.headers, timeout=30) as own:
            answers = [own.post("/v1/predict?model=bright", files={"file": ("f.png", images[value])}) for _ in range(8)]
        return all(answer.json()[0]["scores"] == pytest.approx(alone[value], abs=1e-6) for answer in answers)

    with ThreadPoolExecutor(20) as clients:
        assert all(clients.map(ask, images))
    counts = dict(line.rsplit(" ", 1) for line in client.get("/metrics").text.splitlines() if not line.startswith("#"))
    assert float(counts['lopore_images_total{model="bright"}']) >= 8 * len(images)
    assert float(counts['lopore_batches_total{model="bright"}']) <= float(counts['lopore_images_total{model="bright"}'])


def test_a_client_that_hangs_or_goes_away_harms_nobody(served: str, client: httpx.Client) -> None:
    host, port = served.removeprefix("http://").split(":")
    slow = [socket.create_connection((host, int(port))) for _ in range(20)]
    for one in slow[:10]:
        one.sendall(b"POST /v1/predict?model=bright HTTP/1.1\r\nHost: a\r\nContent-Length: 1000\r\n")
    for one in slow[10:]:
        one.close()
    assert client.post("/v1/predict?model=bright", files={"file": ("f.png", png(FILM))}).status_code == 200
    for one in slow[:10]:
        one.close()


def test_it_finishes_what_runs_when_it_is_told_to_stop(tmp_path: Path) -> None:
    publish(tmp_path / "models" / "bright" / "1")
    with running(tmp_path / "models") as (address, process):
        answers: list[int] = []

        def ask() -> None:
            with contextlib.suppress(httpx.TransportError):  # after the signal it takes nothing new
                for _ in range(50):
                    done = httpx.post(f"{address}/v1/predict", files={"file": ("f.png", png(FILM))})
                    answers.append(done.status_code)

        asking = threading.Thread(target=ask)
        asking.start()
        while not answers:
            time.sleep(0.01)
        process.send_signal(signal.SIGTERM)
        process.wait(timeout=40)
        asking.join()
        assert process.returncode in (0, -signal.SIGTERM) and set(answers) == {200}


def test_without_a_model_it_ends_with_one_line(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("LOPORE_MODELS", "")
    ended = lopore("serve", "--port", free_port())
    assert ended.exit_code == 1 and ended.stderr.splitlines()[-1].startswith("lopore: nothing to serve")
    assert "Traceback" not in ended.stderr


def test_it_closes_no_log_handler_of_its_process(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    closed: list[str] = []

    class Handler(logging.StreamHandler):  # type: ignore[type-arg]
        def close(self) -> None:
            closed.append("closed")

    handler = Handler(sys.stderr)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("LOPORE_MODELS", "")
    lopore("serve", "--port", free_port())
    assert closed == []
    handler.close()


def test_the_network_needs_a_token_or_a_word(tmp_path: Path) -> None:
    refused = lopore("serve", "--address", "0.0.0.0")
    assert refused.exit_code != 0 and "--token-file" in refused.stderr
    (tmp_path / "short.txt").write_text("short")
    assert "at least 16" in lopore("serve", "--token-file", str(tmp_path / "short.txt")).stderr
