"""Two readers and an arbiter: differences, kappa, and what an arbiter begins with; no reader is led by another."""

from __future__ import annotations

from pathlib import Path

import pytest

from lopore_app.film.film_review import FilmReview, Reviewer, empty_review
from lopore_app.film.film_work import FilmWork, work_for
from lopore_app.film.readers_panel import others_of
from lopore_app.film.review_store import ReviewStore
from lopore_app.film.two_readers import REJECTED, agreement, arbitration, pairs

EVA, KARL = Reviewer(name="Eva", level="RT 2"), Reviewer(name="Karl", level="RT 3")
PLACES = [[10, 10, 20, 20], [50, 10, 60, 20], [90, 10, 100, 20]]


def film(name: str = "a", reviewer: Reviewer = EVA, rejected: tuple[int, ...] = ()) -> FilmReview:
    review = empty_review(f"{name}.png", name * 64, 1, (100, 200), 0.05)
    for points in PLACES:
        review = review.drawn("box", points, "pore", reviewer)
    for number in rejected:
        review = review.decided(number, "rejected", reviewer)
    return review


def test_marks_are_paired_by_place_and_a_mark_that_one_never_drew_is_a_difference_where_the_other_accepts_it() -> None:
    one, other = film(), film(reviewer=KARL, rejected=(2,)).drawn("box", [150, 50, 160, 60], "slag", KARL)
    told = [(pair.first, pair.second, pair.differs) for pair in pairs(one, other)]
    assert told == [
        ("pore", "pore", False),
        ("pore", REJECTED, True),
        ("pore", "pore", False),
        ("not marked", "slag", True),
    ]


def test_kappa_rests_on_films_that_both_read() -> None:
    first = [film("a"), film("b", rejected=(1, 2)), film("c")]
    second = [film("a", KARL), film("b", KARL, rejected=(1,))]
    found = agreement(first, second)
    assert (found.marks, found.films) == (6, 2)
    # 4 pore/pore, 1 rejected/rejected, 1 rejected/pore: observed 5/6, by chance (4 * 5 + 2 * 1) / 36.
    assert found.kappa.value == pytest.approx((5 / 6 - 22 / 36) / (1 - 22 / 36))
    assert "over 6 marks of 2 films that both decided on" in found.text
    assert "interval needs two films" in agreement(first[1:2], second).text
    assert "not defined" in agreement([film("a")], [film("a", KARL)]).text


def test_an_arbiter_begins_with_what_both_say_and_has_only_the_differences_open() -> None:
    start = arbitration(film(), film(reviewer=KARL, rejected=(2,)), ("Eva", "Karl"))
    assert [mark.verdict for mark in start.marks] == ["accepted", "open", "accepted"]
    assert start.marks[1].note == "Eva: pore; Karl: rejected"


def test_a_second_reader_begins_without_the_verdicts_of_the_first(tmp_path: Path) -> None:
    works: dict[tuple[str, str], FilmWork] = {}
    nameless = work_for(works, "film", "")
    nameless.review = film()
    assert work_for(works, "film", "Eva") is nameless  # what was done before the name was given is hers
    second = work_for(works, "film", "Karl")
    assert second.review is None
    assert not second.opened
    assert work_for(works, "film", "Eva") is nameless
    store = ReviewStore(tmp_path)
    store.save(film("b", KARL), "Karl")
    found = others_of(store, works, "Eva")
    assert {name: [review.name for review in reviews] for name, reviews in found.items()} == {"Karl": ["b.png"]}
