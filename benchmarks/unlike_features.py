"""Films of another kind, told by features and by image statistics, and how many like films are marked beside them.

    python benchmarks/unlike_features.py DATA [--splits 20] [--trained 0]

DATA holds ``weld-radiographs``, ``casting-boxes``, ``gdxray-casting-inserts``, ``magnetic-tile`` and ``riawelc-crops``
(for research only); photographs come with scikit-image and scikit-learn. Weld radiographs are split by film: half
to learn from, 19 films set the limit, the rest are the like films.

First, on features of a frozen EfficientNet-Lite0 of ImageNet, distances side by side, in ``--splits`` random splits:
Mahalanobis's as lopore has it, the same of features that were not scaled to length 1, and the nearest neighbour.
Then, ``--trained`` times, a whole run: the network is trained with `lopore train`, the model opened from its ONNX file,
and each image is told by statistics, by features or by either.
"""

from __future__ import annotations

import argparse
import csv
import os
import subprocess
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path

import cv2
import numpy as np
import yaml
from honest_and_leaked import features, images_of
from numpy.typing import NDArray
from sklearn.covariance import LedoitWolf

from lopore import open_model
from lopore.config.experiment import load_experiment
from lopore.data.feature_likeness import LEAST_FILMS, FeatureReference, limit_of
from lopore.inference.predict import Prediction, predict_files
from lopore.metrics.ranking import roc_auc
from lopore.progress import Progress
from lopore.record.folder import ModelFolder
from lopore.training.run import train

SIDE, MOST = 224, 120
Floats = NDArray[np.float64]
Distance = Callable[[Floats, Floats], Floats]


def strangers(root: Path) -> dict[str, list[Path]]:
    """Images of other kinds, at most ``MOST`` of a kind, evenly picked."""
    import skimage
    import sklearn

    own = [Path(skimage.__file__).parent / "data", Path(sklearn.__file__).parent / "datasets" / "images"]
    found = {
        "castings": sorted((root / "casting-boxes").rglob("*.png")) + sorted((root / "casting-boxes").rglob("*.jpg")),
        "cast wheel": sorted((root / "gdxray-casting-inserts" / "images").iterdir()),
        "magnetic tiles": sorted((root / "magnetic-tile").rglob("*.jpg")),
        "other weld films": sorted(one for one in (root / "riawelc-crops").rglob("*.*") if one.suffix != ".csv"),
        "photographs": sorted(one for folder in own for one in folder.iterdir() if one.suffix in (".png", ".jpg")),
    }
    return {kind: paths[:: -(-len(paths) // MOST)] for kind, paths in found.items()}


def as_lopore(known: Floats, seen: Floats) -> Floats:
    return FeatureReference.of(known).distances(seen)


def not_scaled(known: Floats, seen: Floats) -> Floats:
    return np.sqrt(LedoitWolf().fit(known).mahalanobis(seen))


def nearest(known: Floats, seen: Floats) -> Floats:
    """Sun et al., ICML 2022, with the first neighbour."""
    a, b = (values / np.linalg.norm(values, axis=1, keepdims=True) for values in (known, seen))
    return np.sqrt(np.maximum(2 - 2 * (b @ a.T).max(axis=1), 0))


def split_of(films: NDArray[np.int64], seed: int) -> NDArray[np.int64]:
    """(N,) 0 to learn from, 1 to set the limit, 2 the like films."""
    count = int(films.max()) + 1
    order, part = np.random.default_rng(seed).permutation(count), np.full(count, 2)
    part[order[: count // 2]] = 0
    part[order[count // 2 : count // 2 + LEAST_FILMS]] = 1
    return part[films]


def side_by_side(welds: Floats, films: NDArray[np.int64], others: dict[str, Floats], splits: int) -> None:
    distances: dict[str, Distance] = {"Mahalanobis, unit length": as_lopore, "nearest neighbour": nearest}
    slow: dict[str, Distance] = {"Mahalanobis, as they are": not_scaled}
    for name, distance in {**distances, **slow}.items():
        alarms, told, ranked = [], {kind: [] for kind in others}, {kind: [] for kind in others}
        for seed in range(splits if name in distances else min(splits, 3)):
            part = split_of(films, seed)
            known = welds[part == 0]
            found = limit_of(distance(known, welds[part == 1]), films[part == 1])
            assert found is not None
            own = distance(known, welds[part == 2])
            by_film = np.array([own[films[part == 2] == film].max() for film in np.unique(films[part == 2])])
            alarms += (by_film > found[0]).tolist()
            for kind, values in others.items():
                far = distance(known, values)
                told[kind].append(np.mean(far > found[0]))
                truth = np.repeat([False, True], [len(by_film), len(far)])
                ranked[kind].append(roc_auc(np.concatenate([by_film, far]), truth))
        shares = ", ".join(f"{kind} {np.mean(told[kind]):.2f} (AUC {np.mean(ranked[kind]):.3f})" for kind in others)
        print(f"{name}: like films marked {np.mean(alarms):.3f} of {len(alarms)}; told: {shares}")


CONFIG = {
    "name": "unlike", "trainer": "torch", "task": "binary", "exports": ["onnx"],
    "data": {"manifest": "manifest.csv", "positive": "pore"},
    "preprocessing": {"channels": 1, "size": 160, "resize": "stretch"},
    "augmentation": {"horizontal_flip": True, "vertical_flip": True},
    "model": {"backbone": "tf_efficientnet_lite0", "pretrained": "offline"},
    "training": {"epochs": 4, "batch_size": 16, "optimizer": {"learning_rate": 0.0005}},
}  # fmt: skip


def whole_run(root: Path, others: dict[str, list[Path]], seed: int) -> None:
    """One model, and what it says of like films and strangers."""
    paths, _, films = images_of(root, "weld-radiographs")
    part = dict(zip((path.name for path in paths), split_of(films, seed).tolist(), strict=True))
    film = {path.name: int(number) for path, number in zip(paths, films, strict=True)}
    with tempfile.TemporaryDirectory() as text:
        os.chdir(text)
        command = [sys.executable, "-m", "lopore", "data", "index", str(root / "weld-radiographs")]
        subprocess.run([*command, "--out", "manifest.csv", "--conflicts", "join"], check=True, capture_output=True)
        with Path("manifest.csv").open(newline="") as stream:
            rows = [row for row in csv.DictReader(stream) if Path(row["path"]).name in part]
        for row in rows:
            name = Path(row["path"]).name
            row["split"], row["group"] = ("train", "val", "test")[part[name]], f"film {film[name]}"
            row["family"] = f"F{film[name]:05d}"
        with Path("manifest.csv").open("w", newline="") as stream:
            writer = csv.DictWriter(stream, rows[0])
            writer.writeheader()
            writer.writerows(rows)
        Path("unlike.yaml").write_text(yaml.safe_dump({**CONFIG, "seed": seed}))
        result = train(load_experiment(Path("unlike.yaml")), progress=Progress(quiet=True), allow_leaks=True)
        assert result.model_folder is not None
        folder = ModelFolder.read(result.model_folder)
        known = folder.record.feature_likeness
        assert known is not None and not known.missing, known
        size = (folder.path / known.file).stat().st_size
        print(f"run {seed}: {known.images} images, {size} bytes, {known.rate_text}")
        model = open_model(folder, runtime="onnx")
        like = [path for path in paths if part[path.name] == 2]
        marks = told(model, like)
        numbers = np.array([film[path.name] for path in like])
        by_film = np.array([marks[numbers == one].any(axis=0) for one in np.unique(numbers)])
        print(f"  like films ({len(by_film)}): {shares(by_film)}")
        for kind, files in others.items():
            print(f"  {kind} ({len(files)}): {shares(told(model, files))}")


def told(model: object, paths: list[Path]) -> NDArray[np.bool_]:
    """(N, 2) whether statistics and whether features tell an image; one that is not answered is told by neither."""
    found = []
    for one in predict_files(model, paths):  # type: ignore[arg-type]
        texts = (
            [doubt.text for doubt in one.doubts if doubt.kind == "appearance"] if isinstance(one, Prediction) else []
        )
        by_features = ["features lie far" in text for text in texts]
        found.append((not all(by_features), any(by_features)))
    return np.array(found)


def shares(marks: NDArray[np.bool_]) -> str:
    either = marks.any(axis=1).mean()
    return f"statistics {marks[:, 0].mean():.2f}, features {marks[:, 1].mean():.2f}, either {either:.2f}"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n\n")[0])
    parser.add_argument("data", type=Path)
    parser.add_argument("--splits", type=int, default=20)
    parser.add_argument("--trained", type=int, default=0)
    options = parser.parse_args()
    root = options.data.absolute()
    others = strangers(root)
    if options.splits:
        paths, _, films = images_of(root, "weld-radiographs")
        seen = {
            kind: features([path for path in files if cv2.imread(str(path), 0) is not None], SIDE)
            for kind, files in others.items()
        }
        side_by_side(features(paths, SIDE), films, seen, options.splits)
    for seed in range(options.trained):
        whole_run(root, others, seed)


if __name__ == "__main__":
    main()
