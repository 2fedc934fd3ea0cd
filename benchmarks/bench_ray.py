"""`lopore inspect weld --on ray` on clusters of one and of two cores of this machine, beside the command alone.

    python benchmarks/bench_ray.py [--films 12] [--json FILE]

Made films of 10 cm. Each cluster is started before its run and the clock runs from the command's start to its end, so
a worker's imports and its opening of the model count. Printed: seconds, films a second, and whether reports and tables
are byte for byte those of the command alone; then once more on two cores, with a worker killed in the middle.
"""

from __future__ import annotations

import contextlib
import os
import re
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from figures import arguments, keep

TIMED = re.compile(rb'"(created|date_created|seconds)": [^,\n]+,?')
SHARDS = 8


@contextlib.contextmanager
def cluster(cores: int) -> Iterator[str]:
    """The address of a cluster of this machine."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = int(probe.getsockname()[1])
    words = ["start", "--head", "--block", f"--port={port}", f"--num-cpus={cores}", "--include-dashboard=false"]
    words += ["--disable-usage-stats", f"--temp-dir=/tmp/lopore-ray-{port}", "--object-store-memory=80000000"]
    head = subprocess.Popen([sys.executable, "-m", "ray.scripts.scripts", *words], stdout=subprocess.DEVNULL,
                            stderr=subprocess.DEVNULL, start_new_session=True)  # fmt: skip
    try:
        until = time.monotonic() + 60
        while time.monotonic() < until:
            with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port), 1):
                break
            time.sleep(0.2)
        time.sleep(5)  # until its raylet has joined
        yield f"127.0.0.1:{port}"
    finally:
        os.killpg(head.pid, signal.SIGTERM)
        head.wait(60)


def started(place: Path, out: str, address: str | None, more: Sequence[str] = ()) -> subprocess.Popen[str]:
    environment = {**os.environ, "OMP_NUM_THREADS": "1", **({"RAY_ADDRESS": address} if address else {})}
    words = ["inspect", "weld", "films/films", "--out", out, "--no-pdf", "--threads", "1", *more]
    return subprocess.Popen([sys.executable, "-m", "lopore", *words], cwd=place, env=environment, text=True,
                            stdout=subprocess.PIPE, stderr=subprocess.PIPE)  # fmt: skip


def ended(process: subprocess.Popen[str]) -> str:
    """What the command said as error; RuntimeError where it did not come to its end."""
    _, errors = process.communicate(timeout=3600)
    if process.returncode:
        raise RuntimeError(errors[-2000:])
    return errors


def contents(out: Path) -> dict[str, bytes]:
    """Tables and records, without the times at which they were made."""
    found = (path for path in sorted(out.rglob("*")) if path.is_file() and path.suffix not in (".html", ".dcm"))
    return {str(path.relative_to(out)): TIMED.sub(b"", path.read_bytes()) for path in found}


def kill_one(place: Path, out: Path) -> bool:
    """Kill a worker once a film has its report: then shards are in the middle of others."""
    until = time.monotonic() + 600
    while time.monotonic() < until:
        for folder in Path("/proc").glob("[0-9]*") if list(out.glob("*/inspection.json")) else ():
            with contextlib.suppress(OSError):
                if b"ray::run_one" in (folder / "cmdline").read_bytes() and str(place) == str(
                    (folder / "cwd").readlink()
                ):
                    os.kill(int(folder.name), signal.SIGKILL)
                    return True
        time.sleep(0.05)
    return False


def measure(place: Path, films: int) -> dict[str, Any]:
    from lopore.synthesis.whole_film import write_whole_films

    write_whole_films(place / "films", films, seed=5, length_mm=100.0)
    found: dict[str, Any] = {"films": films, "load at the start": os.getloadavg()[0]}
    began = time.perf_counter()
    ended(started(place, "once", None))
    alone = time.perf_counter() - began
    found["the command alone, one core"] = {"s": alone, "films a second": films / alone}
    for cores, title, kill in ((1, "1 core", False), (2, "2 cores", False), (2, "2 cores, a worker killed", True)):
        out = f"seen-{cores}-{kill}"
        with cluster(cores) as address:
            began = time.perf_counter()
            process = started(place, out, address, ("--on", "ray", "--shards", str(SHARDS)))
            killed = kill and kill_one(place, place / out)
            ended(process)
            spent = time.perf_counter() - began
        equal = contents(place / out) == contents(place / "once")
        found[f"Ray, {title}"] = {"s": spent, "films a second": films / spent, "equal": equal, "killed": killed}
    found["two cores over one"] = found["Ray, 1 core"]["s"] / found["Ray, 2 cores"]["s"]
    return found | {"load at the end": os.getloadavg()[0]}


def main() -> None:
    parser = arguments(__doc__)
    parser.add_argument("--films", type=int, default=12)
    asked = parser.parse_args()
    with tempfile.TemporaryDirectory() as place:
        figures = measure(Path(place), asked.films)
    for name, value in figures.items():
        if isinstance(value, dict):
            value = ", ".join(f"{key} {one:.4g}" for key, one in value.items())
        print(f"{name:32} {value if not isinstance(value, float) else f'{value:.4g}'}")
    keep(figures, asked.json)


if __name__ == "__main__":
    main()
