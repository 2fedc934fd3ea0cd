"""Films are kept on disk where a visitor asked for it, and opened again by that visitor's address alone."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
from click.testing import CliRunner
from made.app import free_port, serving
from made.browser import chromium, needs_chromium
from made.images import coded, even
from made.reader_page import ReaderPage
from made.whole_films import disc, ground
from streamlit.testing.v1 import AppTest

import lopore_app
from lopore.errors import LoporeError
from lopore_app import __main__ as command
from lopore_app.inspection import film_store
from lopore_app.inspection.film_store import FilmStore, is_key, new_key
from lopore_app.inspection.upload import Upload

MAIN = str(Path(lopore_app.__file__).with_name("main.py"))
KEEP, DELETE = "Keep my films", "Delete the kept films"
Opened = Callable[..., AppTest]


@pytest.fixture
def opened(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Opened:
    """A new visitor's page. key: of the address. films: dropped into the field."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("LOPORE_MODELS", "")
    monkeypatch.setenv("LOPORE_WORK", str(tmp_path / "work"))
    monkeypatch.setenv("LOPORE_KEEP_FILMS", "1")

    def visit(key: str = "", films: tuple[str, ...] = ()) -> AppTest:
        page = AppTest.from_file(MAIN, default_timeout=60)
        if key:
            page.query_params["work"] = key
        page.run()
        if films:
            page.file_uploader[0].set_value([(name, even(40 + 60 * at), "image/png") for at, name in enumerate(films)])
            page.run()
        return page

    return visit


def on_disk(place: Path) -> list[Path]:
    return sorted((place / "work" / "films").glob("*")) if (place / "work").exists() else []


def press(page: AppTest, label: str) -> None:
    next(one for one in page.button if one.label == label).click().run()


def table(page: AppTest) -> list[str]:
    return [one.name for one in page.session_state["table"].values()]


def key_of(page: AppTest) -> str:
    found = page.query_params["work"]
    return found if isinstance(found, str) else found[0]


def test_a_film_is_not_kept_before_its_visitor_asks(opened: Opened, tmp_path: Path) -> None:
    page = opened(films=("weld.png",))
    assert not on_disk(tmp_path)
    press(page, KEEP)
    assert len(on_disk(tmp_path)) == 1
    assert "1 film kept on this server" in " ".join(one.value for one in page.caption)


def test_a_server_that_was_not_started_for_it_offers_nothing(
    opened: Opened, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("LOPORE_KEEP_FILMS")
    page = opened(new_key(), films=("weld.png",))
    assert KEEP not in [one.label for one in page.button]
    assert not on_disk(tmp_path)


def test_no_name_from_a_visitor_is_part_of_a_path(opened: Opened, tmp_path: Path) -> None:
    press(opened(films=("../../etc/planted.png",)), KEEP)
    (film,) = on_disk(tmp_path)
    assert film.name == Upload.of("", even(40)).sha256
    assert not [path for path in tmp_path.rglob("*") if "planted" in path.name or path.name == "etc"]


def test_the_address_opens_the_films_and_no_other_visitor_is_offered_them(opened: Opened) -> None:
    page = opened(films=("one.png", "two.png"))
    press(page, KEEP)
    assert table(opened(key_of(page))) == ["one.png", "two.png"]
    for other in (opened(), opened(new_key()), opened("../films"), opened("' OR 1=1 --")):
        assert not table(other)


def test_deleting_takes_the_files_away_but_for_those_of_another_work(opened: Opened, tmp_path: Path) -> None:
    mine, other = opened(films=("one.png", "two.png")), opened(films=("same as one.png",))
    press(mine, KEEP)
    press(other, KEEP)
    key = key_of(mine)
    assert len(on_disk(tmp_path)) == 2
    press(mine, DELETE)
    assert [path.name for path in on_disk(tmp_path)] == [Upload.of("", even(40)).sha256]
    assert "work" not in mine.query_params
    assert not table(opened(key))
    assert table(opened(key_of(other))) == ["same as one.png"]


def test_a_kept_file_that_was_changed_is_told_and_not_opened(opened: Opened, tmp_path: Path) -> None:
    page = opened(films=("one.png",))
    press(page, KEEP)
    on_disk(tmp_path)[0].write_bytes(even(200))
    again = opened(key_of(page))
    assert not table(again)
    assert "not the one that was dropped" in again.warning[0].value


def test_a_work_has_a_limit_and_says_so(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(film_store, "MOST_FILMS", 1)
    store, key = FilmStore(tmp_path), new_key()
    store.keep(key, [Upload.of("one.png", b"1")])
    with pytest.raises(LoporeError, match="1 film and 512 MB at most"):
        store.keep(key, [Upload.of("two.png", b"2")])
    assert [film.name for film in store.open_work(key)[0]] == ["one.png"]


def test_who_reads_the_folder_cannot_make_an_address(tmp_path: Path) -> None:
    store, key = FilmStore(tmp_path), new_key()
    store.keep(key, [Upload.of("one.png", b"1")])
    assert is_key(key)
    assert not [path for path in tmp_path.rglob("*") if path.is_file() and key.encode() in path.read_bytes()]


def test_keeping_films_needs_a_folder(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("LOPORE_WORK", raising=False)
    said = CliRunner().invoke(command.main, ["--keep-films"])
    assert said.exit_code == 2
    assert "name one with --work FOLDER" in said.output


@needs_chromium
def test_after_a_restart_the_work_opens_with_its_films(tmp_path: Path) -> None:
    pytest.importorskip("selenium", reason="the browser test needs selenium")
    pixels = ground(120, 400)
    disc(pixels, 60.5, 60.5, 6)
    film, port = tmp_path / "weld.png", free_port()
    film.write_bytes(coded(".png", pixels))
    words = (f"--work={tmp_path / 'work'}", "--keep-films")
    with chromium() as browser:
        page = ReaderPage(browser)
        with serving(tmp_path, *words, at=port):
            page.open(f"http://127.0.0.1:{port}", film, "Eva")
            page.click(KEEP)
            page.until(lambda: "1 film kept" in page.text(), "the line that says so")
            page.press("b")
            page.until(lambda: page.verdicts() == ["accepted"], "a mark that was drawn")
            address = browser.current_url
        with serving(tmp_path, *words, at=port):
            browser.get(address)
            page.until(
                lambda: "weld.png" in page.run("return all('.caption').map((it) => it.textContent).join()"), "the film"
            )
            page.enter("Reviewer", "Eva")
            page.until(lambda: page.verdicts() == ["accepted"], "the review")
