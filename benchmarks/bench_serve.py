"""lopore serve against ONNX Runtime in a loop and LitServe, on one model and the same files, in one run.

python benchmarks/bench_serve.py [--model FOLDER] [--clients 20] [--seconds 10] [--memory 10000] [--json FILE]

Clients sit on the loopback, in a process of their own, and ask again as soon as they are answered. ``files``: one JPEG
a request as a form, read and preprocessed by the server (LitServe runs lopore's own functions for that). ``tensors``:
eight preprocessed images a request, binary. The bare session runs batches of the same size in a loop, without reading
and without a network; it and the service take turns, three rounds each. The clients' own CPU time, on the cores that
the service is measured on, is told apart. On a busy machine the CPU time an image says more than the wall time.
LitServe is left out where it is not installed. Without --model a small one is trained here.
"""

from __future__ import annotations

import contextlib
import http.client
import json
import os
import signal
import socket
import statistics
import subprocess
import sys
import tempfile
import threading
import time
import uuid
from collections.abc import Iterator, Sequence
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np
from figures import arguments, keep
from material import train_small, write_films

BATCH, ROUNDS = 8, 3
LIT = """
import sys
import litserve
import numpy as np
from pathlib import Path
from lopore.inference.predict import answer_images, describe_prepared, images_at_once, prepare
from lopore.models.opening import open_model
from lopore.record.folder import ModelFolder

class Weld(litserve.LitAPI):
    def setup(self, device):
        self.model = open_model(ModelFolder.read(Path(sys.argv[1])), device="cpu")
    def decode_request(self, request):
        return prepare(self.model.record, request["file"].file.read(), name="film.jpg")
    def batch(self, inputs):
        return inputs
    def unbatch(self, output):
        return output
    def predict(self, items):
        answers = answer_images(self.model, [one.pixels for one in items])
        return [describe_prepared(self.model, one, answer) for one, answer in zip(items, answers)]
    def encode_response(self, output):
        return output.model_dump(mode="json")

if __name__ == "__main__":
    api = Weld(max_batch_size=32, batch_timeout=0.002)
    litserve.LitServer(api, accelerator="cpu").run(port=int(sys.argv[2]), host="127.0.0.1", log_level="error",
                                                   generate_client_file=False)
"""


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@contextlib.contextmanager
def server(words: Sequence[str], port: int, ready: str, folder: Path) -> Iterator[subprocess.Popen[bytes]]:
    """A server process, from its first good answer on."""
    process = subprocess.Popen([sys.executable, *words], cwd=folder, start_new_session=True,
                               stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)  # fmt: skip
    try:
        until = time.monotonic() + 180
        while time.monotonic() < until:
            with contextlib.suppress(OSError, http.client.HTTPException):
                line = http.client.HTTPConnection("127.0.0.1", port, timeout=5)
                line.request("GET", ready)
                if line.getresponse().status == 200:
                    break
            if process.poll() is not None:
                raise RuntimeError(f"{words[0]} ended with {process.returncode}")
            time.sleep(0.2)
        yield process
    finally:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGTERM)
        with contextlib.suppress(subprocess.TimeoutExpired):
            process.wait(20)
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)


def form(content: bytes) -> tuple[bytes, dict[str, str]]:
    """One file as a form: body and headers."""
    mark = uuid.uuid4().hex
    head = f'--{mark}\r\nContent-Disposition: form-data; name="file"; filename="film.jpg"\r\n\r\n'
    return head.encode() + content + f"\r\n--{mark}--\r\n".encode(), {
        "Content-Type": f"multipart/form-data; boundary={mark}"
    }


def tensors(batch: np.ndarray[Any, Any]) -> tuple[bytes, dict[str, str]]:
    """A batch as the Open Inference Protocol has it: body and headers."""
    raw = batch.tobytes()
    given = {"name": "pixels", "shape": list(batch.shape), "datatype": f"UINT{8 * batch.itemsize}"}
    head = json.dumps({
        "inputs": [given | {"parameters": {"binary_data_size": len(raw)}}],
        "outputs": [{"name": "scores", "parameters": {"binary_data": True}}],
    }).encode()  # fmt: skip
    return head + raw, {"Inference-Header-Content-Length": str(len(head))}


def load(pid: int, port: int, path: str, bodies: Sequence[tuple[bytes, dict[str, str]]], clients: int, seconds: float,
         images: int = 1, most: int = 1 << 30) -> dict[str, float]:  # fmt: skip
    """Requests a second, median and 95th percentile in ms, of clients that ask without a pause; the server's CPU time.

    images: in a request.
    """
    times: list[float] = []
    failed, lock, until = [0], threading.Lock(), time.monotonic() + seconds

    def ask(first: int) -> None:
        line, number = http.client.HTTPConnection("127.0.0.1", port, timeout=60), first
        while time.monotonic() < until and len(times) < most:
            body, headers = bodies[number % len(bodies)]
            began = time.perf_counter()
            line.request("POST", path, body, headers)
            answer = line.getresponse()
            answer.read()
            with lock:
                times.append(time.perf_counter() - began)
                failed[0] += answer.status != 200
            number += 1

    began, cpu, own = time.perf_counter(), cpu_seconds(pid), time.process_time()
    threads = [threading.Thread(target=ask, args=(number,)) for number in range(clients)]
    for one in threads:
        one.start()
    for one in threads:
        one.join()
    spent = time.perf_counter() - began
    cuts = statistics.quantiles(times, n=20)
    cpu = 1e3 * (cpu_seconds(pid) - cpu) / (images * len(times))
    own = 1e3 * (time.process_time() - own) / (images * len(times))
    return {"a second": len(times) / spent, "CPU ms an image": cpu, "clients' CPU ms": own,
            "median ms": 1e3 * statistics.median(times), "p95 ms": 1e3 * cuts[18], "requests": len(times),
            "failed": failed[0]}  # fmt: skip


def memory_mb(pid: int) -> float:
    """Resident memory of a process."""
    text = Path(f"/proc/{pid}/status").read_text()
    return int(text.split("VmRSS:")[1].split()[0]) / 1024


def cpu_seconds(pid: int) -> float:
    """CPU time of a process and of all that it started."""
    spent = 0.0
    for folder in Path("/proc").glob("[0-9]*"):
        with contextlib.suppress(OSError):
            fields = (folder / "stat").read_text().rpartition(")")[2].split()
            if int(folder.name) == pid or int(fields[2]) == pid:  # its group: servers start workers
                spent += (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")
    return spent


def bare(session: Any, batch: np.ndarray[Any, Any], seconds: float) -> dict[str, float]:
    """Images a second, and CPU time an image, of the session alone."""
    images, began, cpu = 0, time.perf_counter(), time.process_time()
    while time.perf_counter() - began < seconds:
        session.predict(batch)
        images += len(batch)
    spent = time.perf_counter() - began
    return {"images a second": images / spent, "CPU ms an image": 1e3 * (time.process_time() - cpu) / images}


def medians(rounds: Sequence[dict[str, float]]) -> dict[str, float]:
    """Of each figure the median over the rounds."""
    return {name: statistics.median(one[name] for one in rounds) for name in rounds[0]}


def measure(model: Path, folder: Path, clients: int, seconds: float, requests: int) -> dict[str, Any]:
    from lopore.inference.predict import prepare
    from lopore.models.opening import open_model
    from lopore.record.folder import ModelFolder

    opened = open_model(ModelFolder.read(model), device="cpu")
    record = opened.record
    paths = write_films(folder, 24)
    batch = np.stack([prepare(record, path).pixels for path in paths[:BATCH]])
    files = [form(path.read_bytes()) for path in paths]
    found: dict[str, Any] = {"load at the start": os.getloadavg()[0], "cores": len(os.sched_getaffinity(0))}
    bare(opened.session, batch, 1)
    port = free_port()
    with server(("-m", "lopore", "serve", "--model", str(model), "--port", str(port), "--queue", "1000"), port,
                "/v2/health/ready", folder) as process:  # fmt: skip
        path = f"/v2/models/{record.name}/infer"
        load(process.pid, port, path, [tensors(batch)], clients, 1)
        alone, served = [], []
        for _ in range(ROUNDS):
            alone.append(bare(opened.session, batch, seconds / ROUNDS))
            served.append(load(process.pid, port, path, [tensors(batch)], clients, seconds / ROUNDS, BATCH))
        found |= {"bare session": medians(alone), "lopore, tensors": medians(served)}
        found["lopore, files"] = load(process.pid, port, "/v1/predict", files, clients, seconds)
        small = [tensors(batch[:1])]
        grown = [memory_mb(process.pid)]
        for _ in range(10 if requests else 0):
            load(process.pid, port, path, small, clients, 600, most=requests // 10)
            grown.append(memory_mb(process.pid))
        found["lopore, MB over requests"] = [round(one, 1) for one in grown]
    first, second = found["bare session"], found["lopore, tensors"]
    found["lopore over bare, images a second"] = BATCH * second["a second"] / first["images a second"]
    found["lopore over bare, images a CPU second"] = first["CPU ms an image"] / second["CPU ms an image"]
    if find_spec("litserve") is not None:
        (folder / "lit.py").write_text(LIT)
        port = free_port()
        with server((str(folder / "lit.py"), str(model), str(port)), port, "/health", folder) as process:
            load(process.pid, port, "/predict", files, clients, 1)
            found["LitServe, files"] = load(process.pid, port, "/predict", files, clients, seconds)
    return found | {"load at the end": os.getloadavg()[0]}


def main() -> None:
    parser = arguments(__doc__)
    parser.add_argument("--model", type=Path)
    parser.add_argument("--clients", type=int, default=20)
    parser.add_argument("--seconds", type=float, default=10)
    parser.add_argument("--memory", type=int, default=10_000, help="requests over which memory is watched; 0 for none")
    asked = parser.parse_args()
    with tempfile.TemporaryDirectory() as place:
        model = asked.model.resolve() if asked.model else train_small(Path(place), "mobilenetv2_100")
        figures = measure(model, Path(place), asked.clients, asked.seconds, asked.memory)
    for name, value in figures.items():
        if isinstance(value, dict):
            value = ", ".join(f"{key} {one:.4g}" for key, one in value.items())
        print(f"{name:42} {value if not isinstance(value, float) else f'{value:.4g}'}")
    keep(figures, asked.json)


if __name__ == "__main__":
    main()
