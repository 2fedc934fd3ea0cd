"""The grade of a model as a system that recognises defects, by a profile that the user writes and owns."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from pydantic import ValidationError

from lopore.config.yaml_loader import load_yaml
from lopore.errors import ConfigError, DataError
from lopore.messages import plain
from lopore.metrics.matching import match_boxes
from lopore.metrics.recognition_grade import GradedMark, RecognitionGrade, RecognitionProfile, recognition_grade
from lopore.validation import explain_validation

from .tables import mark_keys

if TYPE_CHECKING:
    from .tally import MatchedFilm


def read_recognition_profile(path: Path) -> RecognitionProfile:
    """A profile from YAML; ConfigError in one line for what it has wrong."""
    data = load_yaml(path)
    if not isinstance(data, dict):
        raise ConfigError(f"{plain(path)} holds no profile; it begins with title:, source:, iou: and levels:")
    try:
        profile = RecognitionProfile.model_validate({key: value for key, value in data.items() if key != "sha256"})
    except ValidationError as error:
        raise ConfigError(f"{plain(path)}: {explain_validation(error, RecognitionProfile)}") from None
    return profile.model_copy(update={"sha256": hashlib.sha256(path.read_bytes()).hexdigest()})


def grade_films(films: Sequence[MatchedFilm], profile: RecognitionProfile) -> RecognitionGrade:
    """The grade over films of known truth, at the model's operating point.

    A mark is found in place by an indication whose box meets its box with the profile's IoU; where the truth is a place
    along the film, by one that meets that place. DataError where no truth of marks is known.
    """
    if not films:
        raise DataError("no truth of marks is known, so nothing can be graded; give masks, or --sections TABLE.csv")
    marks = [mark for film in films for mark in _graded(film, profile)]
    sound = [film for film in films if film.sound]
    return recognition_grade(marks, len(sound), sum(bool(film.indications) for film in sound), profile)


def _graded(film: MatchedFilm, profile: RecognitionProfile) -> list[GradedMark]:
    """The marks of a film; named by the only class of the model where the truth has no names."""
    truth = [mark for key in mark_keys(film) for mark in film.own[key].marks]
    if truth and truth[0].box is not None:
        boxes = [mark.box for mark in truth if mark.box is not None]
        matched = match_boxes(film.path, film.indications, boxes, least_iou=profile.iou)
    else:
        matched = film.own[next(iter(film.own))]
        truth = list(matched.marks)
    names: dict[int, set[str]] = {}
    for call in matched.calls:
        for number in call.hits:
            names.setdefault(number, set()).add(call.class_name)
    return [
        GradedMark(film.path, mark.class_name, number in names, mark.class_name in names.get(number, set()))
        for number, mark in enumerate(truth, start=1)
    ]
