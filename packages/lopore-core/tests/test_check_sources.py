"""A set whose classes come from different sources, or are thin, uneven or nearly one, is said before training."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
from made.commands import lopore
from made.films import smooth
from made.images import save

from lopore.data.check_sources import check_sources
from lopore.data.manifest import Manifest
from lopore.data.manifest_row import Row
from lopore.data.scan import Scanned


def codes(folder: Path) -> dict[str, Any]:
    report = json.loads(lopore("data", "check", folder, "--json").stdout)
    return {finding["code"]: finding for finding in report["findings"]}


def scanned(number: int, **facts: Any) -> Scanned:
    usual: dict[str, Any] = {
        "sha256": f"{number:064x}", "pixel_hash": f"{number:032x}", "width": 96, "height": 96, "depth": 8,
        "low": 10.0 + number % 5, "high": 200.0 + number % 7, "mean": 0.4 + 0.01 * (number % 9), "format": "png",
        "polarity": "unknown", "mm_per_pixel": None, "notes": (), "fingerprint": None,
    }  # fmt: skip
    return Scanned(**{**usual, **facts})


def sources(of_pore: dict[str, Any], of_ok: dict[str, Any], count: int = 10) -> dict[str, str]:
    rows = [Row(path=f"{n}.png", labels=(("pore", "ok")[n % 2],)) for n in range(2 * count)]
    seen = [scanned(n // 2, **(of_ok if n % 2 else of_pore)) for n in range(2 * count)]
    found = check_sources(Manifest(tuple(rows), Path()), seen)
    return {finding.code: finding.level for finding in found}


def test_one_class_of_a_detector_and_one_of_film_is_an_error() -> None:
    assert sources({"polarity": "detector"}, {"polarity": "film"})["class-by-polarity"] == "error"
    assert sources({"polarity": "detector"}, {"polarity": "unknown"})["class-by-polarity"] == "warning"
    assert sources({"polarity": "detector"}, {"polarity": "detector"}) == {}
    assert sources({}, {}) == {}


def test_format_depth_size_and_grey_that_tell_the_class_are_warned_of() -> None:
    assert "class-by-format" in sources({"format": "jpeg"}, {})
    assert "class-by-depth" in sources({"depth": 16, "high": 50_000.0, "low": 2600.0}, {})
    assert "class-by-size" in sources({"width": 640}, {})
    assert "class-by-grey" in sources({"mean": 0.7}, {})
    assert "class-by-grey" not in sources({"mean": 0.7}, {}, count=5)


def test_nearly_equal_class_names_and_few_films_are_said(tmp_path: Path) -> None:
    for number, label in enumerate(("Pore", "pore", "no defect", "no_defect")):
        for film in range(3):
            save(tmp_path / label / f"{film}.png", smooth(10 * number + film))
    found = codes(tmp_path)
    assert "'Pore' and 'pore'" in found["near-classes"]["message"] or "'no defect'" in found["near-classes"]["message"]
    assert "3 images in 3 groups" in found["few-films"]["message"]


def test_four_films_against_many_are_said(tmp_path: Path) -> None:
    for number in range(84):
        label = "pore" if number < 4 else "ok"
        save(tmp_path / label / f"{number}.png", np.random.default_rng(number).integers(0, 255, (16, 16), np.uint8))
    assert "80 images of ok to 4 of pore" in codes(tmp_path)["uneven-classes"]["message"]
