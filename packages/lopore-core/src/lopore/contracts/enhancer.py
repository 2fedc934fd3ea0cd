"""What an image enhancement offers: its parameters, its function and what is known of its reach."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, TypeAlias

import numpy as np

from lopore.affine import Affine
from lopore.arrays import Pixels

from .field_rules import check_fields, check_parameters
from .params import Params

FilmParts: TypeAlias = Callable[[], Iterable[tuple[int, int, Pixels]]]
"""Windows that cover a film once: (top, left, pixels), read anew at each call."""


@dataclass(frozen=True, kw_only=True)
class Enhancer:
    """One image enhancement; depth and channels in are depth and channels out.

    name: kebab-case, unique among all enhancers.
    summary: one line for menus and ``--help``.
    params: its parameters; every field has a default.
    apply: ``(pixels, params) -> pixels``; input untouched, repeatable for equal parameters.
    preview_only: for the eye (edges, thresholds); refused in a model's chain.
    lookup: for pointwise enhancers, ``(dtype, params) -> table`` with one entry per grey value (256 or 65 536) of the
        same dtype, equal to ``apply`` on a single channel; neighbours in a chain fold into one table.
    motion: for enhancers that move pixels, ``((height, width), params) -> Affine`` from the input to the output.
    reach: ``(params) -> pixels``: how far away a pixel can be that changes one; 0 where there is none. A part of a film
        with that many pixels around it then gives the very pixels of the whole film. None: not known, or the whole
        film.
    survey: for what needs a film's own statistics, ``(parts, (height, width), dtype, params) -> apply``. ``parts()``
        yields (top, left, pixels) of windows that cover the film once; ``apply(pixels, top, left)`` enhances any
        window.
    """

    name: str
    summary: str
    params: type[Params]
    apply: Callable[[Pixels, Any], Pixels]
    preview_only: bool = False
    lookup: Callable[[np.dtype[Any], Any], Pixels] | None = None
    motion: Callable[[tuple[int, int], Any], Affine] | None = None
    reach: Callable[[Any], int] | None = None
    survey: Callable[[FilmParts, tuple[int, int], np.dtype[Any], Any], Callable[[Pixels, int, int], Pixels]] | None = (
        None
    )
    presets: Mapping[str, Sequence[Mapping[str, Any]]] = field(default_factory=dict)
    """Named chains that this enhancer leads: title -> steps ``{"name": ..., **parameters}``."""

    def __post_init__(self) -> None:
        check_fields(self)
        check_parameters(f"Enhancer '{self.name}'", self.params)

    @property
    def key(self) -> str:
        return self.name
