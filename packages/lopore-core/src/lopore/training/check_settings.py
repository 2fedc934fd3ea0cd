"""Settings that contradict each other or ask for what is not installed, refused before anything is read."""

from __future__ import annotations

from lopore.arrays import ANOMALY
from lopore.augmentation.augmenter import Augmenter
from lopore.config.experiment import Experiment
from lopore.contracts import Backbone, Trainer
from lopore.errors import ConfigError
from lopore.inference.test_time_augmentation import check_views
from lopore.messages import did_you_mean, plain
from lopore.metrics.offered import offered_metrics
from lopore.metrics.operating_point import check_rule
from lopore.plugins.registry import discover

from .check_installed import check_exports, check_libraries
from .listeners import chosen_callbacks
from .losses import chosen_losses

SELECTORS = ("auto", "auc", "f1", "dice", "hits", "last")
"""What ``training.select_by`` may be beside the name of a metric."""


def check_settings(experiment: Experiment) -> tuple[Trainer, Backbone]:
    """Trainer and backbone of an experiment; ConfigError or PluginError for settings that cannot work together."""
    registry = discover()
    trainer = registry.trainers[experiment.trainer]
    if experiment.task not in trainer.tasks:
        known = ", ".join(trainer.tasks)
        others = [one.framework for one in registry.trainers.values() if experiment.task in one.tasks]
        instead = f", or set trainer to {' or '.join(others)}" if others else ""
        raise ConfigError(f"trainer '{experiment.trainer}' has no task '{experiment.task}'; it has {known}{instead}")
    backbone = registry.backbone(experiment.trainer, experiment.model.backbone)
    if backbone.segmentation and experiment.task != "segmentation":
        raise ConfigError(f"backbone '{backbone.name}' is for task segmentation; take another for {experiment.task}")
    if experiment.task == ANOMALY and experiment.model.pretrained == "none" and not experiment.model.start_from:
        raise ConfigError(
            "task anomaly compares the features of a trained backbone: set model.pretrained to offline, hub or a "
            "weights file, or model.start_from to a model of lopore"
        )
    if experiment.preprocessing.enhance:
        from lopore.preprocessing.enhancement_chain import Chain

        Chain.parse(experiment.preprocessing.enhance, for_model=True)
    check_views(experiment.training.tta_views, experiment.preprocessing.size)
    _check_scales(experiment)
    check_rule(experiment.training.threshold, experiment.task)
    chosen_losses(experiment.training.loss, experiment.task, experiment.trainer, registry.losses)
    _check_select_by(experiment.training.select_by)
    check_libraries(experiment)
    chosen_callbacks(experiment)
    Augmenter(experiment.augmentation, experiment.preprocessing.size)
    check_exports(experiment, trainer)
    return trainer, backbone


def _check_scales(experiment: Experiment) -> None:
    mode = experiment.preprocessing.resize
    if experiment.training.tta_scales and mode != "tile":
        raise ConfigError(
            f"training.tta_scales shows whole films at other scales; with preprocessing.resize '{mode}' each image has "
            "one size: leave it out, or set resize to tile"
        )


def _check_select_by(name: str) -> None:
    known = (*SELECTORS, *(one.name for one in offered_metrics()))
    if name not in known:
        raise ConfigError(
            f"training.select_by is '{plain(name, 60)}'{did_you_mean(name, known)}; allowed are {', '.join(known)}"
        )
