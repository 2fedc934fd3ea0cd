"""Self-contained HTML pages: one style, one base template, every value escaped; nothing is loaded from elsewhere."""

from __future__ import annotations

import base64
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from lopore.messages import for_a_page
from lopore.record.interval import Interval

if TYPE_CHECKING:
    from jinja2 import Environment

__all__ = ["bounds_text", "image_address", "number_text", "render_page"]

NOTICE = "A demonstration for a person to review: no certification, no replacement for a qualified radiographer."


def number_text(interval: Interval) -> str:
    """The value with three decimals, or ``not defined``."""
    return "not defined" if interval.value is None else f"{interval.value:.3f}"


def bounds_text(interval: Interval) -> str:
    """``0.812 to 0.934``, empty where the interval has no bounds."""
    return "" if interval.low is None else f"{interval.low:.3f} to {interval.high:.3f}"


def image_address(image: NDArray[np.uint8], *, quality: int | None = 92) -> str:
    """A ``data:`` address of an image, so that the page needs no second file.

    image: (H, W) or (H, W, 3) RGB uint8. quality: of the JPEG, 1..100; None writes a lossless PNG.
    """
    import cv2

    pixels = np.ascontiguousarray(image[:, :, ::-1] if image.ndim == 3 else image)
    form, options = ("png", []) if quality is None else ("jpeg", [cv2.IMWRITE_JPEG_QUALITY, quality])
    coded = cv2.imencode(f".{form}", pixels, options)[1]
    return f"data:image/{form};base64,{base64.b64encode(coded.tobytes()).decode()}"


def render_page(template: Path, **values: Any) -> str:
    """A whole HTML page as text.

    template: a file that extends ``base.html`` of this folder and fills its blocks ``title`` and ``content``; a macro
    ``interval(x)`` is there through ``{% from "parts.html" import interval %}``. Values are escaped; only what a caller
    marks as ``markupsafe.Markup`` (an SVG that lopore drew) stands as it is. A name that a template misses is an error.
    """
    return _environment(template.parent).get_template(template.name).render(notice=NOTICE, **values)


@lru_cache(maxsize=8)
def _environment(folder: Path) -> Environment:
    from jinja2 import Environment, FileSystemLoader, StrictUndefined

    made = Environment(
        loader=FileSystemLoader([folder, Path(__file__).parent]),
        autoescape=True,
        finalize=for_a_page,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    made.filters |= {"number": number_text, "bounds": bounds_text}
    return made
