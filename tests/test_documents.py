"""What the documents say is so: commands, options, links, images, config keys, hooks, the README's plugin."""

from __future__ import annotations

import ast
import json
import os
import re
import shlex
import subprocess
import sys
import tomllib
from collections.abc import Iterator
from importlib import import_module
from pathlib import Path
from typing import Any

import click
import pytest
import yaml
from made.modules import module_at
from made.plugins import write_metadata

from lopore.cli import main
from lopore.config.experiment import load_experiment, parse_experiment
from lopore.plugins.registry import KINDS
from lopore.record.preprocessing import Preprocessing

ROOT = Path(__file__).resolve().parent.parent
README = ROOT / "README.md"
COMMAND_LIST = ROOT / "docs" / "command-list.md"
TEN_LINES = ROOT / "docs" / "ten-line-plugin.md"
PAGES = sorted([README, ROOT / "CONTRIBUTING.md", *ROOT.glob("docs/*.md"), *ROOT.glob("packages/*/README.md")])
PACKAGES = sorted(path.parent for path in (ROOT / "packages").glob("*/pyproject.toml"))
DEMO = "python3 -m pip install nox uv && nox -s demo"
TESTS = "python3 -m pip install --quiet nox uv && python3 -m nox -s tests"
HOOKS = tuple(f"lopore_{kind}" for kind in KINDS)
every_page = pytest.mark.parametrize("page", PAGES, ids=lambda page: page.relative_to(ROOT).as_posix())


def text_of(page: Path) -> str:
    return page.read_text(encoding="utf-8")


def blocks(page: Path, language: str | None = None) -> list[str]:
    """Fenced blocks of one language, or of all."""
    found = re.findall(r"^```(\w*)[^\n]*\n(.*?)^```", text_of(page), flags=re.MULTILINE | re.DOTALL)
    return [body for named, body in found if language in (None, named)]


def prose(page: Path) -> str:
    return re.sub(r"^```.*?^```", "", text_of(page), flags=re.MULTILINE | re.DOTALL)


def command_lines(page: Path) -> Iterator[list[str]]:
    """Each simple command of the page's blocks, fenced or indented, as words; ``&&`` and ``|`` part them."""
    told = re.sub(r"^!!! .*\n(?: {4}.*\n)+", "", prose(page), flags=re.MULTILINE)
    indented = re.findall(r"^    (\S.*)$", told, flags=re.MULTILINE)
    lines = [line for block in blocks(page) for line in block.replace("\\\n", " ").splitlines()]
    for line in (*lines, *indented):
        if re.match(r"(\$ )?(\w+=\S+ )?(lopore|nox|python3?|torchrun|pip|tensorboard)\b", line):
            yield from parted(line.removeprefix("$ "))


def parted(line: str) -> Iterator[list[str]]:
    lexer = shlex.shlex(line, posix=True, punctuation_chars="&|;")
    lexer.whitespace_split = True
    words: list[str] = []
    for word in lexer:
        if set(word) <= set("&|;"):
            yield words
            words = []
        else:
            words.append(word)
    if words:
        yield words


def lopore_words(words: list[str]) -> list[str] | None:
    """What follows ``lopore`` (or ``-m lopore``) in a command, None where it is another program's."""
    plain = [word for word in words if not re.fullmatch(r"[A-Z_]+=\S*", word)]
    if plain and plain[0] == "lopore":
        return plain[1:]
    for place in range(len(plain) - 1):
        if plain[place : place + 2] == ["-m", "lopore"]:
            return plain[place + 2 :]
    return None


def refuse_unknown(words: list[str]) -> None:
    """Parse words as the real command line does, bodies not run; click's own error where it would refuse them."""
    command: click.Command = main
    context: click.Context | None = None
    name, rest = "lopore", list(words)
    while True:
        try:
            context = command.make_context(name, list(rest), parent=context)
        except click.exceptions.Exit:
            return
        if not isinstance(command, click.Group):
            return
        rest = [*context._protected_args, *context.args]
        found_name, found, rest = command.resolve_command(context, rest)
        assert found is not None
        command, name = found, found_name or name


def inline_commands(page: Path) -> Iterator[str]:
    for code in re.findall(r"`([^`\n]+)`", prose(page)):
        if re.match(r"lopore [a-z-]", code):
            yield code


@every_page
def test_every_lopore_command_in_a_block_is_one_that_lopore_takes(page: Path) -> None:
    for words in command_lines(page):
        given = lopore_words(words)
        if given is not None:
            try:
                refuse_unknown(given)
            except click.ClickException as error:
                if "does not exist" not in error.format_message():
                    pytest.fail(f"{page.name}: lopore {shlex.join(given)}: {error.format_message()}")


@every_page
def test_every_lopore_command_in_a_sentence_names_a_real_command_with_real_options(page: Path) -> None:
    for code in inline_commands(page):
        try:
            refuse_unknown(shlex.split(code.replace(" …", ""))[1:])
        except click.UsageError as error:
            if "Missing" not in error.format_message() and "requires an argument" not in error.format_message():
                pytest.fail(f"{page.name}: `{code}`: {error.format_message()}")


def test_a_wrong_option_in_a_document_would_be_noticed() -> None:
    with pytest.raises(click.NoSuchOption):
        refuse_unknown(["predict", "--modell", "x", "films"])
    with pytest.raises(click.UsageError):
        refuse_unknown(["data", "splitt", "films.csv"])


def nox_sessions() -> set[str]:
    tree = ast.parse(text_of(ROOT / "noxfile.py"))
    found = set()
    for item in tree.body:
        marks = " ".join(map(ast.unparse, item.decorator_list)) if isinstance(item, ast.FunctionDef) else ""
        if isinstance(item, ast.FunctionDef) and "nox.session" in marks:
            given = re.search(r"name='([^']+)'", marks)
            found.add(given[1] if given else item.name)
    return found


@every_page
def test_every_nox_session_that_is_named_exists(page: Path) -> None:
    named = set(re.findall(r"nox -s \"?([a-z-]+)", text_of(page)))
    assert named <= nox_sessions()


def test_readme_gives_the_two_commands_and_ci_calls_the_second() -> None:
    lines = [line for block in blocks(README, "sh") for line in block.splitlines()]
    assert DEMO in lines
    assert TESTS in lines
    assert text_of(ROOT / ".ci" / "run").splitlines()[-1] == TESTS


def test_the_demonstration_has_the_options_and_places_that_readme_names() -> None:
    told = subprocess.run(
        [sys.executable, "tools/demo.py", "--help"], cwd=ROOT, capture_output=True, text=True, check=True
    )
    assert set(re.findall(r"nox -s demo -- (--[a-z-]+)", text_of(README))) <= set(re.findall(r"--[a-z-]+", told.stdout))
    script = text_of(ROOT / "tools" / "demo.py")
    places = [place for place in re.findall(r"`demo/([^`]+)`", text_of(README)) if "VERSION" not in place]
    assert len(places) >= 4
    for place in places:
        assert place.strip("/").split("/")[0] in script


def anchors(page: Path) -> set[str]:
    """Anchors of a page's headings, as code hosts make them."""
    titles = re.findall(r"^#+ (.+)$", prose(page), flags=re.MULTILINE)
    plain = [re.sub(r"[^\w\- ]", "", title.replace("`", "").lower()) for title in titles]
    return {title.strip().replace(" ", "-") for title in plain}


@every_page
def test_every_relative_link_and_picture_is_there(page: Path) -> None:
    for target in re.findall(r"\]\(([^)\s]+)\)", prose(page)):
        if re.match(r"https?://", target):
            continue
        place, _, anchor = target.partition("#")
        file = (page.parent / place).resolve() if place else page
        assert file.is_relative_to(ROOT), f"{page.name} leads out of the repository: {target}"
        assert file.exists(), f"{page.name} leads to {target}, which is not there"
        assert not anchor or anchor in anchors(file), f"{page.name} leads to {target}, which has no such heading"


def test_every_page_and_picture_of_docs_is_reached() -> None:
    linked = {
        (page.parent / target.partition("#")[0]).resolve()
        for page in PAGES
        for target in re.findall(r"\]\(([^)\s]+)\)", prose(page))
    } | {ROOT / "docs" / "index.md"}  # the site's first page
    lost = [
        file
        for kind in ("*.md", "images/*.png", "images/*.svg")
        for file in (ROOT / "docs").glob(kind)
        if file not in linked
    ]
    assert not lost


def test_every_config_key_stands_on_the_configuration_page_with_its_default() -> None:
    reference = module_at(ROOT / "tools" / "config_reference.py")
    page = text_of(ROOT / "docs" / "configuration.md")
    assert reference.filled(page) == page, "run `python tools/config_reference.py`"
    for key in dict(reference.keys()):
        assert f"| `{key}` |" in page


def leaf_keys(data: dict[str, Any], at: str = "") -> Iterator[str]:
    for name, value in data.items():
        yield f"{at}{name}"
        if isinstance(value, dict):
            yield from leaf_keys(value, f"{at}{name}.")


def test_no_key_of_a_full_config_is_missing_from_the_configuration_page() -> None:
    switches = ("horizontal_flip", "vertical_flip", "quarter_turns", "random_crop", "scale", "rotate", "elastic",
                "gaussian_blur", "motion_blur", "brightness_contrast", "gamma", "noise", "signal")  # fmt: skip
    full = parse_experiment(
        {
            "name": "full",
            "data": {"manifest": "films.csv"},
            "augmentation": dict.fromkeys(switches, True),
            "training": {"early_stopping": {}},
        },
        source="test",
    ).model_dump(mode="json")
    assert set(full["augmentation"]) == {*switches, "others"}
    page = text_of(ROOT / "docs" / "configuration.md")
    sections = {"data", "data.tiles", "preprocessing", "preprocessing.window", "model", "training", "anomaly"}
    sections |= {f"training.{name}" for name in ("loss", "optimizer", "schedule", "threshold")}
    missing = [key for key in leaf_keys(full) if key not in sections and f"| `{key}` |" not in page]
    assert not missing


def test_configs_in_documents_and_in_the_repository_are_valid() -> None:
    examples = [(page, block) for page in PAGES for block in blocks(page, "yaml") if block.startswith("name:")]
    assert {page.name for page, _ in examples} >= {"training.md", "own-films.md"}
    for page, example in examples:
        parse_experiment(yaml.safe_load(example), source=page.name)
    parts = [block for block in blocks(ROOT / "docs" / "training.md", "yaml") if not block.startswith("name:")]
    assert len(parts) >= 3
    for part in parts:
        whole = {"name": "part", "task": "segmentation", "data": {"manifest": "films.csv"}} | yaml.safe_load(part)
        parse_experiment(whole, source="training.md")
    (record,) = blocks(ROOT / "docs" / "concepts.md", "yaml")
    Preprocessing.model_validate(yaml.safe_load(record)["preprocessing"])
    for config in sorted((ROOT / "configs").glob("*.yaml")):
        load_experiment(config)
    for named in set(re.findall(r"configs/[\w-]+\.yaml", text_of(README))) - {"configs/first.yaml"}:
        assert (ROOT / named).is_file(), f"README names {named}"


def readme_plugin(folder: Path) -> None:
    """The plugin in ten lines as an installed distribution: its module, and metadata made from its pyproject."""
    (module,) = blocks(TEN_LINES, "python")
    (project,) = blocks(TEN_LINES, "toml")
    assert sum(bool(line.strip()) for line in module.splitlines()) == 10
    facts = tomllib.loads(project)["project"]
    write_metadata(folder, facts)
    (target,) = facts["entry-points"]["lopore"].values()
    (folder / f"{target}.py").write_text(module)


def run_lopore(*words: str, site: Path, cwd: Path) -> str:
    environment = {**os.environ, "PYTHONPATH": str(site)}
    done = subprocess.run(
        [sys.executable, "-m", "lopore", *words], cwd=cwd, env=environment, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_the_ten_line_plugin_of_the_readme_is_found_and_works(tmp_path: Path) -> None:
    import numpy as np

    from lopore.reading.encode import write_radiograph
    from lopore.reading.radiograph import read_radiograph

    site = tmp_path / "site"
    site.mkdir()
    readme_plugin(site)
    told = json.loads(run_lopore("plugins", "--strict", "--json", site=site, cwd=tmp_path))
    assert "lopore-darken 0.1" in json.dumps(told)
    assert "darken" in json.dumps(told["enhancers"])
    for dtype in (np.uint8, np.uint16):
        top = np.iinfo(dtype).max
        ramp = np.linspace(0, top, 64 * 64).astype(dtype).reshape(64, 64)
        film = tmp_path / f"film{top}.png"
        write_radiograph(ramp, film)
        run_lopore("enhance", str(film), "--chain", "darken(by=0.3)", "--out", "out", site=site, cwd=tmp_path)
        got = read_radiograph(tmp_path / "out" / film.name, channels=1).pixels
        assert got.dtype == dtype
        assert np.abs(got - ramp.astype(np.float64) * 0.7).max() <= 1


def test_the_plugin_of_the_readme_keeps_every_promise_of_the_kit(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from lopore.testing.kit import iter_checks

    readme_plugin(tmp_path)
    monkeypatch.syspath_prepend(str(tmp_path))
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    checks = list(iter_checks(import_module("lopore_darken")))
    assert any(check.id.startswith("enhancer/darken/") for check in checks)
    for check in checks:
        check()


def test_every_hook_is_told_with_its_signature_and_every_command_is_named() -> None:
    hookspecs = import_module("lopore.hookspecs")
    declared = {name for name in vars(hookspecs) if name.startswith("lopore_")}
    assert declared == set(HOOKS)
    tutorial, listed = text_of(ROOT / "docs" / "plugins.md"), text_of(COMMAND_LIST)
    for hook in HOOKS:
        assert f"| `{hook}()` |" in tutorial
        assert f"`{hook}`" in text_of(TEN_LINES)
    for words in all_commands(main):
        assert f"| `{' '.join(words)}` |" in listed


def all_commands(group: click.Group, before: tuple[str, ...] = ("lopore",)) -> Iterator[tuple[str, ...]]:
    """The words of every command that does something, groups within groups followed."""
    context = click.Context(group)
    for name in group.list_commands(context):
        command = group.get_command(context, name)
        if isinstance(command, click.Group):
            yield from all_commands(command, (*before, name))
        else:
            yield (*before, name)


def project_of(package: Path) -> dict[str, Any]:
    facts: dict[str, Any] = tomllib.loads(text_of(package / "pyproject.toml"))["project"]
    return facts


def test_the_readme_is_read_in_one_sitting() -> None:
    assert len(text_of(README).splitlines()) <= 130


def test_readme_tells_every_package_and_every_extra() -> None:
    rows = {row.split("]")[0].removeprefix("| ["): row for row in text_of(README).splitlines() if "| [lopore-" in row}
    assert set(rows) == {package.name for package in PACKAGES}
    for package in PACKAGES:
        for extra in project_of(package).get("optional-dependencies", {}):
            assert f"`{extra}`" in rows[package.name]


def test_every_package_that_is_installed_from_the_checkout_exists_with_its_extras() -> None:
    for page in PAGES:
        for name, extras in re.findall(r"\./packages/([\w-]+)(?:\[([\w,]+)\])?", "\n".join(blocks(page, "sh"))):
            known = project_of(ROOT / "packages" / name).get("optional-dependencies", {})
            assert set(filter(None, extras.split(","))) <= set(known)


def test_what_the_app_needs_names_no_training_framework() -> None:
    for name in ("lopore-core", "lopore-enhance", "lopore-onnx", "lopore-app"):
        needs = " ".join(project_of(ROOT / "packages" / name)["dependencies"])
        assert not re.search(r"torch|tensorflow|keras|scikit-learn|timm", needs)


def test_every_environment_variable_is_told() -> None:
    told = text_of(ROOT / "docs" / "troubleshooting.md")
    used = {
        found
        for file in (ROOT / "packages").glob("*/src/**/*.py")
        for found in re.findall(r"[\"`](LOPORE_[A-Z_]+)[\"`]", text_of(file))
    }
    assert used - {"LOPORE_API"} <= set(re.findall(r"`(LOPORE_[A-Z_]+)`", told))


@every_page
def test_python_in_documents_compiles_and_imports_what_exists(page: Path) -> None:
    for block in blocks(page, "python"):
        for item in ast.walk(ast.parse(block)):
            if isinstance(item, ast.ImportFrom) and (item.module or "").startswith("lopore"):
                module = import_module(item.module or "")
                assert all(hasattr(module, name.name) for name in item.names)


@every_page
def test_documents_name_no_machine_of_ours(page: Path) -> None:
    assert not re.search(r"(^|[\s`(])/(work|root|home|tmp)/", text_of(page))
    assert "index-url" not in text_of(page)
