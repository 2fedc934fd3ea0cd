"""The way of a whole film in a real browser: inspected, read by keys and table, corrected, kept over a reload."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from made.app import serving
from made.browser import chromium, needs_chromium
from made.commands import lopore
from made.images import coded
from made.models import publish_areas
from made.reader_page import ReaderPage
from made.whole_films import disc, ground

from lopore.data.manifest import Manifest

pytest.importorskip("selenium", reason="the browser test needs selenium")
pytestmark = needs_chromium

PORES = [(60, 40), (180, 100), (300, 60), (420, 130), (540, 80), (660, 50), (780, 120), (900, 90)]


@pytest.fixture
def film(tmp_path: Path) -> Path:
    pixels = ground(180, 960)
    for x, y in PORES:
        disc(pixels, x + 0.5, y + 0.5, 6)
    path = tmp_path / "weld 12.png"
    path.write_bytes(coded(".png", pixels))
    return path


@pytest.fixture
def address(tmp_path: Path) -> Iterator[str]:
    publish_areas(tmp_path / "models" / "final" / "areas" / "1")
    with serving(tmp_path, f"--work={tmp_path / 'work'}") as port:
        yield f"http://127.0.0.1:{port}"


def test_a_film_is_inspected_read_corrected_kept_over_a_reload_and_leaves_as_it_was_seen(
    address: str, film: Path, tmp_path: Path
) -> None:
    got = tmp_path / "got"
    with chromium(got) as browser:
        page = ReaderPage(browser)
        page.open(address, film, "Eva")
        page.until(lambda: "not known: sizes are in pixels" in page.text(), "the quality before any verdict")
        page.click("Inspect the film")
        page.until(lambda: len(page.verdicts()) == len(PORES), "eight marks")
        found_by_keys(page, len(PORES))
        seen = looked_at(page)
        correct(page, len(PORES), "slag")
        drawn_otherwise(page)
        before = page.rows()
        page.open(address, film, "Eva")  # the page loaded anew: only film and name are given
        page.until(lambda: page.rows() == before, "the work of before")
        page.until(lambda: page.run(LOOK)["window"] == seen["window"], "the grey window of before")
        assert page.run(LOOK)["lines"] == seen["lines"]
        page.click("Inspect the film")  # the map is made anew; what was decided stays
        page.until(lambda: browser.find_elements("xpath", "//button[contains(., 'Inspect it again')]"), "the map")
        page.until(lambda: page.verdicts() == [row[1].split()[-1] for row in before], "the same verdicts")
        page.tab("Save")
        told = saved(page, got)
        rows = list(csv.DictReader(io.StringIO(told["Marks (CSV)"].read_text("utf-8"))))
        screen = page.rows()
        page.open(address, film, "Another reader")
        page.until(lambda: page.verdicts() == [], "no trace of the first reader")
    said = ["accepted", "rejected", "rejected", "accepted", *["open"] * 4, "accepted"]
    assert [row["verdict"] for row in rows] == said
    assert {row["reviewer"] for row in rows if row["verdict"] != "open"} == {"Eva"}
    session = json.loads(told["Session (JSON)"].read_text("utf-8"))
    assert [mark["verdict"] for mark in session["marks"]] == said
    equal_to_the_command_line((tmp_path / "models" / "final" / "areas" / "1", film), rows, screen, told)
    corrections_are_indexed(tmp_path, film, told["Corrections of 1 film (COCO)"])


def test_a_real_film_is_read_with_the_model_weld_and_leaves_with_the_figures_of_the_command_line(
    shared_data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    pytest.importorskip("lopore_weld")
    monkeypatch.setenv("LOPORE_BLOCK", "")
    film, got = shared_data / "weld-films" / "films" / "RRT-13R.png", tmp_path / "got"
    with serving(tmp_path, f"--work={tmp_path / 'work'}", LOPORE_MODELS="") as port, chromium(got) as browser:
        page, address = ReaderPage(browser), f"http://127.0.0.1:{port}"
        page.open(address, film, "Eva")
        page.enter("Pixel pitch in mm", "0.0403")
        page.until(lambda: "0.0403 mm, given by the user" in page.text(), "the pitch")
        page.click("Inspect the film")
        page.until(lambda: len(page.verdicts()) > 9, "the marks", seconds=240)
        marks = len(page.verdicts())
        found_by_keys(page, marks)
        correct(page, marks, "undercut")
        page.tab("Save")
        told, screen = saved(page, got), page.rows()
        page.open(address, film, "Eva")
        page.until(lambda: page.rows() == screen, "the work of before, at the pitch of before")
    rows = list(csv.DictReader(io.StringIO(told["Marks (CSV)"].read_text("utf-8"))))
    equal_to_the_command_line(("weld", film, "--mm-per-pixel", "0.0403"), rows, screen, told)


def saved(page: ReaderPage, got: Path) -> dict[str, Path]:
    """Files of the tab Save."""
    return {
        label: page.download(got, label, ending)
        for label, ending in (
            ("Report (HTML)", "-report.html"), ("Marks (CSV)", "-marks.csv"), ("Session (JSON)", "-session.json"),
            ("Inspection (JSON)", "-inspection.json"), ("Corrections of 1 film (COCO)", "lopore-corrections.json"),
        )
    }  # fmt: skip


def found_by_keys(page: ReaderPage, marks: int) -> None:
    """Every mark comes up by N, and the one before by P."""
    chosen = "return all('.marks tr.chosen td').map((cell) => cell.textContent)[0]"
    seen = []
    for _ in range(marks):
        page.press("n")
        seen.append(page.run(chosen))
    assert set(seen) == {str(number) for number in range(1, marks + 1)}
    page.press("p")
    assert page.run(chosen) == seen[-2]


LOOK = """
const name = Object.keys(sessionStorage).find((key) => key.startsWith('lopore-look'));
return name && JSON.parse(sessionStorage.getItem(name));
"""
TOOL = "all('.bar button').find((item) => item.textContent === '%s').click();"


def looked_at(page: ReaderPage) -> Any:
    """What a reader does for the eye: cheat sheet, grey window, two rulers with a profile, a box, two fingers."""
    page.press("?")
    assert "magnifying glass" in page.run("return all('.sheet').map((it) => it.textContent).join()")
    page.press("?")
    page.press("f")
    grey = page.run("return all('.caption')[0].textContent")
    page.run("drag(0.4, 0.4, 0.6, 0.7, 2)")
    page.until(lambda: page.run("return all('.caption')[0].textContent") != grey, "another grey window")
    page.run(TOOL % "Line" + "drag(0.2, 0.4, 0.3, 0.5); drag(0.5, 0.4, 0.7, 0.4);")
    page.until(lambda: page.run("return all('.graph:not([hidden])').length"), "the profile")
    page.run(TOOL % "Area" + "drag(0.05, 0.45, 0.2, 0.6);")
    page.until(lambda: page.browser.find_elements("xpath", "//button[contains(., 'Take the boxes away')]"), "the box")
    page.run(TOOL % "Pan")
    page.until(lambda: len((page.run(LOOK) or {"lines": []})["lines"]) == 2, "both rulers")
    scale = page.run(LOOK)["view"]["scale"]
    page.run("pinch(0.05, 0.2)")
    page.until(lambda: page.run(LOOK)["view"]["scale"] > 2 * scale, "a film that two fingers magnified")
    page.press("f")
    return page.run(LOOK)


def drawn_otherwise(page: ReaderPage) -> None:
    """A box is pulled by its corner; an ellipse, a polyline and a region that is not judged are drawn and undone."""
    page.run("all('.marks tbody tr')[8].click()")
    page.press("f")
    length = page.rows()[8][7]
    page.run("drag(0.5, 0.6, 0.55, 0.7)")
    page.until(lambda: page.rows()[8][7] != length, "a corner that was pulled")
    page.press("u")
    page.until(lambda: page.rows()[8][7] == length, "the box as it was")
    page.run(TOOL % "Ellipse" + "drag(0.6, 0.45, 0.66, 0.55)")
    page.until(lambda: len(page.verdicts()) == 10, "an ellipse")
    page.run(TOOL % "Polyline" + "for (const [x, y] of [[0.7, 0.4], [0.75, 0.4], [0.75, 0.5]]) drag(x, y, x, y);")
    page.run("all('.grid')[0].dispatchEvent(new KeyboardEvent('keydown', { key: 'Enter', bubbles: true }))")
    page.until(lambda: len(page.verdicts()) == 11, "a polyline")
    page.run(TOOL % "Not judged" + "drag(0.05, 0.35, 0.15, 0.6)")
    page.until(lambda: page.run("return loporeActs.data.ignored.length") == 1, "a region that is not judged")
    page.press("u", "u", "u")
    page.until(lambda: len(page.verdicts()) == 9, "three steps back")


def correct(page: ReaderPage, marks: int, name: str) -> None:
    """Accept one, reject two, change the class of one, draw one."""
    page.run("all('.marks tbody tr')[0].click()")
    page.press("a", "r", "r")
    page.until(lambda: page.verdicts()[:3] == ["accepted", "rejected", "rejected"], "three verdicts")
    page.run("all('.marks tbody tr')[3].click()")
    page.press("l")
    page.until(lambda: page.run("return all('.sheet.classes button').length > 1"), "the classes")
    page.run(f"all('.sheet.classes button').find((item) => item.textContent === '{name}').click()")
    page.until(lambda: page.verdicts()[3] == "accepted" and page.rows()[3][2] == name, "another class")
    page.press("f")
    box = "all('.desk button').find((item) => item.textContent === 'Box').click(); drag(0.42, 0.45, 0.5, 0.6)"
    page.run(box)
    page.until(lambda: len(page.verdicts()) == marks + 1, "the mark that was drawn")
    page.press("u")
    page.until(lambda: len(page.verdicts()) == marks, "the step back")
    page.run(box)
    page.until(lambda: len(page.verdicts()) == marks + 1, "the mark that was drawn again")
    count = f"{marks - 4} of {marks + 1} open"
    page.until(lambda: count in page.run("return all('span.open')[0].textContent"), "the count")


def equal_to_the_command_line(
    asked: tuple[object, ...], rows: list[dict[str, str]], screen: list[list[str]], told: dict[str, Path]
) -> None:
    """Table, screen, report and downloaded inspection hold the figures of ``lopore inspect ASKED --json``."""
    done = lopore("inspect", *asked, "--json")
    assert done.exit_code == 0, done.output
    same = {mark["id"]: mark for mark in json.loads(done.stdout)["indications"]}
    left = json.loads(told["Inspection (JSON)"].read_text("utf-8"))
    page = told["Report (HTML)"].read_text("utf-8")
    there = {mark["id"]: mark for mark in (*left["indications"], *(one["indication"] for one in left["set_aside"]))}
    marks = len(same)
    assert len(rows) == marks + 1  # and the one that was drawn
    for row, cells in zip(rows[:marks], screen[:marks], strict=True):
        one = same[int(row["number"])]
        for name in ("centre", "area_px", "length_px", "width_px", "peak", "length_mm", "area_mm2"):
            assert there[one["id"]][name] == one[name]
        assert (float(row["x_px"]), float(row["area_px"])) == (one["centre"][0], one["area_px"])
        place, area = (one["position_mm"] or one["centre"])[0], one["area_mm2"] or one["area_px"]
        assert cells[5] == f"{round(place, 1):g}"
        assert float(cells[9]) == round(area, 3 if one["area_mm2"] else 0)
        assert f'<td class="n">{one["id"]}</td>' in page
    assert [one["reason"][:15] for one in left["set_aside"]] == ["rejected by Eva"] * 2
    assert f"{marks - 4} of {marks + 1} marks are open" in page


def corrections_are_indexed(place: Path, film: Path, corrections: Path) -> None:
    """The corrected marks become masks and a manifest of one film."""
    (place / "films").mkdir()
    (place / "films" / film.name).write_bytes(film.read_bytes())
    masks = ("--images", place / "films", "--to", "masks", "--out", place / "films" / "masks")
    done = lopore("data", "annotations", "convert", corrections, *masks)
    assert done.exit_code == 0, done.output
    done = lopore("data", "index", place / "films" / "masks.csv", "--out", place / "set.csv")
    assert done.exit_code == 0, done.output
    assert [row.labels for row in Manifest.read(place / "set.csv").rows] == [("pore", "slag")]  # one class was changed
