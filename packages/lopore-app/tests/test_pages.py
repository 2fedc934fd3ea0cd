"""Every page opens: with no plugin, with one backend, with a broken plugin, with a corrupt model, with records."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from made.images import even
from made.plugins import install
from streamlit.testing.v1 import AppTest

import lopore_app
from lopore.inference.predict import describe_prediction, prepare, score_images
from lopore.models.opening import open_model
from lopore.plugins.registry import discover
from lopore.preprocessing.enhancement_chain import Chain
from lopore.record.folder import ModelFolder
from lopore_app.review.records import Entry, entries, keep

MAIN = str(Path(lopore_app.__file__).with_name("main.py"))
PAGES = ("inspect", "film", "models", "records", "evaluation", "extensions")
OWN = "lopore-enhance,lopore-onnx,lopore-tf,lopore-torch"
BROKEN = {
    "broken_import": "import a_module_nobody_has",
    "broken_body": (
        "from lopore import hookimpl\nLOPORE_API = 1\n"
        "@hookimpl\ndef lopore_enhancers():\n    {}['<b>gone</b>']\n    yield\n"
    ),
}


@pytest.fixture
def opened(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[..., AppTest]]:
    """The app in an empty folder, on the page that is named, with the distributions that are left."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("LOPORE_MODELS", raising=False)
    monkeypatch.delenv("LOPORE_REPORTS", raising=False)

    def open_page(name: str, block: str = "", state: dict[str, Any] | None = None) -> AppTest:
        monkeypatch.setenv("LOPORE_BLOCK", f"{block},lopore-weld")
        discover.cache_clear()
        app = AppTest.from_file(MAIN, default_timeout=60)
        for key, value in (state or {}).items():
            app.session_state[key] = value
        app.run()
        return app if name == "inspect" else app.switch_page(f"app_pages/{name}.py").run()

    yield open_page
    monkeypatch.undo()
    discover.cache_clear()


@pytest.fixture
def seeded(model_folder: ModelFolder) -> dict[str, Any]:
    """A session with two records, one of a film with a hostile name."""
    state: dict[str, Any] = {}
    model = open_model(model_folder)
    for name, content in (("<b>bold</b>**film**.png", even(255)), ("dark.png", even(0))):
        prepared = prepare(model.record, content, name=name)
        row = score_images(model, [prepared.pixels])[0]
        prediction = describe_prediction(model, prepared.radiograph, row, Chain())
        called = prediction.decision.labels[0]
        keep(state, Entry.of(model, prediction, film=name, content=content, explainer="grad-cam",
                             explained_class=called))  # fmt: skip
    return state


def sound(app: AppTest) -> AppTest:
    assert not app.exception, [item.value for item in app.exception]
    return app


def summary(app: AppTest) -> str:
    kinds = (
        app.title,
        app.header,
        app.subheader,
        app.markdown,
        app.caption,
        app.info,
        app.error,
        app.warning,
        app.text,
    )
    return "\n".join(str(item.value).replace("\\", "") for kind in kinds for item in kind)


@pytest.mark.parametrize("name", PAGES)
def test_every_page_opens_with_no_plugin_at_all(opened: Callable[..., AppTest], name: str) -> None:
    app = sound(opened(name, OWN))
    if name == "inspect":  # AppTest runs the other pages without the page list that draws the notices
        assert "certifies nothing" in summary(app)
        assert "usage statistics" in summary(app)


@pytest.mark.parametrize("name", PAGES)
def test_every_page_opens_with_onnx_alone_and_a_model(
    opened: Callable[..., AppTest], model_folder: ModelFolder, seeded: dict[str, Any], name: str
) -> None:
    sound(opened(name, "lopore-enhance,lopore-tf,lopore-torch", seeded))


@pytest.mark.parametrize("name", PAGES)
def test_every_page_opens_with_broken_plugins_and_a_corrupt_model(
    opened: Callable[..., AppTest],
    model_folder: ModelFolder,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    name: str,
) -> None:
    for module, code in BROKEN.items():
        install(tmp_path / "site", module, code)
    monkeypatch.syspath_prepend(str(tmp_path / "site"))
    corrupt = tmp_path / "models" / "final" / "corrupt" / "1"
    corrupt.mkdir(parents=True)
    (corrupt / "lopore.json").write_text('{"name": "<script>"')
    app = sound(opened(name))
    if name == "extensions":
        assert "2 problems" in summary(app)
        assert "a_module_nobody_has" in summary(app)
        assert "<b>gone</b>" in "\n".join(item.value for item in app.text)
    if name == "models":
        assert "Cannot be used" in summary(app)
        corrupt_at = [item.value for item in app.text].index("corrupt/1")
        assert app.text[corrupt_at + 1].value.startswith("lopore.json")


def test_the_extensions_page_says_what_is_here_and_what_to_install(opened: Callable[..., AppTest]) -> None:
    app = sound(opened("extensions", "lopore-tf"))
    rows = [row for frame in app.dataframe for row in frame.value.to_dict("records")]
    packages = {row["Package"]: row for row in rows if "Import" in row}
    assert packages["lopore-enhance"]["Offers"].endswith("enhancers")
    assert packages["lopore-enhance"]["Import"] > 0
    assert "Left out by LOPORE_BLOCK: lopore-tf" in summary(app)
    advice = {row["Install"]: row["Installed"] for row in rows if "Install" in row}
    assert advice["pip install lopore-onnx"] == "0.1.0"


def test_a_name_from_outside_is_shown_as_text_and_never_as_markup(
    opened: Callable[..., AppTest], model_folder: ModelFolder, seeded: dict[str, Any]
) -> None:
    app = sound(opened("records", state=seeded))
    drawn = [str(item.value) for kind in (app.markdown, app.caption, app.header, app.subheader) for item in kind]
    assert not any("<b>" in text or "**film**" in text for text in drawn)
    assert not any("<b>" in item.proto.body for item in app.get("html"))


def button(app: AppTest, label: str) -> Any:
    found = [item for item in app.button if item.label == label]
    return found[0] if found else next(item for item in app.get("form_submit_button") if item.label == label)


def test_a_reviewer_relabels_a_film_and_the_page_goes_on_to_the_next(
    opened: Callable[..., AppTest], model_folder: ModelFolder, seeded: dict[str, Any]
) -> None:
    app = sound(opened("records", state=seeded))
    assert "1 of 2: dark.png" in summary(app)
    verdict = next(item for item in app.get("button_group") if "verdict" in str(item.key))
    verdict.set_value("relabel")
    app.multiselect[0].select("pore")
    app.text_area[0].input("round")
    sound(button(app, "Save and go on").click().run())
    said = {entry.film: entry.review for entry in entries({"records": app.session_state["records"]})}
    assert (said["dark.png"].verdict, said["dark.png"].label, said["dark.png"].note) == ("relabel", "pore", "round")
    assert "2 of 2" in summary(app)


def test_a_relabel_without_a_class_is_one_line_and_nothing_is_written(
    opened: Callable[..., AppTest], model_folder: ModelFolder, seeded: dict[str, Any]
) -> None:
    app = sound(opened("records", state=seeded))
    next(item for item in app.get("button_group") if "verdict" in str(item.key)).set_value("relabel")
    sound(button(app, "Save and go on").click().run())
    assert "name the right class" in summary(app)
    assert all(entry.review.verdict == "open" for entry in app.session_state["records"].values())


def test_the_evaluation_page_opens_a_report_with_curves_and_gallery_and_refuses_a_foreign_one(
    opened: Callable[..., AppTest], model_folder: ModelFolder, tmp_path: Path
) -> None:
    write_report(model_folder, tmp_path)
    app = sound(opened("evaluation"))
    assert "bright/1" in app.selectbox[0].options[0]
    assert [metric.label for metric in app.metric][:1] == ["Accuracy"]
    assert "False positives" in json.dumps([item.options for item in app.get("button_group")])
    assert len(app.get("vega_lite_chart")) >= 3
    assert "What drives the calls" in [tab.label for tab in app.tabs]
    assert (
        "train with the region cropped" in summary(app)
        or "Unclear" in summary(app)
        or "The defect drives" in summary(app)
    )
    (tmp_path / "reports" / "bright-1-test" / "metrics.json").write_text('{"task": "soup"}')
    app = sound(opened("evaluation"))
    assert "is not what `lopore eval` writes" in summary(app)


def write_report(folder: ModelFolder, place: Path) -> None:
    """Eight films of four groups, two of them called wrong, scored by the real command."""
    from click.testing import CliRunner

    from lopore.cli.eval import command

    lines = ["path,labels,group,split"]
    for number in range(8):
        label = "pore" if number % 2 else "no_defect"
        wrong = number in (2, 5)
        value = 255 if (label == "pore") != wrong else 0
        (place / f"{number}.png").write_bytes(even(value))
        lines.append(f"{number}.png,{label},film{number // 2},test")
    (place / "films.csv").write_text("\n".join(lines) + "\n")
    words = [str(folder.path), "--manifest", str(place / "films.csv"), "--spurious"]
    done = CliRunner().invoke(command, [*words, "--out", str(place / "reports" / "bright-1-test")])
    assert done.exit_code == 0, done.output


def test_one_film_is_painted_over_on_demand(opened: Callable[..., AppTest], model_folder: ModelFolder) -> None:
    app = sound(opened("evaluation"))
    sound(button(app, "Paint over").click().run())
    assert {"border"} <= {metric.label for metric in app.metric}
