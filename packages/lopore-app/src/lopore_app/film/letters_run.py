"""The lead letters of one film, read in a thread of its own. No Streamlit in here."""

from __future__ import annotations

import threading

from lopore.indications.letters import letters_of
from lopore.indications.options import InspectionOptions
from lopore.reading.film_source import FilmSource
from lopore.reading.lead_letters import film_number
from lopore_app.film.background_run import BackgroundRun
from lopore_app.film.lead_letters import LeadLetters

_ONE_AT_A_TIME = threading.Lock()
"""The recogniser takes a processor for seconds: visitors wait for each other."""


class LettersRun(BackgroundRun):
    """result, error: None until the run has ended with one of them."""

    def __init__(self, source: FilmSource) -> None:
        self.result: LeadLetters | None = None
        super().__init__("lead letters", self._run, source)

    def _run(self, source: FilmSource) -> None:
        with self._errors_told("the letters could not be read"):
            with _ONE_AT_A_TIME:
                texts = letters_of(source, InspectionOptions(letters="read"))
            strings = tuple(text.text for text in texts)[:400]
            self.result = LeadLetters(number=film_number(texts)[:400], letters=strings)
