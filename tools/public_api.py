"""Write docs/public-api.txt, every public name with its signature and fields; ``--check`` only compares.

    python tools/public_api.py --say "lopore-core: Session.close may be called twice"

CHANGELOG.md has to name the snapshot's fingerprint in its topmost section, with a word on what changed; ``--say``
writes that line. ``tests/test_public_api.py`` holds both against the code.
"""

from __future__ import annotations

import argparse
import ast
import hashlib
import inspect
import re
import sys
from collections.abc import Iterable, Iterator
from dataclasses import MISSING, fields, is_dataclass
from importlib import import_module
from pathlib import Path
from types import ModuleType
from typing import Any

from pydantic import BaseModel

ROOT = Path(__file__).resolve().parent.parent
CHANGELOG = ROOT / "CHANGELOG.md"
SNAPSHOT = ROOT / "docs" / "public-api.txt"
MODULES = ("lopore", "lopore.contracts", "lopore.errors", "lopore.hookspecs", "lopore.testing")
LINE = re.compile(r"^- Public API `([0-9a-f]{12})`: \S.*$", re.MULTILINE)


def described(module: ModuleType) -> Iterator[str]:
    """Lines for every name of a module's ``__all__``, in order; a name's members are indented below it."""
    homes = getattr(module, "_HOME_OF", {})
    for name in module.__all__:
        home = f"{module.__name__}.{homes[name]}" if name in homes else module.__name__
        if home != module.__name__ and home in MODULES:
            yield f"{name} = {home}.{name}"
        else:
            yield from _value(name, getattr(module, name), import_module(home))


def _value(name: str, value: Any, home: ModuleType) -> Iterator[str]:
    plain = inspect.unwrap(value) if callable(value) else value
    if inspect.isclass(value) and value.__name__ == name:
        public = [base.__name__ for base in value.__bases__ if base is not object and not _is_private(base)]
        yield f"class {name}({', '.join(public)})"
        yield from (f"    {line}" for line in (*_fields(value), *sorted(_methods(value))))
    elif inspect.isfunction(plain):
        yield f"def {name}{_signature(plain)}"
    else:
        yield f"{name} = {_expressions(home).get(name) or repr(value)}"


def _is_private(base: type) -> bool:
    homes = [base.__module__, *(name for name in MODULES[1:] if base.__module__.startswith(f"{name}."))]
    public = {name for home in homes for name in getattr(import_module(home), "__all__", ())}
    return base.__module__.startswith("lopore") and base.__name__ not in public


def _expressions(module: ModuleType) -> dict[str, str]:
    """What a module's plain names are set to, as its source says it: alike with every version of every library."""
    tree = ast.parse(inspect.getsource(module))
    found = {}
    for item in tree.body:
        if isinstance(item, ast.ImportFrom) and item.level == 1 and item.module and hasattr(module, "__path__"):
            names = {alias.name for alias in item.names}
            inner = _expressions(import_module(f"{module.__name__}.{item.module}"))
            found |= {name: text for name, text in inner.items() if name in names}
        targets = item.targets if isinstance(item, ast.Assign) else [getattr(item, "target", None)]
        for target in targets:
            if isinstance(target, ast.Name) and getattr(item, "value", None) is not None:
                found[target.id] = ast.unparse(item.value)  # type: ignore[attr-defined]
    return found


def _signature(function: Any) -> str:
    """Parameters and result, annotations without the quotes that postponed evaluation leaves."""
    return re.sub(r"(: |-> )(?:'([^']*)'|\"([^\"]*)\")", r"\1\2\3", str(inspect.signature(function)))


def _fields(kind: type) -> Iterator[str]:
    """Fields of a dataclass or a pydantic model in their order, with type and default; ``*`` is before keyword-only."""
    told = {name: note for base in reversed(kind.__mro__) for name, note in inspect.get_annotations(base).items()}
    if issubclass(kind, BaseModel):
        for name, info in kind.model_fields.items():
            default = " = ..." if info.default_factory else "" if info.is_required() else f" = {info.default!r}"
            yield f"{name}: {_note(told[name])}{default}"
    elif is_dataclass(kind):
        for item in fields(kind):
            has = item.default is not MISSING or item.default_factory is not MISSING
            plain = has and isinstance(item.default, (str, int, float, bool, tuple, type(None)))
            default = f" = {item.default!r}" if plain else " = ..." if has else ""
            yield f"{'* ' if item.kw_only else ''}{item.name}: {_note(item.type)}{default}"


def _note(note: Any) -> str:
    return note if isinstance(note, str) else getattr(note, "__name__", str(note))


def _methods(kind: type) -> Iterator[str]:
    """Public methods, class methods and properties that lopore itself defines for a class."""
    known = {line.removeprefix("* ").partition(":")[0] for line in _fields(kind)}
    for owner in reversed(kind.__mro__):
        if not owner.__module__.startswith("lopore"):
            continue
        for name, value in vars(owner).items():
            if name in known or (name.startswith("_") and name != "__call__"):
                continue
            if isinstance(value, property):
                yield f"property {name}: {_note(value.fget.__annotations__.get('return', 'Any'))}"
            elif isinstance(value, (classmethod, staticmethod)):
                yield f"{type(value).__name__} {name}{_signature(value.__func__)}"
            elif inspect.isfunction(value):
                yield f"def {name}{_signature(value)}"


def snapshot(modules: Iterable[ModuleType] | None = None) -> str:
    """The whole public API as text."""
    found = [import_module(name) for name in MODULES] if modules is None else modules
    return "\n".join("\n".join([f"[{module.__name__}]", *described(module), ""]) for module in found)


def fingerprint(text: str) -> str:
    """Twelve hexadecimal digits over a snapshot."""
    return hashlib.sha256(text.encode()).hexdigest()[:12]


def topmost_section(changelog: str) -> str:
    """The text below the first version's heading."""
    return re.split(r"^## .*$", changelog, maxsplit=2, flags=re.MULTILINE)[1]


def named_in(changelog: str) -> str | None:
    """The fingerprint that the topmost section names last, or None."""
    found = LINE.findall(topmost_section(changelog))
    return found[-1] if found else None


def noted(changelog: str, line: str) -> str:
    """The changelog with a line at the end of its topmost section."""
    section = topmost_section(changelog)
    kept = section.rstrip()
    return changelog.replace(section, f"{kept}\n{line}{section[len(kept) :]}", 1)


def main() -> None:
    """Write the snapshot, or compare it; write the changelog's line, or say which one it needs."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--check", action="store_true", help="exit 1 where the snapshot is out of date")
    parser.add_argument("--say", metavar="TEXT", help="what changed and why: the line is put into CHANGELOG.md")
    given = parser.parse_args()
    text = snapshot()
    if given.check:
        raise SystemExit(int(SNAPSHOT.read_text(encoding="utf-8") != text))
    SNAPSHOT.write_text(text, encoding="utf-8")
    changelog = CHANGELOG.read_text(encoding="utf-8")
    line = f"- Public API `{fingerprint(text)}`: {given.say or 'what changed and why'}"
    if named_in(changelog) != fingerprint(text):
        if given.say:
            CHANGELOG.write_text(noted(changelog, line), encoding="utf-8")
        sys.stdout.write(f"CHANGELOG.md, topmost section{' (written)' if given.say else ''}: {line}\n")


if __name__ == "__main__":
    main()
