"""From a plan to the learner of a backend."""

from __future__ import annotations

from lopore.arrays import ANOMALY, outputs_of
from lopore.config.experiment import Experiment
from lopore.contracts import Learner, LearnRequest, NetworkRequest
from lopore.data.batches import count_batches
from lopore.errors import ConfigError
from lopore.messages import did_you_mean, plain
from lopore.plugins.learner_guard import guarded
from lopore.plugins.registry import call_entry, discover

from .losses import chosen_losses
from .plan import Plan, Rows, samples_per_epoch
from .warm_start import start_point


def class_weights(plan: Plan, train: Rows) -> tuple[float, ...] | None:
    """Weights in the order of the classes, or None; ConfigError for a name that is no class.

    Balanced, every class weighs as much in sum as any other; of several labels, having one as much as lacking it.
    """
    asked = plan.experiment.training.loss.class_weights
    if asked == "none":
        return None
    counts = plan.targets.count(train)
    if asked == "balanced" and plan.experiment.task == "multilabel":
        return tuple(max(1, len(train) - count) / max(1, count) for count in counts.values())
    if asked == "balanced":
        return tuple(len(train) / (len(counts) * max(1, count)) for count in counts.values())
    unknown = sorted(set(asked) - set(counts))
    if unknown:
        have = f"{', '.join(counts)}{did_you_mean(unknown[0], counts, most=1)}"
        raise ConfigError(f"loss.class_weights names {plain(unknown[0], 40)!r}; the classes are {have}")
    return tuple(float(asked.get(name, 1.0)) for name in counts)


def network_request(experiment: Experiment, classes: tuple[str, ...], *, started: bool) -> NetworkRequest:
    """What the backbone is to build. started: weights come from a model of lopore, so no others are asked for."""
    record, model = experiment.preprocessing, experiment.model
    return NetworkRequest(
        backbone=model.backbone,
        outputs=outputs_of(experiment.task, len(classes)),
        channels=record.channels,
        size=record.size,
        depth=record.depth,
        mean=record.mean,
        std=record.std,
        pretrained="none" if started else model.pretrained,
        pretrained_sha256=None if started else model.pretrained_sha256,
        dropout=model.dropout,
        segmentation=experiment.task == "segmentation",
        anomaly=experiment.anomaly if experiment.task == ANOMALY else None,
        grey_input=model.grey_input,
    )


def make_learner(plan: Plan, train: Rows) -> Learner:
    """The framework's learner for these training rows."""
    experiment, settings, classes = plan.experiment, plan.experiment.training, plan.targets.classes
    start = start_point(experiment)
    batches = count_batches(samples_per_epoch(plan, train), settings.batch_size, plan.process_rank[1])
    request = LearnRequest(
        task=experiment.task,
        classes=classes,
        network=network_request(experiment, classes, started=start is not None),
        losses=chosen_losses(settings.loss, experiment.task, experiment.trainer, discover().losses),
        label_smoothing=settings.loss.label_smoothing,
        optimizer=settings.optimizer,
        schedule=settings.schedule,
        epochs=settings.epochs,
        steps_per_epoch=-(-batches // settings.accumulation_steps),
        batch_size=settings.batch_size,
        class_weights=class_weights(plan, train),
        accumulation_steps=settings.accumulation_steps,
        ema_decay=settings.ema_decay,
        freeze=experiment.model.freeze,
        start=start,
        precision=settings.precision,
        compile=settings.compile,
        seed=experiment.seed,
        deterministic=settings.deterministic,
        device=settings.device,
        threads=settings.threads,
    )
    source = discover().trainers.sources[plan.trainer.key]
    learner = call_entry("trainer", plan.trainer.key, source, lambda: plan.trainer.learner(request))
    return guarded(learner, plan.trainer, len(classes))
