"""What messages say alike: a count with its noun, a score, and the name that a misspelt one was meant to be."""

from __future__ import annotations

import difflib
import re
from collections.abc import Iterable


def counted(number: int, one: str, many: str = "") -> str:
    """``1 image``, ``2 images``. many: where an s does not make the plural, such as ``entries`` or ``images have``."""
    return f"{number} {one if number == 1 else many or f'{one}s'}"


def score_text(score: float, digits: int = 3) -> str:
    """A score from 0 to 1 with so many digits, and more where it would read as 0 or 1 and is not: "0.9997".

    Past six digits "> 0.999999" and "< 0.000001".
    """
    for places in range(digits, max(digits, 6) + 1):
        text = f"{score:.{places}f}"
        if not 0 < score < 1 or float(text) not in (0.0, 1.0):
            return text
    return "> 0.999999" if score > 0.5 else "< 0.000001"


def told_apart(*numbers: float) -> tuple[str, ...]:
    """A value and its limits with as many digits as it takes to tell them apart, two at least and six at most."""
    for digits in range(2, 7):
        said = tuple(f"{number:.{digits}f}" for number in numbers)
        if len(set(said)) == len(set(numbers)):
            break
    return said


def did_you_mean(word: str, known: Iterable[str], most: int = 3) -> str:
    """``; did you mean X or Y?`` for the names nearest to ``word``, whose case is no matter; empty where none is near.

    The text is put right behind the statement that ``word`` is unknown.
    """
    plainly = {name.casefold(): name for name in known}
    near = difflib.get_close_matches(word.casefold(), plainly, n=most, cutoff=0.5)
    return f"; did you mean {' or '.join(plainly[name] for name in near)}?" if near else ""


CONTROL_SIGNS = re.compile(r"[\x00-\x1f\x7f-\x9f\u2028\u2029\u202a-\u202e\u2066-\u2069]")


def for_a_page(value: object) -> object:
    """A value for a template: control characters of text from outside as ``?``; markup of our own as it is."""
    if isinstance(value, str) and not hasattr(value, "__html__"):
        return _NOT_ON_PAGES.sub("?", value)
    return value


_NOT_ON_PAGES = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f\u2028\u2029\u202a-\u202e\u2066-\u2069]")
_RAW_SIGNS = re.compile(r"[\x7f-\x9f\u2028\u2029\u202a-\u202e\u2066-\u2069]")


def terminal_json(text: str) -> str:
    """JSON for a terminal: signs that would move, hide or turn what is shown as escapes; the data stay the same."""
    return _RAW_SIGNS.sub(lambda sign: f"\\u{ord(sign[0]):04x}", text)


def plain(text: object, limit: int = 160) -> str:
    """Text from outside for one line of a message: control characters out, bounded."""
    line = CONTROL_SIGNS.sub("?", str(text).encode("utf-8", "replace").decode("utf-8"))
    return line if len(line) <= limit else f"{line[: limit // 2]}...{line[-limit // 2 :]}"
