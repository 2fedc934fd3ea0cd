"""``lopore film``: image quality in words and as JSON, and a scale by a known object."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
from click.testing import Result
from made.codings import tiff

Invoke = Callable[..., Result]


def film(tmp_path: Path) -> Path:
    generator = np.random.default_rng(2)
    path = tmp_path / "weld.tif"
    path.write_bytes(tiff(generator.normal(20000, 40, (400, 700)).round().astype(np.uint16)))
    return path


def test_quality_is_told_in_words_and_as_json(tmp_path: Path, invoke: Invoke) -> None:
    path = film(tmp_path)
    told = invoke("film", "quality", path, "--polarity", "detector")
    assert told.exit_code == 0, told.stderr
    assert "pitch  not known" in told.stdout
    assert "wires  not looked for" in told.stdout
    done = invoke("film", "quality", path, "--polarity", "detector", "--mm-per-pixel", 0.05, "--srb-um", 100, "--json")
    found = json.loads(done.stdout)
    noise = found["quality"]["noise"]
    assert abs(noise["ratio"] / 500 - 1) < 0.05
    assert abs(noise["normalised"] / (noise["ratio"] * 0.886) - 1) < 1e-9
    assert found["film"]["pitch_source"] == "given by the user"
    assert found["wires"] is None


def test_a_region_that_is_wrong_is_one_line(tmp_path: Path, invoke: Invoke) -> None:
    path = film(tmp_path)
    for region, word in (("1,2,3", "no region"), ("50,50,40,90", "empty region"), ("0,0,30,30", "20 x 55 px"),
                         ("0,0,9999,100", "is not on weld.tif")):  # fmt: skip
        done = invoke("film", "quality", path, "--region", region)
        assert done.exit_code == 2
        assert word in done.stderr
        assert done.stderr.count("\n") == 1


def test_a_calibration_is_kept_and_used(tmp_path: Path, invoke: Invoke) -> None:
    path = film(tmp_path)
    done = invoke("film", "calibrate", path, "--from", "100,50", "--to", "600,50", "--mm", 20, "--note", "ruler")
    assert done.exit_code == 0, done.stderr
    assert "0.04 mm a pixel, to 0.28% at best" in done.stdout
    assert "pitch  0.04 mm, calibration by a known object of 20 mm" in invoke("film", "quality", path).stdout
    for start in ("100", "a,b", "nan,3"):
        wrong = invoke("film", "calibrate", path, "--from", start, "--to", "600,50", "--mm", 20)
        assert wrong.exit_code != 0
        assert wrong.stderr.count("\n") == 1
