"""`lopore explain` over several films: one scale for all, so that weak evidence looks weak."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from click.testing import Result

from lopore.inference.overlay import draw_overlay, natural_limits
from lopore.plugins.registry import discover
from lopore.reading.radiograph import read_radiograph
from lopore.record.folder import ModelFolder

Invoke = Callable[..., Result]
FILMS = ("films/pore/pore0.png", "films/no_defect/no_defect0.png")


def explained(invoke: Invoke, *options: object) -> dict[str, tuple[np.ndarray, np.ndarray]]:
    """Overlay and raw map of each film, by the name of the film."""
    found = invoke("explain", *FILMS, "--model", "bright", "--out", "heat", "--raw", "--class", "pore", *options)
    assert found.exit_code == 0, found.stderr
    assert "2 explained, 0 failed" in found.stderr
    return {
        path.stem: (read_radiograph(path, channels=3).pixels, np.load(path.with_suffix(".npy")))
        for path in sorted(Path("heat").glob("*.png"))
    }


@pytest.mark.parametrize("explainer", ["grad-cam", "occlusion"])
def test_all_films_of_a_call_are_drawn_on_one_scale(
    films: Path, model_folder: ModelFolder, invoke: Invoke, explainer: str
) -> None:
    found = invoke("explain", FILMS[0], "--model", "bright", "--out", "try", "--explainer", explainer)
    if "does not fit" in found.stderr:
        pytest.skip(f"{explainer} is not installed, or does not fit")
    drawn = explained(invoke, "--explainer", explainer, "--opacity", 1)
    scale = next(one.scale for one in discover().explainers.values() if one.name == explainer)
    own = [natural_limits(values, scale) for _, values in drawn.values()]
    assert scale == "probability" or len(set(own)) == 2, "the films are to differ, or the test shows nothing"
    for name, (image, values) in drawn.items():
        pixels = read_radiograph(next(films.rglob(f"{name}.png"))).pixels
        height = values.shape[0] * (image.shape[0] // values.shape[0])
        expected = draw_overlay(pixels, values, opacity=1, limits=max(own), title="")
        assert np.array_equal(image[-height:], expected[-height:])


def test_a_film_that_fails_is_counted_once_and_the_others_are_drawn(
    films: Path, model_folder: ModelFolder, invoke: Invoke
) -> None:
    Path("films/pore/pore1.png").write_text("no image", encoding="utf-8")
    found = invoke("explain", "films/pore", "--model", "bright", "--out", "heat")
    assert found.exit_code == 1
    assert found.stderr.count("pore1.png") == 1
    assert "5 explained, 1 failed" in found.stderr
    assert sorted(path.stem for path in Path("heat").iterdir()) == [f"pore{number}" for number in (0, 2, 3, 4, 5)]
