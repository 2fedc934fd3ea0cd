"""Lead letters of a film that is inspected: its number, and places where no mark is an indication."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from lopore.reading.lead_letters import LONGEST, LeadText, LetterReader

from .film_images import overview
from .options import Excluded, InspectionOptions

if TYPE_CHECKING:
    from lopore.reading.film_source import FilmSource


def letters_of(source: FilmSource, options: InspectionOptions) -> tuple[LeadText, ...]:
    """The strings on a film, where the options ask for them; PluginError where nothing installed reads them."""
    if options.letters == "off":
        return ()
    view = overview(source, LONGEST)
    return LetterReader().read(view.grey, view.scale)


def without_letters(options: InspectionOptions, letters: Sequence[LeadText]) -> InspectionOptions:
    """The options with the boxes of ``letters`` excluded, where they ask for that."""
    if options.letters != "exclude" or not letters:
        return options
    areas = [Excluded(box=text.box, reason=f"lead letters {text.text[:60]}") for text in letters]
    return options.model_copy(update={"exclude": (*options.exclude, *areas)})
