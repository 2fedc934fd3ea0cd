"""Settings that contradict each other or ask for what is not installed, refused before anything is read."""

from __future__ import annotations

from lopore.augmentation.augmenter import Augmenter
from lopore.config.experiment import Experiment
from lopore.contracts import Backbone, Trainer
from lopore.errors import ConfigError
from lopore.inference.test_time_augmentation import check_views
from lopore.metrics.operating_point import check_rule
from lopore.plugins.registry import discover

from .check_installed import check_exports, check_libraries
from .listeners import chosen_callbacks


def check_settings(experiment: Experiment) -> tuple[Trainer, Backbone]:
    """Trainer and backbone of an experiment; ConfigError or PluginError for settings that cannot work together."""
    registry = discover()
    trainer = registry.trainers[experiment.trainer]
    if experiment.task not in trainer.tasks:
        known = ", ".join(trainer.tasks)
        raise ConfigError(f"trainer '{experiment.trainer}' has no task '{experiment.task}'; it has {known}")
    backbone = registry.backbone(experiment.trainer, experiment.model.backbone)
    if backbone.segmentation and experiment.task != "segmentation":
        raise ConfigError(f"backbone '{backbone.name}' is for task segmentation; take another for {experiment.task}")
    if experiment.preprocessing.enhance:
        from lopore.preprocessing.enhancement_chain import Chain

        Chain.parse(experiment.preprocessing.enhance, for_model=True)
    check_views(experiment.training.tta_views, experiment.preprocessing.size)
    check_rule(experiment.training.threshold, experiment.task)
    experiment.training.loss.terms_of(experiment.task)
    check_libraries(experiment)
    chosen_callbacks(experiment)
    Augmenter(experiment.augmentation, experiment.preprocessing.size)
    check_exports(experiment, trainer)
    return trainer, backbone
