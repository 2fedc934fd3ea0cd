"""The page of a model that a person reads in five minutes: data, figures, operating point, detection, limits."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from lopore.html_page import render_page
from lopore.inference.doubts import TITLES_OF_STATISTICS
from lopore.messages import counted
from lopore.record.interval import Interval

from .curves import ranking_curves
from .evaluation_page import TITLES
from .gallery import galleries
from .marks_part import marks_part
from .pod_plot import pod_svg

if TYPE_CHECKING:
    from lopore.evaluation.model_facts import ModelFacts
    from lopore.evaluation.results import Evaluation
    from lopore.metrics.classification import Metrics
    from lopore.metrics.pod.study import PodStudy
    from lopore.models.opening import OpenModel
    from lopore.record.model import ModelRecord


def model_page(model: OpenModel, evaluation: Evaluation, facts: ModelFacts, *, images: int = 6) -> str:
    """A whole page as text. images: at most so many false calls and misses are shown."""
    from markupsafe import Markup

    record, metrics = model.record, facts.metrics
    return render_page(
        Path(__file__).with_name("model_page.html"),
        title=f"{record.name} {record.version}",
        lead=f"{record.framework}/{record.backbone}, {record.task}: {', '.join(record.classes)}. Trained "
        f"{record.created[:10]}. Intervals: 95 %, {counted(metrics.resamples, 'resample')} of whole groups.",
        metrics=metrics,
        facts=facts,
        tiles=[(TITLES.get(name, name.replace("_", " ")), value) for name, value in metrics.overall.items()],
        decision=_decision(record),
        contract_lines=facts.contract.lines
        if facts.contract
        else [one.text for one in record.threshold.contracts.values()],
        abstention_text=facts.abstention.text if facts.abstention else "",
        calibration_text=_calibration(record),
        calibration_rows=_calibration_rows(record),
        pod=facts.pod,
        pod_plot=Markup(pod_svg(facts.pod, [], [])) if facts.pod and facts.pod.curve else "",  # SVG that we drew
        pod_lines=_pod_lines(facts.pod) if facts.pod else (),
        curves=[Markup(curve) for curve in ranking_curves(evaluation, record)],  # SVG that we drew
        unlike_lines=_unlike_lines(record, metrics),
        unlike_bounds=_unlike_bounds(record),
        galleries=galleries(model, evaluation, images),
        **marks_part(evaluation, images),
    )


def _decision(record: ModelRecord) -> str:
    point = record.threshold
    if record.task == "multiclass":
        return "The class with the largest score is answered" + (
            f"; under {point.value:.3f} the model is undecided." if point.value else "."
        )
    limits = ", ".join(f"{name} from {value:.3f}" for name, value in point.per_class.items())
    limits = limits or f"{record.positive or 'the positive class'} from {point.value:.3f}"
    return f"A detection is {limits} ({point.rule}{', chosen on ' + point.chosen_on if point.chosen_on else ''})."


def _calibration(record: ModelRecord) -> str:
    if record.calibration is None:
        return "Scores are as the network gives them."
    return f"Scores are calibrated: {record.calibration.text}."


def _calibration_rows(record: ModelRecord) -> list[tuple[str, Interval, Interval]]:
    if record.calibration is None:
        return []
    before, after = record.calibration.before, record.calibration.after
    return [(_figure_name(name), before[name], after[name]) for name in before if name in after]


def _figure_name(name: str) -> str:
    """``ece/pore`` as ``ECE, pore``."""
    kind, _, of = name.partition("/")
    return {"ece": "ECE", "brier": "Brier score", "log_loss": "log loss"}.get(kind, kind) + (f", {of}" if of else "")


def _pod_lines(study: PodStudy) -> list[str]:
    films = f" on {counted(study.films, 'film')}" if study.films else ""
    lines = [f"{counted(study.marks, 'flaw')}{films}, {study.hits} found."]
    known = (("a50", study.a50), ("a90", study.a90), ("a90/95", study.a90_95))
    lines += [f"{name} {value:.3g} ({study.size_name})" for name, value in known if value is not None]
    return [*lines, *(refusal.text for refusal in study.refusals), *study.notes]


def _unlike_bounds(record: ModelRecord) -> list[tuple[str, str, str]]:
    """Of each statistic its name and the bounds within which an image is like those of training."""
    known = record.training_grey
    names = [name.removesuffix("_low") for name in known if name.endswith("_low") and f"{name[:-4]}_high" in known]
    bounds = [(name, known[f"{name}_low"], known[f"{name}_high"]) for name in names]
    return [(TITLES_OF_STATISTICS.get(name, name), f"{low:.3g}", f"{high:.3g}") for name, low, high in bounds]


def _unlike_lines(record: ModelRecord, metrics: Metrics) -> list[str]:
    """What notices films unlike those of training, how often it errs, and how many of the split it marks."""
    if not record.training_grey:
        return ["No statistics of the training films were kept, so films unlike them are not noticed."]
    lines = ["An image is unlike those of training, and is not judged, where one of these holds:"]
    apart = "A statistic lies beyond its bounds below"
    if record.likeness is not None:
        apart += (
            ", or the statistics do not go together as they did there (Mahalanobis distance over "
            f"{record.likeness.distance_high:.2f}). {record.likeness.rate_text}"
        )
    lines.append(apart if record.likeness is not None else f"{apart}.")
    by_features = record.feature_likeness
    if by_features is None:
        lines.append("Features are not compared: the record keeps none.")
    elif by_features.missing:
        lines.append(by_features.rate_text)
    else:
        lines.append(
            f"The network's features lie farther than {by_features.distance_high:.3g} from those of "
            f"{counted(by_features.images, 'training image')} (Mahalanobis distance). {by_features.rate_text}"
        )
    if metrics.unlike is not None:
        lines.append(f"Of this split {metrics.unlike.text}")
    return lines
