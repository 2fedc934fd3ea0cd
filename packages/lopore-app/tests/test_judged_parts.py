"""What a run has judged so far is told strip by strip, and nothing beyond it."""

from __future__ import annotations

import pytest
from made.images import coded
from made.models import publish_areas
from made.whole_films import disc, ground

from lopore.arrays import Pixels
from lopore.indications import inspect_film
from lopore.indications.options import InspectionOptions
from lopore.inference.film_map import FilmMap
from lopore.models.opening import OpenModel, open_model
from lopore_app.film.judged_parts import JudgedParts, judged_parts, thresholds_of
from lopore_app.film.uploaded_film import film_source, read_film
from lopore_app.inspection.upload import Upload

HIGH, WIDE = 100, 500


@pytest.fixture(scope="module")
def areas(tmp_path_factory: pytest.TempPathFactory) -> OpenModel:
    return open_model(publish_areas(tmp_path_factory.mktemp("models") / "areas" / "1"))


def parts_of(areas: OpenModel, pixels: Pixels, options: InspectionOptions) -> list[JudgedParts]:
    """What is told after each strip."""
    upload = Upload.of("weld.png", coded(".png", pixels))
    told: list[JudgedParts] = []
    known = [0]

    def judged(film_map: FilmMap) -> None:
        told.append(judged_parts(film_map, thresholds_of(areas, options), told[-1] if told else None, known[-1]))
        known.append(film_map.done)

    inspect_film(areas, film_source(upload, read_film(upload)), options=options, judged=judged)
    return told


def film_with_two_pores(tall: bool) -> Pixels:
    pixels = ground(HIGH, WIDE)
    for x in (60, 400):
        disc(pixels, x + 0.5, 50.5, 6)
    return pixels.T.copy() if tall else pixels


@pytest.mark.parametrize("tall", [False, True])
def test_the_judged_part_grows_from_one_end_to_the_whole_film(areas: OpenModel, tall: bool) -> None:
    told = parts_of(areas, film_with_two_pores(tall), InspectionOptions())
    ends = [one.judged[3 if tall else 2] for one in told]
    assert len(ends) > 5
    assert ends == sorted(ends)
    assert told[-1].judged == (0, 0, *((HIGH, WIDE) if tall else (WIDE, HIGH)))


@pytest.mark.parametrize("tall", [False, True])
def test_a_place_is_told_once_it_is_judged_and_lies_in_the_judged_part(areas: OpenModel, tall: bool) -> None:
    told = parts_of(areas, film_with_two_pores(tall), InspectionOptions())
    along = 1 if tall else 0
    for one in told:
        assert all(place[along + 2] <= one.judged[along + 2] for place in one.places)
    middle = next(one for one in told if one.judged[along + 2] > 200)
    assert {round(place[along], -2) for place in middle.places} <= {0, 100}
    assert any(390 < place[along] < 410 for place in told[-1].places)
    assert len(told[0].places) <= len(middle.places) < len(told[-1].places)


def test_a_threshold_that_nothing_reaches_tells_no_place(areas: OpenModel) -> None:
    told = parts_of(areas, ground(HIGH, WIDE), InspectionOptions())
    assert not told[-1].places
