"""What writes a model in another format."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeAlias

from numpy.typing import NDArray

from lopore.arrays import Framework, Pixels

from .field_rules import check_fields

FilmRun: TypeAlias = Callable[[Pixels, tuple[float, float] | None], Mapping[str, NDArray[Any]]]
"""Runs a file that takes whole films; see ``Exporter.opens_film``."""


@dataclass(frozen=True, kw_only=True)
class Exporter:
    """Writes a model in another format. ``export(model, folder)`` writes ``folder / file_name`` and returns its notes.

    source: the framework whose native file it reads. tolerance: the largest |dp| its gate allows.
    quantised: answers may move; the gate then asks for equal decisions at the stated rate instead.
    calibrated: ``export(model, folder, images)`` is given (N, H, W, C) preprocessed real images besides, to fit the
        file to; the gate judges on others.
    averages: ``export(models, folder)`` is given several models and writes one file whose answers are their mean, in
        the format onnx; for the folds of a cross-validation.
    opens_film: for a format that takes whole films as they are read, with window and resize inside:
        ``opens_film(path)`` gives ``run(pixels, window) -> {"scores": (K,), "decision": (K,), "maps": (K, h, w)}``,
        maps only where the file has them; window is that of the file's tags or None. The gate compares real films.
    """

    framework: Framework
    format: str
    summary: str
    file_name: str
    export: Callable[..., Mapping[str, Any]]
    tolerance: float = 1e-4
    quantised: bool = False
    calibrated: bool = False
    averages: bool = False
    opens_film: Callable[[Path], FilmRun] | None = None

    def __post_init__(self) -> None:
        check_fields(self)

    @property
    def key(self) -> str:
        return f"{self.framework}/{self.format}"
