"""Scripts that Streamlit's page asks for only once it knows what it shows: told to the browser at once.

Without this the browser is idle on the network while it runs the first scripts, and waits for these ones afterwards.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from pathlib import Path

ELEMENTS = ("Html", "FileUploader", "BidiComponent", "Selectbox")
"""What stands on the first page; each is a script of its own, ``NAME.HASH.js``."""
_IMPORTED = re.compile(r"""(?:from|import)\s*["']\./([\w.-]+\.js)["']""")


def late_scripts(page: str, scripts: Mapping[str, str], elements: Iterable[str] = ELEMENTS) -> tuple[str, ...]:
    """Names of the scripts that the elements need and that the page does not name, each once.

    page: Streamlit's HTML. scripts: text of every script by its file name. A version of Streamlit that names its
    scripts otherwise gets none.
    """
    wanted = [name for one in elements for name in scripts if re.fullmatch(rf"{one}\.[\w-]+\.js", name)]
    found: dict[str, None] = {}
    while wanted:
        name = wanted.pop(0)
        if name in found or name in page or name not in scripts:
            continue
        found[name] = None
        wanted += _IMPORTED.findall(scripts[name])
    return tuple(found)


class _Scripts(dict[str, str]):
    """Reads a script when it is asked for: there are hundreds, and few are wanted."""

    def __init__(self, folder: Path) -> None:
        super().__init__({path.name: "" for path in folder.glob("*.js")})
        self._folder = folder

    def __getitem__(self, name: str) -> str:
        return (self._folder / name).read_text(encoding="utf-8", errors="replace")


def preloads(static: Path) -> str:
    """Tags for Streamlit's page. static: its folder of static files; "" where it is laid out otherwise."""
    page = static / "index.html"
    if not page.is_file():
        return ""
    names = late_scripts(page.read_text(encoding="utf-8"), _Scripts(static / "static" / "js"))
    return "".join(
        f'<link rel="modulepreload" fetchpriority="low" crossorigin href="./static/js/{name}">' for name in names
    )
