"""Plugins are found, checked and kept apart: a broken one is told and harms nothing."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
from made.modules import awake_after
from made.plugins import SOUND, install

from lopore.contracts import Enhancer, NoParams
from lopore.errors import PluginError
from lopore.hookspecs import hookimpl
from lopore.plugins.registry import Registry


@pytest.fixture
def site(tmp_path: Path) -> Path:
    folder = tmp_path / "site"
    folder.mkdir()
    return folder


def listing(site: Path, **environment: str) -> dict[str, object]:
    process = subprocess.run(
        [sys.executable, "-m", "lopore", "plugins", "--json"],
        env={**os.environ, "PYTHONPATH": str(site), **environment},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert process.returncode == 0, process.stderr
    return dict(json.loads(process.stdout))


def problem_of(found: dict[str, object], name: str) -> dict[str, str]:
    problems = [item for item in found["problems"] if item["source"] == f"{name} 1.0"]  # type: ignore[index, attr-defined]
    assert len(problems) == 1, found["problems"]
    return dict(problems[0])


def test_a_plugin_from_outside_the_repository_is_found(site: Path) -> None:
    install(site, "weld-plus", SOUND.format(name="as-it-was"))
    assert listing(site)["enhancers"]["as-it-was"]["source"] == "weld-plus 1.0"  # type: ignore[index]


@pytest.mark.parametrize(
    ("stage", "code", "reason"),
    [
        ("import", "raise RuntimeError('no licence key')", "RuntimeError: no licence key"),
        ("import", "raise SystemExit(3)", "SystemExit: 3"),
        ("import", "import a_module_that_is_not_here", "ModuleNotFoundError"),
        ("version", SOUND.format(name="x").replace("LOPORE_API = 1", ""), "states no LOPORE_API"),
        (
            "version",
            SOUND.format(name="x").replace("API = 1", "API = 2"),
            "built for plugin API 2, this lopore-core speaks 1",
        ),
        ("register", SOUND.format(name="x").replace("lopore_enhancers()", "lopore_enhancers(image)"), "image"),
        ("register", SOUND.format(name="x").replace("def lopore_enhancers", "def lopore_enhancer"), "lopore_enhancer"),
        ("register", SOUND.format(name="x").replace("@hookimpl\n", "\n"), "lacks @hookimpl"),
        ("register", SOUND.format(name="x").replace("@hookimpl\n", "@hookimpl(wrapper=True)\n"), "wrapper"),
        ("list", SOUND.format(name="x").replace("    yield", "    raise KeyError('gone')\n    yield"), "KeyError"),
        ("list", SOUND.format(name="x").replace("    yield Enhancer(", "    yield dict("), "lists Enhancer"),
        ("list", SOUND.format(name="Not Kebab"), "Not Kebab"),
    ],
)
def test_each_failing_stage_is_told_and_the_sound_plugin_stays(site: Path, stage: str, code: str, reason: str) -> None:
    install(site, "broken-one", code)
    install(site, "weld-plus", SOUND.format(name="as-it-was"))
    found = listing(site)
    problem = problem_of(found, "broken-one")
    assert problem["stage"] == stage
    assert reason in problem["reason"]
    assert "as-it-was" in found["enhancers"]  # type: ignore[operator]


def test_a_plugin_that_prints_does_not_spoil_the_json(site: Path) -> None:
    install(site, "chatty", "print('x' * 1_000_000)\n" + SOUND.format(name="as-it-was"))
    assert "as-it-was" in listing(site)["enhancers"]  # type: ignore[operator]


def test_two_sources_of_one_name_disable_both(site: Path) -> None:
    install(site, "first-house", SOUND.format(name="twice"))
    install(site, "second-house", SOUND.format(name="twice"))
    found = listing(site)
    assert "twice" not in found["enhancers"]  # type: ignore[operator]
    assert problem_of(found, "first-house")["stage"] == "name"
    assert "first-house" in problem_of(found, "second-house")["reason"]


def test_a_blocked_distribution_is_never_imported_and_settles_a_dispute(site: Path) -> None:
    install(site, "first-house", SOUND.format(name="twice"))
    install(site, "second-house", "import os; os._exit(9)")
    found = listing(site, LOPORE_BLOCK="Second_House")
    assert found["enhancers"]["twice"]["source"] == "first-house 1.0"  # type: ignore[index]
    assert found["blocked"] == ["second-house"]


class _Offer:
    LOPORE_API = 1

    def __init__(self, *names: str) -> None:
        self.names = names

    @hookimpl
    def lopore_enhancers(self) -> list[Enhancer]:
        return [
            Enhancer(name=name, summary="test", params=NoParams, apply=lambda pixels, params: pixels)
            for name in self.names
        ]


def test_a_name_that_a_lopore_package_holds_is_never_given_away() -> None:
    registry = Registry.from_plugins({"lopore-enhance 0.1.0": _Offer("clahe"), "aaa 1.0": _Offer("clahe", "other")})
    assert registry.enhancers.sources["clahe"] == "lopore-enhance 0.1.0"
    assert registry.enhancers.sources["other"] == "aaa 1.0"
    assert [problem.source for problem in registry.problems] == ["aaa 1.0"]


def test_an_unknown_name_says_what_is_near_and_what_is_installed() -> None:
    registry = Registry.from_plugins({"a 1": _Offer("clahe", "median")})
    with pytest.raises(PluginError, match=r"no enhancer 'clahee'; did you mean clahe.*installed: clahe, median"):
        registry.enhancers["clahee"]


def test_a_disputed_name_says_who_disputes_it() -> None:
    registry = Registry.from_plugins({"a 1": _Offer("twice"), "b 1": _Offer("twice")})
    with pytest.raises(PluginError, match=r"'twice' is disputed: offered by .* neither is used"):
        registry.enhancers["twice"]


FRAMEWORKS = ("torch", "tensorflow", "keras", "onnxruntime", "cv2", "sklearn", "pandas", "matplotlib")


def test_discovery_wakes_no_framework() -> None:
    assert awake_after("import lopore\nlopore.discover()", "numpy", *FRAMEWORKS, "streamlit", "timm") == {"numpy"}


def test_import_and_help_wake_neither_numpy_nor_pydantic() -> None:
    code = "import lopore\nfrom lopore.cli import main\ntry: main(['--help'])\nexcept SystemExit: pass"
    assert awake_after(code, "click", "numpy", "pydantic", "yaml", "pluggy", *FRAMEWORKS) == {"click"}
