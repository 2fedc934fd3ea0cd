"""Score, calibration, contract and abstention on real images, split by film and by image, side by side.

    python benchmarks/honest_and_leaked.py DATA

DATA holds ``weld-radiographs`` and ``magnetic-tile`` (for research only). Features of a frozen EfficientNet-Lite0 of
ImageNet, a logistic head in five folds. By film no fold holds an image of a film (or tile) that another one has, and
films are the trials; by image a split knows nothing of films, as many published scores do. Whatever is fitted on the
leaked answers is then tried on the honest ones of films that it did not see.
"""

from __future__ import annotations

import csv
import sys
import warnings
from pathlib import Path

import cv2
import numpy as np
import torch
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import StratifiedGroupKFold
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from lopore.metrics.classification import measure
from lopore.metrics.conformal import fit_abstention, sets_of
from lopore.metrics.contract import recall_contract, scores_by_film
from lopore.metrics.score_calibration import calibrated, fit_calibration, log_loss
from lopore.metrics.statement import Refusal
from lopore.models.pretrained import offline_file
from lopore_torch.weights import pair_by_position, read_tensors

NETWORK, SIDES, HALVES = "tf_efficientnet_lite0", {"weld-radiographs": 320, "magnetic-tile": 224}, 20
CLASSES, COVERAGE, RECALL = ("other", "defect"), 0.9, 0.95


def images_of(root: Path, name: str) -> tuple[list[Path], np.ndarray, np.ndarray]:
    """Files, labels (1: pore, or any defect of a tile) and films."""
    if name == "weld-radiographs":
        with (root / name / "groups.csv").open(newline="") as stream:
            rows = [row for row in csv.DictReader(stream) if row["class_conflict"] == "0"]
        labels, films = [row["class"] == "pore" for row in rows], [row["film_group"] for row in rows]
    else:
        with (root / name / "index.csv").open(newline="") as stream:
            rows = list(csv.DictReader(stream))
        labels, films = [row["class"] != "MT_Free" for row in rows], [row["tile"] for row in rows]
    return [root / name / row["file"] for row in rows], np.array(labels, int), np.unique(films, return_inverse=True)[1]


def features(paths: list[Path], side: int) -> np.ndarray:
    import timm

    path, _ = offline_file(NETWORK, "lopore-torch[offline]")
    network = timm.create_model(NETWORK, num_classes=0).eval()
    network.load_state_dict(pair_by_position(read_tensors(path), NETWORK, path), strict=False)
    found = []
    for begin in range(0, len(paths), 16):
        batch = [
            cv2.resize(cv2.imread(str(one), 0), (side, side), interpolation=cv2.INTER_AREA)
            for one in paths[begin : begin + 16]
        ]
        pixels = torch.from_numpy(np.stack(batch)).float()[:, None].expand(-1, 3, -1, -1) / 127.5 - 1
        with torch.inference_mode():
            found.append(network(pixels).numpy())
    return np.concatenate(found)


def out_of_fold(values: np.ndarray, labels: np.ndarray, groups: np.ndarray) -> np.ndarray:
    """(N, 2) scores of each image by a head that saw none of its group."""
    scores = np.zeros(len(labels))
    for train, test in StratifiedGroupKFold(5, shuffle=True, random_state=0).split(values, labels, groups):
        head = make_pipeline(StandardScaler(), LogisticRegression(C=0.01, class_weight="balanced", max_iter=2000))
        scores[test] = head.fit(values[train], labels[train]).predict_proba(values[test])[:, 1]
    scores = np.clip(scores, 1e-6, 1 - 1e-6)
    return np.column_stack([1 - scores, scores]).astype(np.float32)


def halves(scores, truth, groups, honest, films):
    """Over random halves of the groups: log loss before and after calibration, coverage and share abstained; fitted on
    one half, and tried on the honest answers of films that are wholly in the other."""
    rows = []
    for number in range(HALVES):
        first = np.random.default_rng(number).permutation(groups.max() + 1)[: (groups.max() + 1) // 2]
        fit = np.isin(groups, first)
        other = ~np.isin(films, films[fit]) if films is groups else ~fit
        curve = fit_calibration(scores[fit], truth[fit], groups[fit], task="binary", fitted_on="a half")
        limits = fit_abstention(scores[fit], truth[fit], groups[fit], classes=CLASSES, coverage=COVERAGE, fitted_on="")
        if isinstance(curve, str) or isinstance(limits, Refusal):
            continue
        before = log_loss(honest[other], truth[other], "binary").mean()
        after = log_loss(calibrated(honest[other], "binary", curve), truth[other], "binary").mean()
        sets = sets_of(honest[other], CLASSES, limits)
        lost = np.unique(films[other][~(sets & truth[other]).any(axis=1)])
        rows.append((before, after, 1 - len(lost) / len(np.unique(films[other])), (sets.sum(axis=1) != 1).mean()))
    return np.array(rows)


def told(title: str, scores, labels, groups, honest, films) -> None:
    truth = np.column_stack([labels == 0, labels == 1])
    ids = np.unique(groups, return_inverse=True)[1]
    found = measure(scores, labels, task="binary", classes=CLASSES, positive="defect", groups=ids)
    auc, ece = found.overall["roc_auc"], found.calibration.per_class["defect"].ece
    print(f"  {title}: {len(labels)} images, {ids.max() + 1} groups")
    print(f"    ROC AUC {auc.value:.3f} ({auc.low:.3f} to {auc.high:.3f}), ECE {ece.value:.3f}")
    contract = recall_contract(scores[:, 1], labels, ids, recall=RECALL, confidence=0.95)
    if isinstance(contract, Refusal):
        print(f"    {contract.text}")
    else:
        by_film = scores_by_film(honest[:, 1], labels, films)
        real = (by_film >= contract.threshold).mean()
        print(f"    {contract.text}")
        print(f"    by honest answers {real:.3f} of {len(by_film)} films with the class are found there")
    rows = halves(scores, truth, ids, honest, films if films is not groups else ids)
    if len(rows):
        before, after, coverage, abstained = rows.mean(axis=0)
        print(
            f"    fitted on a half, tried on honest answers of the other ({len(rows)} times): log loss {before:.3f} "
            f"before calibration, {after:.3f} after; {COVERAGE:.0%} abstention holds {coverage:.3f} of films, leaves "
            f"{abstained:.3f} of images to a person"
        )


def main() -> None:
    warnings.filterwarnings("ignore", category=UserWarning)
    root = Path(sys.argv[1])
    for name, side in SIDES.items():
        paths, labels, films = images_of(root, name)
        values = features(paths, side)
        honest = out_of_fold(values, labels, films)
        print(f"{name}: {len(labels)} images of {films.max() + 1} films, {labels.sum()} with the class")
        told("by film", honest, labels, films, honest, films)
        images = np.arange(len(labels))
        told("by image, leaked", out_of_fold(values, labels, images), labels, images, honest, films)


if __name__ == "__main__":
    main()
