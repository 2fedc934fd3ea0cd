"""What was corrected on films as annotations that training takes. No Streamlit in here."""

from __future__ import annotations

import json
import tempfile
from collections.abc import Sequence
from pathlib import Path, PurePosixPath

from lopore.data.annotations import coco
from lopore.data.annotations.mark import AnnotatedImage, AnnotationSet, Mark
from lopore_app.film.film_review import FilmReview, Ignored, ReviewedMark

NOT_JUDGED = "not_judged"


def annotations_of(reviews: Sequence[FilmReview]) -> AnnotationSet:
    """Accepted and drawn marks with their class; open marks and regions that are not to be judged are *ignored*.

    A rejected mark is sound ground and leaves nothing. What nobody decided on is neither sound nor defective.
    """
    images = tuple(
        AnnotatedImage(
            file=PurePosixPath(review.name.replace("\\", "/")).name or "film",
            width=review.width,
            height=review.height,
            marks=(
                *(_mark(one) for one in review.marks if one.verdict != "rejected"),
                *(_region(one) for one in review.ignored),
            ),
        )
        for review in reviews
    )
    names = sorted({one.class_name for image in images for one in image.marks})
    return AnnotationSet(classes=tuple(names), images=images)


def corrections_coco(reviews: Sequence[FilmReview]) -> str:
    """``annotations_of`` as COCO; ``lopore data annotations convert`` turns it into masks. Its ``info`` holds the
    doubts of each film."""
    with tempfile.TemporaryDirectory(prefix="lopore-corrections-") as folder:
        target = Path(folder) / "corrections.json"
        coco.write(annotations_of(reviews), target)
        plain = json.loads(target.read_text(encoding="utf-8"))
    doubts = [{"film": review.name, "sha256": review.sha256, "doubts": [one.text for one in review.cautions]}
              for review in reviews]  # fmt: skip
    return (
        json.dumps({"info": {"description": "corrections of marks", "films": doubts}, **plain}, ensure_ascii=False)
        + "\n"
    )


def _mark(one: ReviewedMark) -> Mark:
    found = one.indication
    ring = len(found.contour) > 2
    return Mark(
        class_name=one.class_name,
        kind="polygon" if ring else "box",
        box=found.box,
        polygons=(found.contour,) if ring else (),
        who=one.reviewer.name,
        when=one.when,
        note=one.note,
        ignore=one.verdict == "open",
    )


def _region(one: Ignored) -> Mark:
    return Mark(class_name=NOT_JUDGED, kind="box", box=one.box, note=one.reason, ignore=True)
