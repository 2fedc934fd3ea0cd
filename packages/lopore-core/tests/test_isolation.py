"""A bad plugin harms nobody: real distributions on the path, the real command, and the good ones' bytes compared."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pytest
from made.commands import in_one_process
from made.folders import bytes_of
from made.plugins import HEAD, SOUND, install

Run = Callable[..., subprocess.CompletedProcess[str]]
BRIGHTNESS = """
def _map(session, batch, class_index):
    return batch[..., 0].astype(np.float32) / np.iinfo(batch.dtype).max

@hookimpl
def lopore_explainers():
    yield Explainer(name="brightness", summary="Grey itself", formats=("*",), needs="nothing", explain=_map)
"""


@pytest.fixture
def site(tmp_path: Path) -> Path:
    """A folder for distributions, with two good plugins in it."""
    folder = tmp_path / "site"
    install(folder, "good-enhancer", SOUND.format(name="good-enhancer"))
    install(folder, "good-explainer", HEAD + BRIGHTNESS)
    return folder


def listing(lopore: Run, site: Path, **environment: str) -> dict[str, Any]:
    done = lopore("plugins", "--json", PYTHONPATH=str(site), **environment)
    assert done.returncode == 0, done.stderr
    return dict(json.loads(done.stdout))


def of(found: Mapping[str, Any], name: str) -> list[dict[str, str]]:
    return [item for item in found["problems"] if item["source"] == f"{name} 1.0"]


# --- broken and good ---------------------------------------------------------------------------------------

BROKEN = {
    "bad-import": (HEAD + "import a_module_nobody_has", "import", "ModuleNotFoundError", "pip install"),
    "bad-exit": (HEAD + "raise SystemExit(0)", "import", "SystemExit: 0", "LOPORE_BLOCK=bad-exit"),
    "bad-interrupt": (
        HEAD + "raise KeyboardInterrupt('as if by hand')", "import", "KeyboardInterrupt: as if by hand",
        "LOPORE_BLOCK=bad-interrupt",
    ),
    "bad-signature": (
        SOUND.format(name="x").replace("_enhancers()", "_enhancers(image)"), "register", "image", "check-plugin"
    ),
    "bad-hook": (
        SOUND.format(name="x").replace("lopore_enhancers", "lopore_enhancer"), "register",
        "there is no hook lopore_enhancer; did you mean lopore_enhancers?", "check-plugin bad-hook",
    ),
    "bad-version": (
        SOUND.format(name="x").replace("API = 1", "API = 2"), "version", "built for plugin API 2",
        "install a version of bad-version for plugin API 1",
    ),
    "bad-types": (
        SOUND.format(name="x").replace("lambda pixels, params", "lambda pixels"), "list",
        "apply of Enhancer 'x' is a function of (pixels); it is a function of 2 arguments", "check-plugin",
    ),
    "bad-body": (SOUND.format(name="x").replace("    yield", "    {}['gone']\n    yield"), "list", "KeyError", "check"),
    "bad-name": (SOUND.format(name="clahe"), "name", "lopore-enhance 0.1.0 keeps it", "author has to rename it"),
}  # fmt: skip


def test_of_broken_and_two_good_plugins_the_good_work_and_each_broken_one_has_reason_and_mend(
    site: Path, films: Path, lopore: Run
) -> None:
    def work(out: str) -> dict[str, bytes]:
        chain = ("--chain", "good-enhancer|clahe(clip_limit=3,tiles=4)")
        explainer = ("--model", "bright", "--explainer", "brightness", "--raw")
        for command in (("enhance", *chain), ("explain", *explainer)):
            folder = films.parent / out / command[0]
            done = lopore(command[0], "films/pore", *command[1:], "--out", folder, PYTHONPATH=str(site))
            assert done.returncode == 0, done.stderr
        return bytes_of(films.parent / out / "enhance") | bytes_of(films.parent / out / "explain")

    alone = work("alone")
    for name, (code, *_) in BROKEN.items():
        install(site, name, code)
    found = listing(lopore, site)
    for name, (_, stage, reason, mend) in BROKEN.items():
        (problem,) = of(found, name)
        assert problem["stage"] == stage
        assert reason in problem["reason"]
        assert mend in problem["mend"]
    assert len(found["problems"]) == len(BROKEN)
    strict = lopore("plugins", "--strict", PYTHONPATH=str(site))
    assert strict.returncode == 1
    shown = strict.stdout[strict.stdout.index(f"problems ({len(BROKEN)})") :].splitlines()[1:]
    assert {re.split(r" 1\.0: ", line.strip())[0] for line in shown} == set(BROKEN)
    assert len(shown) == len(BROKEN)
    assert {"good-enhancer 1.0", "good-explainer 1.0"} <= {plugin["source"] for plugin in found["plugins"]}
    assert all(plugin["import_seconds"] >= 0 for plugin in found["plugins"])
    assert work("beside") == alone


EXTENSIONS = """
import json
from pathlib import Path
import lopore_app
from streamlit.testing.v1 import AppTest
main = str(Path(lopore_app.__file__).with_name("main.py"))
page = AppTest.from_file(main, default_timeout=60).run().switch_page("app_pages/extensions.py").run()
assert not page.exception
parts = (*page.text, *page.caption, *page.warning)
print(json.dumps({"said": [part.value for part in parts], "tables": [str(table.value) for table in page.dataframe]}))
"""


def test_the_page_extensions_tells_reason_and_mend_of_each_of_broken_plugins_and_lists_the_good(
    site: Path, tmp_path: Path
) -> None:
    pytest.importorskip("lopore_app", reason="the app is not installed")
    for name, (code, *_) in BROKEN.items():
        install(site, name, code)
    done = subprocess.run(
        [sys.executable, "-c", EXTENSIONS], cwd=tmp_path, env={**os.environ, "PYTHONPATH": str(site)},
        capture_output=True, text=True, check=False, timeout=120,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr[-2000:]
    shown = json.loads(done.stdout.splitlines()[-1])
    said = " ".join(shown["said"]).replace("\\", "")
    assert f"{len(BROKEN)} problems" in said
    for name, (_, stage, reason, mend) in BROKEN.items():
        assert f"{name} 1.0" in said
        assert f"at {stage}" in said
        assert reason in said
        assert mend in said
    assert all(name in " ".join(shown["tables"]) for name in ("good-enhancer", "good-explainer"))


# --- what works, but not quietly -------------------------------------------------------------------------------------

CHANGES_ALL = """
import os, random, locale, warnings, numpy.random
os.chdir("/"); os.environ["LOPORE_MODELS"] = "/nowhere"; random.seed(1); numpy.random.seed(1)
numpy.seterr(all="raise"); warnings.simplefilter("error")
locale.setlocale(locale.LC_ALL, "C.UTF-8" if locale.setlocale(locale.LC_ALL) == "C" else "C")
"""
PRINTS_MUCH = """
import os, warnings
print("x" * 1_000_000)
os.write(1, b"y" * 100_000), os.write(2, b"z" * 100_000)
warnings.warn("old")
"""
QUIRKS = {
    "prints-much": (PRINTS_MUCH, None, ""),
    "computes-long": ("import time\nuntil = time.thread_time() + 0.8\nwhile time.thread_time() < until: pass",
                      "slow", "its import took "),
    "waits-long": ("import time; time.sleep(3.6)", "slow", "its import waited "),
    "waits-briefly": ("import time; time.sleep(0.8)", None, ""),
    "starts-a-thread": (
        "import threading, time; threading.Thread(target=time.sleep, args=(60,), daemon=True).start()",
        "side-effect", "left 1 thread running",
    ),
    "changes-all": (
        CHANGES_ALL, "side-effect",
        "the working directory, the environment (LOPORE_MODELS), the locale, the state of random",
    ),
}  # fmt: skip


def test_noise_slowness_threads_and_changed_settings_are_told_and_reach_nobody(
    site: Path, films: Path, lopore: Run
) -> None:
    for name, (code, _, _) in QUIRKS.items():
        install(site, name, code + SOUND.format(name=name))
    done = lopore("plugins", "--json", PYTHONPATH=str(site), LOPORE_SLOW_IMPORT="0.7")
    found = json.loads(done.stdout)
    assert done.stderr == ""
    for name, (_, stage, reason) in QUIRKS.items():
        assert found["enhancers"][name]["source"] == f"{name} 1.0"
        mine = [problem for problem in of(found, name) if stage in (None, problem["stage"])]
        assert len(mine) == (stage is not None), found["problems"]
        assert all(reason in problem["reason"] and problem["mend"] for problem in mine)
    (slow,) = [plugin for plugin in found["plugins"] if plugin["source"] == "computes-long 1.0"]
    assert slow["import_seconds"] >= 0.8
    # changed directory, models, locale and numpy's errors would all be felt here
    done = lopore("predict", "films/pore", "--model", "bright", "--json", PYTHONPATH=str(site))
    quiet = lopore("predict", "films/pore", "--model", "bright", "--json", LOPORE_BLOCK=",".join(QUIRKS))
    assert done.returncode == 0, done.stderr
    assert done.stdout == quiet.stdout


def test_a_process_that_is_ended_at_import_is_out_of_reach_and_blocking_gets_round_it(site: Path, lopore: Run) -> None:
    install(site, "ends-all", "import os; os._exit(9)")
    assert lopore("plugins", PYTHONPATH=str(site)).returncode == 9
    found = listing(lopore, site, LOPORE_BLOCK="ends_all")
    assert found["blocked"] == ["ends-all"]
    assert "good-enhancer" in found["enhancers"]
    assert not found["problems"]


def test_garbled_metadata_spoils_no_other_distribution(site: Path, lopore: Run) -> None:
    install(site, "garbled", SOUND.format(name="garbled"), points="[lopore]\nthis line has no equals sign\n")
    install(site, "points-nowhere", SOUND.format(name="nowhere"), points="[lopore]\nx = not a module!\n")
    install(site, "two-modules", SOUND.format(name="first"), points="[lopore]\na = two_modules\nb = second_module\n")
    (site / "second_module.py").write_text(SOUND.format(name="second"))
    found = listing(lopore, site)
    assert {"good-enhancer", "first", "second", "clahe"} <= found["enhancers"].keys()
    assert [problem["stage"] for problem in of(found, "garbled")] == ["metadata"]
    assert "names no module" in of(found, "points-nowhere")[0]["reason"]


WRONG_FIELDS = {
    "summary": "3", "params": "dict", "apply": "'no'", "presets": "{'Title': 5}", "preview_only": "'yes'",
    "lookup": "lambda: 0", "motion": "7", "name": "'Not Kebab'",
}  # fmt: skip
WRONG_OTHERS = {
    "predictors": "Predictor(name='p', summary='s', formats=None, opens=lambda a, b, c: 0)",
    "explainers": "Explainer(name='e', summary='s', formats=None, needs='nothing', explain=lambda a, b, c: 0)",
    "exporters": "Exporter(framework='any', format='f', summary='s', file_name='../../x', export=lambda a, b: {})",
    "trainers": "Trainer(framework='t', summary='s', tasks=(), native_format='n', devices=list, learner=max)",
    "backbones": "Backbone(framework='t', name='b', summary='s', default_size='9', explanation_layer='', "
    "pretrained=(), build=max)",
}


def test_a_descriptor_with_a_field_of_the_wrong_type_is_dropped_and_named(site: Path, lopore: Run) -> None:
    good = {"name": "'x'", "summary": "'s'", "params": "NoParams", "apply": "lambda pixels, params: pixels"}
    for field, value in WRONG_FIELDS.items():
        fields = ", ".join(f"{key}={text}" for key, text in {**good, field: value}.items())
        code = f"@hookimpl\ndef lopore_enhancers():\n    yield Enhancer({fields})\n"
        install(site, f"wrong-{field.replace('_', '-')}", HEAD + code)
    for kind, text in WRONG_OTHERS.items():
        install(site, f"wrong-{kind}", HEAD + f"@hookimpl\ndef lopore_{kind}():\n    yield {text}\n")
    needed = "class P(Params):\n    must: int\n" + SOUND.format(name="x").replace("NoParams, apply", "P, apply")
    install(site, "wrong-default", HEAD + needed.replace(HEAD, ""))
    found = listing(lopore, site)
    for field in WRONG_FIELDS:
        (problem,) = of(found, f"wrong-{field.replace('_', '-')}")
        assert problem["stage"] == "list"
        assert problem["reason"].startswith(f"{field} of Enhancer")
    wrong = {"predictors": "formats", "explainers": "formats", "exporters": "file_name", "trainers": "tasks"}
    for kind, field in {**wrong, "backbones": "default_size"}.items():
        assert of(found, f"wrong-{kind}")[0]["reason"].startswith(f"{field} of ")
    assert "every field has a default" in of(found, "wrong-default")[0]["reason"]
    assert {"good-enhancer", "clahe"} <= found["enhancers"].keys()


def test_no_chain_is_taken_over_by_a_preset_of_the_same_name(site: Path, films: Path, lopore: Run) -> None:
    def enhance(**chains: str) -> list[dict[str, bytes]]:
        film = "films/pore/pore0.png"
        found = in_one_process(
            films.parent, site, [["enhance", film, "--chain", chain, "--out", out] for out, chain in chains.items()]
        )
        assert all(status == 0 for status, _, _ in found), found
        return [bytes_of(films.parent / out) for out in chains]

    before = enhance(a="invert", b="Film window")
    stolen = '{{"invert": [{{"name": "x"}}], "Film window": [{{"name": "x"}}], "Mine": [{{"name": "x"}}]}}'
    code = SOUND.replace("apply=lambda", f"presets={stolen}, apply=lambda").format(name="x")
    install(site, "takes-titles", code)
    assert enhance(c="invert", d="Film window", e="Mine")[:2] == before
    reasons = [problem["reason"] for problem in of(listing(lopore, site), "takes-titles")]
    assert len(reasons) == 2
    assert all("lopore-enhance 0.1.0 keeps it" in reason for reason in reasons)
