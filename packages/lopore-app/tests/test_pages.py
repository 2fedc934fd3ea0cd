"""Every page opens with no model, with a model, with a corrupt model; an upload gives a decision."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
import pytest
from streamlit.testing.v1 import AppTest

import lopore_app
from lopore.model import ModelFolder

MAIN = str(Path(lopore_app.__file__).with_name("main.py"))
PAGES = Path(lopore_app.__file__).with_name("pages")


@pytest.fixture
def opened(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> AppTest:
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("LOPORE_MODELS", raising=False)
    return AppTest.from_file(MAIN, default_timeout=60)


def png(value: int, side: int = 40) -> bytes:
    return cv2.imencode(".png", np.full((side, side), value, np.uint8))[1].tobytes()


def test_without_a_model_the_page_says_how_to_get_one(opened: AppTest) -> None:
    page = opened.run()
    assert not page.exception
    assert "No model found" in page.sidebar.info[0].value


def test_a_film_gets_a_decision_and_a_heat_map(opened: AppTest, model_folder: ModelFolder) -> None:
    page = opened.run()
    page.file_uploader[0].upload("bright.png", png(255), "image/png").run()
    assert not page.exception
    assert [heading.value for heading in page.subheader][-1:] == ["pore"]
    assert any("grad-cam: colours run from 0 to" in caption.value for caption in page.caption)


def test_an_enhancement_changes_the_call_at_once(opened: AppTest, model_folder: ModelFolder) -> None:
    page = opened.run()
    page.file_uploader[0].upload("bright.png", png(255), "image/png").run()
    page.multiselect[0].select("invert").run()
    assert not page.exception
    assert [heading.value for heading in page.subheader][-1:] == ["no defect"]


def test_a_preview_for_the_eye_is_shown_and_changes_no_call(opened: AppTest, model_folder: ModelFolder) -> None:
    page = opened.run()
    page.file_uploader[0].upload("bright.png", png(255), "image/png").run()
    chosen = next(box for box in page.sidebar.selectbox if box.label == "For the eye only")
    chosen.select("canny").run()
    assert not page.exception
    assert [heading.value for heading in page.subheader][-1:] == ["pore"]
    assert "canny" not in page.multiselect[0].options


def test_a_broken_file_is_one_line_and_the_others_are_shown(opened: AppTest, model_folder: ModelFolder) -> None:
    page = opened.run()
    files = [("broken.png", b"no picture at all", "image/png"), ("dark.png", png(0), "image/png")]
    page.file_uploader[0].set_value(files).run()
    assert not page.exception
    assert len(page.error) == 1
    assert "broken" in page.error[0].value
    assert [heading.value for heading in page.subheader][-1:] == ["no defect"]


def test_a_corrupt_model_is_listed_and_harms_no_other(
    opened: AppTest, model_folder: ModelFolder, tmp_path: Path
) -> None:
    corrupt = tmp_path / "models" / "final" / "corrupt" / "1"
    corrupt.mkdir(parents=True)
    (corrupt / "lopore.json").write_text("{")
    page = opened.run()
    assert not page.exception
    assert page.sidebar.selectbox[0].options == ["bright/1"]
    assert "1 unusable" in [expander.label for expander in page.sidebar.expander]


def test_an_altered_weight_file_is_one_line(opened: AppTest, model_folder: ModelFolder) -> None:
    path = model_folder.path / "model.onnx"
    path.write_bytes(path.read_bytes()[:-1])
    page = opened.run()
    assert not page.exception
    assert "sha256 differs" in page.sidebar.error[0].value.replace("\\", "")


def test_the_extensions_page_lists_what_is_installed() -> None:
    page = AppTest.from_file(str(PAGES / "extensions.py"), default_timeout=60).run()
    assert not page.exception
    assert "Enhancers" in " ".join(subheader.value for subheader in page.subheader)
