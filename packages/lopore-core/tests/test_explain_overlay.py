"""Heat maps stand where the evidence is, on the original image, with a bar that states their own scale."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from click.testing import Result
from hypothesis import given
from hypothesis import strategies as st

from lopore.contracts import Pixels
from lopore.errors import ConfigError
from lopore.inference.explain import choose_explainer, explain, explainers_for
from lopore.inference.overlay import COLOUR_MAPS, blend, draw_overlay, natural_limits
from lopore.inference.predict import prepare
from lopore.models.opening import open_model
from lopore.reading.encode import write_radiograph
from lopore.reading.radiograph import read_radiograph
from lopore.record.folder import ModelFolder

Invoke = Callable[..., Result]


@pytest.fixture
def marked(tmp_path: Path) -> Path:
    """A dark image of 32 x 48 px with one bright square, rows 8 to 12, columns 30 to 36."""
    pixels = np.full((32, 48), 30, np.uint8)
    pixels[8:12, 30:36] = 250
    path = tmp_path / "films" / "marked.png"
    write_radiograph(pixels, path)
    return path


def test_the_heat_of_a_pore_lies_on_the_bright_mark(marked: Path, model_folder: ModelFolder) -> None:
    model = open_model(model_folder)
    heat = explain(model, prepare(model.record, marked), class_name="pore", explainer=choose_explainer(model))
    assert heat.values.shape == (32, 48)
    assert (heat.explainer, heat.scale) == ("grad-cam", "logit per place")
    y, x = np.unravel_index(int(np.nanargmax(heat.values)), heat.values.shape)
    assert 8 <= y < 12
    assert 30 <= x < 36


def test_an_unknown_explainer_or_class_lists_what_there_is(
    marked: Path, model_folder: ModelFolder, invoke: Invoke
) -> None:
    model = open_model(model_folder)
    assert {"grad-cam", "occlusion"} <= set(explainers_for(model))
    with pytest.raises(
        ConfigError,
        match=r"explainer 'grad-cm' does not fit bright/1; fitting are grad-cam, occlusion.*; did you mean grad-cam",
    ):
        choose_explainer(model, "grad-cm")
    found = invoke("explain", "films", "--model", "bright", "--out", "heat", "--class", "por")
    assert found.exit_code == 1
    assert found.stderr == "lopore: no class 'por' in bright/1; it has no_defect, pore; did you mean pore?\n"
    assert not Path("heat").exists()


def test_the_command_writes_an_overlay_and_the_raw_map_and_tells_bad_files(
    marked: Path, model_folder: ModelFolder, invoke: Invoke
) -> None:
    Path("films/bad.png").write_text("no image")
    found = invoke("explain", "films", "--model", "bright", "--out", "heat", "--raw", "--class", "pore")
    assert found.exit_code == 1
    assert "films/bad.png is no image" in found.stderr
    assert found.stderr.endswith("1 explained, 1 failed\n")
    assert found.stdout == "heat/marked.png\n"
    assert sorted(path.name for path in Path("heat").iterdir()) == ["marked.npy", "marked.png"]
    raw = np.load("heat/marked.npy")
    assert (raw.dtype, raw.shape) == (np.float32, (32, 48))
    assert read_radiograph(Path("heat/marked.png"), channels=3).pixels.ndim == 3


def test_the_chosen_opacity_changes_the_picture_only_where_there_is_heat(
    marked: Path, model_folder: ModelFolder, invoke: Invoke
) -> None:
    images = []
    for name, opacity in (("clear", 0), ("dense", 1)):
        assert (
            invoke(
                "explain", "films", "--model", "bright", "--out", name, "--opacity", opacity, "--class", "pore"
            ).exit_code
            == 0
        )
        images.append(read_radiograph(Path(name, "marked.png"), channels=3).pixels.astype(int))
    changed = np.abs(images[0] - images[1]).sum(axis=2) > 30
    rows, columns = np.nonzero(changed)
    times = 8  # 48 px are shown eightfold, so that bar and caption can be read
    caption = images[0].shape[0] - 32 * times
    assert columns.max() < 48 * times
    assert 6 <= (rows.min() - caption) / times <= 10
    assert 28 <= columns.min() / times <= 32


def test_no_evidence_is_no_heat_whatever_the_opacity() -> None:
    image = np.random.default_rng(0).integers(0, 255, (20, 30, 3)).astype(np.uint8)
    for values in (np.zeros((20, 30), np.float32), np.full((20, 30), np.nan, np.float32)):
        limits = natural_limits(values, "logit")
        assert np.array_equal(blend(image, values, opacity=1.0, limits=limits), image)


@given(st.floats(0, 1), st.sampled_from(COLOUR_MAPS), st.floats(0.01, 100))
def test_heat_is_an_even_blend_that_keeps_type_and_input(opacity: float, colour_map: str, top: float) -> None:
    image = np.full((4, 6, 3), 90, np.uint8)
    values = np.linspace(0, top, 24, dtype=np.float32).reshape(4, 6)
    before = image.copy()
    mixed = blend(image, values, opacity=opacity, limits=(0.0, top), colour_map=colour_map)
    assert mixed.dtype == np.uint8
    assert mixed.shape == (4, 6, 3)
    assert np.array_equal(image, before)
    assert np.array_equal(mixed[0, 0], image[0, 0])
    full = blend(image, values, opacity=1.0, limits=(0.0, top), colour_map=colour_map)
    assert (np.abs(mixed.astype(int) - image) <= np.abs(full.astype(int) - image) + 1).all()


def test_limits_are_the_callers_so_a_sound_weld_does_not_look_hot() -> None:
    image, weak = np.full((10, 10, 3), 90, np.uint8), np.full((10, 10), 0.01, np.float32)
    shared = blend(image, weak, opacity=0.6, limits=(0.0, 1.0))
    alone = blend(image, weak, opacity=0.6, limits=natural_limits(weak, "logit"))
    assert np.abs(shared.astype(int) - 90).max() < 10
    assert np.abs(alone.astype(int) - 90).max() > 50
    assert natural_limits(weak, "probability") == (0.0, 1.0)


@pytest.mark.parametrize(
    ("shape", "dtype"), [((16, 16), np.uint8), ((300, 40), np.uint16), ((60, 900), np.uint8), ((400, 400, 3), np.uint8)]
)
def test_an_overlay_has_a_caption_and_a_bar_at_any_size(shape: tuple[int, ...], dtype: type) -> None:
    pixels: Pixels = np.full(shape, 100, dtype)
    heat = np.zeros(shape[:2], np.float32)
    heat[0, 0] = 0.7
    drawn = draw_overlay(pixels, heat, title="Bindefehler ä 0.988, grad-cam (logit) " * 3)
    plain = draw_overlay(pixels, heat)
    times = max(1, 400 // max(shape[:2]))
    assert plain.shape[0] == shape[0] * times
    assert drawn.shape[1] == plain.shape[1] > shape[1] * times
    assert drawn.shape[0] > plain.shape[0]
    caption = drawn[: drawn.shape[0] - plain.shape[0]]
    assert (caption > 150).any()
    assert not (caption[:, -6:] > 60).any()  # the text ends before the edge
