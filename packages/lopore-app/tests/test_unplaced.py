"""How a model is told to a person: no folder of the server, no class or rule in code, a leak wherever its score is."""

from __future__ import annotations

from pathlib import Path

import pytest
from made.models import publish, record_for
from streamlit.testing.v1 import AppTest

import lopore_app
from lopore.errors import ModelError
from lopore.record.model import LeakReport, Threshold
from lopore_app.models.catalogue import unplaced

MAIN = str(Path(lopore_app.__file__).with_name("main.py"))


@pytest.fixture
def app(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> AppTest:
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("LOPORE_MODELS", raising=False)
    return AppTest.from_file(MAIN, default_timeout=60)


def summary(app: AppTest) -> str:
    assert not app.exception
    kinds = (app.caption, app.error, app.text, app.markdown)
    return " ".join(str(item.value).replace("\\", "") for kind in kinds for item in kind)


def test_a_reason_names_the_file_and_not_where_the_server_keeps_it(tmp_path: Path) -> None:
    folder = tmp_path / "models" / "weld" / "1"
    assert unplaced(ModelError(f"{folder / 'model.onnx'} is missing"), folder) == "model.onnx is missing"
    assert unplaced(f"{folder} holds no record", folder) == "1 holds no record"


def test_pages_show_no_path_of_a_model_that_cannot_be_used(app: AppTest, tmp_path: Path) -> None:
    model = publish(tmp_path / "models" / "final" / "altered" / "1")
    (model.path / "model.onnx").write_bytes(b"another")
    broken = tmp_path / "models" / "final" / "broken" / "1"
    broken.mkdir(parents=True)
    (broken / "lopore.json").write_text("{}")
    for page in (app.run(), app.switch_page("app_pages/models.py").run()):
        said = summary(page)
        assert "lopore.json" in said
        assert str(tmp_path) not in said


@pytest.mark.parametrize("page", ["inspect", "models"])
def test_a_leak_stands_beside_the_score(app: AppTest, tmp_path: Path, page: str) -> None:
    publish(
        tmp_path / "models" / "final" / "leaky" / "1", record=record_for(leaks=LeakReport(split_kind="random", leaks=7))
    )
    app.run()
    if page != "inspect":
        app.switch_page(f"app_pages/{page}.py").run()
    assert "proves nothing" in summary(app)


def test_thresholds_of_classes_are_told_class_by_class(app: AppTest, tmp_path: Path) -> None:
    from made.images import even

    point = Threshold(value=0.5, rule="f1", chosen_on="40 films", per_class={"pore": 0.125, "no_defect": 0.25})
    publish(tmp_path / "models" / "final" / "many" / "1", record=record_for(task="multilabel", threshold=point))
    app.run().file_uploader[0].set_value([("film.png", even(200), "image/png")])
    said = summary(app.run())
    assert "Thresholds no defect 0.250, pore 0.125: the best F1, chosen on 40 films" in said
