"""Annotations of other tools go in and come out again without loss, and what a format cannot hold is said."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lopore.arrays import IGNORE
from lopore.data.annotations import coco, labelme, voc, yolo
from lopore.data.annotations.drawing import number_mask
from lopore.data.annotations.formats import FORMATS, guess_format, read_annotations, write_masks
from lopore.data.annotations.label_table import write_label_table
from lopore.data.annotations.mark import AnnotatedImage, AnnotationSet, Mark, RunLengths, box_of
from lopore.data.annotations.run_lengths import decode_text, encode_text, mask_of_runs, runs_of_mask
from lopore.data.manifest import Manifest
from lopore.data.mask_files import read_mask_file
from lopore.data.masks import numbers_of
from lopore.errors import DataError

RING = ((10.0, 10.0), (30.5, 12.0), (28.0, 40.25), (9.0, 33.0))
CRACK = ((5.0, 50.0), (60.0, 52.0), (90.0, 44.0))


def marks() -> tuple[Mark, ...]:
    runs = runs_of_mask(np.pad(np.ones((6, 9), np.bool_), ((2, 72), (4, 107))))
    return (
        Mark(
            class_name="pore", kind="polygon", box=box_of(RING), polygons=(RING,), who="A. Reader", note='faint, "sure"'
        ),
        Mark(class_name="pore", kind="box", box=(50.0, 8.0, 64.0, 22.0)),
        Mark(class_name="crack", kind="line", box=box_of(CRACK), polygons=(CRACK,), when="2026-01-02"),
        Mark(class_name="crack", kind="mask", box=(4.0, 2.0, 13.0, 8.0), runs=runs),
        Mark(class_name="pore", kind="box", box=(80.0, 60.0, 110.0, 75.0), ignore=True),
    )


def annotated(*found: Mark, looked_at: Any = None) -> AnnotationSet:
    image = AnnotatedImage(file="films/a film.png", width=120, height=80, marks=found, looked_at=looked_at)
    empty = AnnotatedImage(file="films/sound.png", width=120, height=80)
    return AnnotationSet(classes=("crack", "pore"), images=(image, empty))


@pytest.fixture
def films(tmp_path: Path) -> Path:
    (tmp_path / "films").mkdir()
    for name in ("a film", "sound"):
        cv2.imwrite(str(tmp_path / "films" / f"{name}.png"), np.full((80, 120), 90, np.uint8))
    return tmp_path


def test_coco_gives_back_everything(tmp_path: Path) -> None:
    whole = annotated(*marks(), looked_at=((0.0, 0.0, 100.0, 80.0),))
    assert coco.write(whole, tmp_path / "set.json") == []
    assert coco.read(tmp_path / "set.json") == whole


def test_labelme_gives_back_polygons_boxes_lines_and_notes(tmp_path: Path) -> None:
    whole = annotated(*(mark.model_copy(update={"who": "", "when": ""}) for mark in marks() if mark.kind != "mask"))
    assert labelme.write(whole, tmp_path) == []
    assert labelme.read(tmp_path).images == whole.images


def test_yolo_gives_back_boxes_and_polygons_to_a_millionth_of_a_pixel(films: Path) -> None:
    polygon, box = marks()[0].model_copy(update={"who": "", "note": ""}), marks()[1]
    assert yolo.write(annotated(polygon, box), films / "labels") == []
    back = yolo.read(films / "labels", films)
    found = back.images[0].marks
    assert back.classes == ("crack", "pore") and [mark.kind for mark in found] == ["polygon", "box"]
    assert np.allclose(found[0].polygons[0], RING, atol=1e-6) and np.allclose(found[1].box, box.box, atol=1e-6)
    assert back.images[1].marks == ()


def test_voc_gives_back_boxes_and_difficult_ones(tmp_path: Path) -> None:
    boxes = [mark for mark in marks() if mark.kind == "box"]
    assert voc.write(annotated(*boxes), tmp_path) == []
    assert voc.read(tmp_path).images[0].marks == tuple(boxes)


@pytest.mark.parametrize("form", [name for name, one in FORMATS.items() if name != "coco"])
def test_what_a_format_cannot_hold_is_said(form: str, tmp_path: Path) -> None:
    assert any(
        word in note
        for note in FORMATS[form].write(annotated(*marks()), tmp_path / "out")
        for word in ("lost", "became")
    )


@settings(max_examples=60, deadline=None)
@given(st.integers(1, 40), st.integers(1, 40), st.integers(0, 2**32 - 1), st.floats(0, 1))
def test_run_lengths_and_their_text_are_the_mask(height: int, width: int, seed: int, share: float) -> None:
    mask = np.random.default_rng(seed).random((height, width)) < share
    runs = runs_of_mask(mask)
    assert np.array_equal(mask_of_runs(runs), mask)
    assert decode_text(encode_text(runs), (height, width)) == runs


def test_the_text_of_run_lengths_is_that_of_the_coco_tools() -> None:
    tools = pytest.importorskip("faster_coco_eval.core.mask")
    mask = np.random.default_rng(3).random((37, 53)) < 0.3
    theirs = tools.encode(np.asfortranarray(mask.astype(np.uint8)))["counts"]
    assert encode_text(runs_of_mask(mask)) == (theirs.decode() if isinstance(theirs, bytes) else theirs)


@pytest.mark.parametrize("text", ["a b", "~", "z" * 40])
def test_a_text_that_is_no_run_length_is_refused(text: str) -> None:
    with pytest.raises(ValueError):
        decode_text(text, (10, 10))


def test_run_lengths_that_do_not_fill_their_image_are_refused() -> None:
    with pytest.raises(ValueError, match="add up to 7"):
        RunLengths(size=(3, 3), counts=(3, 4))


def test_a_mask_holds_class_numbers_and_ignores_what_nobody_looked_at() -> None:
    mask = number_mask(annotated(*marks(), looked_at=((0.0, 0.0, 115.0, 70.0),)).images[0], ("crack", "pore"))
    assert mask[15, 57] == 2 and mask[4, 8] == 1 and mask[51, 30] == 1
    assert mask[20, 20] == 2 and mask[0, 0] == 0
    assert mask[65, 90] == IGNORE and mask[79, 119] == IGNORE and mask[10, 117] == IGNORE


@pytest.mark.parametrize(("x", "y", "radius"), [(40.0, 40.0, 12.0), (60.5, 33.5, 4.0), (59.25, 41.75, 20.0)])
def test_a_drawn_ring_covers_the_area_of_its_circle(x: float, y: float, radius: float) -> None:
    turns = np.linspace(0, 2 * np.pi, 90, endpoint=False)
    ring = tuple((x + radius * float(np.cos(t)), y + radius * float(np.sin(t))) for t in turns)
    mark = Mark(class_name="pore", kind="polygon", box=box_of(ring), polygons=(ring,))
    mask = number_mask(AnnotatedImage(file="a.png", width=120, height=80, marks=(mark,)), ("pore",)) == 1
    assert mask.sum() == pytest.approx(np.pi * radius**2, rel=0.01 + 0.4 / radius)
    rows, columns = mask.nonzero()
    assert (columns.mean() + 0.5, rows.mean() + 0.5) == pytest.approx((x, y), abs=0.1)


def test_a_ring_in_a_ring_is_a_hole() -> None:
    outer = ((10.0, 10.0), (50.0, 10.0), (50.0, 50.0), (10.0, 50.0))
    inner = ((25.0, 25.0), (35.0, 25.0), (35.0, 35.0), (25.0, 35.0))
    mark = Mark(class_name="pore", kind="polygon", box=box_of(outer), polygons=(outer, inner))
    mask = number_mask(AnnotatedImage(file="a.png", width=60, height=60, marks=(mark,)), ("pore",))
    assert mask[30, 30] == 0 and mask[15, 15] == 1


@pytest.mark.parametrize(
    ("name", "text", "message"),
    [
        ("a.json", "{", "is no JSON"),
        ("a.json", "[1]", "holds no JSON object"),
        ("a.json", '{"images": [{"id": 1}], "annotations": []}', "is no COCO file"),
        ("a.json", '{"images": [], "annotations": [{"image_id": 4}]}', "belong to image 4, which is not listed"),
        ("a.json", '{"shapes": [{"label": "pore", "points": [[1]]}], "imageWidth": 3, "imageHeight": 3}', "no LabelMe"),
        ("a.xml", "<annotation>", "is no Pascal VOC"),
        ("a.xml", '<!DOCTYPE a [<!ENTITY b "c">]><annotation>&b;</annotation>', "declares entities"),
        ("a.csv", "file,x0\n", "file, x0, y0, x1, y1 are needed"),
        ("a.csv", "file,x0,y0,x1,y1\na.png,1,2,3,four\n", "line 2"),
    ],
)
def test_a_broken_file_is_one_line_with_its_place(tmp_path: Path, name: str, text: str, message: str) -> None:
    (tmp_path / name).write_text(text, encoding="utf-8")
    with pytest.raises(DataError, match=message) as caught:
        read_annotations(tmp_path / name)
    assert "\n" not in str(caught.value)


def test_a_yolo_line_that_is_none_names_its_line(films: Path) -> None:
    (films / "classes.txt").write_text("pore\n")
    (films / "films" / "a film.txt").write_text("0 .5 .5 .1 .1\n3 .5 .5 .1 .1\n")
    with pytest.raises(DataError, match=r"a film\.txt, line 2: '3 \.5"):
        yolo.read(films, films)


def test_the_format_is_known_by_content(tmp_path: Path) -> None:
    whole = annotated(marks()[1])
    for name, suffix in (
        ("coco", "set.json"),
        ("voc", "voc"),
        ("labelme", "labelme"),
        ("boxes", "boxes.csv"),
        ("yolo", "labels"),
    ):
        FORMATS[name].write(whole, tmp_path / suffix)
        assert guess_format(tmp_path / suffix) == name


def test_converted_masks_train_as_any_other(films: Path, invoke: Callable[..., Any]) -> None:
    coco.write(annotated(*marks()), films / "set.json")
    done = invoke(
        "data", "annotations", "convert", str(films / "set.json"), "--to", "masks", "--out", str(films / "masks")
    )
    assert done.exit_code == 0 and "5 marks on 2 images" in done.stdout and "weak truth" in done.stderr
    mask = cv2.imread(str(films / "masks" / "films" / "a film.png"), cv2.IMREAD_UNCHANGED)
    assert set(np.unique(mask)) == {0, 1, 2, IGNORE}


def test_classes_keep_their_pixels_whatever_numbers_the_annotations_gave_them(
    films: Path, invoke: Callable[..., Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(films)
    cv2.imwrite("films/sound.png", np.tile(np.arange(120, dtype=np.uint8), (80, 1)))  # no copy of the other film
    found = AnnotationSet(classes=("pore", "edge", "crack"), images=annotated(*marks()).images)  # COCO's own order
    coco.write(found, films / "set.json")
    done = invoke("data", "annotations", "convert", "set.json", "--to", "masks", "--out", "masks")
    assert done.exit_code == 0 and "1 crack, 2 pore" in done.stderr and "masks.csv" in done.stdout, done.stderr
    assert invoke("data", "index", "masks.csv", "--out", "manifest.csv").exit_code == 0
    manifest = Manifest.read(films / "manifest.csv")
    assert [row.labels for row in manifest.rows] == [("crack", "pore"), ("no_defect",)]
    assert manifest.defect_classes == ("crack", "pore")
    masks = [read_mask_file(file) for file in manifest.mask_files(manifest.rows[0])]
    numbers = numbers_of(masks, [1, 2], 2)
    assert numbers[15, 55] == 2 and numbers[5, 8] == 1  # inside the box of a pore, and the outline of a crack


def test_images_that_lie_elsewhere_get_masks_and_the_reason_why_no_table(
    films: Path, tmp_path_factory: pytest.TempPathFactory, invoke: Callable[..., Any]
) -> None:
    coco.write(annotated(*marks()), films / "set.json")
    out = tmp_path_factory.mktemp("elsewhere") / "masks"
    done = invoke("data", "annotations", "convert", str(films / "set.json"), "--to", "masks", "--out", str(out))
    assert done.exit_code == 0 and "no table of labels was written" in done.stderr
    assert out.is_dir() and not out.with_name("masks.csv").exists()


def test_an_image_with_ignored_places_alone_is_not_called_sound(films: Path) -> None:
    coco.write(annotated(marks()[-1]), films / "set.json")
    write_label_table(read_annotations(films / "set.json"), films, films / "masks")
    lines = (films / "masks.csv").read_text().splitlines()
    assert lines[1:] == ["films/a film.png,,masks/films/a film.png", "films/sound.png,no_defect,masks/films/sound.png"]


def test_images_that_would_share_a_mask_are_refused(films: Path, tmp_path: Path) -> None:
    one = AnnotatedImage(file="a.png", width=4, height=4)
    both = AnnotationSet(classes=("pore",), images=(one, one.model_copy(update={"file": "a.jpg"})))
    with pytest.raises(DataError, match=r"a\.png and a\.jpg would share one mask; rename one of them"):
        write_masks(both, tmp_path / "masks")


def test_nothing_is_written_over_and_nothing_half(films: Path, invoke: Callable[..., Any]) -> None:
    coco.write(annotated(*marks()), films / "set.json")
    words = ("data", "annotations", "convert", str(films / "set.json"), "--to", "voc", "--out", str(films / "films"))
    assert "is there already" in invoke(*words).stderr
    bad = annotated(marks()[0].model_copy(update={"class_name": "slag"}))
    (films / "bad.json").write_text(json.dumps({"images": [], "annotations": [], "categories": []}))
    with pytest.raises(DataError, match="slag"):
        FORMATS["masks"].write(bad, films / "half")


def test_check_finds_marks_outside_and_images_of_another_size(films: Path, invoke: Callable[..., Any]) -> None:
    outside = Mark(class_name="pore", kind="box", box=(100.0, 8.0, 164.0, 22.0))
    empty = Mark(class_name="pore", kind="box", box=(50.0, 8.0, 50.0, 22.0))
    cv2.imwrite(str(films / "films" / "sound.png"), np.full((40, 120), 90, np.uint8))
    coco.write(annotated(outside, empty), films / "set.json")
    done = invoke("data", "annotations", "check", str(films / "set.json"), "--images", str(films), "--json")
    faults = json.loads(done.stdout)["faults"]
    assert done.exit_code == 1 and len(faults) == 3
    assert any("reaches out of the image" in fault for fault in faults)
    assert any("has no area" in fault for fault in faults)
    assert any("do not belong together" in fault for fault in faults)


def test_draw_marks_pixels_and_reports_a_lost_image(films: Path, invoke: Callable[..., Any]) -> None:
    coco.write(annotated(*marks()), films / "set.json")
    done = invoke(
        "data", "annotations", "draw", str(films / "set.json"), "--images", str(films), "--out", str(films / "drawn")
    )
    assert done.exit_code == 0
    drawn = cv2.imread(str(films / "drawn" / "films" / "a film.png"))
    assert (drawn != 90).any(axis=-1).sum() > 100
    (films / "films" / "a film.png").unlink()
    again = invoke(
        "data", "annotations", "draw", str(films / "set.json"), "--images", str(films), "--out", str(films / "b")
    )
    assert again.exit_code == 1 and "a film.png" in again.stderr


def test_boxes_of_real_castings_are_read(shared_data: Path) -> None:
    found = read_annotations(shared_data / "casting-boxes" / "boxes.csv")
    assert (len(found.images), found.mark_count, found.classes) == (259, 454, ("defect",))
    assert sum(bool(image.marks) for image in found.images) == 155


def test_boxes_of_real_gamma_films_are_read(shared_data: Path) -> None:
    found = read_annotations(shared_data / "weld-gamma-boxes")
    assert len(found.images) == 7 and "Porosity" in found.classes
    assert any("Lp (15).txt" in note for note in found.notes)


def test_masks_of_the_coco_tools_own_test_are_read(shared_data: Path) -> None:
    found = coco.read(shared_data / "statistics" / "coco" / "instances_val2014_100.json")
    assert len(found.images) == 100 and any(mark.runs for image in found.images for mark in image.marks)
