"""What plugins share of a process is put back, whichever thread changed it; what they print goes to standard error."""

from __future__ import annotations

import os
import random
import signal
import subprocess
import sys
import threading
from concurrent.futures import ThreadPoolExecutor
from dataclasses import fields
from pathlib import Path

import numpy as np
import pytest

from lopore.contracts import (
    AugmentationStep,
    Backbone,
    Callback,
    Enhancer,
    Explainer,
    Exporter,
    LossTerm,
    Metric,
    Predictor,
    Trainer,
)  # fmt: skip
from lopore.contracts.field_rules import RULES
from lopore.errors import PluginError
from lopore.plugins import registry
from lopore.plugins.process_guard import isolate_call, preserve_state


def test_what_a_block_changes_is_put_back_and_named_also_where_it_raises(tmp_path: Path) -> None:
    before = Path.cwd(), random.getstate(), np.random.get_state()[1].tolist(), dict(os.environ)

    def change() -> None:
        os.chdir(tmp_path)
        os.environ["LEFT_BEHIND"] = "1"
        random.seed(718_281)
        np.random.seed(718_281)
        raise RuntimeError

    with pytest.raises(RuntimeError), preserve_state("import") as changes:
        change()
    assert (Path.cwd(), random.getstate(), np.random.get_state()[1].tolist(), dict(os.environ)) == before
    expected = ["the working directory", "the environment (LEFT_BEHIND)", "the state of random", "NumPy's random state"]
    assert changes.names == expected


def test_a_thread_that_somebody_else_is_just_starting_is_not_waited_for(monkeypatch: pytest.MonkeyPatch) -> None:
    before, nascent = threading.enumerate(), threading.Thread(target=print)
    seen = iter([before, [*before, nascent]])
    monkeypatch.setattr(threading, "enumerate", lambda: next(seen))
    with preserve_state("import") as changes:
        pass
    assert changes.threads == 0


def test_calls_in_many_threads_leave_nothing_behind(tmp_path: Path) -> None:
    """The second begins while the first has moved the directory, and ends after it: what it saw first is not kept."""
    home, moved, begun = Path.cwd(), threading.Event(), threading.Event()

    def first() -> None:
        with isolate_call():
            os.chdir(tmp_path)
            moved.set()
            assert begun.wait(10)

    def second() -> None:
        assert moved.wait(10)
        with isolate_call():
            begun.set()
            os.chdir(tmp_path)

    for _ in range(5):
        moved.clear()
        begun.clear()
        with ThreadPoolExecutor(2) as pool:
            for done in [pool.submit(first), pool.submit(second)]:
                done.result(20)
        assert Path.cwd() == home


def test_only_the_thread_of_an_outsider_prints_to_standard_error(capsys: pytest.CaptureFixture[str]) -> None:
    printing, printed = threading.Event(), threading.Event()

    def outsider() -> None:
        with isolate_call():
            print("noise")
            printing.set()
            assert printed.wait(10)

    stdout = sys.stdout
    with ThreadPoolExecutor(1) as pool:
        done = pool.submit(outsider)
        assert printing.wait(10)
        print("answer")
        printed.set()
        done.result(20)
    assert sys.stdout is stdout
    shown = capsys.readouterr()
    assert (shown.out, shown.err) == ("answer\n", "noise\n")


class Strange(BaseException): ...


@pytest.mark.parametrize("error", [SystemExit(0), Strange("why"), RecursionError("deep"), RuntimeError("a\nb\x1b[31m")])
def test_whatever_an_entry_raises_is_one_line_with_its_owner(error: BaseException) -> None:
    def work() -> None:
        raise error

    with pytest.raises(PluginError) as caught:
        registry.call_entry("enhancer", "x", "weld-plus 1.0", work)
    text = str(caught.value)
    assert text.startswith(f"enhancer 'x' of weld-plus 1.0 failed: {type(error).__name__}")
    assert text.endswith("LOPORE_BLOCK=weld-plus leaves it out")
    assert text.isprintable()


def test_ctrl_c_passes_through_an_entry_and_the_same_error_of_a_plugin_does_not() -> None:
    def raising() -> None:
        raise KeyboardInterrupt

    before = signal.signal(signal.SIGINT, signal.default_int_handler)  # a shell's background job ignores it
    with pytest.raises(KeyboardInterrupt):
        registry.call_entry("enhancer", "x", "weld-plus 1.0", lambda: signal.raise_signal(signal.SIGINT))
    with pytest.raises(PluginError, match=r"enhancer 'x' of weld-plus 1\.0 failed: KeyboardInterrupt; use another"):
        registry.call_entry("enhancer", "x", "weld-plus 1.0", raising)
    assert signal.signal(signal.SIGINT, before) is signal.default_int_handler


def test_every_field_of_every_descriptor_has_a_rule() -> None:
    kinds = (
        Enhancer, Backbone, Trainer, Exporter, Predictor, Explainer, Callback, LossTerm, Metric, AugmentationStep,
    )  # fmt: skip
    assert {field.name for kind in kinds for field in fields(kind)} == set(RULES)


def test_checking_a_plugin_that_ends_the_process_is_one_line(tmp_path: Path) -> None:
    (tmp_path / "ends_all.py").write_text("print('x' * 1_000_000)\nraise SystemExit(0)")
    done = subprocess.run(
        [sys.executable, "-m", "lopore", "check-plugin", "ends_all"], capture_output=True, text=True, timeout=60,
        check=False, env={**os.environ, "PYTHONPATH": str(tmp_path)},
    )  # fmt: skip
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr == "lopore: ends_all cannot be imported: SystemExit: 0; mend that first\n"
