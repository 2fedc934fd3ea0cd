"""Make the model that lopore-weld ships, from nothing: films, training, and the model's folder in the package.

python tools/make_weld_model.py OUT [--films 150] [--seed 2] [--ship THRESHOLD [--chosen-on FILMS]] [--relief]
    [--hits VALUE LOW HIGH]

OUT gets the made films, their manifest and the run's folder; with ``--ship`` the published model replaces
``packages/lopore-weld/src/lopore_weld/model``. No real film is read. One core needs about a quarter of an hour.
``--relief`` trains nothing: the shipped model's record learns from the made films which side of them stands out.
``--hits`` trains nothing: the record gets what ``benchmarks/weld_films.py --model weld`` measured on real films.
"""

from __future__ import annotations

import argparse
import csv
import os
import shutil
import subprocess
import sys
from collections import Counter
from collections.abc import Sequence
from pathlib import Path

from lopore.atomic_files import sha256_of
from lopore.data.relief import fit_relief, relief_of
from lopore.preprocessing.film_input import FilmInput
from lopore.reading.windows import open_film
from lopore.record.folder import ModelFolder, write_model_record
from lopore.record.interval import Interval
from lopore.record.model import ModelRecord, Threshold
from lopore.record.onnx_file import write_record
from lopore.synthesis.whole_film import write_whole_films

ROOT = Path(__file__).parents[1]
MODEL = ROOT / "packages" / "lopore-weld" / "src" / "lopore_weld" / "model"
CLASSES = (
    "crack", "lack_of_fusion", "lack_of_penetration", "pore", "slag_inclusion", "tungsten_inclusion", "undercut",
)  # fmt: skip
SHIPPED = ("onnx", "pth")
"""Formats: what ONNX Runtime opens, and what a training starts from."""


def lopore(*words: str, folder: Path) -> None:
    """Run one command on one thread; stops where it fails. Several threads that share cores with others wait long."""
    print(f"\n$ lopore {' '.join(words)}", flush=True)
    surroundings = {**os.environ, "OMP_NUM_THREADS": "1"}
    subprocess.run([sys.executable, "-m", "lopore", *words], cwd=folder, check=True, env=surroundings)


def part_look_alikes(manifest: Path) -> None:
    """Films that look alike go into training together: films without texture, of different seeds."""
    with manifest.open(newline="", encoding="utf-8") as stream:
        rows = list(csv.DictReader(stream))
    families = Counter(row["family"] for row in rows)
    for row in rows:
        row["split"] = "train" if families[row["family"]] > 1 else row["split"]
    with manifest.open("w", newline="", encoding="utf-8") as stream:
        writer = csv.DictWriter(stream, rows[0].keys(), lineterminator="\n")
        writer.writeheader()
        writer.writerows(rows)


def ship(published: Path, threshold: float, chosen_on: str) -> None:
    """The published model's record and weights as the package's model folder, at ``threshold``.

    chosen_on: the films on which the threshold was chosen, for the record.
    """
    source = ModelFolder.read(published).record
    # Each made film has a seed of its own and lies whole in one split; the index only sees that the split was given.
    source = source.model_copy(update={"leaks": source.leaks.model_copy(update={"split_kind": "grouped"})})
    point = Threshold(value=threshold, rule="fixed", chosen_on=chosen_on)
    shutil.rmtree(MODEL, ignore_errors=True)
    MODEL.mkdir(parents=True)
    shipped = tuple(file for file in source.files if file.format in SHIPPED)
    for file in shipped:
        shutil.copyfile(published / file.path, MODEL / file.path)
    write_shipped(source.model_copy(update={"threshold": point, "files": shipped}))


def write_shipped(record: ModelRecord) -> None:
    """The record into the package's model folder, and into the ONNX file, which carries it too; with new sums."""
    files = []
    for file in record.files:
        if file.format == "onnx":
            write_record(MODEL / file.path, record.model_copy(update={"files": ()}))
        files.append(file.model_copy(update={"sha256": sha256_of(MODEL / file.path)}))
    write_model_record(MODEL, record.model_copy(update={"files": tuple(files)}), made_here=False)


def amend_relief(folders: Sequence[Path]) -> None:
    """Put the relief of the made films in ``folders`` into the shipped model's record."""
    record = ModelFolder.read(MODEL).record
    reliefs = []
    for path in (path for folder in folders for path in sorted((folder / "films").glob("*.png"))):
        with open_film(path, mm_per_pixel=record.preprocessing.mm_per_pixel) as source:
            reliefs.append(relief_of(FilmInput(source, record.preprocessing)))
    found = fit_relief(reliefs)
    print(found)
    write_shipped(record.model_copy(update={"training_relief": found}))


def amend_score(hits: Sequence[float]) -> None:
    """Put the share of marks that are hit, with its 95 % bounds, into the shipped record.

    Made tiles say how well made tiles are learned, which a user of real films has no use for, so theirs go.
    """
    value, low, high = hits
    scores = {"hits": Interval(value=value, low=low, high=high)}
    split = "7 real films at 2 false calls a film"
    write_shipped(ModelFolder.read(MODEL).record.model_copy(update={"metrics": scores, "metrics_split": split}))


def train(folder: Path, films: Path, *changes: str) -> Path:
    """Index films, train on them, and the folder of the published model."""
    names = f"{films.name}/labels.csv", f"{films.name}/manifest.csv"
    lopore("data", "index", names[0], "--out", names[1], "--replace", folder=folder)
    part_look_alikes(films / "manifest.csv")
    words = [
        word for change in (f"data.manifest={names[1]}", "training.threads=1", *changes) for word in ("--set", change)
    ]
    lopore("train", "--config", str(ROOT / "configs" / "weld-made.yaml"), *words, folder=folder)
    records = (folder / "models" / "final" / "weld").glob("*/lopore.json")
    return max(records, key=lambda path: path.stat().st_mtime).parent


def make_films(out: Path, count: int, seed: int) -> Path:
    """Made films of both depths, the same for the same seed; those that are there are kept."""
    if not out.is_dir():
        write_whole_films(out, count, seed, classes=CLASSES, margin_px=1, validation=6, bit_depth=None)
    return out


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("out", type=Path)
    parser.add_argument("--films", type=int, default=150, help="of each of the two stages")
    parser.add_argument("--seed", type=int, default=2, help="of the first stage's films; the second takes the next one")
    parser.add_argument("--ship", type=float, metavar="THRESHOLD", help="put the model into the package")
    parser.add_argument("--chosen-on", default="made films", help="films on which that threshold was chosen")
    parser.add_argument("--relief", action="store_true", help="train nothing, tell the shipped model its films' relief")
    parser.add_argument("--hits", type=float, nargs=3, help="train nothing, tell the record what was measured")
    asked = parser.parse_args()
    if asked.hits:
        amend_score(asked.hits)
        return
    folder = asked.out.resolve()
    folder.mkdir(parents=True, exist_ok=True)
    made = [make_films(folder / f"films-{stage}", asked.films, asked.seed + stage - 1) for stage in (1, 2)]
    if asked.relief:
        amend_relief(made)
        return
    first = train(folder, made[0])
    again = (f"model.start_from={first}", "training.epochs=5", "training.optimizer.learning_rate=0.002",
             "training.schedule.warmup_epochs=0.5", "data.tiles.defect_share=0.45")  # fmt: skip
    model = train(folder, made[1], *again)
    print(model)
    if asked.ship is not None:
        ship(model, asked.ship, asked.chosen_on)


if __name__ == "__main__":
    main()
