"""What is installed: every plugin found, checked and asked apart from the others.

pluggy's own loader and call loop stop at the first error, so plugins are imported, registered and called one by one;
whatever a plugin does wrong becomes a ``Problem`` and leaves the rest alone.
"""

from __future__ import annotations

import contextlib
import difflib
import importlib
import io
import os
import re
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cache, partial
from importlib.metadata import EntryPoint, entry_points
from types import MappingProxyType, ModuleType
from typing import Any, Generic, TypeVar

import pluggy

from . import hookspecs
from .contracts import (
    LOPORE_API,
    Backbone,
    Descriptor,
    Enhancer,
    Explainer,
    Exporter,
    Predictor,
    Trainer,
)
from .errors import PluginError

GROUP = "lopore"
SLOW_IMPORT_SECONDS = 2.0
OWN_PACKAGES = frozenset({"lopore-core", "lopore-torch", "lopore-tf", "lopore-onnx", "lopore-enhance", "lopore-app"})
KINDS: Mapping[str, type[Any]] = MappingProxyType(
    {
        "enhancers": Enhancer,
        "backbones": Backbone,
        "trainers": Trainer,
        "exporters": Exporter,
        "predictors": Predictor,
        "explainers": Explainer,
    }
)
_PACKAGE_FOR = {
    "enhancers": "lopore-enhance",
    "backbones": "lopore-torch or lopore-tf",
    "trainers": "lopore-torch or lopore-tf",
    "exporters": "lopore-torch, lopore-tf or lopore-onnx",
    "predictors": "lopore-onnx, lopore-torch or lopore-tf",
    "explainers": "lopore-onnx, lopore-torch or lopore-tf",
}
_NAME = re.compile(r"^[a-z0-9]+([-_.][a-z0-9]+)*[+]*$")

T = TypeVar("T")


@dataclass(frozen=True)
class Problem:
    """One thing wrong with one plugin. ``source`` is the distribution and version, ``stage`` where it happened.

    stage: import, version, register, list, name, or slow (the plugin works but costs start-up time).
    """

    source: str
    stage: str
    reason: str
    error: BaseException | None = None

    def __str__(self) -> str:
        return f"{self.source}: {self.stage}: {self.reason}"


class Entries(Mapping[str, T], Generic[T]):
    """Read-only mapping of one kind; an unknown key says what is installed, what is near, and what to install."""

    def __init__(self, kind: str, items: Mapping[str, T], sources: Mapping[str, str], disputed: Mapping[str, str]):
        self._kind, self._items, self._disputed = kind, dict(items), dict(disputed)
        self.sources: Mapping[str, str] = MappingProxyType(dict(sources))

    def __getitem__(self, key: str) -> T:
        if key in self._items:
            return self._items[key]
        raise PluginError(self._unknown(key))

    def __contains__(self, key: object) -> bool:
        return key in self._items

    def __iter__(self) -> Any:
        return iter(self._items)

    def __len__(self) -> int:
        return len(self._items)

    def _unknown(self, key: str) -> str:
        noun = self._kind[:-1]
        if key in self._disputed:
            return f"{noun} '{key}' is disputed: {self._disputed[key]}"
        near = difflib.get_close_matches(key, self._items, n=3, cutoff=0.5)
        hint = f"; did you mean {' or '.join(near)}?" if near else ""
        have = ", ".join(sorted(self._items)[:30]) or "none"
        return f"no {noun} '{key}'{hint}; installed: {have}; more come with {_PACKAGE_FOR[self._kind]}"


@dataclass(frozen=True)
class Plugin:
    """A plugin that was found: its distribution, the seconds its import took, and how many entries it gave."""

    source: str
    module: str
    seconds: float
    entries: int


@dataclass(frozen=True)
class Registry:
    """Everything usable, and every problem. Immutable."""

    enhancers: Entries[Enhancer]
    backbones: Entries[Backbone]
    trainers: Entries[Trainer]
    exporters: Entries[Exporter]
    predictors: Entries[Predictor]
    explainers: Entries[Explainer]
    problems: tuple[Problem, ...] = ()
    plugins: tuple[Plugin, ...] = ()
    blocked: tuple[str, ...] = ()

    def backbone(self, framework: str, name: str) -> Backbone:
        """A backbone by name, else of a family (all of timm, say) that knows the name. PluginError if none does."""
        key = f"{framework}/{name}"
        if key in self.backbones:
            return self.backbones[key]
        for entry in self.backbones.values():
            if entry.framework == framework and entry.family is not None:
                found = entry.family(name)
                if found is not None:
                    return found
        return self.backbones[key]

    def presets(self) -> dict[str, tuple[dict[str, Any], ...]]:
        """Named enhancement chains of all enhancers, by title."""
        return {
            title: tuple(dict(step) for step in steps)
            for enhancer in self.enhancers.values()
            for title, steps in enhancer.presets.items()
        }

    @classmethod
    def from_plugins(cls, plugins: Mapping[str, Any]) -> Registry:
        """A registry of plugin objects (modules or instances) by source name; for tests and the conformance kit."""
        collector = _Collector()
        for source, plugin in sorted(plugins.items()):
            collector.add(source, partial(_itself, plugin), module=getattr(plugin, "__name__", source))
        return collector.registry()


class _Collector:
    def __init__(self) -> None:
        self.manager = pluggy.PluginManager("lopore")
        self.manager.add_hookspecs(hookspecs)
        self.problems: list[Problem] = []
        self.plugins: list[Plugin] = []
        self.offers: dict[str, list[tuple[str, Any]]] = {kind: [] for kind in KINDS}

    def add(self, source: str, load: Callable[[], Any], *, module: str) -> None:
        began = time.perf_counter()
        plugin = self._stage(source, "import", lambda: _silently(load))
        seconds = time.perf_counter() - began
        if plugin is None or not self._speaks_our_version(source, plugin):
            return
        if not self._registered(source, plugin):
            return
        before = sum(len(offers) for offers in self.offers.values())
        for kind in KINDS:
            self._list(source, plugin, kind)
        entries = sum(len(offers) for offers in self.offers.values()) - before
        self.plugins.append(Plugin(source, module, seconds, entries))
        if seconds > SLOW_IMPORT_SECONDS:
            mend = "its author should import frameworks inside the factories; LOPORE_BLOCK leaves it out"
            self.problems.append(Problem(source, "slow", f"its import took {seconds:.1f} s; {mend}"))

    def _stage(self, source: str, stage: str, work: Callable[[], T]) -> T | None:
        try:
            return work()
        except KeyboardInterrupt:
            raise
        except BaseException as error:  # SystemExit of a plugin must not end lopore
            text = " ".join(str(error).split())[:500]
            self.problems.append(Problem(source, stage, f"{type(error).__name__}: {text}".rstrip(": "), error))
            return None

    def _speaks_our_version(self, source: str, plugin: Any) -> bool:
        version = getattr(plugin, "LOPORE_API", None)
        if type(version) is int and version == LOPORE_API:
            return True
        said = "states no LOPORE_API" if version is None else f"built for plugin API {str(version)[:40]}"
        self.problems.append(
            Problem(source, "version", f"{said}, this lopore-core speaks {LOPORE_API}; install a matching version")
        )
        return False

    def _registered(self, source: str, plugin: Any) -> bool:
        def register() -> bool:
            unmarked = [
                name
                for name in dir(plugin)
                if name.startswith("lopore_")
                and callable(getattr(plugin, name))
                and not hasattr(getattr(plugin, name), "lopore_impl")
            ]
            if unmarked:
                raise PluginError(f"{', '.join(unmarked)} lacks @hookimpl; mark it or rename it")
            self.manager.register(plugin, name=source)
            try:
                self.manager.check_pending()
                for caller in self.manager.get_hookcallers(plugin) or []:
                    for implementation in caller.get_hookimpls():
                        if implementation.plugin is plugin and (implementation.wrapper or implementation.hookwrapper):
                            raise PluginError(f"{caller.name} is a wrapper; a hook only lists what it offers")
            except BaseException:
                self.manager.unregister(plugin)
                raise
            return True

        return self._stage(source, "register", register) is True

    def _list(self, source: str, plugin: Any, kind: str) -> None:
        caller = getattr(self.manager.hook, f"lopore_{kind}")
        own = [item for item in caller.get_hookimpls() if item.plugin is plugin]
        for implementation in own:
            found = self._stage(source, "list", partial(_listed, implementation.function, kind))
            if found is not None:
                self.offers[kind].extend((source, descriptor) for descriptor in found)

    def registry(self, blocked: Sequence[str] = ()) -> Registry:
        kinds = {kind: self._settle(kind) for kind in KINDS}
        return Registry(
            **kinds,
            problems=tuple(self.problems),
            plugins=tuple(self.plugins),
            blocked=tuple(blocked),
        )

    def _settle(self, kind: str) -> Entries[Any]:
        by_key: dict[str, list[tuple[str, Any]]] = {}
        for source, descriptor in self.offers[kind]:
            by_key.setdefault(descriptor.key, []).append((source, descriptor))
        items: dict[str, Any] = {}
        sources: dict[str, str] = {}
        disputed: dict[str, str] = {}
        for key, offers in sorted(by_key.items()):
            own = [offer for offer in offers if offer[0].split(" ")[0] in OWN_PACKAGES]
            winner = offers[0] if len(offers) == 1 else own[0] if len(own) == 1 else None
            if winner is not None:
                sources[key], items[key] = winner
            for source, _ in offers if len(offers) > 1 else ():
                if winner is None or source != winner[0]:
                    others = ", ".join(sorted({other for other, _ in offers} - {source})) or "itself"
                    verdict = f"{winner[0]} keeps it" if winner else "neither is used; block one with LOPORE_BLOCK"
                    disputed[key] = f"offered by {source} and {others}; {verdict}"
                    self.problems.append(Problem(source, "name", f"{kind[:-1]} '{key}' is {disputed[key]}"))
        return Entries(kind, items, sources, disputed)


def _itself(plugin: Any) -> Any:
    return plugin


def _silently(load: Callable[[], T]) -> T:
    # A plugin that prints at import would spoil `--json` and flood the terminal.
    sink = io.StringIO()
    with contextlib.redirect_stdout(sink), contextlib.redirect_stderr(sink):
        return load()


def _listed(function: Callable[[], Iterable[Any]], kind: str) -> list[Any]:
    wanted = KINDS[kind]
    found = list(_silently(lambda: list(function())))
    for descriptor in found:
        if not isinstance(descriptor, wanted):
            raise PluginError(f"lopore_{kind} gave {type(descriptor).__name__}; it lists {wanted.__name__} descriptors")
        for part in _names(descriptor):
            if not isinstance(part, str) or not _NAME.match(part):
                raise PluginError(f"name {part!r} of lopore_{kind} is not small letters and digits joined by - _ or .")
    return found


def _names(descriptor: Descriptor) -> list[Any]:
    fields = ("name", "framework", "format")
    return [getattr(descriptor, name) for name in fields if hasattr(descriptor, name)]


def _source_of(entry: EntryPoint) -> str:
    if entry.dist is None:
        return entry.value
    return f"{entry.dist.name} {entry.dist.version}"


def distribution_name(entry: EntryPoint) -> str:
    """The distribution that an entry point belongs to, in the spelling that ``LOPORE_BLOCK`` takes."""
    return re.sub(r"[-_.]+", "-", entry.dist.name if entry.dist is not None else entry.name).lower()


def _import(entry: EntryPoint) -> ModuleType:
    loaded: ModuleType = entry.load() if entry.attr else importlib.import_module(entry.module)
    return loaded


@cache
def discover() -> Registry:
    """Every installed plugin of entry-point group ``lopore``, in name order; cached for the life of the process.

    ``LOPORE_BLOCK=name,name`` leaves distributions out before anything of theirs is imported. No framework is imported.
    """
    listed = os.environ.get("LOPORE_BLOCK", "")
    blocked = {re.sub(r"[-_.]+", "-", name.strip()).lower() for name in listed.split(",") if name.strip()}
    collector = _Collector()
    skipped = []
    unique = {(distribution_name(entry), entry.name, entry.value): entry for entry in entry_points(group=GROUP)}
    for (name, _, _), entry in sorted(unique.items()):
        if name in blocked:
            skipped.append(name)
            continue
        collector.add(_source_of(entry), partial(_import, entry), module=entry.module)
    return collector.registry(blocked=skipped)


def call_entry(kind: str, key: str, source: str, work: Callable[[], T]) -> T:
    """Run what a plugin entry holds; any error of an outsider's becomes a PluginError that names owner and key."""
    from .errors import LoporeError

    try:
        return work()
    except LoporeError:
        raise
    except Exception as error:
        text = " ".join(str(error).split())[:300]
        raise PluginError(f"{kind} '{key}' of {source} failed: {type(error).__name__}: {text}") from error
