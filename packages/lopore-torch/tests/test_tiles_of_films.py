"""From films with masks to marks on a film that was never seen: tiles, the small U-Net, inspection."""

from __future__ import annotations

import csv
from pathlib import Path

import numpy as np
import pytest
from made.images import save
from made.runs import log_of

from lopore.config.experiment import load_experiment
from lopore.indications import InspectionOptions, inspect_film
from lopore.models.opening import open_model
from lopore.progress import Progress
from lopore.reading.windows import open_film
from lopore.record.folder import ModelFolder
from lopore.training.run import train

CONFIG = """
name: pores
trainer: torch
task: segmentation
data: {manifest: films.csv, workers: 1, tiles: {per_epoch: 96}}
preprocessing:
  {resize: tile, size: 48, mm_per_pixel: 0.1, depth: 16,
   enhance: [{name: local-contrast, radius: 8, spread_radius: 16}]}
augmentation: {horizontal_flip: true, vertical_flip: true}
model: {backbone: unet-small}
training:
  {epochs: 4, batch_size: 8, precision: fp32, threads: 1, device: cpu, optimizer: {learning_rate: 0.005},
   schedule: {name: one-cycle}, loss: {name: cross-entropy}, select_by: dice, threshold: {rule: fixed, value: 0.3}}
exports: []
"""


def write_films(place: Path, pitch: float = 0.05) -> dict[int, list[tuple[int, int]]]:
    """Films of 200 x 440 px at half the network's pitch with five dark pores of 12 px; the left 40 px are not known and
    bear a pore that no mask shows. Returns (row, column) of the pores, film by film."""
    rng = np.random.default_rng(5)
    pores: dict[int, list[tuple[int, int]]] = {}
    lines: list[tuple[object, ...]] = []
    for film in range(5):
        rows, columns = np.mgrid[:200, :440]
        pixels = 100 + 5 * film + 40 * np.exp(-(((rows - 100) / 50) ** 2)) + rng.normal(0, 3, (200, 440))
        mask = np.zeros((200, 440), np.uint8)
        mask[:, :40] = 255
        pores[film] = [(int(rng.integers(20, 180)), 70 + 80 * number) for number in range(5)]
        for row, column in [*pores[film], (100, 20)]:
            disc = (rows - row) ** 2 + (columns - column) ** 2 <= 36
            pixels[disc] -= 25
            mask[disc & (mask != 255)] = 1
        save(place / "films" / f"{film}.png", np.clip(pixels, 0, 255).astype(np.uint8))
        save(place / "masks" / f"{film}.png", mask)
        split = ("train", "train", "train", "val", "test")[film]
        lines.append((f"films/{film}.png", "pore", f"w{film}", split, f"F{film}", f"masks/{film}.png", pitch))
    with (place / "films.csv").open("w", newline="") as stream:
        header = ("path", "labels", "group", "split", "family", "mask", "mm_per_pixel")
        csv.writer(stream).writerows([header, *lines])
    return pores


def test_marks_on_a_film_that_was_never_seen_are_found_in_their_place(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    pores = write_films(tmp_path)
    (tmp_path / "pores.yaml").write_text(CONFIG)
    monkeypatch.chdir(tmp_path)
    result = train(load_experiment(tmp_path / "pores.yaml"), progress=Progress(quiet=True))
    assert float(log_of(result.run_folder)[-1]["val_dice"]) > 0.5
    assert result.model_folder is not None
    model = open_model(ModelFolder.read(result.model_folder), threads=1)
    assert model.record.preprocessing.mm_per_pixel == 0.1
    with open_film(tmp_path / "films" / "4.png", mm_per_pixel=0.05) as film:
        seen = inspect_film(model, film, options=InspectionOptions(threshold=0.5, extent=0.3))
    centres = np.array([mark.centre for mark in seen.indications]).reshape(-1, 2)
    near = [np.hypot(centres[:, 0] - column, centres[:, 1] - row).min() for row, column in pores[4]]
    assert np.sort(near)[:4].max() < 3
    assert len(centres) <= 8
