"""The conformance kit: a sound plugin is green, and each seeded fault is caught by the check of that promise."""

from __future__ import annotations

import importlib.util
import json
import os
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any
from unittest import SkipTest

import pytest
from made.modules import awake_after, module_at

from lopore.contracts import Predictor
from lopore.errors import ConfigError
from lopore.testing.check import Check
from lopore.testing.kit import KINDS, iter_checks, parametrize_checks


def _faults() -> Any:
    folder = Path(__file__).parent / "seeded_faults"
    spec = importlib.util.spec_from_file_location(
        "seeded_faults", folder / "__init__.py", submodule_search_locations=[str(folder)]
    )
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules["seeded_faults"] = module
    spec.loader.exec_module(module)
    return module


seeded = _faults()
SOUND = seeded.sound()
MATRIX = Path(__file__).parents[3] / "tools" / "make_fault_matrix.py"


@parametrize_checks(SOUND)
def test_a_sound_plugin_keeps_every_promise(check: Check) -> None:
    check()


@pytest.mark.parametrize(("kind", "name"), seeded.CASES)
def test_a_fault_is_caught_by_the_check_of_that_promise_and_by_no_other(kind: str, name: str) -> None:
    found = seeded.broken_by(kind, name)
    assert set(found) == seeded.FAULTS[kind][name].promises, dict(found)


@pytest.mark.parametrize("kind", seeded.FAULTS)
def test_every_promise_has_a_fault_that_breaks_it(kind: str) -> None:
    breakable = set().union(*(fault.promises for fault in seeded.FAULTS[kind].values()))
    assert set(seeded.promises(kind)) == breakable


def test_every_kind_of_check_is_tried() -> None:
    assert set(seeded.FAULTS) == set(KINDS)
    assert {check.id.split("/")[0] for check in iter_checks(SOUND)} == set(KINDS)


def test_the_printed_matrix_is_what_the_kit_finds() -> None:
    """Every cell of docs/fault-matrix.md was found by running the kit; the file is not older than the checks."""
    script = module_at(MATRIX)
    assert script.PAGE.read_text(encoding="utf-8") == script.page(seeded)


def test_two_entries_of_one_name_are_a_problem() -> None:
    found = seeded.failed(seeded.plugin_of(enhancers=[seeded.PLAIN, seeded.PLAIN]), "plugin")
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


def test_trainers_are_tried_with_the_network_of_the_caller() -> None:
    asked: set[str] = set()

    def learner(request: Any) -> Any:
        asked.add(request.network.backbone)
        return seeded.TRAINER.learner(request)

    plugin = seeded.with_one("trainers", replace(seeded.TRAINER, learner=learner))
    one = r"/learns_the_tiny_set$"
    for networks, name in (
        ((), seeded.BACKBONE.name),
        ([replace(seeded.BACKBONE, name="few-cells")], "few-cells"),
    ):
        asked.clear()
        for check in iter_checks(plugin, kinds=["trainer"], only=one, networks=networks):
            check()
        assert asked == {name}


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
    code = seeded.source()
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
    code = "from lopore.testing import iter_checks, run_check; import lopore_enhance.plugin as p; list(iter_checks(p))"
    assert not awake_after(code, "pytest", "torch", "cv2", "onnxruntime")


def command(*arguments: str, path: Path | None = None) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "lopore", "check-plugin", *arguments],
        capture_output=True, text=True, timeout=120, check=False,
        env={**os.environ, "PYTHONPATH": str(path or "")},
    )  # fmt: skip


def test_the_command_shows_kept_and_broken_promises_and_exits_with_1(tmp_path: Path) -> None:
    code = seeded.source(extra="import scipy")
    (tmp_path / "kit_shown.py").write_text(code)
    done = command("kit_shown", path=tmp_path)
    assert done.returncode == 1, done.stderr
    assert "BROKEN      plugin/wakes_no_framework: importing it wakes scipy" in done.stdout
    assert "kept        enhancer/same/repeatable" in done.stdout
    assert done.stdout.splitlines()[-1].endswith("kept, 1 broken, 0 not judged")


def test_the_command_speaks_json_and_picks_checks() -> None:
    done = command("lopore-enhance", "--kind", "enhancer", "--only", "gamma/tiny", "--json")
    assert done.returncode == 0, done.stderr
    (line,) = done.stdout.splitlines()
    assert json.loads(line)["id"] == "enhancer/gamma/tiny_image" and json.loads(line)["status"] == "passed"


def test_the_command_offers_the_kinds_of_the_kit() -> None:
    from lopore.cli.check_plugin import KINDS as OF_THE_COMMAND

    assert OF_THE_COMMAND == KINDS


@pytest.mark.parametrize(
    ("name", "said"),
    [("lopore-enhanse", "no plugin or module 'lopore-enhanse'; did you mean lopore-enhance"), ("", "no plugin")],
)
def test_an_unknown_plugin_is_one_line(name: str, said: str) -> None:
    done = command(name)
    assert done.returncode == 1
    assert done.stderr.startswith(f"lopore: {said}") and len(done.stderr.splitlines()) == 1
