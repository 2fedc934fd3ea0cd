"""From an entry point to descriptors: every plugin imported, checked and asked apart from the others.

pluggy's own loader and call loop stop at the first error, so plugins are imported, registered and called one by one;
whatever a plugin does wrong becomes a ``Problem`` and leaves the rest alone. lopore's own packages go the same way.
"""

from __future__ import annotations

import difflib
import inspect
import itertools
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from functools import partial
from types import MappingProxyType
from typing import Any, TypeVar

import pluggy

from lopore import hookspecs
from lopore.contracts import (
    LOPORE_API,
    AugmentationStep,
    Backbone,
    Callback,
    Enhancer,
    Explainer,
    Exporter,
    LossTerm,
    Metric,
    Predictor,
    Trainer,
)
from lopore.errors import PluginError

from . import process_guard
from .import_cost import ImportCost, measured_import
from .interrupts import noted_interrupts
from .problems import Problem, bare, describe_error, leave_out, mend_for, one_line

MOST_ENTRIES = 10_000
KINDS: Mapping[str, type[Any]] = MappingProxyType({
    "enhancers": Enhancer, "backbones": Backbone, "trainers": Trainer, "exporters": Exporter, "predictors": Predictor,
    "explainers": Explainer, "callbacks": Callback, "losses": LossTerm, "metrics": Metric,
    "augmentations": AugmentationStep,
})  # fmt: skip
"""The hooks without ``lopore_``, and what each lists."""

T = TypeVar("T")


@dataclass(frozen=True)
class Plugin:
    """A plugin that was found: its distribution, what its import and hooks cost, and how many entries it gave."""

    source: str
    module: str
    cost: ImportCost
    entries: int


class Discovery:
    """From entry points to what they offer: import, version, register, list."""

    def __init__(self) -> None:
        self.manager = pluggy.PluginManager("lopore")
        self.manager.add_hookspecs(hookspecs)
        self.problems: list[Problem] = []
        self.plugins: list[Plugin] = []
        self.offers: dict[str, list[tuple[str, Any]]] = {kind: [] for kind in KINDS}

    def add(self, source: str, load: Callable[[], Any], *, module: str) -> None:
        """Import, check, register and ask one plugin; what it changed of the process is put back and said."""
        guard = process_guard.preserve_state("import")
        with measured_import() as cost, guard as changes, process_guard.silenced():
            plugin = self._stage(source, "import", load)
            if plugin is not None and self._stage(source, "version", partial(_check_version, source, plugin)):
                entries = self._stage(source, "register", partial(self._register, f"{source} {module}", plugin))
                if entries is not None:
                    count = sum(self._list(source, kind, function) for kind, function in entries)
                    self.plugins.append(Plugin(source, module, cost, count))
        notes = [f"changed {', '.join(changes.names)}, put back"] * bool(changes.names)
        notes += [f"left {changes.threads} thread{'s' * (changes.threads > 1)} running"] * bool(changes.threads)
        if notes:
            mend = f"its author should do that inside the functions that need it; {leave_out(source)}"
            self.problems.append(Problem(source, "side-effect", f"its import {' and '.join(notes)}", mend=mend))
        if cost.complaint:
            mend = f"its author should import frameworks inside the factories; {leave_out(source)}"
            self.problems.append(Problem(source, "slow", cost.complaint, mend=mend))

    def _stage(self, source: str, stage: str, work: Callable[[], T]) -> T | None:
        """What ``work`` gives; None, and a Problem, where it raises anything but a Ctrl-C of the user."""
        with noted_interrupts() as interrupted:
            try:
                return work()
            except BaseException as error:  # SystemExit or KeyboardInterrupt of a plugin must not end lopore
                if interrupted():
                    raise
                text, mend = describe_error(error), mend_for(source, stage, error)
                if isinstance(error, PluginError):
                    text, mend = one_line(str(error)), error.mend or mend
                self.problems.append(Problem(source, stage, text, error, mend))
                return None

    def _register(self, name: str, plugin: Any) -> list[tuple[str, Callable[[], Any]]]:
        """The plugin's hooks as (kind, function)."""
        _check_hooks(plugin)
        self.manager.register(plugin, name=name)
        try:
            self.manager.check_pending()
            callers = self.manager.get_hookcallers(plugin) or []
            hooks = [(one.name, item) for one in callers for item in one.get_hookimpls() if item.plugin is plugin]
            for hook, implementation in hooks:
                if implementation.wrapper or implementation.hookwrapper:
                    raise PluginError(f"{hook} is a wrapper; a hook only lists what it offers")
        except BaseException:
            self.manager.unregister(plugin)
            raise
        order = list(KINDS)
        found = [(hook.removeprefix("lopore_"), implementation.function) for hook, implementation in hooks]
        return sorted(found, key=lambda pair: order.index(pair[0]))

    def _list(self, source: str, kind: str, function: Callable[[], Any]) -> int:
        found = self._stage(source, "list", partial(_listed, function, kind)) or []
        self.offers[kind].extend((source, descriptor) for descriptor in found)
        return len(found)


def _check_version(source: str, plugin: Any) -> bool:
    version = getattr(plugin, "LOPORE_API", None)
    if type(version) is int and version == LOPORE_API:
        return True
    stated = "states no LOPORE_API" if version is None else f"built for plugin API {one_line(str(version))[:40]}"
    mend = f"install a version of {bare(source)} for plugin API {LOPORE_API}; {leave_out(source)}"
    raise PluginError(f"{stated}, this lopore-core speaks {LOPORE_API}", mend=mend)


def _check_hooks(plugin: Any) -> None:
    """PluginError for a function called ``lopore_...`` that is no hook, is not marked as one, or takes arguments."""
    hooks = [f"lopore_{kind}" for kind in KINDS]
    for name in dir(plugin):
        function = getattr(plugin, name)
        if not name.startswith("lopore_") or not callable(function):
            continue
        if name not in hooks:
            near = difflib.get_close_matches(name, hooks, n=1)
            raise PluginError(f"there is no hook {name}; {f'did you mean {near[0]}?' if near else ', '.join(hooks)}")
        if not hasattr(function, "lopore_impl"):
            raise PluginError(f"{name} lacks @hookimpl; mark it or rename it")
        asked = [item for item in inspect.signature(function).parameters.values() if item.default is item.empty]
        if asked:
            given = ", ".join(map(str, asked))
            raise PluginError(f"{name}({given}) takes arguments; a hook takes none, it lists what there is")


def _listed(function: Callable[[], Iterable[Any]], kind: str) -> list[Any]:
    """The descriptors that a hook lists; PluginError where it lists anything else."""
    wanted = KINDS[kind]
    found = list(itertools.islice(function(), MOST_ENTRIES + 1))
    if len(found) > MOST_ENTRIES:
        raise PluginError(f"lopore_{kind} lists more than {MOST_ENTRIES} entries; a family stands for many")
    for descriptor in found:
        if not isinstance(descriptor, wanted):
            raise PluginError(f"lopore_{kind} gave {type(descriptor).__name__}; it lists {wanted.__name__} descriptors")
    return found
