"""What a network sees, as an image to look at before the first epoch."""

from __future__ import annotations

from pathlib import Path

from lopore.augmentation.contact_sheet import preview_sheet
from lopore.progress import Progress

from .plan import Plan, Splits

PREVIEW_ROWS = 8


def write_preview(plan: Plan, splits: Splits, folder: Path, progress: Progress) -> None:
    """A row for each class in turn, from training films spread over the set."""
    strata = plan.targets.strata[splits.train]
    rows_by_class = [splits.train[strata == kind] for kind in sorted(set(strata.tolist()))]
    numbers = range(PREVIEW_ROWS)
    rows = [
        int(members[number * len(members) // PREVIEW_ROWS])
        for number in numbers
        for members in rows_by_class
        if number < len(members)
    ]
    rows = list(dict.fromkeys(rows))[:PREVIEW_ROWS]
    images = [plan.images[row][0] for row in rows]
    shown = [plan.samples.rows[row] for row in rows]
    titles = [f"{' + '.join(row.labels)}   {Path(row.path).name}" for row in shown]
    size = plan.experiment.preprocessing.size
    seed, recipe = plan.experiment.seed, plan.experiment.augmentation
    heading = f"{plan.experiment.name}, {size[1]} x {size[0]} px, seed {seed}: unchanged, then as training shows it"
    path = preview_sheet(folder / "preview.png", images, titles, recipe, seed=seed, heading=heading)
    progress.line(f"saved {path}")
