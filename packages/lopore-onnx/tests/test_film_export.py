"""One ONNX file from raw grey values to the answer: equal to `lopore predict` on films of any size, shape and depth."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import cv2
import numpy as np
import onnx
import onnxruntime as ort
import pytest
from made.models import bright_areas, bright_or_dark, publish, record_for

from lopore.errors import ModelError, ParityError
from lopore.export.film_gate import export_film
from lopore.export.parity_gate import export_model
from lopore.inference.explain import choose_explainer, explain
from lopore.inference.predict import Prepared, prepare, score_images
from lopore.models.opening import open_model
from lopore.record.folder import ModelFolder
from lopore.record.model import Threshold
from lopore.record.preprocessing import Preprocessing, Window
from lopore_onnx.film_export import export_film as write_film
from lopore_onnx.graph_builder import GraphBuilder

SHAPES = ((16, 16), (41, 33), (640, 640), (130, 1000), (9, 300))
ROOT = Path(__file__).resolve().parents[3]


def film(folder: Path, shape: tuple[int, int], depth: int) -> Path:
    """A film of large soft blots over the whole range of its depth, as PNG."""
    made = np.random.default_rng(shape[1] + depth).random((shape[0] // 7 + 2, shape[1] // 7 + 2)).astype(np.float32)
    blots = np.clip(cv2.resize(made, shape[::-1], interpolation=cv2.INTER_CUBIC), 0, 1) * (2**depth - 1)
    path = folder / f"{shape[0]}x{shape[1]}-{depth}.png"
    assert cv2.imwrite(str(path), blots.astype(np.uint8 if depth == 8 else np.uint16))
    return path


def films(folder: Path) -> list[Path]:
    folder.mkdir(exist_ok=True)
    return [film(folder, shape, depth) for shape in SHAPES for depth in (8, 16)]


def model_of(folder: Path, **recipe: object) -> ModelFolder:
    """``bright_or_dark`` for another preprocessing; of 16 bit where that says so."""
    plan = Preprocessing.model_validate({"size": 16, **recipe})
    network = bright_or_dark()
    if plan.depth == 16:
        network.graph.input[0].type.tensor_type.elem_type = onnx.TensorProto.UINT16
        full = next(tensor for tensor in network.graph.initializer if tensor.name == "full")
        full.CopyFrom(onnx.numpy_helper.from_array(np.array(65535.0, np.float32), "full"))
    threshold = Threshold(value=0.3, rule="fixed", chosen_on="nothing")
    views = {"tta_views": 8} if plan.depth == 16 else {}
    return publish(folder, network, record_for(preprocessing=plan, threshold=threshold, **views))


def answers(session: ort.InferenceSession, prepared: Prepared) -> dict[str, np.ndarray]:
    pixels = prepared.radiograph.pixels
    given = {"image": pixels.astype(np.uint16), "bits": np.array(pixels.itemsize * 8)}
    return dict(zip([item.name for item in session.get_outputs()], session.run(None, given), strict=True))


@pytest.mark.parametrize("resize", ["stretch", "letterbox", "crop"])
@pytest.mark.parametrize(
    "recipe",
    [
        {"window": Window(mode="percentile", low=0.5, high=99.5)},
        {"window": Window(mode="fixed", low=20, high=30_000), "enhance": ["invert"]},
        {"depth": 16},
    ],
    ids=["percentile", "fixed and inverted", "16 bit, eight views"],
)
def test_five_sizes_and_both_depths_give_the_answers_of_predict(
    resize: str, recipe: dict[str, object], tmp_path: Path
) -> None:
    folder = model_of(tmp_path / "model", resize=resize, **recipe)
    folder, report = export_film(folder, "film-onnx", films(tmp_path / "films"))
    assert report.images == 10
    assert report.max_dp <= 1e-5
    assert report.cam is not None
    assert report.cam <= 1e-3
    assert onnx.load(folder.path / "film.onnx").ir_version == 8, "the lowest that operator set 18 allows"
    model, session = open_model(folder), ort.InferenceSession(folder.path / "film.onnx")
    prepared = prepare(model.record, film(tmp_path, (130, 1000), 8))
    found = answers(session, prepared)
    row = score_images(model, [prepared.pixels])[0]
    np.testing.assert_allclose(found["scores"], row, atol=1e-5)
    best = model.record.classes[int(row.argmax())]
    heat = explain(model, prepared, class_name=best, explainer=choose_explainer(model, "grad-cam")).values
    assert found["heat_map"].shape == (130, 1000)
    np.testing.assert_array_equal(np.isnan(found["heat_map"]), np.isnan(heat))
    np.testing.assert_allclose(found["heat_map"], heat, atol=2e-3 * np.nanmax(heat))


def test_a_depth_that_the_model_does_not_take_gives_no_number(tmp_path: Path) -> None:
    folder, report = export_film(model_of(tmp_path / "model"), "film-onnx", films(tmp_path / "films"))
    assert report.images == 5
    session = ort.InferenceSession(folder.path / "film.onnx")
    deep = np.full((40, 50), 3000, np.uint16)
    scores, decision = session.run(["scores", "decision"], {"image": deep, "bits": np.array(16)})
    assert np.isnan(scores).all()
    assert (decision == -1).all()


def test_a_segmentation_model_gives_its_maps(tmp_path: Path) -> None:
    record = record_for(
        name="areas", task="segmentation", classes=("pore", "slag"),
        preprocessing=Preprocessing(size=(32, 32), window=Window(mode="percentile")), tta_views=8,
        threshold=Threshold(value=0.6, rule="f1", chosen_on="val", per_class={"slag": 0.9}),
    )  # fmt: skip
    folder = publish(tmp_path / "areas", bright_areas(), record)
    _, report = export_film(folder, "film-onnx", films(tmp_path / "films"))
    assert report.max_dp <= 1e-5
    assert report.cam is not None
    assert report.cam <= 1e-5


def test_what_does_not_go_into_the_file_is_refused_with_a_way_out(tmp_path: Path) -> None:
    paths = films(tmp_path / "films")
    wide = model_of(tmp_path / "wide", enhance=["clahe"], window=Window(mode="percentile"))
    with pytest.raises(ModelError, match="enhances by clahe, which is more than a table of grey values"):
        export_film(wide, "film-onnx", paths)
    with pytest.raises(ModelError, match="film-onnx takes whole films; prove it on files"):
        export_model(wide, "film-onnx", np.zeros((1, 16, 16, 1), np.uint8))
    assert not (wide.path / "film.onnx").exists()


def test_a_file_that_answers_otherwise_is_not_published(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from lopore_onnx import film_input

    sound = film_input.axis_weights

    def half_a_pixel_beside(graph: GraphBuilder, length: str, span: film_input.Span, out: str) -> str:
        return sound(graph, length, span._replace(twice_start=graph.constant(1, np.int64)), out)

    monkeypatch.setattr(film_input, "axis_weights", half_a_pixel_beside)
    folder = model_of(tmp_path / "model", window=Window(mode="percentile"))
    with pytest.raises(ParityError, match="nothing was published"):
        export_film(folder, "film-onnx", films(tmp_path / "films"))
    assert not (folder.path / "film.onnx").exists()


@pytest.mark.parametrize("resize", ["stretch", "letterbox", "crop"])
@pytest.mark.parametrize("size", [(48, 48), (40, 64)])
def test_a_runtime_that_computes_in_single_precision_sees_the_pixels_of_predict(
    resize: str, size: tuple[int, int], tmp_path: Path
) -> None:
    openvino = pytest.importorskip("openvino")
    recipe = {"resize": resize, "size": size, "window": Window(mode="percentile", low=0.1, high=99.9)}
    network = bright_or_dark()
    for place, side in zip(network.graph.input[0].type.tensor_type.shape.dim[1:3], size, strict=True):
        place.dim_value = side
    folder = publish(tmp_path / "model", network, record_for(preprocessing=Preprocessing.model_validate(recipe)))
    write_film(folder, tmp_path)
    graph = onnx.load(tmp_path / "film.onnx")
    first = next(node for node in graph.graph.node if any(name.startswith("net_") for name in node.output))
    graph.graph.output.append(onnx.helper.make_tensor_value_info(first.input[0], onnx.TensorProto.UINT8, None))
    core, wanted = openvino.Core(), first.input[0]
    compiled = core.compile_model(
        core.read_model(graph.SerializeToString()), "CPU", {"INFERENCE_PRECISION_HINT": "f32"}
    )
    random, apart = np.random.default_rng(size[1]), 0
    for step in range(24):
        low, high = sorted(random.choice(256, 2, replace=False))
        noise = random.integers(low, high + 1, (int(random.integers(20, 500)), int(random.integers(20, 500))))
        path = tmp_path / f"noise-{step}.png"
        assert cv2.imwrite(str(path), noise.astype(np.uint8) if step % 3 else (noise * 257).astype(np.uint16))
        prepared = prepare(folder.record, path)
        pixels = prepared.radiograph.pixels
        found = compiled({"image": pixels.astype(np.uint16), "bits": np.array(pixels.itemsize * 8)})
        apart += int(np.abs(found[wanted][0].astype(int) - prepared.pixels).sum())
    assert apart == 0


def test_the_recipe_of_the_documents_runs_without_lopore(tmp_path: Path) -> None:
    folder, _ = export_film(
        model_of(tmp_path / "model", window=Window(mode="percentile")), "film-onnx", films(tmp_path / "films")
    )
    page = (ROOT / "docs" / "film-onnx.md").read_text(encoding="utf-8")
    recipe = re.search(r"^## Python\n.*?```python\n(.*?)```", page, re.S | re.M)
    assert recipe is not None
    assert len(recipe[1].strip().splitlines()) <= 15
    (tmp_path / "film.onnx").write_bytes((folder.path / "film.onnx").read_bytes())
    deep = film(tmp_path, (300, 70), 16)
    deep.rename(tmp_path / "film.png")
    code = f"import sys; sys.modules['lopore'] = None\n{recipe[1]}"
    done = subprocess.run([sys.executable, "-c", code], cwd=tmp_path, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    model = open_model(folder)
    row = score_images(model, [prepare(model.record, tmp_path / "film.png").pixels])[0]
    shown = [float(number) for number in re.findall(r"\d\.\d{4}", done.stdout)]
    np.testing.assert_allclose(shown, row, atol=1e-4)
