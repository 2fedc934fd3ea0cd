"""What the app computes behind its page: each answer once, equal to the command line's, kept within a budget."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from made.images import coded, even, ramp

from lopore.errors import ImageError
from lopore.inference.overlay import natural_limits
from lopore.inference.predict import predict_radiographs
from lopore.preprocessing.enhancement_chain import Chain
from lopore.reading.radiograph import read_radiograph
from lopore_app.inspection import response_curve as curve
from lopore_app.inspection.edited_chain import EditedChain
from lopore_app.inspection.filmstrip import answer_some, state_of, thumbnails, waiting
from lopore_app.inspection.memory import Memory
from lopore_app.inspection.session import InspectionSession
from lopore_app.inspection.upload import Upload


class Counted:
    """A session that counts the images that it was asked about."""

    def __init__(self, session: Any) -> None:
        self.session, self.images = session, 0

    def predict(self, batch: Any) -> Any:
        self.images += len(batch)
        return self.session.predict(batch)


def counted(session: InspectionSession) -> Counted:
    from dataclasses import replace

    assert session.model is not None
    count = Counted(session.model.session)
    session.model = replace(session.model, session=count)
    return count


def test_an_answer_is_computed_once_and_equals_that_of_the_command_line(session: InspectionSession) -> None:
    upload, chain = Upload.of("a.png", coded(".png", ramp())), Chain.parse(["invert", {"name": "gamma", "gamma": 0.6}])
    expected = predict_radiographs(session.model, [read_radiograph(upload.content)], chain=chain)[0]  # type: ignore[arg-type]
    count = counted(session)
    for threshold in (None, None, 0.4):
        found = session.answer(session.film(upload), chain, threshold).prediction
        assert found.scores == expected.scores
        assert found.chain == expected.chain
    assert count.images == 1


def test_moving_the_last_dial_runs_only_the_last_step(session: InspectionSession) -> None:
    film = session.film(Upload.of("a.png", coded(".png", ramp())))
    first = session.enhanced(film, Chain.parse(["median", {"name": "gamma", "gamma": 0.6}]))
    second = session.enhanced(film, Chain.parse(["median", {"name": "gamma", "gamma": 0.7}]))
    assert first.costs[0] == second.costs[0]
    assert len(second.costs) == 2
    whole, _ = Chain.parse(["median", {"name": "gamma", "gamma": 0.7}]).apply(film.full.pixels)
    assert np.array_equal(second.pixels, whole)


def test_heat_lies_on_the_turned_picture_and_is_kept(session: InspectionSession) -> None:
    pixels = np.zeros((64, 64), np.uint8)
    pixels[:32, :32] = 255
    film, chain = (
        session.film(Upload.of("a.png", coded(".png", pixels))),
        Chain.parse([{"name": "rotate", "quarters": 1}]),
    )
    heat = session.heat(film, chain, "grad-cam", "pore")
    assert heat.values.shape == session.enhanced(film, chain).pixels.shape
    hot = heat.values > natural_limits(heat.values, heat.scale)[1] / 2
    bright = session.enhanced(film, chain).pixels > 128
    assert bright[:32, 32:].all()  # the corner was turned from the left to the right
    assert np.mean(hot == bright) > 0.95  # the map is drawn smooth, so its edge is not sharp
    shifted = np.roll(bright, 16, axis=1)
    assert np.mean(hot == shifted) < 0.8
    assert session.heat(film, chain, "grad-cam", "pore") is heat


def test_films_that_wait_are_answered_in_slices_and_the_broken_one_is_told(session: InspectionSession) -> None:
    uploads = [Upload.of(f"{value}.png", even(value)) for value in (0, 120, 255)]
    uploads.append(Upload.of("bad.png", b"no image"))
    chain = Chain()
    assert [state_of(session, upload, chain, None).tone for upload in uploads] == ["waiting"] * 4
    while waiting(session, uploads, lambda _: chain):
        list(answer_some(session, uploads, lambda _: chain, None))
    states = [state_of(session, upload, chain, None) for upload in uploads]
    assert [state.tone for state in states] == ["sound", "sound", "found", "broken"]
    assert states[2].text.endswith("pore")
    assert set(thumbnails(session, uploads)) == {upload.sha256 for upload in uploads[:3]}


def test_the_memory_stays_within_its_budget_and_keeps_errors() -> None:
    memory, made = Memory(budget=10_000), []

    def make(number: int) -> Callable[[], int]:
        return lambda: made.append(number) or number  # type: ignore[func-returns-value]

    for number in range(20):
        assert memory.get(number, make(number), lambda value: 3000) == number
        assert memory.spent <= 10_000
    assert memory.get(19, make(19)) == 19
    assert made == list(range(20))

    def fail() -> int:
        made.append(-1)
        raise ImageError("no film")

    for _ in range(2):
        with pytest.raises(ImageError, match="no film"):
            memory.get("bad", fail)
    assert made.count(-1) == 1


def test_the_curve_holds_what_single_answers_would_say(session: InspectionSession) -> None:
    film = session.film(Upload.of("a.png", coded(".png", ramp())))
    steps = EditedChain.of([{"name": "gamma", "gamma": 0.7}, {"name": "median"}], 1)
    found = curve.response(session, film, steps, 0, "gamma")
    assert found is not None
    assert found.complete
    assert len(found.values) == curve.POINTS
    for value, scores in zip(found.values, found.scores, strict=True):
        alone = session.scored(film, steps.with_value(0, "gamma", value).chain()).row
        assert np.allclose(alone, scores, atol=1e-6)


def test_the_curve_does_not_depend_on_where_its_dial_stands(session: InspectionSession) -> None:
    film = session.film(Upload.of("a.png", coded(".png", ramp())))
    steps = EditedChain.of([{"name": "gamma", "gamma": 0.7}], 1)
    first = curve.response(session, film, steps, 0, "gamma")
    count = counted(session)
    assert curve.response(session, film, steps.with_value(0, "gamma", 3.0), 0, "gamma") is first
    assert count.images == 0


def test_values_that_a_step_refuses_are_left_out_of_the_curve(session: InspectionSession) -> None:
    film = session.film(Upload.of("a.png", coded(".png", ramp())))
    steps = EditedChain.of([{"name": "stretch", "low": 0.5, "high": 60.0}], 1)
    found = curve.response(session, film, steps, 0, "low")
    assert found is not None
    assert max(found.values) < 60


@given(st.integers(2, 40))
def test_the_ends_and_the_middle_are_measured_first(count: int) -> None:
    order = curve.coarse_first(count)
    assert sorted(order) == list(range(count))
    assert set(order[:2]) == {0, count - 1}
