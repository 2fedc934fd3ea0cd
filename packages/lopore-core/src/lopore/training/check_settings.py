"""Settings that contradict each other or ask for what is not installed, refused before anything is read."""

from __future__ import annotations

from lopore.augmentation.augmenter import Augmenter
from lopore.config.experiment import Experiment
from lopore.contracts import Backbone, Trainer
from lopore.errors import ConfigError
from lopore.inference.test_time_augmentation import check_views
from lopore.messages import did_you_mean, plain
from lopore.metrics.operating_point import check_rule
from lopore.plugins.registry import discover


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
    Augmenter(experiment.augmentation, experiment.preprocessing.size)
    able = {one.format for one in registry.exporters.values() if one.framework in (experiment.trainer, "any")}
    formats = able | {trainer.native_format}
    for format in experiment.exports:
        if format not in formats:
            there = f"{', '.join(sorted(formats))}{did_you_mean(format, formats)}"
            raise ConfigError(
                f"exports names '{plain(format, 40)}'; of trainer '{experiment.trainer}' there are {there}"
            )
    return trainer, backbone
