"""Hostile Keras files and SavedModels: refused in one line, and what they meant to do does not happen."""

from __future__ import annotations

import json
import shutil
import zipfile
import zlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from made.films import SIDE, films
from tf_models import copy_of, learned, opened

from lopore.atomic_files import sha256_of
from lopore.errors import ModelError
from lopore.export.parity_gate import export_model
from lopore.models.opening import open_model
from lopore.record.folder import ModelFolder
from lopore.record.model import ModelFile
from lopore_tf import safety
from lopore_tf.safety import check_hdf5, check_keras_file, check_layers
from lopore_tf.saved_model import FILE, OPERATIONS, open_saved_model
from lopore_tf.start import keras, tf


def refused(path: Path, match: str) -> None:
    with pytest.raises(ModelError, match=match) as caught:
        check_keras_file(path)
    assert "\n" not in str(caught.value)


def rewritten(target: Path, change: Callable[[dict[str, Any]], object], extra: str = "") -> Path:
    """A published ``.keras`` file whose config went through ``change``."""
    source = learned("mobilenetv3").path / "model_best.keras"
    with zipfile.ZipFile(source) as old, zipfile.ZipFile(target, "w") as new:
        for name in old.namelist():
            data = old.read(name)
            if name == safety.CONFIG:
                config = json.loads(data)
                change(config)
                data = json.dumps(config).encode()
            new.writestr(name, data)
        if extra:
            new.writestr(extra, b"x")
    return target


def layer(config: dict[str, Any], kind: str = "Conv2D") -> dict[str, Any]:
    found: dict[str, Any] = next(entry for entry in config["config"]["layers"] if entry["class_name"] == kind)
    return found


CHANGES: dict[str, Callable[[dict[str, Any]], object]] = {
    "Lambda": lambda c: layer(c).update(class_name="Lambda"),
    "TFSMLayer": lambda c: layer(c).update(class_name="TFSMLayer"),
    "utils.get_file": lambda c: layer(c).update(module="keras.utils", class_name="get_file"),
    "os.system": lambda c: layer(c)["config"].update(
        kernel_initializer={"module": "os", "class_name": "function", "config": "system", "registered_name": "system"}
    ),
    "Evil>Layer": lambda c: layer(c).update(registered_name="Evil>Layer"),
    "__lambda__": lambda c: layer(c, "Activation")["config"].update(
        activation={"class_name": "__lambda__", "config": {"value": "4wAAAA=="}}
    ),
    "StringLookup": lambda c: layer(c)["config"].update(
        bias_constraint={
            "module": "keras.layers",
            "class_name": "StringLookup",
            "config": {"vocabulary": "/etc/passwd"},
        }
    ),
    "numpy": lambda c: c["config"].update(extra=[{"deep": [{"module": "numpy"}]}]),
    "losses": lambda c: c.update(compile_config={"loss": {"module": "my.losses", "class_name": "L", "config": {}}}),
}


@pytest.mark.parametrize("said", CHANGES)
def test_a_keras_file_that_asks_for_more_than_standard_layers_is_refused(said: str, tmp_path: Path) -> None:
    check_keras_file(rewritten(tmp_path / "same.keras", lambda config: None))
    refused(rewritten(tmp_path / "bad.keras", CHANGES[said]), "standard Keras layers")


def test_a_lambda_layer_is_refused_before_keras_sees_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    pixels = keras.Input((8, 8, 1), dtype="uint8", name="pixels")
    code = keras.layers.Lambda(lambda x: [open("ran", "w").close(), keras.ops.cast(x, "float32")][1])  # noqa: PTH123
    network = keras.Model(pixels, code(pixels))
    Path("ran").unlink()
    folder = copy_of(learned("mobilenetv3"), tmp_path / "model")
    for format, name in (("keras", "model_best.keras"), ("h5", "model.h5")):
        network.save(folder.path / name)
        file = ModelFile(path=name, sha256=sha256_of(folder.path / name), format=format)
        with pytest.raises(ModelError, match="Lambda"):
            open_model(ModelFolder(folder.path, folder.record.model_copy(update={"files": (file,)})))
    assert not Path("ran").exists()


@settings(max_examples=60, deadline=None)
@given(
    name=st.text(max_size=12) | st.none() | st.integers(),
    module=st.sampled_from(["keras.layers", "keras.initializers", "builtins", "", None]) | st.text(max_size=8),
    depth=st.integers(0, 30),
)
def test_no_class_outside_the_list_passes_however_deep_it_stands(name: Any, module: Any, depth: int) -> None:
    config: Any = {"module": module, "class_name": name, "config": {}}
    for _ in range(depth):
        config = {"config": [config]}
    if isinstance(name, str) and name in safety.ALLOWED.get(module or "", ()):
        check_layers(config, "file")
    else:
        with pytest.raises(ModelError):
            check_layers(config, "file")


def test_archives_that_are_not_what_keras_writes_are_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    refused(rewritten(tmp_path / "more.keras", lambda config: None, "assets/run.py"), "assets/run.py")
    with pytest.warns(UserWarning, match="Duplicate name"):
        refused(rewritten(tmp_path / "twice.keras", lambda config: None, "config.json"), "holds")
    whole = (learned("mobilenetv3").path / "model_best.keras").read_bytes()
    (tmp_path / "cut.keras").write_bytes(whole[: len(whole) // 2])
    refused(tmp_path / "cut.keras", "no whole")
    (tmp_path / "text.keras").write_text("hello")
    refused(tmp_path / "text.keras", "no whole")
    refused(tmp_path / "absent.keras", "no regular file")
    monkeypatch.setitem(safety._LIMITS, safety.WEIGHTS, 1000)
    refused(rewritten(tmp_path / "large.keras", lambda config: None), "bytes")


def _external_link(file: h5py.File, secret: Path) -> None:
    file["weights"] = h5py.ExternalLink(str(secret), "/secret")


def _soft_link(file: h5py.File, secret: Path) -> None:
    file["weights"] = h5py.SoftLink("/elsewhere")


def _virtual(file: h5py.File, secret: Path) -> None:
    layout = h5py.VirtualLayout((3,), "f4")
    layout[:] = h5py.VirtualSource(str(secret), "secret", (3,))
    file.create_virtual_dataset("weights", layout)


def _external_storage(file: h5py.File, secret: Path) -> None:
    file.create_dataset("weights", (3,), "f4", external=[(str(secret), 0, 12)])


def _text(file: h5py.File, secret: Path) -> None:
    file["weights"] = np.array([b"text"], dtype=h5py.string_dtype())


def _too_large(file: h5py.File, secret: Path) -> None:
    file.create_dataset("weights", (1 << 20, 1 << 12), "f4", chunks=(1, 1 << 12), compression="gzip")


@pytest.mark.parametrize(
    "plant", [_external_link, _soft_link, _virtual, _external_storage, _text, _too_large], ids=lambda f: f.__name__[1:]
)
def test_hdf5_that_points_elsewhere_or_holds_no_numbers_is_refused(
    plant: Callable[[h5py.File, Path], None], tmp_path: Path
) -> None:
    secret = tmp_path / "secret.h5"
    with h5py.File(secret, "w") as file:
        file["secret"] = np.float32([1, 2, 3])
    path = tmp_path / "model.weights.h5"
    with h5py.File(path, "w") as file:
        plant(file.create_group("layers/conv"), secret)
    refused(path, "weights")


def _never_written(file: h5py.File) -> None:
    file.create_dataset("huge", (450_000_000,), "f4", chunks=(1_000_000,))


def _zeros(file: h5py.File) -> None:
    huge = file.create_dataset("huge", (8_000_000,), "f4", chunks=(2_000_000,), compression="gzip")
    huge.id.write_direct_chunk((0,), zlib.compress(bytes(8_000_000)))


def _one_number_in_a_huge_chunk(file: h5py.File) -> None:
    file.create_dataset("huge", (1,), "f4", chunks=(2_000_000,), maxshape=(None,), compression="gzip", data=[1.0])


def _a_product_that_overflows(file: h5py.File) -> None:
    file.create_dataset("huge", (1 << 32, 1 << 32), "f4", chunks=(1024, 1024))


def _a_group_within_itself(file: h5py.File) -> None:
    file["again"] = file["/"]
    file["and again"] = file["/"]


def _many_arrays(file: h5py.File) -> None:
    file["0"] = np.float32([1])
    for number in range(1, 300):
        file[str(number)] = file["0"]


def _brackets_without_end(file: h5py.File) -> None:
    file.attrs["model_config"] = "[" * 15_000_000


@pytest.mark.parametrize(
    ("plant", "told"),
    [
        (_never_written, "far more than the file holds"),
        (_zeros, "far more than the file holds"),
        (_one_number_in_a_huge_chunk, "far more than the file holds"),
        (_a_product_that_overflows, "far more than the file holds"),
        (_a_group_within_itself, "nested too deep"),
        (_many_arrays, "more than 200 objects"),
        (_brackets_without_end, "no JSON"),
    ],
    ids=lambda value: value.__name__[1:] if callable(value) else "",
)
def test_a_small_hdf5_file_that_wants_much_is_refused_before_its_arrays_are_read(
    plant: Callable[[h5py.File], None], told: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(safety, "MAX_OBJECTS", 200)
    with h5py.File(tmp_path / "model.h5", "w", libver="latest") as file:
        plant(file)
    assert (tmp_path / "model.h5").stat().st_size < 100_000 or plant is _brackets_without_end
    refused(tmp_path / "model.h5", told)


def test_hdf5_without_layers_or_cut_in_two_is_refused(tmp_path: Path) -> None:
    with h5py.File(tmp_path / "bare.h5", "w") as file:
        file["weights"] = np.float32([1])
    refused(tmp_path / "bare.h5", "no description of layers")
    with (tmp_path / "bare.h5").open("rb") as stream:
        check_hdf5(stream, "weights alone", network=False)
    (tmp_path / "cut.h5").write_bytes((tmp_path / "bare.h5").read_bytes()[:900])
    refused(tmp_path / "cut.h5", "no whole HDF5")


class Writer(tf.Module):  # type: ignore[misc]
    """A SavedModel that writes a file when it is called."""

    @tf.function(input_signature=[tf.TensorSpec((None, SIDE, SIDE, 1), tf.uint8, name="pixels")])  # type: ignore[untyped-decorator]
    def serve(self, pixels: Any) -> Any:
        tf.io.write_file("ran", "x")
        return {"scores": tf.zeros((tf.shape(pixels)[0], 2))}


def as_saved_model(folder: Path) -> ModelFolder:
    files = [
        ModelFile(
            path=path.relative_to(folder).as_posix(),
            sha256=sha256_of(path),
            format="saved_model" if path.name == FILE else "",
        )
        for path in sorted(folder.rglob("*"))
        if path.is_file()
    ]
    return ModelFolder(folder, learned("mobilenetv3").record.model_copy(update={"files": tuple(files)}))


def test_a_saved_model_that_writes_files_is_refused_and_nothing_is_written(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    module = Writer()
    tf.saved_model.save(module, tmp_path / "model" / "saved_model", signatures={"serving_default": module.serve})
    with pytest.raises(ModelError, match="also holds"):
        open_model(as_saved_model(tmp_path / "model"))
    for extra in ("variables", "assets", "fingerprint.pb"):
        found = tmp_path / "model" / "saved_model" / extra
        if found.is_dir():
            shutil.rmtree(found)
        else:
            found.unlink(missing_ok=True)
    with pytest.raises(ModelError, match="plain arithmetic") as caught:
        open_model(as_saved_model(tmp_path / "model"))
    assert "\n" not in str(caught.value)
    assert not Path("ran").exists()


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = copy_of(learned("mobilenetv3"), tmp_path_factory.mktemp("served") / "model")
    export_model(folder, "saved_model", films(4, seed=3)[0])
    return folder.path / "saved_model" / FILE


def altered(source: Path, target: Path, change: Callable[[Any, Any], object]) -> ModelFolder:
    from tensorflow.core.protobuf import saved_model_pb2

    model = saved_model_pb2.SavedModel.FromString(source.read_bytes())
    change(model.meta_graphs[0], tf)
    (target / "saved_model").mkdir(parents=True)
    (target / "saved_model" / FILE).write_bytes(model.SerializeToString())
    return as_saved_model(target)


def _function(meta: Any, _: Any) -> None:
    function = meta.graph_def.library.function.add()
    function.signature.name = "hidden"
    function.node_def.add(name="read", op="ReadFile")


def _another_size(meta: Any, _: Any) -> None:
    meta.signature_def["serving_default"].inputs["pixels"].tensor_shape.dim[1].size = 9


ALTERATIONS: dict[str, Callable[[Any, Any], object]] = {
    "WriteFile": lambda meta, _: meta.graph_def.node.add(name="w", op="WriteFile"),
    "EagerPyFunc": lambda meta, _: meta.graph_def.node.add(name="p", op="EagerPyFunc"),
    "MyOperation": lambda meta, _: meta.graph_def.node.add(name="m", op="MyOperation"),
    "While": lambda meta, _: meta.graph_def.node.add(name="l", op="While"),
    "ReadFile": _function,
    "assets": lambda meta, _: meta.asset_file_def.add(filename="passwd"),
    "signature": lambda meta, _: meta.signature_def.clear(),
    "takes": _another_size,
}


@pytest.mark.parametrize("said", ALTERATIONS)
def test_an_altered_saved_model_is_refused(said: str, served: Path, tmp_path: Path) -> None:
    with pytest.raises(ModelError, match=said) as caught:
        open_saved_model(altered(served, tmp_path / "bad", ALTERATIONS[said]), "cpu", 1)
    assert "\n" not in str(caught.value)


def test_a_saved_model_that_nobody_altered_opens(served: Path, tmp_path: Path) -> None:
    session = open_saved_model(altered(served, tmp_path / "same", lambda meta, _: None), "cpu", 1)
    pixels = films(2)[0]
    np.testing.assert_allclose(session.predict(pixels), opened("mobilenetv3").predict(pixels), atol=1e-6)
    assert session.predict(pixels[:0]).shape == (0, 2)
    session.close()
    with pytest.raises(ModelError, match="closed"):
        session.predict(pixels)


def test_graphs_that_cannot_be_imported_are_refused_in_one_line(served: Path, tmp_path: Path) -> None:
    def cut(meta: Any, _: Any) -> None:
        meta.graph_def.node[-1].input[0] = "nowhere"

    with pytest.raises(ModelError, match="cannot be opened") as caught:
        open_saved_model(altered(served, tmp_path / "bad", cut), "cpu", 1)
    assert "\n" not in str(caught.value)
    broken = tmp_path / "broken"
    (broken / "saved_model").mkdir(parents=True)
    (broken / "saved_model" / FILE).write_bytes(served.read_bytes()[:1000])
    with pytest.raises(ModelError):
        open_saved_model(as_saved_model(broken), "cpu", 1)


def test_no_operation_on_the_list_touches_files_python_or_state() -> None:
    from tensorflow.python.framework import op_def_registry

    for name in OPERATIONS:
        definition = op_def_registry.get(name)
        assert definition is not None, name
        assert not definition.is_stateful, name
        assert not any(word in name for word in ("File", "Py", "Save", "Restore", "Call", "While", "Print")), name
        assert not any(attr.type == "func" for attr in definition.attr), name
