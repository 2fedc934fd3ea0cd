"""What the service records: before an answer goes out, whatever kills it."""

from __future__ import annotations

import os
import signal
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path

import httpx
import numpy as np
import pytest
from made.images import coded
from made.models import publish, publish_areas
from made.postgres import PostgresServer
from made.service import running
from made.whole_films import disc, ground

from lopore.audit import open_trail, verify

pytest.importorskip("sqlalchemy")
IMAGE = coded(".png", np.tile(np.arange(0, 240, 3, np.uint8), (64, 1)))


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    place = tmp_path_factory.mktemp("recording")
    publish(place / "models" / "bright" / "1")
    publish_areas(place / "models" / "areas" / "1")
    return place


@pytest.fixture(scope="module")
def recording(place: Path) -> Iterator[str]:
    with running(place / "models", "--records", str(place / "records")) as (address, _):
        yield address


def test_each_answer_has_a_receipt_and_its_record_says_what_went_out(recording: str, place: Path) -> None:
    files = [("file", ("a.png", IMAGE)), ("file", ("b.png", b"none")), ("file", ("c.png", IMAGE))]
    done = httpx.post(f"{recording}/v1/predict?model=bright", files=files)
    receipts = done.headers["Lopore-Records"].split()
    with open_trail(str(place / "records")) as trail:
        rows = [trail.find(one.split(":")[0]) for one in receipts]
        assert verify(trail, expected=receipts[0]).sound
    first, _, third = done.json()
    assert [row.hash for row in rows] == [one.split(":")[1] for one in receipts]
    assert [row.data["prediction"] for row in rows] == [first, third]


def test_a_film_and_a_tensor_are_recorded(recording: str, place: Path) -> None:
    film = ground(200, 400)
    disc(film, 200.5, 100.5, 14)
    rules = "title: Invented\nsource: nobody\nedition: '1'\nrules:\n- {name: nothing, check: not_permitted}\n"
    begun = httpx.post(
        f"{recording}/v1/inspect?model=areas",
        files={"file": ("film.png", coded(".png", film))},
        data={"profile": rules},
    ).json()
    while (job := httpx.get(f"{recording}/v1/jobs/{begun['id']}").json())["state"] in ("waiting", "running"):
        time.sleep(0.02)
    found = httpx.get(f"{recording}/v1/jobs/{begun['id']}/result").json()
    tensor = {"name": "pixels", "shape": [1, 16, 16, 1], "datatype": "UINT8", "data": [7] * 256}
    scored = httpx.post(f"{recording}/v2/models/bright/infer", json={"inputs": [tensor]})
    with open_trail(str(place / "records")) as trail:
        marks, verdict = (trail.find(one.split(":")[0]) for one in job["records"])
        bare = trail.find(scored.headers["Lopore-Records"].split(":")[0])
    assert marks.data["inspection"]["indications"] == found["indications"] and verdict.about == marks.id
    assert verdict.data["verdict"] == found["verdict"] and found["verdict"]["answer"] == "reject"
    assert bare.data["tensor"]["shape"] == [1, 16, 16, 1]
    assert bare.data["scores"][0] == pytest.approx(scored.json()["outputs"][0]["data"], abs=1e-7)


@contextmanager
def clients(address: str, receipts: list[str], statuses: set[int], count: int = 8) -> Iterator[None]:
    """Clients that ask without a pause until the service is gone or the block ends; receipts of what was answered."""
    ended = threading.Event()

    def ask(_: int) -> None:
        with httpx.Client(timeout=20) as client:
            while not ended.is_set():
                try:
                    done = client.post(f"{address}/v1/predict?model=bright", files={"file": ("f.png", IMAGE)})
                except httpx.TransportError:
                    return
                statuses.add(done.status_code)
                if done.status_code == 200:
                    receipts.append(done.headers["Lopore-Records"])

    with ThreadPoolExecutor(count) as pool:
        asking = [pool.submit(ask, number) for number in range(count)]
        try:
            yield
        finally:
            ended.set()
        for one in asking:
            one.result()


def wait_until(reached: Callable[[], bool]) -> None:
    until = time.monotonic() + 30
    while not reached() and time.monotonic() < until:
        time.sleep(0.01)
    assert reached()


def test_no_answered_record_is_lost_when_it_is_killed_under_load_and_it_goes_on(place: Path, tmp_path: Path) -> None:
    receipts: list[str] = []
    words = ("--records", str(tmp_path))
    with running(place / "models", *words) as (address, process), clients(address, receipts, set()):
        wait_until(lambda: len(receipts) >= 150)
        process.kill()
        process.wait(timeout=20)
    with open_trail(str(tmp_path)) as trail:
        assert verify(trail).sound
        kept = {f"{row.number}:{row.hash}" for row in trail.records()}
    assert set(receipts) <= kept
    with running(place / "models", "--records", str(tmp_path)) as (address, _):
        done = httpx.post(f"{address}/v1/predict?model=bright", files={"file": ("f.png", IMAGE)})
        assert int(done.headers["Lopore-Records"].split(":")[0]) == len(kept) + 1
        with open_trail(str(tmp_path)) as trail, trail.engine.begin() as link:
            link.exec_driver_sql("DROP TABLE lopore_records")
        done = httpx.post(f"{address}/v1/predict?model=bright", files={"file": ("f.png", IMAGE)})
        assert done.status_code == 503 and "withheld" in done.json()["error"], "what cannot be recorded stays in"
        assert httpx.get(f"{address}/v2/health/live").status_code == 200


def test_no_answered_record_is_lost_when_service_and_postgresql_are_killed_together_under_load(
    place: Path, postgres: PostgresServer
) -> None:
    receipts: list[str] = []
    statuses: set[int] = set()
    words = ("--records", postgres.address)
    with running(place / "models", *words) as (address, process), clients(address, receipts, statuses):
        wait_until(lambda: len(receipts) >= 60)
        postgres.kill()
        wait_until(lambda: 503 in statuses)  # what cannot be recorded is withheld, and the service lives
        postgres.start()
        before = len(receipts)
        wait_until(lambda: len(receipts) >= before + 60)  # it found the database again by itself
        os.kill(process.pid, signal.SIGKILL)
        postgres.kill()
        process.wait(timeout=20)
    assert statuses <= {200, 503} and len(set(receipts)) == len(receipts)
    postgres.start()
    with open_trail(postgres.address) as trail:
        assert verify(trail, expected=receipts[-1]).sound
        kept = {f"{row.number}:{row.hash}" for row in trail.records()}
    assert set(receipts) <= kept
    with running(place / "models", *words) as (address, _):
        done = httpx.post(f"{address}/v1/predict?model=bright", files={"file": ("f.png", IMAGE)})
        assert int(done.headers["Lopore-Records"].split(":")[0]) == len(kept) + 1
