"""The ``.pt`` file: the whole network as a ``torch.export`` program, opened only where it is plain data.

``torch.export.load`` would unpickle objects, resolve any name under ``torch`` and evaluate expressions that the file
names; hence ``check_program`` reads the archive first and refuses all of that.
"""

from __future__ import annotations

import io
import json
import pickle
import re
import warnings
import zipfile
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn

from lopore.contracts import PixelBatch, Scores, gives_maps
from lopore.errors import ModelError
from lopore.preprocessing.pipeline import check_batch

from .distributed import choose_device
from .export import example_pixels
from .graphs import FEATURES, MAPS, SCORES, export_graph
from .network import to_tensor
from .predict import CHUNK, CLOSED, load_network

if TYPE_CHECKING:
    from lopore.record.folder import ModelFolder
    from lopore.record.model import ModelRecord

PT_FILE = "model.pt"
MAX_BYTES = 2 << 30
_MEMBERS = re.compile(
    r"[^/]+/(models/model\.json|data/sample_inputs/model\.pt|data/(weights|constants)/"
    r"(model_(weights|constants)_config\.json|(weight|tensor)_\d+)|archive_format|archive_version|byteorder"
    r"|\.data/version|\.data/serialization_id|\.format_version|\.storage_alignment)"
)
_PLAIN = re.compile(r"[\w.+-]*")
_SYMBOL = r"Symbol\('s\d+', (positive=True, )?integer=True\)"
_SIZE = re.compile(rf"(\d+\*)?{_SYMBOL}|\d+")
_TARGET = re.compile(r"torch\.ops\.aten\.\w+\.\w+|_operator\.(getitem|add|mul|sub|floordiv)")
_REFUSED = re.compile(r"torch\.ops\.aten\.(from_file|save|load|set_)")
_SPEC_TYPES = {None, "builtins.tuple", "builtins.list", "builtins.dict"}


def export_pt(folder: ModelFolder, target: Path) -> Mapping[str, Any]:
    """Write ``target / "model.pt"``: pixels to scores (segmentation: and maps) and features, any batch size."""
    network = load_network(folder).requires_grad_(False)
    graph, names = export_graph(network, folder.record.task, None, folder.record.calibration)
    batch = torch.export.Dim("batch", min=1)
    program = torch.export.export(graph.eval(), (example_pixels(folder.record),), dynamic_shapes=({0: batch},))
    for node in program.graph.nodes:
        for note in ("stack_trace", "nn_module_stack", "torch_fn", "source_fn_stack", "from_node"):
            node.meta.pop(note, None)
    buffer = io.BytesIO()
    torch.export.save(program, buffer)
    (target / PT_FILE).write_bytes(buffer.getvalue())
    check_program(target / PT_FILE)
    return {"outputs": names, "torch": torch.__version__}


def check_program(path: Path) -> None:
    """ModelError where the archive holds anything but plain tensors and a graph of aten operators."""
    try:
        if path.stat().st_size > MAX_BYTES:
            raise ModelError(f"{path} has more than {MAX_BYTES} bytes; such programs are not opened")
        with zipfile.ZipFile(path) as archive:
            _check_archive(path, archive)
    except (OSError, zipfile.BadZipFile, pickle.UnpicklingError, ArithmeticError, LookupError) as error:
        raise ModelError(f"{path} is no torch.export program of lopore ({str(error)[:120]}); export it again") from None
    except (ValueError, TypeError, AttributeError, RuntimeError) as error:
        raise ModelError(f"{path} is no torch.export program of lopore ({str(error)[:120]}); export it again") from None


def _check_archive(path: Path, archive: zipfile.ZipFile) -> None:
    names = archive.namelist()
    foreign = [name for name in names if not _MEMBERS.fullmatch(name)]
    if foreign or len(set(names)) != len(names):
        raise ModelError(
            f"{path} holds {(foreign or names)[0][:80]!r}, which no program of lopore holds; it was not opened"
        )
    root = names[0].split("/")[0]
    torch.load(io.BytesIO(archive.read(f"{root}/data/sample_inputs/model.pt")), weights_only=True)
    for kind in ("weights", "constants"):
        config = json.loads(archive.read(f"{root}/data/{kind}/model_{kind}_config.json"))["config"]
        for entry in config.values():
            if entry["use_pickle"] or not re.fullmatch(r"(weight|tensor)_\d+", entry["path_name"]):
                raise ModelError(f"{path} holds pickled objects; only plain tensors are opened")
    _check_graph(path, json.loads(archive.read(f"{root}/models/model.json")))


def _check_graph(path: Path, model: Any) -> None:
    if model.get("guards_code"):
        raise ModelError(f"{path} carries code of its own (guards); it was not opened")
    for key, text in _strings(model):
        if key in ("in_spec", "out_spec"):
            allowed = all(kind in _SPEC_TYPES for kind in _spec_types(json.loads(text)))
        elif key == "expr_str":
            allowed = _SIZE.fullmatch(text) is not None
        elif key == "target":
            allowed = _TARGET.fullmatch(text) is not None and not _REFUSED.match(text)
        else:
            allowed = _PLAIN.fullmatch(text) is not None
        if not allowed:
            raise ModelError(
                f"{path} asks for {key} {text[:80]!r}; programs of torch's aten operators are opened, no others"
            )


def _strings(data: Any, key: str = "") -> Iterator[tuple[str, str]]:
    """Every string in JSON data, keys of mappings included, with the name it stands under."""
    if isinstance(data, str):
        yield key, data
    elif isinstance(data, dict):
        for name, value in data.items():
            yield "key", name
            yield from _strings(value, name)
    elif isinstance(data, list):
        for value in data:
            yield from _strings(value, key)


def _spec_types(spec: Any) -> Iterator[Any]:
    """Container types in a pytree description ``[version, {"type", "context", "children_spec"}]``."""
    waiting = [spec[1]]
    while waiting:
        node = waiting.pop()
        if node["context"] not in (None, "null", "[]"):
            yield "a container with keys"
        yield node["type"]
        waiting.extend(node["children_spec"])


class ProgramSession:
    """``Session`` over a torch.export program; no gradients, so heat maps need the ``pth`` file."""

    def __init__(self, program: Any, record: ModelRecord, device: torch.device, threads: int | None) -> None:
        from torch.export.passes import move_to_device_pass

        moved = program if device.type == "cpu" else move_to_device_pass(program, device)
        self.module: nn.Module | None = moved.module()
        self.recipe, self.device, self.threads = record.preprocessing, device, threads
        known = (SCORES, MAPS) if gives_maps(record.task) else (SCORES,)
        count = len(program.graph_signature.user_outputs)  # older files have no features
        self.outputs = (*known, FEATURES)[:count]

    @torch.inference_mode()
    def run(self, batch: PixelBatch) -> list[NDArray[np.float32]]:
        """All outputs for a batch; ModelError for a closed session, other pixels, or values that are no numbers."""
        module = self.module
        if module is None:
            raise ModelError(CLOSED)
        check_batch(batch, (*self.recipe.size, self.recipe.channels), np.dtype(f"uint{self.recipe.depth}"))
        if self.threads and torch.get_num_threads() != self.threads:
            torch.set_num_threads(self.threads)
        parts = []
        for start in range(0, max(1, len(batch)), CHUNK):
            answer = module(to_tensor(batch[start : start + CHUNK], self.device))
            parts.append([part.cpu().numpy() for part in (answer if isinstance(answer, tuple) else (answer,))])
        outputs = [np.concatenate(column) for column in zip(*parts, strict=True)]
        if not all(np.isfinite(output).all() for output in outputs):
            raise ModelError("the program gave values that are no numbers; export the model again")
        return outputs

    def predict(self, batch: PixelBatch) -> Scores:
        """See ``Session.predict``."""
        return self.run(batch)[0]

    @property
    def gives_features(self) -> bool:
        """See ``FeatureSession``."""
        return FEATURES in self.outputs

    def answer_with_features(self, batch: PixelBatch) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
        """See ``FeatureSession``."""
        *_, answer, features = self.run(batch)
        return answer, features

    def close(self) -> None:
        """See ``Session.close``."""
        self.module = None


class ProgramMapSession(ProgramSession):
    """``MapSession`` over a segmentation program."""

    def segment(self, batch: PixelBatch) -> NDArray[np.float32]:
        """See ``MapSession.segment``."""
        return self.run(batch)[1]


def open_pt(folder: ModelFolder, device: str, threads: int | None) -> ProgramSession:
    """A session over ``model.pt`` after ``check_program``."""
    path = folder.file_for("pt")
    check_program(path)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # torch's own notices about its archive reader
        try:
            program = torch.export.load(io.BytesIO(path.read_bytes()))
        except Exception as error:  # the reader raises assertion, runtime, key and schema errors alike
            text = " ".join(str(error).split())[:160]
            raise ModelError(
                f"{path} cannot be opened by torch {torch.__version__} ({text}); export it again"
            ) from None
    kind = ProgramMapSession if gives_maps(folder.record.task) else ProgramSession
    return kind(program, folder.record, choose_device(device), threads)
