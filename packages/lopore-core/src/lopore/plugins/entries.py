"""What a kind of plugin offers, by name, with an answer for names that are not there."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from types import MappingProxyType
from typing import Any, Generic, TypeVar

from lopore.errors import PluginError
from lopore.messages import did_you_mean

from .problems import Problem, bare, is_own, leave_out

T = TypeVar("T")
_PACKAGE_FOR = {
    "enhancers": "lopore-enhance",
    "backbones": "lopore-torch or lopore-tf",
    "trainers": "lopore-torch or lopore-tf",
    "exporters": "lopore-torch, lopore-tf or lopore-onnx",
    "predictors": "lopore-onnx, lopore-torch or lopore-tf",
    "explainers": "lopore-onnx, lopore-torch or lopore-tf",
    "callbacks": "other packages",
    "losses": "lopore-torch or lopore-tf",
    "metrics": "other packages",
    "augmentations": "other packages",
}


def noun_of(kind: str) -> str:
    """The name of one entry of a kind: ``loss`` of ``losses``, ``enhancer`` of ``enhancers``."""
    return "loss" if kind == "losses" else kind.removesuffix("s")


class Entries(Mapping[str, T], Generic[T]):
    """Read-only mapping of one kind; an unknown key says what is installed, what is near, and what to install."""

    def __init__(self, kind: str, items: Mapping[str, T], sources: Mapping[str, str], disputed: Mapping[str, str]):
        self._kind, self._items, self._disputed = kind, dict(items), dict(disputed)
        self.sources: Mapping[str, str] = MappingProxyType(dict(sources))

    def __getitem__(self, key: str) -> T:
        if key in self._items:
            return self._items[key]
        raise PluginError(self.unknown(key))

    def __contains__(self, key: object) -> bool:
        return key in self._items

    def __iter__(self) -> Any:
        return iter(self._items)

    def __len__(self) -> int:
        return len(self._items)

    def unknown(self, key: str) -> str:
        """Why there is no such entry: what is near, installed, or to be installed."""
        noun = noun_of(self._kind)
        if key in self._disputed:
            return f"{noun} '{key}' is disputed: {self._disputed[key]}"
        framework, slash, _ = key.partition("/")
        fitting = [known for known in self._items if known.startswith(f"{framework}{slash}")] if slash else []
        known = sorted(fitting or self._items)
        have = ", ".join(known[:30]) or "none"
        return (
            f"no {noun} '{key}'{did_you_mean(key, known)}; installed: {have}; more come with {_PACKAGE_FOR[self._kind]}"
        )


def settle(
    noun: str, offers: Sequence[tuple[str, str, Any]]
) -> tuple[dict[str, Any], dict[str, str], dict[str, str], list[Problem]]:
    """Items, sources and disputes by name, of offers (name, source, item), with a Problem for each loser.

    A lopore package keeps its name; between two outsiders none is used: no algorithm may slip in for another.
    """
    by_name: dict[str, list[tuple[str, Any]]] = {}
    for name, source, item in offers:
        by_name.setdefault(name, []).append((source, item))
    items: dict[str, Any] = {}
    sources: dict[str, str] = {}
    disputed: dict[str, str] = {}
    problems: list[Problem] = []
    for name, given in sorted(by_name.items()):
        own = [offer for offer in given if is_own(offer[0])]
        winner = given[0] if len(given) == 1 else own[0] if len(own) == 1 else None
        if winner is not None:
            sources[name], items[name] = winner
        for source, _ in given if len(given) > 1 else ():
            if winner is None or source != winner[0]:
                others = ", ".join(sorted({other for other, _ in given} - {source})) or "itself"
                text = f"offered by {source} and {others}; {f'{winner[0]} keeps it' if winner else 'neither is used'}"
                mend = f"uninstall one or block one, as with LOPORE_BLOCK={bare(source)}"
                if winner is not None or others == "itself":
                    mend = f"its author has to rename it; {leave_out(source)}"
                disputed[name] = f"{text}; {mend}"
                problems.append(Problem(source, "name", f"{noun} '{name}' is {text}", mend=mend))
    return items, sources, disputed, problems
