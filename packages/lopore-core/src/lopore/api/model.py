"""A model in five lines of Python: open, predict, explain, inspect, evaluate."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pydantic import ValidationError

from lopore.arrays import Pixels
from lopore.errors import ConfigError, ModelError
from lopore.inference.explain import choose_explainer
from lopore.inference.explain import explain as explain_prepared
from lopore.inference.predict import Failure, Prediction, predict_files, predict_radiographs, prepare_radiograph
from lopore.models.catalogue import locate_model
from lopore.models.opening import OpenModel, open_model
from lopore.record.model import ModelRecord
from lopore.validation import explain_validation

from .images import film_of, radiograph_of
from .results import FilmReport, HeatMapResult, PredictionResult

if TYPE_CHECKING:
    from lopore.data.manifest import Manifest
    from lopore.evaluation.results import Evaluation
    from lopore.indications import Profile

Image = Pixels | Path | str
"""A file, or grey values: ``(H, W)`` or ``(H, W, 3)`` RGB, uint8 or uint16."""


def _silent(stage: str, done: int, total: int) -> None:
    """No progress."""


class Model:
    """An open model. ``with lopore.open("weld") as model:`` gives its memory back at the end.

    Every method takes a path or an array; arrays go in with their own depth and are never changed.
    """

    def __init__(self, opened: OpenModel) -> None:
        self.opened = opened

    @property
    def record(self) -> ModelRecord:
        """Everything that travels with the weights: classes, preprocessing, threshold, scores, leaks."""
        return self.opened.record

    @property
    def classes(self) -> tuple[str, ...]:
        """The classes, in the order of the scores."""
        return self.record.classes

    def predict(self, image: Image, *, mm_per_pixel: float | None = None, page: int | None = None) -> PredictionResult:
        """Scores and decision of one image, with the doubts that `lopore predict` prints.

        mm_per_pixel: size of a pixel, where the file does not state it. page: of a file with several, from 1.
        Raises ImageError for what cannot be read, ModelError for a model that answers nonsense.
        """
        radiograph = radiograph_of(image, self.record.preprocessing, mm_per_pixel=mm_per_pixel, page=page)
        return PredictionResult.of(predict_radiographs(self.opened, [radiograph])[0], radiograph)

    def predict_many(self, paths: Iterable[Path | str]) -> list[Prediction | Failure]:
        """Predictions in the order of ``paths``, in batches; a file that cannot be read becomes a ``Failure``."""
        return list(predict_files(self.opened, [Path(path) for path in paths]))

    def explain(self, image: Image, *, class_name: str | None = None, explainer: str | None = None) -> HeatMapResult:
        """What drove the score of a class (default: of the highest) at every pixel of the image.

        explainer: such as ``grad-cam`` or ``grad-cam++``; default the best that fits. ConfigError lists what fits.
        """
        radiograph = radiograph_of(image, self.record.preprocessing)
        if class_name is None:
            scores = predict_radiographs(self.opened, [radiograph])[0].scores
            class_name = max(scores, key=lambda name: scores[name])
        prepared = prepare_radiograph(self.record, radiograph)
        heat = explain_prepared(
            self.opened, prepared, class_name=class_name, explainer=choose_explainer(self.opened, explainer)
        )
        return HeatMapResult(heat.values, heat.class_name, heat.explainer, heat.scale, pixels=radiograph.pixels)

    def inspect(
        self,
        film: Image,
        *,
        profile: Profile | Path | str | None = None,
        mm_per_pixel: float | None = None,
        page: int | None = None,
        progress: Callable[[str, int, int], None] | None = None,
        **options: Any,
    ) -> FilmReport:
        """The indications of a whole film in px and, where the pitch is known, in mm, and the verdict by a profile.

        options: fields of ``InspectionOptions``, such as ``threshold=0.4`` or ``variables={"thickness": 12}``.
        Memory depends on the model's tile, not on the film. Raises ConfigError for options that do not fit.
        """
        from lopore.indications import InspectionOptions, inspect_film, read_profile

        rules = read_profile(Path(profile)) if isinstance(profile, str | Path) else profile
        try:
            chosen = InspectionOptions(mm_per_pixel=mm_per_pixel, **options)
        except ValidationError as error:
            raise ConfigError(f"the options of inspect: {explain_validation(error, InspectionOptions)}") from None
        with film_of(film, mm_per_pixel=mm_per_pixel, page=page) as source:
            found = inspect_film(self.opened, source, profile=rules, options=chosen, progress=progress or _silent)
            return FilmReport.of(found, source)

    def evaluate(self, films: Manifest | Path | str, *, split: str = "test") -> Evaluation:
        """Scores with intervals over films, as `lopore eval` measures them; ``.metrics`` holds the figures.

        films: a manifest or its file. split: "train", "val", "test" or "all".
        """
        from lopore.data.manifest import Manifest
        from lopore.evaluation.evaluate import evaluate

        manifest = films if isinstance(films, Manifest) else Manifest.read(Path(films))
        return evaluate(self.opened, manifest, split=split)

    def close(self) -> None:
        """Give memory and devices back."""
        self.opened.session.close()

    def __enter__(self) -> Model:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def __repr__(self) -> str:
        record = self.record
        return (
            f"<lopore model {self.opened.folder.title}: {record.framework}/{record.backbone}, {record.task}, "
            f"classes {', '.join(record.classes)}, opened by {self.opened.predictor.name}>"
        )


def open(  # ``lopore.open`` is its public name
    model: Path | str, *, runtime: str | None = None, device: str = "auto"
) -> Model:
    """A model by NAME, NAME/VERSION, folder or ``.onnx`` file, its checksums verified.

    runtime: a predictor or format, such as ``onnxruntime`` or ``pth``; default the preferred one that is installed.
    Raises ModelError, in one line, where there is no such model, where a file was changed, or where nothing opens it.
    """
    if not str(model):
        raise ModelError("no model was named; `lopore models` lists those that are found")
    return Model(open_model(locate_model(str(model)), runtime=runtime, device=device))
