"""A plugin that fails while it is used: one line with its owner in commands and training, and nobody else suffers."""

from __future__ import annotations

import json
import os
from pathlib import Path

import numpy as np
import pytest
import yaml
from made.commands import error_line, in_one_process
from made.folders import bytes_of
from made.plugins import HEAD, SOFTMAX, SOUND, install, on_path

from lopore.data.manifest import Manifest
from lopore.data.manifest_row import Row
from lopore.preprocessing.enhancement_chain import Chain


@pytest.fixture
def site(tmp_path: Path) -> Path:
    """A folder for distributions, with a good plugin in it."""
    folder = tmp_path / "site"
    install(folder, "good-enhancer", SOUND.format(name="good-enhancer"))
    return folder


# --- while it is used ------------------------------------------------------------------------------------------------

AT_CALL = (
    HEAD
    + """
import os, random, sys

class Strange(BaseException): ...

def raising(error):
    def work(*given):
        raise error
    return work

def scribbles(pixels, params):
    pixels[:] = 7
    return pixels

def changes(pixels, params):
    import cv2
    os.chdir("/"); random.seed(1); np.random.seed(1); np.seterr(all="raise"); cv2.setNumThreads(1)
    print("noise on standard output")
    return pixels.copy()

APPLY = {
    "raises": raising(RuntimeError("no licence\\nkey")), "exits": raising(SystemExit(0)), "strange": raising(Strange()),
    "gives-none": lambda pixels, params: None, "gives-float": lambda pixels, params: pixels / 2,
    "loses-rows": lambda pixels, params: pixels[1:], "scribbles": scribbles, "changes": changes,
}

@hookimpl
def lopore_enhancers():
    for name, work in APPLY.items():
        yield Enhancer(name=name, summary="s", params=NoParams, apply=work)
    for name in ("table-a", "table-b"):
        yield Enhancer(name=name, summary="s", params=NoParams, apply=lambda p, q: p, lookup=raising(SystemExit(0)))
    yield Enhancer(name="moves", summary="s", params=NoParams, apply=lambda p, q: p, motion=raising(SystemExit(0)))

class Session:
    def predict(self, batch):
        raise SystemExit(0)
    def close(self): ...

@hookimpl
def lopore_predictors():
    yield Predictor(name="exits", summary="s", formats=("onnx",), opens=raising(SystemExit(0)), preference=-1)
    yield Predictor(name="exits-late", summary="s", formats=("onnx",), opens=lambda *given: Session(), preference=-2)

@hookimpl
def lopore_explainers():
    for name, fits, explain in (
        ("fits-not", raising(RuntimeError("no fit")), raising(RuntimeError())),
        ("exits", lambda session: True, raising(SystemExit(0))),
        ("text", lambda session: True, lambda *given: "a map"),
    ):
        yield Explainer(name=name, summary="s", formats=("*",), needs="nothing", explain=explain, fits=fits)

@hookimpl
def lopore_exporters():
    yield Exporter(framework="any", format="exits", summary="s", file_name="x.bin", export=raising(SystemExit(0)))
"""
)
CALLS = [
    *(
        (("enhance", "--chain", name), f"enhancer '{name}' of weld-faulty 1.0 failed: {said}")
        for name, said in {
            "raises": "RuntimeError: no licence key", "exits": "SystemExit: 0", "strange": "Strange",
            "table-a|table-b": "", "moves": "SystemExit: 0",
        }.items()
    ),
    *(
        (("enhance", "--chain", name), f"{name} of weld-faulty 1.0 gave")
        for name in ("gives-none", "gives-float", "loses-rows")
    ),
    (("predict", "--model", "bright", "--runtime", "exits"), "predictor 'exits' of weld-faulty 1.0 failed: SystemExit"),
    (("predict", "--model", "bright", "--runtime", "exits-late"), "predictor 'exits-late' of weld-faulty 1.0 failed"),
    (("explain", "--model", "bright", "--explainer", "fits-not"), "explainer 'fits-not' of weld-faulty 1.0 failed"),
    (("explain", "--model", "bright", "--explainer", "exits"), "explainer 'exits' of weld-faulty 1.0 failed"),
    (("explain", "--model", "bright", "--explainer", "text"), "explainer 'text' of weld-faulty 1.0 failed"),
    (("export", "--to", "exits"), "exporter 'any/exits' of weld-faulty 1.0 failed: SystemExit"),
]  # fmt: skip


def test_an_error_at_call_time_is_one_line_with_owner_and_way_round_and_the_next_command_is_sound(
    site: Path, films: Path
) -> None:
    install(site, "weld-faulty", AT_CALL)
    film = "films/pore/pore0.png"
    good = ["predict", film, "--model", "bright", "--json"]
    drawn = [["explain", film, "--model", "bright", "--raw", "--out", out] for out in ("before", "after")]
    bad = []
    for number, (call, _) in enumerate(CALLS):
        named = ["bright", "--images", film] if call[0] == "export" else [film]
        out = [] if call[0] in ("predict", "export") else ["--out", f"out-{number}"]
        bad.append([call[0], *named, *call[1:], *out])
    found = in_one_process(films.parent, site, [good, drawn[0], *bad, good, drawn[1]])
    for (_, said), (status, _, errors) in zip(CALLS, found[2:], strict=False):
        assert status == 1, errors
        line = error_line(errors)
        assert said.split(" of weld-faulty")[0].split("'")[0] in line
        assert said in line or "table" in said
        assert "weld-faulty" in line
        assert "LOPORE_BLOCK=weld-faulty" in line or "leave it out" in line
    assert found[-2] == found[0]
    assert bytes_of(films.parent / "before") == bytes_of(films.parent / "after")


def test_a_plugin_that_scribbles_seeds_and_moves_at_call_time_changes_no_other_result(site: Path, films: Path) -> None:
    install(site, "weld-faulty", AT_CALL)
    film = "films/pore/pore0.png"

    def predict(*chain: str) -> list[str]:
        return ["predict", film, "--model", "bright", "--json", *(("--chain", *chain) if chain else ())]

    found = in_one_process(
        films.parent, site, [predict(), predict("changes"), predict("good-enhancer"), predict("scribbles"), predict()]
    )
    assert [status for status, _, _ in found] == [0] * 5, found
    plain, changed, good, scribbled, again = (json.loads(out) for _, out, _ in found)
    assert "noise on standard output" in found[1][2]
    assert changed["scores"] == good["scores"] == plain["scores"]
    assert again == plain
    assert scribbled["scores"] != plain["scores"]


def test_what_an_outsider_writes_into_its_input_is_not_seen_by_the_chain(site: Path) -> None:
    install(site, "weld-faulty", AT_CALL)
    state = np.random.get_state()[1].tolist()
    pixels = np.arange(64 * 64, dtype=np.uint16).reshape(64, 64)
    kept = pixels.copy()
    with on_path(site):
        Chain.from_text("scribbles").apply(pixels)
        Chain.from_text("changes").apply(pixels)
    assert (pixels == kept).all()
    assert Path.cwd() != Path("/")
    assert np.random.get_state()[1].tolist() == state
    assert np.geterr()["over"] != "raise"


# --- training --------------------------------------------------------------------------------------------------------

BAD_TRAINER = (
    HEAD
    + """
from lopore_softmax import SoftmaxLearner, _never

MODES = ("start", "exits", "no-report", "one-column", "publishes-elsewhere")  # told apart by the seed of a run

class Learner(SoftmaxLearner):
    def __init__(self, request):
        self.mode = MODES[request.seed]
        if self.mode == "start":
            raise SystemExit(0)
        super().__init__(request)
    def fit_epoch(self, epoch, batches):
        if self.mode == "exits":
            raise SystemExit(0)
        if self.mode == "no-report":
            list(batches)
            return None
        return super().fit_epoch(epoch, batches)
    def predict(self, batches):
        scores = super().predict(batches)
        return scores[:, :1] if self.mode == "one-column" else scores
    def publish(self, folder, calibration=None):
        return ["../elsewhere.npy"] if self.mode == "publishes-elsewhere" else super().publish(folder)

@hookimpl
def lopore_backbones():
    yield Backbone(framework="badly", name="cells", summary="s", default_size=32, explanation_layer="", pretrained=(),
                   build=_never)

@hookimpl
def lopore_trainers():
    yield Trainer(framework="badly", summary="s", tasks=("multiclass",), native_format="npy", devices=lambda: ["cpu"],
                  learner=Learner)
"""
)
MODES = {
    "start": "failed: SystemExit: 0", "exits": "failed: SystemExit: 0", "no-report": "fit_epoch gave NoneType",
    "one-column": "predict gave scores (4, 1), not (4, 2)", "publishes-elsewhere": "publish named ['../elsewhere.npy']",
}  # fmt: skip


def experiment(films: Path, trainer: str, seed: int = 0) -> Path:
    rows = []
    for path in sorted(films.rglob("*.png")):
        side = "train" if int(path.stem[-1]) < 4 else "val"
        name = f"films/{path.parent.name}/{path.name}"
        rows.append(Row(path=name, labels=(path.parent.name,), group=path.stem, family=path.stem, split=side))
    Manifest(tuple(rows), films.parent).write(films.parent / "films.csv")
    data = {
        "name": trainer, "seed": seed, "trainer": trainer, "task": "multiclass",
        "data": {"manifest": "films.csv", "workers": 1},
        "preprocessing": {"size": 32}, "model": {"backbone": "cells"}, "training": {"epochs": 2, "batch_size": 4},
        "exports": [],
    }  # fmt: skip
    path = films.parent / f"{trainer}-{seed}.yaml"
    path.write_text(yaml.safe_dump(data))
    return path


def test_a_trainer_that_fails_is_named_publishes_nothing_and_leaves_other_runs_alone(site: Path, films: Path) -> None:
    def weights(version: str) -> bytes:
        return (films.parent / "models" / "final" / "softmax" / version / "softmax.npy").read_bytes()

    sound = ["train", "--config", str(experiment(films, "softmax"))]
    (first,) = in_one_process(films.parent, SOFTMAX, [sound])
    assert first[0] == 0, first
    install(site, "weld-trainer", BAD_TRAINER)
    bad = [["train", "--config", str(experiment(films, "badly", seed))] for seed in range(len(MODES))]
    *failed, again = in_one_process(films.parent, f"{site}{os.pathsep}{SOFTMAX}", [*bad, sound])
    for said, (status, _, errors) in zip(MODES.values(), failed, strict=True):
        assert status == 1, errors
        assert "trainer 'badly' of weld-trainer 1.0" in error_line(errors)
        assert said in error_line(errors)
    assert not list((films.parent / "models" / "final").glob("badly/*/*"))
    assert again[0] == 0, again
    one, two = sorted(path.name for path in (films.parent / "models" / "final" / "softmax").iterdir())
    assert weights(one) == weights(two)
