"""A run on films: tiles drawn anew each epoch, films covered for validation, and the same end after an interruption."""

from __future__ import annotations

import csv
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from made.images import save
from made.plugins import SOFTMAX, on_path
from made.runs import StopAt, config, log_of, run, weights_of

from lopore.errors import ConfigError
from lopore.record.folder import ModelFolder
from lopore.training.run import train


@pytest.fixture
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Six films of 100 x 220 px with four dark pores each, three to learn from, and the one-layer framework."""
    rng = np.random.default_rng(3)
    lines: list[tuple[object, ...]] = []
    for film in range(6):
        pixels, mask = rng.normal(120, 6, (100, 220)), np.zeros((100, 220), np.uint8)
        for pore in range(4):
            y, x = rng.integers(10, 90), rng.integers(10 + 50 * pore, 50 + 50 * pore)
            pixels[y - 4 : y + 4, x - 4 : x + 4] -= 60
            mask[y - 4 : y + 4, x - 4 : x + 4] = 255
        save(tmp_path / "films" / f"{film}.png", np.clip(pixels, 0, 255).astype(np.uint8))
        save(tmp_path / "masks" / f"{film}.png", mask)
        split = ("train", "train", "train", "val", "val", "test")[film]
        about = "pore", f"weld {film}", f"F{film}", split, film % 3, f"{film:064x}", f"{film:032x}", f"masks/{film}.png"
        lines.append((f"films/{film}.png", *about, 0.1))
    with (tmp_path / "films.csv").open("w", newline="") as stream:
        header = ("path", "labels", "group", "family", "split", "fold", "sha256", "pixel_hash", "mask", "mm_per_pixel")
        csv.writer(stream).writerows([header, *lines])
    with on_path(SOFTMAX):
        monkeypatch.chdir(tmp_path)
        yield tmp_path


def tiled(place: Path, **changes: Any) -> Any:
    record = {"resize": "tile", "size": 32, "mm_per_pixel": 0.1}
    return config(place, **({"preprocessing": record, "data__tiles": {"per_epoch": 64, "defect_share": 0.5}} | changes))


def test_a_run_on_tiles_tells_pores_from_sound_metal_film_by_film(place: Path) -> None:
    result = run(tiled(place, training__epochs=12))
    assert result.metrics is not None
    assert result.metrics.flat()["roc_auc"].value > 0.7
    assert result.model_folder is not None
    record = ModelFolder.read(result.model_folder).record
    assert record.classes == ("no_defect", "pore")
    assert (record.preprocessing.resize, record.preprocessing.mm_per_pixel) == ("tile", 0.1)
    assert {row["images"] for row in log_of(result.run_folder)} == {"64"}
    rows = list(csv.DictReader((result.model_folder / "predictions.csv").open()))
    assert sum(row["split"] == "test" for row in rows) == 4 * 7
    assert "films/5.png#xywh=0,32,32,32" in {row["path"] for row in rows}


def test_a_run_that_was_stopped_ends_as_one_that_never_was_with_hard_tiles_too(place: Path) -> None:
    experiment = tiled(place, data__tiles={"per_epoch": 32, "defect_share": 0.5, "hard_share": 0.25})
    whole = run(experiment, out=place / "whole")
    with pytest.raises(KeyboardInterrupt):
        train(experiment, out=place / "stopped", run_name="r", progress=StopAt("epoch 3/"))
    resumed = run(experiment, out=place / "stopped", resume="r")
    assert weights_of(whole) == weights_of(resumed)
    other = run(tiled(place, data__tiles={"per_epoch": 32, "defect_share": 0.5}), out=place / "other")
    assert weights_of(other) != weights_of(whole)


def test_folds_are_films(place: Path) -> None:
    result = run(tiled(place, training__epochs=2), cross_validation=True)
    assert result.metrics is not None
    rows = list(csv.DictReader((result.run_folder / "cross-validation" / "predictions.csv").open()))
    films = {split: {row["path"].partition("#")[0] for row in rows if row["split"] == split} for split in ("fold 0",)}
    assert films == {"fold 0": {"films/0.png", "films/3.png"}}
    assert len(rows) == 6 * 4 * 7


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"data__tiles": {"per_epoch": 4}, "preprocessing": {"size": 32}}, "belongs to preprocessing.resize 'tile'"),
        ({"data__tiles": {"defect_share": 0.8, "hard_share": 0.4}}, "make more than 1"),
        ({"data__balance": "class"}, "every class and every mark weighs alike"),
        ({"data__positive": "crack"}, "masks mark pore"),
    ],
)
def test_what_cannot_be_is_said_in_a_line(place: Path, changes: dict[str, Any], message: str) -> None:
    from lopore.errors import LoporeError

    fixed = {"preprocessing": {"resize": "tile", "size": 32}}
    with pytest.raises(LoporeError, match=message) as caught:
        run(config(place, **(fixed | changes)))
    assert isinstance(caught.value, ConfigError) or "masks mark" in message
    assert "\n" not in str(caught.value)
