"""An ONNX file of lopore as a session: raw pixels in, probabilities and maps out."""

from __future__ import annotations

import threading
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
import onnxruntime as ort
from numpy.typing import NDArray

from lopore.contracts import PixelBatch, Scores
from lopore.cores import RUN_SECONDS, run_seconds
from lopore.errors import ModelError
from lopore.messages import plain
from lopore.record.onnx_file import read_plain_onnx

from .session_options import session_options

ort.set_default_logger_severity(4)

if TYPE_CHECKING:
    from lopore.record.folder import ModelFolder


class OnnxSession:
    """ONNX Runtime behind ``lopore.contracts.Session``; ``outputs`` names what the file gives beside ``scores``."""

    def __init__(self, runtime: ort.InferenceSession, run_seconds: float = RUN_SECONDS) -> None:
        self._runtime: ort.InferenceSession | None = runtime
        self._run_seconds = run_seconds
        self.outputs = tuple(output.name for output in runtime.get_outputs())

    def predict(self, batch: PixelBatch) -> Scores:
        """batch: (N, H, W, C) of the record's depth; returns (N, K) float32 probabilities."""
        return self.run(batch, ("scores",))[0]

    def segment(self, batch: PixelBatch) -> NDArray[np.float32]:
        """Probability of each class at each pixel, (N, K, H, W); ModelError for a classifier's file."""
        if "maps" not in self.outputs:
            raise ModelError("this ONNX file holds a classifier; only segmentation models give maps")
        return self.run(batch, ("maps",))[0]

    @property
    def gives_features(self) -> bool:
        """Whether the file has the output ``features``; see ``FeatureSession``."""
        return "features" in self.outputs

    def answer_with_features(self, batch: PixelBatch) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
        """See ``FeatureSession``; ModelError as in ``run``."""
        answer, features = self.run(batch, ("maps" if "maps" in self.outputs else "scores", "features"))
        return answer, features

    def run(self, batch: PixelBatch, outputs: Sequence[str]) -> list[NDArray[np.float32]]:
        """Named outputs of one run, stopped between operators after LOPORE_RUN_SECONDS.

        Raises ModelError for pixels of another shape or depth, and for a closed session.
        """
        runtime = self._runtime  # another thread may close the session
        if runtime is None:
            raise ModelError("the session was closed; open the model again")
        options = ort.RunOptions()
        watch = threading.Timer(self._run_seconds, setattr, (options, "terminate", True))
        watch.daemon = True
        watch.start()
        try:
            found = runtime.run(list(outputs), {"pixels": batch}, options)
        except Exception as error:  # onnxruntime raises its own, undocumented classes
            if options.terminate:
                raise ModelError(
                    f"the ONNX file ran longer than LOPORE_RUN_SECONDS={self._run_seconds:g} allows; set it higher or "
                    "use another model"
                ) from None
            text = plain(" ".join(str(error).split()), 300)
            raise ModelError(
                f"the ONNX file cannot run on pixels {batch.dtype} {batch.shape}: {text}; export it again, or use "
                "another runtime"
            ) from None
        finally:
            watch.cancel()
            watch.join()  # it ends at once; no thread is left behind
        return [np.asarray(item, np.float32) for item in found]

    def close(self) -> None:
        """Give the runtime's memory back."""
        self._runtime = None


def open_onnx(folder: ModelFolder, device: str, threads: int | None, format: str = "onnx") -> OnnxSession:
    """Open the folder's ONNX file of one format after it was found to be plain data of the expected inputs and outputs.

    device: auto, cpu or cuda. threads: for one run; default the cores this process may use.
    """
    path, limit = folder.file_for(format), run_seconds()
    content = read_plain_onnx(path)
    providers = _providers(device)
    try:
        runtime = ort.InferenceSession(content, session_options(threads), providers=providers)
    except Exception as error:  # onnxruntime raises its own, undocumented classes
        text = plain(" ".join(str(error).split()), 300)
        raise ModelError(f"{path} cannot be opened by ONNX Runtime: {text}; export it again") from None
    _check_ends(runtime, folder, str(path))
    return OnnxSession(runtime, limit)


def _providers(device: str) -> list[str]:
    available = ort.get_available_providers()
    cuda = "CUDAExecutionProvider"
    if device.startswith("cuda") and cuda not in available:
        raise ModelError("device 'cuda' is not in this ONNX Runtime; use cpu, or install onnxruntime-gpu in its place")
    use_cuda = device.startswith("cuda") or (device == "auto" and cuda in available)
    return [cuda, "CPUExecutionProvider"] if use_cuda else ["CPUExecutionProvider"]


def _check_ends(runtime: ort.InferenceSession, folder: ModelFolder, path: str) -> None:
    record = folder.record
    wanted = f"tensor(uint{record.preprocessing.depth})"
    inputs: list[Any] = runtime.get_inputs()
    shape = tuple(inputs[0].shape[1:]) if inputs else ()
    expected = (*record.preprocessing.size, record.preprocessing.channels)
    if len(inputs) != 1 or inputs[0].name != "pixels" or inputs[0].type != wanted or shape != expected:
        got = f"{[(item.name, item.type, item.shape) for item in inputs]}"[:200]
        raise ModelError(f"{path} takes {got}; the record says pixels {wanted} (N, {', '.join(map(str, expected))})")
    scores = {item.name: item.shape for item in runtime.get_outputs()}.get("scores")
    if scores is None or scores[-1] != len(record.classes):
        raise ModelError(
            f"{path} gives scores {scores} for {len(record.classes)} classes; it does not belong to its record"
        )
