"""The lead letters of one film, read in a thread of its own. No Streamlit in here."""

from __future__ import annotations

import threading

from lopore.errors import LoporeError
from lopore.indications.letters import letters_of
from lopore.indications.options import InspectionOptions
from lopore.reading.film_source import FilmSource
from lopore.reading.lead_letters import film_number
from lopore_app.film.lead_letters import LeadLetters

_ONE_AT_A_TIME = threading.Lock()
"""The recogniser takes a processor for seconds: visitors wait for each other."""


class LettersRun:
    """result, error: None until the run has ended with one of them."""

    def __init__(self, source: FilmSource) -> None:
        self.result: LeadLetters | None = None
        self.error: str | None = None
        self._thread = threading.Thread(target=self._run, args=(source,), daemon=True, name="lead letters")

    def start(self) -> LettersRun:
        """Begin; returns itself."""
        self._thread.start()
        return self

    @property
    def running(self) -> bool:
        return self._thread.is_alive()

    def wait(self, seconds: float | None = None) -> None:
        """Until the run has ended."""
        self._thread.join(seconds)

    def _run(self, source: FilmSource) -> None:
        try:
            with _ONE_AT_A_TIME:
                texts = letters_of(source, InspectionOptions(letters="read"))
            strings = tuple(text.text for text in texts)[:400]
            self.result = LeadLetters(number=film_number(texts)[:400], letters=strings)
        except LoporeError as error:
            self.error = str(error)
        except Exception as error:  # a thread's error would be lost, and the page wait for ever
            self.error = f"the letters could not be read ({type(error).__name__}); please report it"
