"""A new plugin as a folder that installs and passes the conformance kit, to be changed from there."""

from __future__ import annotations

import keyword
import re
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from importlib.resources import files
from pathlib import Path
from string import Template

from lopore.atomic_files import atomic_folder
from lopore.errors import ConfigError
from lopore.plugins.problems import OWN_PACKAGES

_NAME = re.compile(r"^[a-z][a-z0-9]*(-[a-z0-9]+)*$")
_SUFFIX = ".txt"
_TORCH = ("lopore-torch>=0.1,<0.2", "torch>=2.6")


@dataclass(frozen=True)
class Kind:
    """What a kind's package says of itself; ``needs`` and ``tests`` are requirements beside lopore-core and pytest."""

    about: str
    needs: tuple[str, ...]
    tests: tuple[str, ...] = ()


_KINDS: Mapping[str, Kind] = {
    "enhancer": Kind("dark parts of a film opened by a logarithm.", ("numpy>=1.26", "pydantic>=2.8")),
    "backbone": Kind("a small convolutional network that lopore-torch trains, exports and explains.", _TORCH),
    "trainer": Kind(
        "a training framework in NumPy, with its network and the predictor of its files.", ("numpy>=1.26",)
    ),
    "exporter": Kind(
        "ONNX files of half the size, with weights in 16 bits, and the predictor that opens them.",
        ("lopore-torch>=0.1,<0.2", "lopore-onnx>=0.1,<0.2", "numpy>=1.26", "onnx>=1.17"),
    ),
    "predictor": Kind(
        "ONNX files by the reference arithmetic of the ONNX project, to judge other runtimes by.",
        ("numpy>=1.26", "onnx>=1.17"),
        ("lopore-torch>=0.1,<0.2  # trains and exports the model that the checks open",),
    ),
    "explainer": Kind(
        "how much of a probability hangs on the detail within each place.",
        ("numpy>=1.26",),
        ("lopore-torch>=0.1,<0.2  # trains the model that the checks explain",),
    ),
    "callback": Kind("what happened in a training run, as lines of JSON in its folder.", ("pydantic>=2.8",)),
    "loss": Kind("a smooth hinge loss for the torch trainer.", ("pydantic>=2.8", *_TORCH)),
    "metric": Kind("the share of the class among the highest fifth of the scores.", ("numpy>=1.26",)),
    "augmentation": Kind("thin scratches on training images.", ("numpy>=1.26", "pydantic>=2.8")),
}
KINDS = tuple(_KINDS)
"""What can be written. A trainer comes with a backbone and a predictor, for one is of no use without the others."""


def write_plugin(name: str, kind: str, parent: Path) -> list[Path]:
    """Write plugin ``name`` into the new folder ``parent / name``; it appears when it is whole.

    name: the distribution, small letters and digits joined by hyphens. kind: of ``KINDS``.
    Returns the files, sorted. ConfigError for an impossible name, an unknown kind or a folder that exists.
    """
    _check(name, kind)
    target = parent / name
    if target.exists() or target.is_symlink():
        raise ConfigError(f"{target} exists; choose another name, or another folder with --out")
    words = _words(name, kind)
    with atomic_folder(target) as folder:
        for source, text in _templates(kind):
            path = folder / Template(source).substitute(words)
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(Template(text).substitute(words), encoding="utf-8")
    return sorted(path for path in target.rglob("*") if path.is_file())


def _check(name: str, kind: str) -> None:
    if kind not in KINDS:
        raise ConfigError(f"no plugin of kind '{kind[:40]}' can be written; there are {', '.join(KINDS)}")
    if not _NAME.match(name) or len(name) > 60:
        raise ConfigError(
            f"name '{name[:60]}' is not small letters and digits joined by hyphens, such as weld-contrast"
        )
    module = name.replace("-", "_")
    if name in OWN_PACKAGES or name == "lopore":
        raise ConfigError(f"{name} is a package of lopore itself; choose another name")
    if keyword.iskeyword(module) or module in sys.stdlib_module_names:
        raise ConfigError(f"{module} is a word or module of Python itself; choose another name")


def _words(name: str, kind: str) -> dict[str, str]:
    """What stands for the placeholders of the templates."""
    facts = _KINDS[kind]
    return {
        "name": name,
        "module": name.replace("-", "_"),
        "kind": kind,
        "about": facts.about,
        "needs": _listed("lopore-core>=0.1,<0.2", *facts.needs),
        "tests": _listed("pytest>=8", *facts.tests),
    }


def _listed(*requirements: str) -> str:
    """Requirements as lines of a TOML list; what follows ``#`` stays a comment."""
    parts = [requirement.partition("  #") for requirement in requirements]
    return "\n  ".join(f'"{needed}",{mark}{reason}' for needed, mark, reason in parts)


def _templates(kind: str) -> list[tuple[str, str]]:
    """Paths within the plugin's folder and their texts; the words of ``_words`` are still to be filled in."""
    found = [("src/$module/py.typed", "")]
    for group, folder in (("every", ""), (kind, "src/$module/")):
        for item in files(__name__).joinpath(group).iterdir():
            if item.name.endswith(_SUFFIX):
                path = item.name.removesuffix(_SUFFIX).replace("__", "/") if group == "every" else None
                found.append((path or folder + item.name.removesuffix(_SUFFIX), item.read_text(encoding="utf-8")))
    return found
