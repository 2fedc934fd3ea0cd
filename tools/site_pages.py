"""Pages of the site that are made when it is built: commands from click, and the Markdown that lies outside ``docs/``.

MkDocs calls the ``on_...`` functions. A page of the repository is shown where ``OUTSIDE`` says; links between pages,
written as a code host needs them, are rewritten; any other file that a page links to is put under ``repository/``.
"""

from __future__ import annotations

import html
import inspect
import posixpath
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import quote

import click
from mkdocs.structure.files import File, Files

from lopore.cli import COMMANDS, main

ROOT = Path(__file__).resolve().parent.parent
PACKAGES, EXAMPLES = (
    sorted(path.parent.name for path in (ROOT / folder).glob("*/README.md")) for folder in ("packages", "examples")
)
OUTSIDE = {
    "README.md": "overview.md",
    "CONTRIBUTING.md": "contributing.md",
    "CHANGELOG.md": "changelog.md",
    "SECURITY.md": "security.md",
    "packages/lopore-core/src/lopore/contracts/__init__.py": "hooks.md",
    "packages/lopore-weld/src/lopore_weld/CARD.md": "weld-card.md",
    **{f"packages/{name}/README.md": f"packages/{name}.md" for name in PACKAGES},
    "benchmarks/README.md": "benchmarks.md",
    "examples/README.md": "examples/index.md",
    **{f"examples/{name}/README.md": f"examples/{name}.md" for name in EXAMPLES},
}
"""Path in the repository -> page of the site that shows it."""
LINK = re.compile(r"(\]\()([^)\s#]+)((?:#[^)\s]*)?\))")
FENCE = re.compile(r"^```.*?^```", re.MULTILINE | re.DOTALL)
MARKS = re.compile(r"^<!-- (?:not run|smaller|before|installed): .*? -->\n", re.MULTILINE | re.DOTALL)


def on_config(config: Any) -> Any:
    """The navigation's generated parts."""
    config.nav = [_filled(item) for item in config.nav]
    return config


def _filled(item: Any) -> Any:
    generated = {
        "COMMANDS": [
            {"Overview": "commands/index.md"},
            *({f"lopore {name}": f"commands/{name}.md"} for name in COMMANDS),
        ],
        "PACKAGES": [{name: f"packages/{name}.md"} for name in PACKAGES],
        "EXAMPLES": ["examples/index.md", *({name: f"examples/{name}.md"} for name in EXAMPLES)],
    }
    if isinstance(item, dict):
        return {title: _filled(below) for title, below in item.items()}
    if isinstance(item, list):
        filled = [_filled(below) for below in item]
        return [below for below in filled if not isinstance(below, dict) or [] not in below.values()]
    return generated.get(item, item)


def command(name: str) -> click.Command:
    """The command behind ``lopore NAME``."""
    found = main.get_command(click.Context(main), name)
    assert found is not None
    return found


def command_page(name: str) -> str:
    """Markdown of one command, and of those below it."""
    return "\n".join(_told(command(name), click.Context(main, info_name="lopore"), name, level=1))


def _told(found: click.Command, parent: click.Context, name: str, level: int) -> Iterator[str]:
    """Heading, help, usage and options of a command, as ``--help`` says them."""
    context = click.Context(found, info_name=name, parent=parent)
    path = context.command_path
    usage = " ".join([path, *found.collect_usage_pieces(context)])
    yield from (f"{'#' * level} {path} {{ #{path.replace(' ', '-')} }}", "", *_paragraphs(found.help or ""))
    yield from ("```text", usage, "```", "", "| option | meaning |", "|---|---|")
    for parameter in found.get_params(context):
        record = parameter.get_help_record(context)
        if record:
            yield f"| `{_cell(record[0])}` | {_cell(_plain(record[1]))} |"
    yield ""
    if isinstance(found, click.Group):
        for part in found.list_commands(context):
            below = found.get_command(context, part)
            assert below is not None
            yield from _told(below, context, part, level + 1)


def _paragraphs(text: str) -> Iterator[str]:
    """Help text; a paragraph after click's mark ``\\b`` keeps its lines."""
    for part in inspect.cleandoc(text).split("\n\n"):
        if part.startswith("\b"):
            yield from ("```text", *part.splitlines()[1:], "```", "")
        else:
            yield from (_plain(" ".join(part.split())), "")


def _plain(text: str) -> str:
    """Text of ``--help`` as Markdown that shows it letter by letter: ``R13_[1][2].png`` is no link. Code stays code."""
    parts = re.split(r"(`[^`]+`)", text)
    parts[::2] = [re.sub(r"([\\`*_\[\]])", r"\\\1", html.escape(part, quote=False)) for part in parts[::2]]
    return "".join(parts)


def _cell(text: str) -> str:
    return " ".join(text.split()).replace("|", "\\|")


def command_index() -> str:
    """Markdown that names every command and its one-line help."""
    context = click.Context(main)
    rows = []
    for name in COMMANDS:
        found = command(name)
        rows.append(f"| [`lopore {name}`]({name}.md) | {_cell(_plain(found.get_short_help_str(300)))} |")
        if isinstance(found, click.Group):
            for part in found.list_commands(context):
                below = found.get_command(context, part)
                assert below is not None
                place = f"{name}.md#lopore-{name}-{part}"
                rows.append(f"| [`lopore {name} {part}`]({place}) | {_cell(_plain(below.get_short_help_str(300)))} |")
    head = ["# Commands", "", "Every command has `--help`, and exits 0 only on success. A mistake gives one line that",
            "says what to do; `lopore --debug COMMAND` shows the traceback behind it.", "",
            "| command | does |", "|---|---|"]  # fmt: skip
    return "\n".join([*head, *rows, ""])


def on_files(files: Files, config: Any) -> Files:
    """Add the pages that are not in ``docs/``, and the files that pages link to."""
    made = {f"commands/{name}.md": command_page(name) for name in COMMANDS} | {"commands/index.md": command_index()}
    made |= {page: (ROOT / place).read_text(encoding="utf-8") for place, page in OUTSIDE.items() if place[-3:] == ".md"}
    for uri, text in made.items():
        files.append(File.generated(config, uri, content=text))
    for place in sorted(linked_files()):
        uri = f"repository/{place}"
        files.append(File.generated(config, uri, abs_src_path=str(ROOT / place)))
    return files


def sources() -> dict[str, str]:
    """Every written page: path in the repository -> page of the site."""
    own = {f"docs/{path.name}": path.name for path in (ROOT / "docs").glob("*.md")}
    return own | {place: page for place, page in OUTSIDE.items() if place.endswith(".md")}


def linked_files() -> set[str]:
    """Files of the repository, outside ``docs/`` and no pages, that a page links to."""
    found = set()
    for place in sources():
        for link in LINK.finditer((ROOT / place).read_text(encoding="utf-8")):
            target = _in_repository(link[2], place)
            if target and target not in OUTSIDE and not target.startswith("docs/") and (ROOT / target).is_file():
                found.add(target)
    return found


def _in_repository(link: str, place: str) -> str | None:
    """The path in the repository that a relative link on the page ``place`` leads to; None for other links."""
    if re.match(r"[a-z]+:|/", link):
        return None
    target = posixpath.normpath(posixpath.join(posixpath.dirname(place), link))
    return None if target.startswith("..") else target


def in_site(target: str) -> str:
    """The place in the site of a path in the repository."""
    if target in OUTSIDE:
        return OUTSIDE[target]
    return target.removeprefix("docs/") if target.startswith("docs/") else f"repository/{target}"


def on_page_markdown(markdown: str, page: Any, config: Any, files: Files) -> str:
    """Links as the site needs them; marks for the tests are left out."""
    uri = page.file.src_uri
    place = next((place for place, shown in sources().items() if shown == uri), None)
    if place is None:
        return markdown

    def moved(link: re.Match[str]) -> str:
        target = _in_repository(link[2], place)
        if target is None:
            return link[0]
        relative = posixpath.relpath(in_site(target), posixpath.dirname(uri) or ".")
        return f"{link[1]}{quote(relative)}{link[3]}"

    return MARKS.sub("", _outside_fences(markdown, lambda text: LINK.sub(moved, text)))


def _outside_fences(markdown: str, change: Any) -> str:
    """The text with everything but fenced blocks changed."""
    parts, at = [], 0
    for fence in FENCE.finditer(markdown):
        parts += [change(markdown[at : fence.start()]), fence[0]]
        at = fence.end()
    return "".join([*parts, change(markdown[at:])])
