"""A sound plugin of every kind, and the same with one promise broken: what the conformance kit is tried on."""

from __future__ import annotations

import contextlib
import functools
import io
import os
import warnings
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from lopore.contracts import Enhancer
from lopore.hookspecs import hookimpl
from lopore.testing.check import run_check
from lopore.testing.kit import iter_checks

from .augmentations import AUGMENTATION_FAULTS
from .callbacks import CALLBACK_FAULTS
from .enhancers import ENHANCER_FAULTS
from .losses import LOSS_FAULTS
from .metrics import METRIC_FAULTS
from .modules import MODULE_FAULTS, SLOW, module_of, source
from .sessions import EXPLAINER_FAULTS, EXPORTER_FAULTS, PREDICTOR_FAULTS, BatchSession
from .sound import BACKBONE, PLAIN, PREDICTOR, SOUND, TRAINER, TWICE, Fault, SoundLearner, lister, plugin_of, with_one
from .training import BACKBONE_FAULTS, TRAINER_FAULTS, Wide, WideInColour

__all__ = [
    "BACKBONE",
    "CASES", "FAULTS", "PLAIN", "Fault", "broken_by", "failed", "plugin_of", "promises", "sound", "source",
]  # fmt: skip


def _wide(learner: type[SoundLearner]) -> Any:
    return with_one("trainers", replace(TRAINER, learner=learner))


def _of(kind: str, table: Mapping[str, tuple[Any, set[str]]]) -> dict[str, Fault]:
    return {
        name: Fault(functools.partial(with_one, kind, entry), frozenset(promises))
        for name, (entry, promises) in table.items()
    }


def _alone(entry: Enhancer) -> Any:
    return plugin_of(enhancers=[entry])


def _written(number: int, change: dict[str, Any]) -> Any:
    with contextlib.redirect_stdout(io.StringIO()), warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return module_of(f"lopore_fault_{number}", **change)


FAULTS: dict[str, dict[str, Fault]] = {
    "plugin": {
        name: Fault(functools.partial(_written, number, change), frozenset(promises))
        for number, (name, (change, promises)) in enumerate(MODULE_FAULTS.items())
    },
    "enhancer": {
        name: Fault(functools.partial(_alone, entry), frozenset(promises))
        for name, (entry, promises) in ENHANCER_FAULTS.items()
    },
    "backbone": {
        **_of("backbones", BACKBONE_FAULTS),
        "a column too many in grey": Fault(
            functools.partial(_wide, Wide), frozenset({"grey_scores_have_one_column_a_class"})
        ),
        "a column too many in colour": Fault(
            functools.partial(_wide, WideInColour), frozenset({"colour_scores_have_one_column_a_class"})
        ),
    },
    "trainer": _of("trainers", TRAINER_FAULTS),
    "predictor": _of("predictors", PREDICTOR_FAULTS),
    "exporter": {
        **_of("exporters", EXPORTER_FAULTS),
        "one image is answered otherwise": Fault(
            lambda: plugin_of(
                **{
                    **{name: items for name, items in SOUND.items() if name != "enhancers"},
                    "predictors": [
                        PREDICTOR, replace(TWICE, opens=lambda folder, device, threads: BatchSession(folder))
                    ],
                }
            ),
            frozenset({"answers_alone_as_in_a_batch"}),
        ),
    },
    "explainer": _of("explainers", EXPLAINER_FAULTS),
    "callback": _of("callbacks", CALLBACK_FAULTS),
    "loss": _of("losses", LOSS_FAULTS),
    "metric": _of("metrics", METRIC_FAULTS),
    "augmentation": _of("augmentations", AUGMENTATION_FAULTS),
}  # fmt: skip
CASES = [(kind, name) for kind, faults in FAULTS.items() for name in faults]


@functools.cache
def broken_by(kind: str, name: str) -> Mapping[str, str]:
    """The promises of one kind that the kit finds broken by a fault, with the reasons."""
    return failed(FAULTS[kind][name].make(), kind)


def failed(plugin: Any, kind: str) -> dict[str, str]:
    """The promises of one kind that the kit finds broken, with the reasons."""
    before = os.environ.get("LOPORE_SLOW_IMPORT")
    os.environ["LOPORE_SLOW_IMPORT"] = str(SLOW)
    try:
        outcomes = [run_check(check) for check in iter_checks(plugin, kinds=[kind])]
    finally:
        os.environ.pop("LOPORE_SLOW_IMPORT")
        if before is not None:
            os.environ["LOPORE_SLOW_IMPORT"] = before
    return {item.id.rsplit("/", 1)[1]: item.reason for item in outcomes if item.status == "failed"}


def promises(kind: str) -> dict[str, str]:
    """Every check of a kind with its promise, in the order in which the kit runs them."""
    found: dict[str, str] = {}
    for plugin in (sound(), *(fault.make() for fault in FAULTS[kind].values())):
        for check in iter_checks(plugin, kinds=[kind]):
            found.setdefault(check.id.rsplit("/", 1)[1], check.promise)
    return found


@functools.cache
def sound() -> Any:
    """A module that keeps every promise of all kinds of check."""
    module = module_of("lopore_sound")
    for kind, items in SOUND.items():
        setattr(module, f"lopore_{kind}", hookimpl(lister(items)))
    return module
