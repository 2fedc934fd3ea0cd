"""One version everywhere: packages, the pins between them, ``lopore.__version__``, CITATION.cff.

python tools/set_version.py 0.2.0
"""

from __future__ import annotations

import re
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent


def places() -> dict[Path, list[tuple[str, str]]]:
    """File -> (pattern with the version as its group, kind): "exact" is the version, "line" its first two numbers."""
    found: dict[Path, list[tuple[str, str]]] = {
        ROOT / "packages/lopore-core/src/lopore/__init__.py": [(r'(?m)^__version__ = "([^"]+)"', "exact")],
        ROOT / "CITATION.cff": [(r"(?m)^version: (\S+)", "exact")],
    }
    for path in sorted((ROOT / "packages").glob("*/pyproject.toml")):
        found[path] = [
            (r'(?m)^version = "([^"]+)"', "exact"),
            (r'"lopore-[a-z]+(?:\[[a-z,]+\])?==([0-9.]+)\.\*', "line"),
        ]
    return found


def stated() -> dict[str, set[str]]:
    """The versions found, by kind; one each where all is well."""
    versions: dict[str, set[str]] = {"exact": set(), "line": set()}
    for path, patterns in places().items():
        for pattern, kind in patterns:
            versions[kind] |= set(re.findall(pattern, path.read_text(encoding="utf-8")))
    return versions


def write(version: str) -> None:
    """Put ``version`` in every place."""
    values = {"exact": version, "line": ".".join(version.split(".")[:2])}
    for path, patterns in places().items():
        text = path.read_text(encoding="utf-8")
        for pattern, kind in patterns:
            text = re.sub(pattern, lambda match, kind=kind: match[0].replace(match[1], values[kind]), text)
        path.write_text(text, encoding="utf-8")


if __name__ == "__main__":
    if len(sys.argv) != 2 or not re.fullmatch(r"\d+\.\d+\.\d+((a|b|rc)\d+)?", sys.argv[1]):
        raise SystemExit("usage: python tools/set_version.py MAJOR.MINOR.PATCH")
    write(sys.argv[1])
