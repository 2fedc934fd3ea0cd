"""Shards on a real cluster of Ray on this machine: equal to one run, and a lost worker costs its shard alone."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from made.commands import error_line, lopore
from made.models import publish_areas
from made.service import free_port
from made.whole_films import disc, ground

from lopore.reading.radiograph import write_radiograph

pytest.importorskip("ray", reason="ray is not installed (pip install lopore-ray)")
pytestmark = pytest.mark.slow  # a cluster starts in 5 to 15 s
TIMED = re.compile(rb'"(created|date_created|seconds)": [^,\n]+,?')


@pytest.fixture(scope="module")
def cluster(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """A place with five films, one of them broken, and the variables that lead to a cluster with two workers."""
    place, port = tmp_path_factory.mktemp("ray"), free_port()
    publish_areas(place / "models" / "final" / "areas" / "1")
    for number in range(5):
        pixels = ground(300, 1500)
        for mark in range(number):
            disc(pixels, 100.5 + 250 * mark, 150.5, 14)
        write_radiograph(pixels, place / "films" / f"film{number}.png")
    (place / "films" / "film2.png").write_bytes(b"\x89PNG\r\n\x1a\n none")
    ray = [sys.executable, "-m", "ray.scripts.scripts"]
    start = ["start", "--head", f"--port={port}", "--num-cpus=2", "--include-dashboard=false", "--disable-usage-stats"]
    start += [f"--temp-dir=/tmp/lopore-ray-{port}", "--object-store-memory=80000000"]
    head = subprocess.Popen([*ray, *start, "--block"], stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
                            start_new_session=True)  # fmt: skip
    os.environ["RAY_ADDRESS"] = f"127.0.0.1:{port}"
    try:
        yield place
    finally:
        del os.environ["RAY_ADDRESS"]
        os.killpg(head.pid, signal.SIGTERM)
        head.communicate(timeout=60)


def said(place: Path, *words: str) -> subprocess.Popen[str]:
    return subprocess.Popen([sys.executable, "-m", "lopore", *words], cwd=place, text=True,
                            stdout=subprocess.PIPE, stderr=subprocess.PIPE)  # fmt: skip


def contents(out: Path) -> dict[str, bytes]:
    return {
        str(path.relative_to(out)): TIMED.sub(b"", path.read_bytes())
        for path in sorted(out.rglob("*")) if path.is_file() and path.suffix not in (".html", ".dcm")
    }  # fmt: skip


def test_answers_of_a_cluster_are_those_of_one_run(cluster: Path) -> None:
    asked = ("predict", "--model", "areas", "films", "--min-area", "1")
    tables = [("once.csv", "marks.csv"), ("ray.csv", "found.csv")]
    for (out, marks), more in zip(tables, [(), ("--on", "ray", "--shards", "3")], strict=True):
        process = said(cluster, *asked, "--out", out, "--detections", marks, *more)
        _, errors = process.communicate(timeout=300)
        assert process.returncode == 1 and "film2.png" in error_line(errors), errors
    for one, other in zip(*tables, strict=True):
        assert (cluster / one).read_bytes() == (cluster / other).read_bytes()
    assert not list(cluster.glob("*-of-3.csv"))


def test_a_killed_worker_costs_its_shard_alone(cluster: Path) -> None:
    asked = ("inspect", "areas", "films", "--no-pdf", "--overlap", "0.8")
    _, errors = said(cluster, *asked, "--out", "once").communicate(timeout=300)
    process = said(cluster, *asked, "--out", "seen", "--on", "ray", "--shards", "5")
    until, killed = time.monotonic() + 120, 0
    while not killed and time.monotonic() < until and process.poll() is None:
        killed = next(_workers(cluster), 0)
        time.sleep(0.02)
    assert killed, process.communicate()
    os.kill(killed, signal.SIGKILL)
    _, errors = process.communicate(timeout=300)
    assert process.returncode == 1 and "film2.png" in error_line(errors), errors
    assert errors.count("is written:") == 5 and not (cluster / "seen" / ".shards").exists()
    assert contents(cluster / "seen") == contents(cluster / "once")


def _workers(place: Path) -> Iterator[int]:
    """Workers that have begun the map of a film."""
    if not list((place / "seen").glob(".work/*/*")):
        return
    for folder in Path("/proc").glob("[0-9]*"):
        try:
            if b"ray::run_one" in (folder / "cmdline").read_bytes() and str(place) == str((folder / "cwd").readlink()):
                yield int(folder.name)
        except OSError:
            continue


def test_a_wrong_place_is_one_line(tmp_path: Path) -> None:
    publish_areas(tmp_path / "areas" / "1")
    image = write_radiograph(ground(60, 60), tmp_path / "a.png")
    assert image is not None
    asked = ("predict", "--model", tmp_path / "areas" / "1", tmp_path / "a.png")
    assert "write ray or ray://HOST:PORT" in error_line(lopore(*asked, "--on", "dask").stderr)
    assert "leave --shard out" in error_line(lopore(*asked, "--on", "ray", "--shard", "1/2").stderr)
