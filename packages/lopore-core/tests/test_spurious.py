"""The check for shortcuts: a model that reads a planted letter is caught, one that reads the pore is not."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import onnx
import pytest
from hypothesis import given
from hypothesis import strategies as st
from made.models import onnx_model, publish, record_for
from onnx import helper

from lopore.data.manifest import Manifest
from lopore.data.manifest_row import Row
from lopore.data.masks import mark_of
from lopore.errors import DataError
from lopore.evaluation.inpainting import paint_over
from lopore.evaluation.occlusion_probe import probe
from lopore.evaluation.shortcuts import SpuriousReport, check_spurious
from lopore.inference.explain import choose_explainer
from lopore.inference.predict import prepare
from lopore.models.opening import OpenModel, open_model
from lopore.preprocessing.geometry import Geometry
from lopore.reading.encode import write_radiograph
from lopore.record.preprocessing import Preprocessing

SIDE = 64
Reader = Callable[[tuple[slice, slice]], OpenModel]
CORNER, CENTRE, BESIDE = np.s_[0:10, 0:10], np.s_[24:52, 24:52], np.s_[9:21, 26:38]


def reading(where: tuple[slice, slice]) -> onnx.ModelProto:
    """Calls a pore where the brightest 5 x 5 patch of one part of the image is over 0.65; it sees nothing else."""
    part = np.zeros((1, 1, SIDE, SIDE), np.float32)
    part[0, 0][where] = 1
    weights = {
        "mean": np.full((1, 1, 5, 5), 1 / 25, np.float32),
        "part": part,
        "head": np.array([[-20.0], [20.0]], np.float32),
        "offset": np.array([13.0, -13.0], np.float32),
        "share": np.array([0.0, 1.0], np.float32).reshape(1, 2, 1, 1),
    }
    nodes = [
        helper.make_node("Conv", ["planes", "mean"], ["patches"], pads=[2, 2, 2, 2]),
        helper.make_node("Mul", ["patches", "part"], ["seen"]),
        helper.make_node("GlobalMaxPool", ["seen"], ["best"]),
        helper.make_node("Flatten", ["best"], ["flat"]),
        helper.make_node("Gemm", ["flat", "head", "offset"], ["logits"], transB=1),
        helper.make_node("Softmax", ["logits"], ["scores"]),
        helper.make_node("Mul", ["seen", "share"], ["cam"]),
    ]
    return onnx_model(nodes, weights, {"scores": (2,), "cam": (2, SIDE, SIDE)}, SIDE)


@pytest.fixture
def reader(tmp_path: Path) -> Callable[[tuple[slice, slice]], OpenModel]:
    def opened(where: tuple[slice, slice]) -> OpenModel:
        record = record_for(preprocessing=Preprocessing(size=(SIDE, SIDE)))
        return open_model(publish(tmp_path / "model", reading(where), record))

    return opened


@pytest.fixture
def films(tmp_path: Path) -> Callable[..., Manifest]:
    """Twelve films of pores, each with the same lead letter at ``letter``, and twelve sound ones without it."""

    def written(letter: tuple[slice, slice], *, masks: bool = True, group: str = "") -> Manifest:
        rng = np.random.default_rng(1)
        rows = []
        for number in range(24):
            pixels = rng.normal(90, 4, (SIDE, SIDE))
            mask = np.zeros((SIDE, SIDE), np.uint8)
            label = "pore" if number % 2 else "no_defect"
            if label == "pore":
                y, x = rng.integers(30, 46, 2)
                mask[y - 4 : y + 5, x - 4 : x + 5] = 255
                pixels[mask > 0] += 140
                part = pixels[letter]
                part[3:-3, 3:-3] = 240
            name = f"{label}-{number}"
            files = {"films": np.clip(pixels, 0, 255).astype(np.uint8), "masks": mask}
            for folder, image in files.items():
                (tmp_path / folder).mkdir(exist_ok=True)
                (tmp_path / folder / f"{name}.png").write_bytes(write_radiograph(image, None))
            marked = f"masks/{name}.png" if masks and label == "pore" else ""
            rows.append(
                Row(
                    path=f"films/{name}.png",
                    labels=(label,),
                    group=group or f"film{number // 2}",
                    split="test",
                    mask=(marked,) if marked else (),
                )
            )
        return Manifest(rows=tuple(rows), root=tmp_path)

    return written


def test_a_model_that_reads_a_planted_letter_at_the_border_is_flagged(
    reader: Reader, films: Callable[..., Manifest]
) -> None:
    report = check_spurious(reader(CORNER), films(CORNER), split="test")
    assert report.verdict == "shortcut"
    assert "border" in report.flagged
    assert report.marked_by == "mask"
    assert report.defects["border"].drop.low > 0.8
    assert report.defects["border"].lost == 1.0
    assert abs(report.defects["mark"].drop.value) < 0.02
    assert report.defects["border"].inside_minus_outside.high < -0.8


def test_a_call_counts_as_lost_by_the_models_own_threshold(reader: Reader, films: Callable[..., Manifest]) -> None:
    """With a low threshold a call outlives the fall of its score, with a high one the last bit of it ends it."""
    model = reader(CORNER)
    losses = {}
    for value in (1e-9, 0.5):
        point = model.record.threshold.model_copy(update={"value": value})
        record = model.record.model_copy(update={"task": "binary", "positive": "pore", "threshold": point})
        other = replace(model, folder=replace(model.folder, record=record))
        found = check_spurious(other, films(CORNER), split="test").defects["border"]
        losses[value] = found.drop.value, found.lost
    assert losses[1e-9][0] > 0.4
    assert losses[1e-9][1] == 0.0
    assert losses[0.5][1] == 1.0


def test_a_letter_inside_the_film_is_found_by_where_the_heat_map_points(
    reader: Reader, films: Callable[..., Manifest]
) -> None:
    report = check_spurious(reader(BESIDE), films(BESIDE), split="test")
    assert report.explainer == "grad-cam"
    assert "hottest" in report.flagged
    assert "border" not in report.flagged


def test_a_model_that_reads_the_pore_is_not_flagged_on_the_same_films(
    reader: Reader, films: Callable[..., Manifest]
) -> None:
    report = check_spurious(reader(CENTRE), films(CORNER), split="test")
    assert report.flagged == ()
    assert report.verdict == "defect"
    assert report.defects["mark"].drop.low > 0.8
    assert report.sound["border"].drop.value == pytest.approx(0, abs=0.02)


def test_without_masks_the_border_still_gives_the_letter_away_and_nothing_is_praised(
    reader: Reader, films: Callable[..., Manifest]
) -> None:
    planted = check_spurious(reader(CORNER), films(CORNER, masks=False), split="test")
    assert "border" in planted.flagged
    assert planted.marked_by == "heat map"
    sound = check_spurious(reader(CENTRE), films(CORNER, masks=False), split="test")
    assert sound.flagged == ()
    assert sound.verdict == "unclear"


def test_films_of_one_group_give_no_bounds_and_flag_nothing(reader: Reader, films: Callable[..., Manifest]) -> None:
    report = check_spurious(reader(CORNER), films(CORNER, group="one"), split="test")
    assert report.defects["border"].drop.value > 0.8
    assert report.defects["border"].drop.low is None
    assert report.flagged == ()
    assert any("one group" in note for note in report.notes)


def test_a_report_comes_back_from_its_own_json(reader: Reader, films: Callable[..., Manifest]) -> None:
    report = check_spurious(reader(CORNER), films(CORNER), split="test", most=8)
    assert SpuriousReport.model_validate_json(report.model_dump_json()) == report
    assert len(report.films) <= 8
    assert any("were drawn" in note for note in report.notes)


def test_an_unreadable_film_is_named_and_the_others_are_probed(
    reader: Reader, films: Callable[..., Manifest], tmp_path: Path
) -> None:
    manifest = films(CORNER)
    (tmp_path / manifest.rows[1].path).write_bytes(b"no image")
    report = check_spurious(reader(CORNER), manifest, split="test")
    assert len(report.films) == 23
    assert any("1 film was left out" in note for note in report.notes)


def test_an_empty_side_is_refused_with_what_to_do(reader: Reader, films: Callable[..., Manifest]) -> None:
    with pytest.raises(DataError, match="lopore data split"):
        check_spurious(reader(CORNER), films(CORNER), split="val")


def test_a_probe_shows_what_the_network_took(reader: Reader, films: Callable[..., Manifest]) -> None:
    model, manifest = reader(CORNER), films(CORNER)
    row = manifest.rows[1]
    prepared = prepare(model.record, manifest.file(row))
    mark = mark_of(manifest.mask_files(row), prepared.geometry, [1], 1)
    found = probe(model, prepared, mark=mark, explainer=choose_explainer(model))
    assert found is not None
    assert found.called == "pore"
    regions = {one.region: one for one in found.probes}
    assert set(regions) == {"mark", "hottest", "border", "background", "elsewhere"}
    changed = (regions["mark"].pixels != prepared.pixels)[..., 0]
    assert mark is not None
    assert changed[mark].mean() > 0.9
    assert regions["mark"].pixels[mark].mean() == pytest.approx(90, abs=6)


def test_a_mark_smaller_than_a_pixel_of_the_input_still_marks_one(tmp_path: Path) -> None:
    image = np.zeros((640, 640), np.uint8)
    image[301, 407] = 255
    path = tmp_path / "mask.png"
    path.write_bytes(write_radiograph(image, None))
    record = Preprocessing(size=(32, 32))
    from lopore.preprocessing.geometry import fit_to_input as place

    geometry = Geometry((640, 640), (32, 32), place(image, record.resize, record.size)[1])
    mark = mark_of([path], geometry, [1], 1)
    assert mark is not None
    assert mark[15, 20]
    assert mark.sum() <= 4


@given(
    st.integers(8, 40), st.integers(8, 40), st.sampled_from([np.uint8, np.uint16]), st.sampled_from([1, 3]),
    st.integers(0, 2**32 - 1),
)  # fmt: skip
def test_painting_touches_its_region_alone_and_leaves_an_even_picture_even(
    height: int, width: int, depth: type[np.generic], channels: int, seed: int
) -> None:
    rng = np.random.default_rng(seed)
    top = np.iinfo(depth).max
    pixels = np.full((height, width, channels), rng.integers(0, top + 1), depth)
    pixels[: height // 2] = rng.integers(0, top + 1)
    region = rng.random((height, width)) < rng.random()
    before = pixels.copy()
    painted = paint_over(pixels, region, rng)
    assert (pixels == before).all()
    assert painted.shape == pixels.shape
    assert painted.dtype == depth
    assert (painted[~region] == pixels[~region]).all()
    if pixels.min() == pixels.max():
        assert (painted == pixels).all()


def test_a_painted_pore_has_the_grain_of_the_film_around_it() -> None:
    rng = np.random.default_rng(0)
    pixels = rng.normal(120, 6, (96, 96, 1)).round().astype(np.uint8)
    region = np.zeros((96, 96), bool)
    region[40:60, 40:60] = True
    film = pixels.copy()
    film[region] = 250
    painted = paint_over(film, region, rng)
    assert painted[region].mean() == pytest.approx(120, abs=3)
    assert painted[region].std() == pytest.approx(6, rel=0.35)


def test_the_command_writes_the_check_beside_the_scores_and_into_the_page(
    reader: Reader, films: Callable[..., Manifest], tmp_path: Path
) -> None:
    from click.testing import CliRunner

    from lopore.cli.eval import command

    model = reader(CORNER)
    films(CORNER).write(tmp_path / "manifest.csv")
    words = [str(model.folder.path), "--manifest", str(tmp_path / "manifest.csv"), "--out", str(tmp_path / "out")]
    done = CliRunner().invoke(command, [*words, "--spurious"])
    assert done.exit_code == 0, done.output
    assert "Calls hang on what lies beside the defect" in done.output
    written = SpuriousReport.model_validate_json((tmp_path / "out" / "spurious.json").read_text())
    assert "border" in written.flagged
    assert "What drives the calls" in (tmp_path / "out" / "report.html").read_text()
