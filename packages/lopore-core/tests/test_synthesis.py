"""Made radiographs obey physics, tell the truth and hide nothing but the flaw."""

from __future__ import annotations

import csv
import json
import math
from pathlib import Path

import cv2
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lopore.errors import ConfigError, LoporeError
from lopore.synthesis.dataset import write_dataset
from lopore.synthesis.film import make_film
from lopore.synthesis.flaws import draw_flaws
from lopore.synthesis.physics import density_of, flaw_contrast, intensity_of, iron_attenuation_per_mm, wire_diameter_mm
from lopore.synthesis.sampling import sample_film, sample_spec
from lopore.synthesis.spec import MASK_CLASSES, NO_DEFECT, FilmSpec, Flaw, Markings, Seam, SyntheticFilm

FLAT = Seam(cap_mm=0, root_mm=0, groove_mm=0, ripple_mm=0, lumps_mm=0, edge_mm=0, wander_mm=0, undercut_mm=0,
            plate_texture_mm=0)  # fmt: skip
QUIET = FilmSpec(
    size=(256, 256), bit_depth=16, quanta=1e12, grain=0, electronic_noise=0, fall_off=0, unevenness=0, seam=FLAT
)
SMALL = {"size": (192, 192)}
KINDS = [name for name in MASK_CLASSES if name != NO_DEFECT]


def _pore(depth: float, diameter: float = 6.0, centre: tuple[float, float] = (0.0, 0.0)) -> Flaw:
    return Flaw(kind="pore", centre_mm=centre, size_mm=(diameter, diameter, depth))


def _film(spec: FilmSpec, *flaws: Flaw, seed: int = 5) -> SyntheticFilm:
    return make_film(spec, flaws, np.random.default_rng(seed))


def _settings_without(film: FilmSpec, **changes: object) -> FilmSpec:
    return film.model_copy(update=changes)


@pytest.mark.parametrize("receptor", ["film", "detector"])
def test_one_seed_makes_the_same_bytes_and_another_seed_others(receptor: str) -> None:
    films = [sample_film("pore", seed, receptor=receptor, **SMALL) for seed in (3, 3, 4)]
    assert films[0].pixels.tobytes() == films[1].pixels.tobytes()
    assert films[0].mask.tobytes() == films[1].mask.tobytes()
    assert films[0].flaws == films[1].flaws
    assert films[0].pixels.tobytes() != films[2].pixels.tobytes()


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("receptor", ["film", "detector"])
def test_a_film_differs_from_its_flawless_twin_only_in_and_around_the_mask(kind: str, receptor: str) -> None:
    given = {"receptor": receptor, "bit_depth": 16, "size": (320, 320)}
    film, twin = sample_film(kind, 8, **given), sample_film(NO_DEFECT, 8, **given)
    differs = film.pixels != twin.pixels
    reach = 2 * math.ceil(5 * film.spec.blur_sigma_px + 2) + 1
    near = cv2.dilate((film.mask > 0).astype(np.uint8), np.ones((reach, reach), np.uint8)) > 0
    assert film.mask.max() == MASK_CLASSES.index(kind)
    assert not twin.mask.any()
    assert not (differs & ~near).any()
    assert differs[film.mask > 0].mean() > 0.95


@pytest.mark.parametrize("depth", [0.5, 1.0, 3.0])
@pytest.mark.parametrize("scatter", [0.0, 1.0, 2.5])
def test_a_pore_on_a_detector_has_the_contrast_of_beer_and_lambert(depth: float, scatter: float) -> None:
    spec = _settings_without(QUIET, receptor="detector", scatter_ratio=scatter)
    film, twin = _film(spec, _pore(depth)), _film(spec)
    measured = film.physical()[128, 128] / twin.physical()[128, 128] - 1
    expected = (math.exp(iron_attenuation_per_mm(spec.energy_kev) * depth) - 1) / (1 + scatter)
    assert measured == pytest.approx(expected, rel=0.02)
    assert film.flaws[0].contrast == pytest.approx(expected, rel=1e-6)


def test_a_pore_on_film_has_the_contrast_of_beer_and_lambert_through_the_density_curve() -> None:
    film, twin = _film(QUIET, _pore(2.0)), _film(QUIET)
    doses = [intensity_of(f.physical()[128:129, 128:129], QUIET.plate_density)[0, 0] for f in (film, twin)]
    assert doses[0] / doses[1] - 1 == pytest.approx(flaw_contrast(2.0, QUIET.attenuation_per_mm, 1.0), rel=0.02)


def test_a_seam_weakens_the_beam_by_its_height_where_nothing_scatters() -> None:
    seam = FLAT.model_copy(update={"cap_mm": 2.0, "root_mm": 1.0, "roundness": 8})
    spec = _settings_without(QUIET, receptor="detector", scatter_ratio=0.0, seam=seam)
    # The level of the deposit varies along the seam: its mean over several places is meant.
    films = [_film(_settings_without(spec, start_mm=25.0 * place)).physical() for place in range(20)]
    assert films[0][5] == pytest.approx(1.0, rel=1e-3)
    heights = [float(-np.log(film[128]).mean()) / spec.attenuation_per_mm for film in films]
    assert np.mean(heights) == pytest.approx(3.0, rel=0.05)


def test_film_shows_pores_dark_and_the_seam_light_and_a_detector_the_reverse() -> None:
    seam = FLAT.model_copy(update={"cap_mm": 2.0, "root_mm": 0.5})
    for receptor, sign in (("film", -1), ("detector", 1)):
        spec = _settings_without(QUIET, receptor=receptor, seam=seam, bit_depth=8)
        film, twin = _film(spec, _pore(2.0)).pixels.astype(int), _film(spec).pixels.astype(int)
        assert sign * (film[128, 128] - twin[128, 128]) > 3
        assert sign * (twin[128].mean() - twin[10].mean()) < -10


def test_more_dose_means_a_higher_signal_to_noise_ratio_as_its_root() -> None:
    def ratio(receptor: str, quanta: float) -> float:
        spec = _settings_without(QUIET, receptor=receptor, quanta=quanta)
        values = _film(spec).physical()
        signal = values - (0.25 if receptor == "film" else 0.0)
        return float(signal.mean() / values.std())

    for receptor in ("film", "detector"):
        low, high = ratio(receptor, 1000), ratio(receptor, 16000)
        assert high / low == pytest.approx(4.0, rel=0.05)
    assert ratio("detector", 10000) == pytest.approx(100, rel=0.03)


def test_grain_adds_noise_to_film() -> None:
    assert _film(_settings_without(QUIET, grain=0.02)).physical().std() == pytest.approx(0.02 * math.sqrt(3.2), rel=0.1)


def test_unsharpness_spreads_a_thin_gap() -> None:
    gap = Flaw(kind="lack_of_penetration", centre_mm=(0, 0), size_mm=(20, 0.2, 3))
    sharp, soft = (
        _film(_settings_without(QUIET, geometric_unsharpness_mm=value), gap).pixels.astype(int) for value in (0.0, 0.8)
    )
    assert sharp[:, 128].min() < soft[:, 128].min()


def test_eight_and_sixteen_bits_show_the_same_metal() -> None:
    eight, sixteen = (_film(_settings_without(QUIET, bit_depth=bits), _pore(3.0)) for bits in (8, 16))
    assert (eight.pixels.dtype, sixteen.pixels.dtype) == (np.uint8, np.uint16)
    assert len(np.unique(sixteen.pixels)) > 256
    step = abs(eight.grey_range[1] - eight.grey_range[0]) / 255
    inside = (eight.pixels > 0) & (eight.pixels < 255)
    assert inside.any()
    assert np.abs(eight.physical() - sixteen.physical())[inside].max() <= 0.51 * step + 1e-3


@given(angle=st.floats(-180, 180), mirrored=st.booleans(), start=st.floats(-30, 30), offset=st.floats(-10, 10),
       along=st.floats(-6, 6), across=st.floats(-4, 4))  # fmt: skip
@settings(max_examples=25, deadline=None)
def test_truth_in_mm_lies_where_the_mask_says(
    angle: float, mirrored: bool, start: float, offset: float, along: float, across: float
) -> None:
    spec = _settings_without(
        QUIET, angle_deg=angle, mirrored=mirrored, start_mm=start, offset_mm=offset, size=(300, 360)
    )
    film = _film(spec, _pore(1.0, 1.2, (start + along, across - offset)))
    truth = film.flaws[0]
    left, top, right, bottom = truth.box_px
    rows, columns = np.nonzero(film.mask)
    assert (left, top, right, bottom) == (columns.min(), rows.min(), columns.max() + 1, rows.max() + 1)
    assert truth.centre_px == pytest.approx((columns.mean() + 0.5, rows.mean() + 0.5), abs=0.6)
    assert right - left == pytest.approx(12, abs=2)
    assert spec.mm_to_px().inverse()(*truth.centre_px) == pytest.approx(truth.flaw.centre_mm, abs=1e-6)


def test_a_flaw_outside_the_picture_leaves_neither_trace_nor_truth() -> None:
    film, twin = _film(QUIET, _pore(1.0, centre=(100.0, 0.0))), _film(QUIET)
    assert film.flaws == ()
    assert np.array_equal(film.pixels, twin.pixels)


@pytest.mark.parametrize("kind", KINDS)
def test_every_sampled_film_with_a_label_shows_its_flaw_in_every_view(kind: str) -> None:
    for seed in range(12):
        film = sample_film(kind, seed, seed % 4)
        assert film.flaws
        assert {truth.flaw.kind for truth in film.flaws} == {kind}


@pytest.mark.parametrize("size", [(160, 160), (200, 260), (200, 1200), (900, 300)])
def test_films_of_any_shape_show_seam_and_flaw(size: tuple[int, int]) -> None:
    for seed in range(4):
        film = sample_film("lack_of_penetration", seed, size=size)
        assert film.pixels.shape == film.mask.shape == size
        assert film.flaws


def test_nothing_but_the_flaw_depends_on_the_label() -> None:
    for seed in range(3):
        films = [sample_film(label, seed, 1, **SMALL) for label in (NO_DEFECT, "pore", "lack_of_penetration")]
        assert films[0].spec == films[1].spec == films[2].spec
        assert films[0].grey_range == films[1].grey_range == films[2].grey_range
        clean = cv2.dilate((films[1].mask + films[2].mask > 0).astype(np.uint8), np.ones((41, 41), np.uint8)) == 0
        assert np.array_equal(films[0].pixels[clean], films[1].pixels[clean])
        assert np.array_equal(films[0].pixels[clean], films[2].pixels[clean])


def test_views_of_one_weld_share_seam_and_flaws_and_differ_in_exposure() -> None:
    first, second = sample_film("pore", 11, 0), sample_film("pore", 11, 1)
    assert first.spec.seam == second.spec.seam
    assert {truth.flaw for truth in first.flaws} == {truth.flaw for truth in second.flaws}
    assert first.spec.quanta != second.spec.quanta
    assert not np.array_equal(first.pixels, second.pixels)


@pytest.mark.parametrize("kind", KINDS)
def test_a_void_is_never_deeper_than_its_truth_nor_than_the_plate(kind: str) -> None:
    from lopore.synthesis.flaws import void_drawing

    for seed in range(10):
        spec = sample_spec(seed)
        for flaw in draw_flaws(kind, spec, np.random.default_rng(seed)):  # type: ignore[arg-type]
            void = void_drawing(flaw, 0.02)
            assert void.min() >= 0
            assert void.max() == pytest.approx(flaw.size_mm[2], rel=0.02)
            assert flaw.size_mm[2] < spec.plate_thickness_mm


def test_lead_letters_and_wires_are_lighter_than_the_plate_on_film() -> None:
    plain = _settings_without(QUIET, size=(400, 400))
    for marks in (Markings(letters=("A 15",)), Markings(first_wire=6)):
        marked = _film(_settings_without(plain, markings=marks)).pixels.astype(int)
        gain = marked - _film(plain).pixels.astype(int)
        assert gain.max() > 100
        assert gain.min() >= -1


def test_iron_and_wires_have_the_values_of_their_tables() -> None:
    assert iron_attenuation_per_mm(100) == pytest.approx(0.293, abs=0.001)
    assert iron_attenuation_per_mm(200) == pytest.approx(0.115, abs=0.001)
    assert iron_attenuation_per_mm(125) < iron_attenuation_per_mm(120)
    assert [wire_diameter_mm(n) for n in (1, 10, 13, 19)] == pytest.approx([3.2, 0.40, 0.20, 0.05], rel=0.02)


@given(st.floats(0.01, 1.5), st.floats(1.0, 5.0))
def test_the_density_curve_and_its_inverse_agree(intensity: float, plate_density: float) -> None:
    field = np.full((2, 2), intensity, np.float32)
    assert intensity_of(density_of(field, plate_density), plate_density) == pytest.approx(field, rel=1e-3)
    assert density_of(np.ones((1, 1), np.float32), plate_density)[0, 0] == pytest.approx(plate_density, rel=1e-5)


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    counts = {"no_defect": 5, "pore": 4, "lack_of_penetration": 3}
    return write_dataset(tmp_path_factory.mktemp("made") / "films", counts, seed=7, **SMALL)


def _rows(path: Path) -> list[dict[str, str]]:
    with path.open(encoding="utf-8", newline="") as stream:
        return list(csv.DictReader(stream))


def test_labels_name_every_picture_once_with_class_group_mask_and_scale(made: Path) -> None:
    rows = _rows(made / "labels.csv")
    images = {path.relative_to(made).as_posix() for path in made.rglob("*.png") if path.parent.name != "masks"}
    assert list(rows[0]) == ["path", "label", "group", "mask", "mm_per_pixel"]
    assert len(rows) == 12
    assert {row["path"] for row in rows} == images
    for row in rows:
        assert row["path"].startswith(f"{row['label']}/{row['group']}_")
        mask = cv2.imread(str(made / row["mask"]), cv2.IMREAD_UNCHANGED)
        assert {MASK_CLASSES[value] for value in np.unique(mask)} - {NO_DEFECT} == {row["label"]} - {NO_DEFECT}
        assert 0.05 < float(row["mm_per_pixel"]) < 0.2
    assert all(
        len({row["label"] for row in rows if row["group"] == group}) == 1 for group in {r["group"] for r in rows}
    )


def test_truth_has_a_row_for_every_flaw_and_none_for_sound_welds(made: Path) -> None:
    labels = {row["path"]: row["label"] for row in _rows(made / "labels.csv")}
    truth = _rows(made / "truth.csv")
    assert {row["path"] for row in truth} == {path for path, label in labels.items() if label != NO_DEFECT}
    assert all(row["kind"] == labels[row["path"]] for row in truth)
    assert {row["iso_6520"] for row in truth} == {"2011", "402"}


def test_the_source_says_how_the_set_was_made_and_under_which_licence(made: Path) -> None:
    source = json.loads((made / "source.json").read_text(encoding="utf-8"))
    assert (source["licence"], source["seed"]) == ("CC0-1.0", 7)
    assert source["settings"] == {"size": [192, 192]}
    assert "CC0" in (made / "SOURCE.md").read_text(encoding="utf-8")


def test_a_data_set_made_twice_is_the_same_to_the_byte(tmp_path: Path) -> None:
    one, two = (write_dataset(tmp_path / name, {"pore": 2, "no_defect": 1}, seed=1, **SMALL) for name in "ab")
    names = sorted(path.relative_to(one) for path in one.rglob("*") if path.is_file())
    assert len(names) == 10
    assert all((one / name).read_bytes() == (two / name).read_bytes() for name in names)


def test_whole_seams_can_be_prescribed_and_are_recorded(tmp_path: Path) -> None:
    folder = write_dataset(tmp_path / "flat", {"pore": 1}, seam=FLAT, **SMALL)
    assert json.loads((folder / "source.json").read_text(encoding="utf-8"))["settings"]["seam"]["cap_mm"] == 0


def test_sixteen_bit_films_are_stored_with_sixteen_bits(tmp_path: Path) -> None:
    folder = write_dataset(tmp_path / "deep", {"pore": 1}, bit_depth=16, receptor="detector", **SMALL)
    image = cv2.imread(str(next((folder / "pore").glob("*.png"))), cv2.IMREAD_UNCHANGED)
    assert (image.dtype, image.shape) == (np.uint16, (192, 192))


def test_a_folder_that_holds_something_is_refused_and_left_alone(tmp_path: Path) -> None:
    (tmp_path / "mine.txt").write_text("mine")
    with pytest.raises(LoporeError, match="not empty"):
        write_dataset(tmp_path, {"pore": 1}, **SMALL)
    assert [path.name for path in tmp_path.iterdir()] == ["mine.txt"]


def test_a_run_that_breaks_off_leaves_nothing_behind(tmp_path: Path) -> None:
    def stop(done: int, total: int) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        write_dataset(tmp_path / "films", {"pore": 3}, progress=stop, **SMALL)
    assert list(tmp_path.iterdir()) == []


def test_progress_counts_every_picture(tmp_path: Path) -> None:
    seen: list[tuple[int, int]] = []
    write_dataset(tmp_path / "films", {"pore": 2, "crack": 1}, progress=lambda *step: seen.append(step), **SMALL)
    assert seen == [(1, 3), (2, 3), (3, 3)]


@pytest.mark.parametrize(
    ("request_", "word"),
    [
        ({"counts": {"rust": 3}}, "rust"),
        ({"counts": {"pore": -1}}, "-1"),
        ({"counts": {"pore": 0}}, "no image"),
        ({"views": (3, 2)}, "views"),
        ({"seed": -1}, "seed"),
        ({"counts": {"pore": 1}, "energy": 3}, "energy"),
        ({"counts": {"pore": 1}, "bit_depth": 12}, "bit_depth"),
        ({"counts": {"pore": 1}, "size": (8, 8)}, "8 x 8"),
        ({"counts": {"pore": 1}, "markings": {"letters": ("é",)}}, "lead letters"),
    ],
)
def test_an_impossible_request_is_one_line_and_leaves_nothing(
    tmp_path: Path, request_: dict[str, object], word: str
) -> None:
    with pytest.raises(ConfigError, match=word) as caught:
        write_dataset(tmp_path / "films", **request_)  # type: ignore[arg-type]
    assert "\n" not in str(caught.value)
    assert list(tmp_path.iterdir()) == []
