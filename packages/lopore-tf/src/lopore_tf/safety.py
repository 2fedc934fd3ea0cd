"""Keras files are data: what a ``.keras`` or HDF5 file holds is read and judged before Keras sees it.

Keras' own loader imports the modules that a file names and builds what it finds there; its safe mode stops Lambda
layers only. lopore rebuilds the network from its record and takes nothing but arrays from the file; still a file that
asks for more than standard layers was not written by lopore and is refused. HDF5 files can point at other files
(external links, external storage, virtual data sets), which would show their content as weights; those are refused too.
"""

from __future__ import annotations

import io
import json
import math
import zipfile
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import IO, Any

import h5py

from lopore.errors import ModelError

MAX_CONFIG_BYTES = 16 << 20
MAX_WEIGHT_BYTES = 2 << 30
MAX_OBJECTS = 100_000
MAX_DEPTH = 16
_SMALL_BYTES, _MOST_TIMES = 1 << 20, 50
"""What one array may always unpack to, and above that by how many times its stored bytes: weights hardly pack."""

CONFIG, METADATA, WEIGHTS = "config.json", "metadata.json", "model.weights.h5"
_LIMITS = {CONFIG: MAX_CONFIG_BYTES, METADATA: 1 << 16, WEIGHTS: MAX_WEIGHT_BYTES}

LAYERS = frozenset({
    "Activation", "Add", "Average", "AveragePooling2D", "BatchNormalization", "Concatenate", "Conv2D", "Cropping1D",
    "Cropping2D", "Dense", "DepthwiseConv2D", "Dropout", "Flatten", "Functional", "GlobalAveragePooling2D",
    "GlobalMaxPooling2D",
    "GroupNormalization", "Identity", "InputLayer", "LayerNormalization", "LeakyReLU", "MaxPooling2D", "Multiply",
    "Normalization", "Permute", "ReLU", "Rescaling", "Reshape", "SeparableConv2D", "Softmax", "SpatialDropout2D",
    "Subtract", "UpSampling2D", "ZeroPadding2D",
})  # fmt: skip
INITIALIZERS = frozenset({
    "Constant", "GlorotNormal", "GlorotUniform", "HeNormal", "HeUniform", "LecunNormal", "LecunUniform", "Ones",
    "RandomNormal", "RandomUniform", "TruncatedNormal", "VarianceScaling", "Zeros",
})  # fmt: skip
_NETWORK = frozenset({"Functional"})
ALLOWED: Mapping[str, frozenset[str]] = {
    "": LAYERS | {"__keras_tensor__"},  # HDF5 names no module for layers, and tensors have none anywhere
    "keras": frozenset({"DTypePolicy", "Functional"}),
    "keras.layers": LAYERS,
    "keras.initializers": INITIALIZERS,
    "keras.regularizers": frozenset({"L1", "L2", "L1L2"}),
    "keras.models": _NETWORK,
    "keras.src.models.functional": _NETWORK,
}
"""Classes by the module that the file names for them; none of them reads files, imports modules or holds code."""
_FILTERS = frozenset({h5py.h5z.FILTER_DEFLATE, h5py.h5z.FILTER_SHUFFLE, h5py.h5z.FILTER_FLETCHER32})


def check_keras_file(path: Path) -> None:
    """ModelError in one line where a ``.keras``, ``.h5`` or ``.weights.h5`` file is more than layers and arrays."""
    _regular(path)
    if path.suffix == ".keras":
        _check_archive(path)
        return
    with path.open("rb") as stream:
        check_hdf5(stream, str(path), network=not path.name.endswith(".weights.h5"))


def _regular(path: Path) -> None:
    if not path.is_file():
        raise ModelError(f"{path} is no regular file; copy the whole model folder")
    size = path.stat().st_size
    if size > MAX_WEIGHT_BYTES:
        raise ModelError(f"{path} has {size} bytes; Keras files of at most {MAX_WEIGHT_BYTES} are opened")


def _check_archive(path: Path) -> None:
    try:
        with zipfile.ZipFile(path) as archive:
            members = archive.infolist()
            names = [member.filename for member in members]
            if sorted(names) != sorted(_LIMITS):
                foreign = next((name for name in names if name not in _LIMITS), "other files")
                raise ModelError(f"{path} holds {foreign[:80]!r}; a Keras file of lopore holds {', '.join(_LIMITS)}")
            for member in members:
                if member.file_size > _LIMITS[member.filename]:
                    raise ModelError(f"{path}: {member.filename} has {member.file_size} bytes, which is not opened")
            check_layers(_json(_read(archive, CONFIG), str(path)), str(path))
            check_hdf5(io.BytesIO(_read(archive, WEIGHTS)), f"{path}: {WEIGHTS}", network=False)
    except (zipfile.BadZipFile, OSError, EOFError, NotImplementedError, RuntimeError) as error:
        raise ModelError(f"{path} is no whole .keras file ({str(error)[:100]}); copy the model folder anew") from None


def _read(archive: zipfile.ZipFile, name: str) -> bytes:
    """At most the member's limit, whatever size its header states."""
    limit = _LIMITS[name]
    with archive.open(name) as stream:
        content = stream.read(limit + 1)
    if len(content) > limit:
        raise ModelError(f"{archive.filename}: {name} unpacks to more than {limit} bytes; it was not opened")
    return content


def _json(text: str | bytes, source: str) -> Any:
    try:
        return json.loads(text)
    except (ValueError, RecursionError):
        raise ModelError(f"{source}: its description of layers is no JSON; copy the model folder anew") from None


def check_layers(config: Any, source: str) -> None:
    """ModelError naming the first object in a Keras config that is no standard layer, initialiser or tensor."""
    for node in _objects(config, source):
        name, module = node.get("class_name"), node.get("module") or ""
        registered = node.get("registered_name")
        known = isinstance(name, str) and isinstance(module, str) and name in ALLOWED.get(module, ())
        if not known or registered not in (None, name):
            said = ".".join(str(part)[:60] for part in (module, registered or name) if part)
            raise ModelError(
                f"{source} asks for {said!r}; lopore opens networks of standard Keras layers, "
                "without Lambda or code of their own"
            )


def _objects(config: Any, source: str) -> Iterator[Mapping[str, Any]]:
    """Every mapping that tells Keras to make something, however deep it stands."""
    waiting = [config]
    while waiting:
        value = waiting.pop()
        if isinstance(value, dict):
            if not value.keys().isdisjoint(("class_name", "module", "registered_name")):
                yield value
            waiting.extend(value.values())
        elif isinstance(value, list):
            waiting.extend(value)


def check_hdf5(stream: IO[bytes], source: str, *, network: bool) -> None:
    """ModelError where an HDF5 file holds anything but numeric arrays of its own, or layers that are not standard.

    network: whether the file carries a description of layers (``.h5``) or weights alone (``.weights.h5``).
    """
    try:
        with h5py.File(stream, "r") as file:
            _check_group(file, source)
            config = file.attrs.get("model_config")
            if network or config is not None:
                _check_description(config, source)
    except (OSError, KeyError, RuntimeError, ValueError, TypeError) as error:
        text = " ".join(str(error).split())[:100]
        raise ModelError(f"{source} is no whole HDF5 file of Keras ({text}); copy the model folder anew") from None


def _check_description(config: Any, source: str) -> None:
    text = config.decode("utf-8", "replace") if isinstance(config, bytes) else config
    if not isinstance(text, str) or len(text) > MAX_CONFIG_BYTES:
        raise ModelError(f"{source} has no description of layers; export it again with `lopore export --to h5`")
    check_layers(_json(text, source), source)


def _check_group(root: h5py.Group, source: str) -> None:
    waiting, objects, size = [(root, 0)], 0, 0
    while waiting:
        group, depth = waiting.pop()
        objects += len(group)
        if objects > MAX_OBJECTS or depth > MAX_DEPTH:
            raise ModelError(f"{source} holds more than {MAX_OBJECTS} objects or is nested too deep")
        for name in group:
            if not isinstance(group.get(name, getlink=True), h5py.HardLink):
                raise ModelError(f"{source}: '{name[:60]}' is a link to elsewhere; weights lie in the file itself")
            member = group[name]
            if isinstance(member, h5py.Group):
                waiting.append((member, depth + 1))
                continue
            size += _checked_bytes(member, source)
            if size > MAX_WEIGHT_BYTES:
                raise ModelError(f"{source} unpacks to more than {MAX_WEIGHT_BYTES} bytes; it was not opened")


def _checked_bytes(member: Any, source: str) -> int:
    """Bytes of an array; ModelError for one that reads other files, unpacks by a plug-in or is not numeric."""
    if not isinstance(member, h5py.Dataset):
        raise ModelError(f"{source}: '{member.name[:60]}' is no array; only arrays are opened")
    layout = member.id.get_create_plist()
    filters = {layout.get_filter(number)[0] for number in range(layout.get_nfilters())}
    if member.is_virtual or layout.get_external_count():
        raise ModelError(f"{source}: '{member.name[:60]}' reads another file; weights lie in the file itself")
    if not filters <= _FILTERS or member.dtype.kind not in "fiub":
        raise ModelError(f"{source}: '{member.name[:60]}' is no plain array of numbers; only those are opened")
    size: int = math.prod(member.shape or ()) * member.dtype.itemsize
    piece = math.prod(member.chunks or (0,)) * member.dtype.itemsize
    # HDF5 reads whole chunks, so an array of one number can unpack to gigabytes.
    unpacked = max(size, piece)
    if unpacked > _SMALL_BYTES and unpacked > _MOST_TIMES * member.id.get_storage_size():
        raise ModelError(f"{source}: '{member.name[:60]}' unpacks to {unpacked} bytes, far more than the file holds")
    return size
