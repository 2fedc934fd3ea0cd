"""The conformance kit: a sound plugin is green, and each seeded fault is caught by the check of that promise."""

from __future__ import annotations

import importlib.util
import json
import os
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from types import ModuleType
from typing import Any
from unittest import SkipTest

import pytest

from lopore.contracts import Predictor
from lopore.errors import ConfigError
from lopore.testing import Check, iter_checks, parametrize_checks, run_check


def _faults() -> Any:
    path = Path(__file__).parent / "seeded_faults.py"
    spec = importlib.util.spec_from_file_location("seeded_faults", path)
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules["seeded_faults"] = module
    spec.loader.exec_module(module)
    return module


seeded = _faults()
SOUND = seeded.plugin_of(**seeded.SOUND)


def broken(plugin: Any, kind: str) -> dict[str, str]:
    """The promises of one kind that the kit finds broken, with the reason."""
    outcomes = [run_check(check) for check in iter_checks(plugin, kinds=[kind])]
    return {item.id.rsplit("/", 1)[1]: item.reason for item in outcomes if item.status == "failed"}


@parametrize_checks(SOUND)
def test_a_sound_plugin_keeps_every_promise(check: Check) -> None:
    check()


@pytest.mark.parametrize("name", seeded.ENHANCER_FAULTS)
def test_a_broken_enhancer_is_caught_by_the_check_of_that_promise(name: str) -> None:
    enhancer, promises = seeded.ENHANCER_FAULTS[name]
    found = broken(seeded.plugin_of(enhancers=[enhancer]), "enhancer")
    assert set(found) == promises, found


@pytest.mark.parametrize(("kind", "name"), seeded.CASES)
def test_a_broken_entry_is_caught_by_the_check_of_that_promise(kind: str, name: str) -> None:
    entry, promises = seeded.FAULTS[kind][name]
    found = broken(seeded.with_one(kind, entry), kind.removesuffix("s"))
    assert set(found) == promises, found


@pytest.mark.parametrize(
    ("learner", "promise"),
    [("Wide", "grey_scores_have_one_column_a_class"), ("WideInColour", "colour_scores_have_one_column_a_class")],
)
def test_a_network_with_a_column_too_many_is_caught(learner: str, promise: str) -> None:
    trainer = replace(seeded.TRAINER, learner=getattr(seeded, learner))
    assert set(broken(seeded.with_one("trainers", trainer), "backbone")) == {promise}


def test_every_promise_has_a_fault_that_breaks_it() -> None:
    seen = {check.id.rsplit("/", 1)[1] for check in iter_checks(SOUND)}
    faults = [seeded.ENHANCER_FAULTS, *seeded.FAULTS.values()]
    broken_somewhere = set().union(*(promises for group in faults for _, promises in group.values()))
    tried_below = {
        "grey_scores_have_one_column_a_class", "colour_scores_have_one_column_a_class", "registers_without_problems",
        "wakes_no_framework", "summaries_are_one_line", "presets_are_valid",
    }  # fmt: skip
    assert seen - broken_somewhere == tried_below


def module_of(folder: Path, name: str, code: str, monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    (folder / f"{name}.py").write_text(code)
    monkeypatch.syspath_prepend(str(folder))
    return importlib.import_module(name)


HEAD = """
from lopore.contracts import Enhancer, NoParams
from lopore.hookspecs import hookimpl
{extra}
LOPORE_API = {api}

@hookimpl
def lopore_enhancers():
    yield Enhancer(name="same", summary={summary!r}, params=NoParams, apply=lambda pixels, params: pixels.copy(),
                   presets={presets!r})
"""


@pytest.mark.parametrize(
    ("name", "change", "promise"),
    [
        ("sound", {}, set()),
        ("other_api", {"api": 2}, {"registers_without_problems"}),
        ("heavy", {"extra": "import cv2"}, {"wakes_no_framework"}),
        ("wordy", {"summary": "One.\nTwo."}, {"summaries_are_one_line"}),
        ("preset_of_nothing", {"presets": {"Both": [{"name": "nobody-has-this"}]}}, {"presets_are_valid"}),
        ("preset_with_typo", {"presets": {"Both": [{"name": "same", "cilp": 1}]}}, {"presets_are_valid"}),
    ],
)
def test_a_broken_module_is_caught_by_the_check_of_that_promise(
    name: str, change: dict[str, Any], promise: set[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    code = HEAD.format(**{"extra": "", "api": 1, "summary": "As it was", "presets": {}, **change})
    plugin = module_of(tmp_path, f"kit_{name}", code, monkeypatch)
    assert set(broken(plugin, "plugin")) == promise


def test_a_framework_that_only_a_hook_wakes_is_caught(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    code = HEAD.format(extra="", api=1, summary="As it was", presets={})
    code = code.replace("def lopore_enhancers():", "def lopore_enhancers():\n    import cv2")
    plugin = module_of(tmp_path, "kit_hook_wakes", code, monkeypatch)
    assert "cv2" in broken(plugin, "plugin")["wakes_no_framework"]


def test_two_entries_of_one_name_are_a_problem() -> None:
    found = broken(seeded.plugin_of(enhancers=[seeded.PLAIN, seeded.PLAIN]), "plugin")
    assert "offered by" in found["registers_without_problems"]


def test_what_cannot_be_judged_here_is_skipped_with_the_reason() -> None:
    lonely = Predictor(
        name="lonely", summary="Opens what nobody writes", formats=("unheard-of",), opens=lambda *_: None
    )
    check = next(iter_checks(seeded.plugin_of(predictors=[lonely]), kinds=["predictor"]))
    with pytest.raises(SkipTest, match=r"writes unheard-of is installed; give models=\[FOLDER\]"):
        check()


def test_a_model_of_the_caller_is_used_before_any_is_trained(model_folder: Any) -> None:
    opened: list[Path] = []

    class Half:
        def predict(self, batch: Any) -> Any:
            import numpy as np

            return np.full((len(batch), 2), 0.5, np.float32)

        def close(self) -> None: ...

    def opens(folder: Any, device: str, threads: int | None) -> Half:
        opened.append(folder.path)
        return Half()

    plugin = seeded.plugin_of(predictors=[Predictor(name="half", summary="Even", formats=("onnx",), opens=opens)])
    for check in iter_checks(plugin, kinds=["predictor"], models=[lambda: model_folder.path]):
        check()
    assert set(opened) == {model_folder.path}


def test_checks_follow_what_is_declared() -> None:
    names = [check.id for check in iter_checks(SOUND, kinds=["enhancer"])]
    assert "enhancer/gain/lookup_equals_apply" in names
    assert "enhancer/plain/lookup_equals_apply" not in names
    assert "enhancer/mirror/motion_moves_planted_marks" in names
    assert "enhancer/mirror/planted_marks_stay" not in names
    preview = seeded.plugin_of(enhancers=[replace(seeded.PLAIN, preview_only=True)])
    shown = [check.id for check in iter_checks(preview, kinds=["enhancer"])]
    assert "enhancer/plain/does_not_wrap_around" not in shown


def test_ids_are_unique_and_can_be_picked() -> None:
    names = [check.id for check in iter_checks(SOUND)]
    assert len(names) == len(set(names))
    assert {check.id.split("/")[1] for check in iter_checks(SOUND, only="enhancer/gain")} == {"gain"}
    with pytest.raises(ConfigError, match="no kind of check 'enhancers'; there are plugin, enhancer"):
        list(iter_checks(SOUND, kinds=["enhancers"]))
    with pytest.raises(ConfigError, match="is no regular expression"):
        list(iter_checks(SOUND, only="("))


def test_a_waiver_is_a_strict_expected_failure_with_its_reason() -> None:
    marked = parametrize_checks(SOUND, {"enhancer/gain/repeatable": "it is a dice"}).args[1]
    (waived,) = [item for item in marked if item.marks]
    assert waived.id == "enhancer/gain/repeatable"
    assert waived.marks[0].kwargs == {"strict": True, "reason": "it is a dice"}


def test_a_waiver_of_an_unknown_check_names_near_ones() -> None:
    with pytest.raises(ConfigError, match="is no check of this plugin; near names are enhancer/gain/repeatable"):
        parametrize_checks(SOUND, {"enhancer/gain/repeatible": "typo"})


def test_a_waiver_without_a_reason_is_refused() -> None:
    with pytest.raises(ConfigError, match="gives no reason for 'enhancer/gain/repeatable'"):
        parametrize_checks(SOUND, {"enhancer/gain/repeatable": " "})


def test_three_lines_run_under_pytest_and_an_unneeded_waiver_fails(tmp_path: Path) -> None:
    code = HEAD.format(extra="", api=1, summary="As it was", presets={})
    (tmp_path / "kit_author.py").write_text(code)
    (tmp_path / "test_author.py").write_text(
        "import kit_author\nfrom lopore.testing import parametrize_checks\n\n"
        "@parametrize_checks(kit_author, expected_failures={'enhancer/same/repeatable': 'unneeded'})\n"
        "def test_conforms(check):\n    check()\n"
    )
    process = subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "--rootdir", str(tmp_path), str(tmp_path)],
        capture_output=True, text=True, timeout=120, check=False, cwd=tmp_path,
        env={**os.environ, "PYTHONPATH": str(tmp_path)},
    )  # fmt: skip
    assert "1 failed" in process.stdout and "test_conforms[enhancer/same/repeatable]" in process.stdout, process.stdout
    assert "XPASS(strict)" in process.stdout


def test_the_kit_needs_no_pytest_and_wakes_no_framework() -> None:
    code = (
        "import sys; from lopore.testing import iter_checks, run_check; import lopore_enhance.plugin as plugin; "
        "list(iter_checks(plugin)); print([n for n in ('pytest', 'torch', 'cv2', 'onnxruntime') if n in sys.modules])"
    )
    process = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60, check=True)
    assert process.stdout.strip() == "[]"


def command(*arguments: str, path: Path | None = None) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "lopore", "check-plugin", *arguments],
        capture_output=True, text=True, timeout=120, check=False,
        env={**os.environ, "PYTHONPATH": str(path or "")},
    )  # fmt: skip


def test_the_command_shows_kept_and_broken_promises_and_exits_with_1(tmp_path: Path) -> None:
    code = HEAD.format(extra="import cv2", api=1, summary="As it was", presets={})
    (tmp_path / "kit_shown.py").write_text(code)
    done = command("kit_shown", path=tmp_path)
    assert done.returncode == 1, done.stderr
    assert "BROKEN      plugin/wakes_no_framework: importing it wakes cv2" in done.stdout
    assert "kept        enhancer/same/repeatable" in done.stdout
    assert done.stdout.splitlines()[-1].endswith("kept, 1 broken, 0 not judged")


def test_the_command_speaks_json_and_picks_checks() -> None:
    done = command("lopore-enhance", "--kind", "enhancer", "--only", "gamma/tiny", "--json")
    assert done.returncode == 0, done.stderr
    (line,) = done.stdout.splitlines()
    assert json.loads(line)["id"] == "enhancer/gamma/tiny_image" and json.loads(line)["status"] == "passed"


def test_the_command_offers_the_kinds_of_the_kit() -> None:
    from lopore.cli.check_plugin import KINDS
    from lopore.testing import KINDS as OF_THE_KIT

    assert KINDS == OF_THE_KIT


@pytest.mark.parametrize(
    ("name", "said"),
    [("lopore-enhanse", "no plugin or module 'lopore-enhanse'; did you mean lopore-enhance"), ("", "no plugin")],
)
def test_an_unknown_plugin_is_one_line(name: str, said: str) -> None:
    done = command(name)
    assert done.returncode == 1
    assert done.stderr.startswith(f"lopore: {said}") and len(done.stderr.splitlines()) == 1
