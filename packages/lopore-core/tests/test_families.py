"""Copies of an image are one family whatever was done to them; strangers stay apart."""

from __future__ import annotations

import csv
from itertools import pairwise
from typing import TYPE_CHECKING, Any

import cv2
import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from made.whole_films import grey_levels, workshop_film

from lopore.data.near_duplicates.families import Pair, _join, find_families, join_overlaps
from lopore.data.near_duplicates.fingerprints import Fingerprint, fingerprint
from lopore.data.near_duplicates.forest import Forest
from lopore.data.near_duplicates.overlaps import Overlap, find_overlaps
from lopore.errors import ImageError
from lopore.synthesis import sample_film

if TYPE_CHECKING:
    from pathlib import Path

    from numpy.typing import NDArray

    Grey = NDArray[np.uint8]


def texture(seed: int, side: int = 220) -> Grey:
    """Noise of three scales: an image with something to see everywhere."""
    generator = np.random.default_rng(seed)
    layers = [cv2.GaussianBlur(generator.normal(size=(side, side)), (0, 0), scale) for scale in (1.5, 5.0, 15.0)]
    mixed = sum(np.asarray(layer) / np.std(layer) for layer in layers)
    return grey_levels(128 + 25 * np.asarray(mixed))


def weld(seed: int, side: int = 320) -> Grey:
    """A bright seam across the middle with a few pores and film grain: every one like the other at a glance."""
    generator = np.random.default_rng(seed)
    rows, columns = np.mgrid[:side, :side].astype(np.float64)
    seam = side / 2 + 6 * np.sin(columns / 70 + generator.uniform(0, 6))
    film = 60 + 130 * np.exp(-(((rows - seam) / 45) ** 4))
    film += 12 * np.asarray(cv2.GaussianBlur(generator.normal(size=film.shape), (0, 0), 1.2))
    for _ in range(generator.integers(1, 7)):
        column, row, size = generator.uniform(0, side), side / 2 + generator.uniform(-30, 30), generator.uniform(3, 7)
        film -= 50 * np.exp(-((columns - column) ** 2 + (rows - row) ** 2) / (2 * size**2))
    return grey_levels(film)


def jpeg(image: Grey, quality: int) -> Grey:
    packed = cv2.imencode(".jpg", np.ascontiguousarray(image), [cv2.IMWRITE_JPEG_QUALITY, quality])[1]
    return np.asarray(cv2.imdecode(packed, cv2.IMREAD_GRAYSCALE), dtype=np.uint8)


def changed(image: Grey, *, turns: int, mirrored: bool, gamma: float, gain: float, quality: int, scale: float,
            crop: tuple[float, float, float, float]) -> Grey:  # fmt: skip
    height, width = image.shape
    top, bottom, left, right = (round(share * height) for share in crop)
    copy = np.rot90(image[top : height - bottom, left : width - right], turns)
    copy = copy[:, ::-1] if mirrored else copy
    toned = np.clip(255 * gain * (copy / 255.0) ** gamma, 0, 255).astype(np.uint8)
    resized = cv2.resize(np.ascontiguousarray(toned), None, fx=scale, fy=scale, interpolation=cv2.INTER_AREA)
    return jpeg(np.asarray(resized, dtype=np.uint8), quality)


def scores(labels: NDArray[Any], same: list[str], apart: list[str]) -> tuple[float, float]:
    """Share of the pairs with equal ``same`` that are joined, share of the joined pairs with different ``apart``."""
    first, second = np.triu_indices(len(labels), 1)
    joined = labels[first] == labels[second]
    copies = np.asarray(same)[first] == np.asarray(same)[second]
    wrong = np.asarray(apart)[first] != np.asarray(apart)[second]
    return float((joined & copies).sum() / copies.sum()), float((joined & wrong).sum() / joined.sum())


STRANGERS = [fingerprint(texture(seed)) for seed in range(1000, 1010)]
CROPS = st.tuples(*[st.floats(0, 0.05)] * 4)


@settings(max_examples=30, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(
    seed=st.integers(0, 500), turns=st.integers(0, 3), mirrored=st.booleans(), gamma=st.floats(0.7, 1.5),
    gain=st.floats(0.75, 1.15), quality=st.integers(40, 95), scale=st.floats(0.6, 1.4), crop=CROPS,
)  # fmt: skip
def test_a_turned_brightened_recompressed_resized_and_cropped_copy_joins_its_picture_and_no_other(
    seed: int, turns: int, mirrored: bool, gamma: float, gain: float, quality: int, scale: float,
    crop: tuple[float, float, float, float],
) -> None:  # fmt: skip
    image = texture(seed)
    copy = changed(image, turns=turns, mirrored=mirrored, gamma=gamma, gain=gain, quality=quality, scale=scale,
                   crop=crop)  # fmt: skip
    found = find_families([*STRANGERS, fingerprint(image), fingerprint(copy)])
    assert found.labels.tolist() == [*range(10), 10, 10]
    assert [(pair.first, pair.second) for pair in found.pairs] == [(10, 11)]


@pytest.mark.parametrize("degrees", [-11.0, 4.0, 9.0])
def test_a_copy_turned_by_a_few_degrees_joins_its_picture(degrees: float) -> None:
    image = texture(7)
    matrix = cv2.getRotationMatrix2D((110, 110), degrees, 1.0)
    copy = np.asarray(cv2.warpAffine(image, matrix, (220, 220)), dtype=np.uint8)
    found = find_families([*STRANGERS, fingerprint(image), fingerprint(copy)])
    assert found.labels.tolist() == [*range(10), 10, 10]


def test_unrelated_weld_films_of_one_make_stay_apart_and_their_copies_join() -> None:
    alone = find_families([fingerprint(weld(seed)) for seed in range(60)])
    assert len(set(alone.labels.tolist())) == 60
    assert alone.pairs == []
    films = [weld(seed) for seed in range(20)]
    copies = [jpeg(np.rot90(film, 1)[::-1], 60) for film in films]
    found = find_families([fingerprint(film) for film in [*films, *copies]])
    assert found.labels.tolist() == [*range(20), *range(20)]


def test_a_set_made_of_a_few_pictures_many_times_over_keeps_them_apart() -> None:
    generator = np.random.default_rng(3)
    films = [weld(seed) for seed in range(4)]
    prints = [
        fingerprint(jpeg(np.rot90(film, int(generator.integers(4))), int(generator.integers(40, 95))))
        for film in films
        for _ in range(15)
    ]
    assert find_families(prints).labels.tolist() == [number for number in range(4) for _ in range(15)]


def families_of(pairs: list[Pair]) -> int:
    forest = Forest(8)
    _join(forest, pairs, 0.68)
    return len(set(forest.labels.tolist()))


def test_what_is_surely_one_family_is_not_laid_together_again() -> None:
    copies = [fingerprint(jpeg(texture(seed), 50 + number)) for seed in range(3) for number in range(40)]
    found = find_families(copies)
    assert found.labels.tolist() == [number // 40 for number in range(120)]
    assert len(found.pairs) < 4 * len(copies)


def test_two_pictures_alone_are_told_apart_or_joined() -> None:
    assert find_families([fingerprint(weld(0)), fingerprint(weld(1))]).labels.tolist() == [0, 1]
    assert find_families([fingerprint(weld(0)), fingerprint(weld(0)[:, ::-1])]).labels.tolist() == [0, 0]


def test_the_evidence_names_the_pose() -> None:
    pair = find_families([fingerprint(texture(1)), fingerprint(texture(1)[:, ::-1])]).pairs[0]
    assert "flipped left to right" in pair.why
    assert pair.score > 0.95


def test_a_deep_picture_with_dead_pixels_joins_its_eight_bit_copy() -> None:
    shallow = texture(4)
    deep = shallow.astype(np.uint16) + 150
    deep[3, 5], deep[100, 40], deep[:2, :30] = 65535, 0, 65535
    before = deep.copy()
    found = find_families([*STRANGERS, fingerprint(shallow), fingerprint(deep)])
    assert found.labels.tolist() == [*range(10), 10, 10]
    assert np.array_equal(deep, before)


def test_a_colour_copy_joins_its_grey_picture() -> None:
    grey = texture(5)
    tinted = np.stack([grey, (grey * 0.9).astype(np.uint8), (grey * 0.8).astype(np.uint8)], axis=2)
    assert find_families([*STRANGERS, fingerprint(grey), fingerprint(tinted)]).labels.tolist() == [*range(10), 10, 10]


def test_blank_pictures_are_named_and_joined_to_none() -> None:
    blanks: list[NDArray[Any]] = [
        np.full((64, 64), 9, np.uint8),
        np.full((200, 90), 9, np.uint8),
        np.full((50, 50), 40_000, np.uint16),
    ]
    found = find_families(
        [fingerprint(blanks[0]), STRANGERS[0], fingerprint(blanks[1]), fingerprint(blanks[2]), STRANGERS[1]]
    )
    assert found.blank == (0, 2, 3)
    assert found.labels.tolist() == [0, 1, 2, 3, 4]


@pytest.mark.parametrize("count", [0, 1])
def test_a_set_without_pairs_gives_families_without_pairs(count: int) -> None:
    found = find_families(STRANGERS[:count])
    assert found.labels.tolist() == list(range(count))
    assert found.pairs == []


def test_a_picture_of_one_pixel_and_a_patch_of_32_have_fingerprints() -> None:
    assert fingerprint(np.array([[7]], np.uint8)).blank
    assert not fingerprint(texture(1, 32)).blank


def test_the_order_of_the_pictures_does_not_change_who_belongs_together() -> None:
    prints = [fingerprint(np.rot90(weld(seed), turn)) for seed in range(8) for turn in range(3)]
    order = np.random.default_rng(0).permutation(len(prints))
    labels = find_families([prints[place] for place in order]).labels
    assert {frozenset(order[labels == label].tolist()) for label in set(labels.tolist())} == {
        frozenset(range(3 * seed, 3 * seed + 3)) for seed in range(8)
    }


def test_progress_rises_and_ends_at_its_total() -> None:
    steps: list[tuple[int, int]] = []
    find_families(STRANGERS, progress=lambda done, total: steps.append((done, total)))
    assert all(before[0] <= after[0] for before, after in pairwise(steps))
    assert steps[-1] == (30, 30)
    assert {total for _, total in steps} == {30}


@pytest.mark.parametrize(
    "pixels",
    [np.zeros((4, 4), np.float32), np.zeros((4, 4, 4), np.uint8), np.zeros((0, 4), np.uint8), np.zeros(4, np.uint8)],
)
def test_what_is_no_picture_is_refused_in_one_line(pixels: NDArray[Any]) -> None:
    with pytest.raises(ImageError, match="uint8 or uint16") as caught:
        fingerprint(pixels)
    assert "\n" not in str(caught.value)


def test_the_perceptual_hash_is_sixteen_hex_digits_and_survives_brightening() -> None:
    image = texture(11)
    bright = np.clip(image * 1.1 + 10, 0, 255).astype(np.uint8)
    hashes = [fingerprint(one).phash for one in (image, bright, texture(12))]
    assert all(len(one) == 16 and int(one, 16) >= 0 for one in hashes)
    near, far = (bin(int(hashes[0], 16) ^ int(other, 16)).count("1") for other in hashes[1:])
    assert near <= 6 < 16 <= far


def clique(places: range) -> list[Pair]:
    return [Pair(one, two, 0.95, "") for one in places for two in places if one < two]


def test_one_chance_likeness_does_not_chain_two_grown_families() -> None:
    families = [*clique(range(4)), *clique(range(4, 8))]
    assert families_of([*families, Pair(0, 4, 0.7, "")]) == 2
    assert families_of([*families, Pair(0, 4, 0.7, ""), Pair(0, 5, 0.7, "")]) == 2
    assert families_of([*families, Pair(0, 4, 0.7, ""), Pair(1, 5, 0.7, "")]) == 1
    assert families_of([*families, Pair(0, 4, 0.9, "")]) == 1


def listed(table: Path) -> list[dict[str, str]]:
    with table.open(encoding="utf-8", newline="") as lines:
        return list(csv.DictReader(lines))


def prints_of(folder: Path, rows: list[dict[str, str]]) -> list[Fingerprint]:
    raw = [np.frombuffer((folder / row["file"]).read_bytes(), np.uint8) for row in rows]
    return [fingerprint(np.asarray(cv2.imdecode(one, cv2.IMREAD_GRAYSCALE), dtype=np.uint8)) for one in raw]


def test_real_weld_films_are_joined_by_radiograph_and_not_across_films(shared_data: Path) -> None:
    folder = shared_data / "weld-radiographs"
    rows = listed(folder / "groups.csv")
    found = find_families(prints_of(folder, rows))
    films = [row["film_group"] for row in rows]
    recall, _ = scores(found.labels, [row["radiograph_group"] for row in rows], films)
    assert recall >= 0.99
    # film_group joins whole images that correlate; windows of one film stand in several of its groups.
    whole = [pair for pair in found.pairs if "one part" not in pair.why]
    assert sum(films[pair.first] != films[pair.second] for pair in whole) <= 0.01 * len(whole)


def test_real_exposures_of_one_tile_are_joined_and_not_across_tiles(shared_data: Path) -> None:
    folder = shared_data / "magnetic-tile"
    rows = listed(folder / "index.csv")
    chosen = set(sorted({row["tile"] for row in rows})[::3])
    rows = [row for row in rows if row["tile"] in chosen]
    found = find_families(prints_of(folder, rows))
    tiles = [row["tile"] for row in rows]
    recall, wrong = scores(found.labels, tiles, tiles)
    assert recall >= 0.80
    assert wrong <= 0.02


def test_the_same_weld_place_in_another_contrast_is_found_on_riawelc(shared_data: Path) -> None:
    folder = shared_data / "riawelc-crops"
    rows = [row for row in listed(folder / "index.csv") if row["class"] == "porosity"]
    found = find_families(prints_of(folder, rows))
    films = [row["split_group"] for row in rows]
    first, second = np.triu_indices(len(rows), 1)
    joined = found.labels[first] == found.labels[second]
    across = {films[one] != films[two] for one, two in zip(first[joined], second[joined], strict=True)}
    assert joined.sum() >= 5
    assert across == {False}


def film(seed: int, height: int = 400, width: int = 1200) -> Grey:
    """A weld with grain, a seam, spots and strokes of its own."""
    rng = np.random.default_rng(seed)
    rows = np.linspace(-3, 3, height)[:, None]
    field = 90 + 60 * np.exp(-(rows**2)) + rng.normal(0, 6, (height, width))
    for _ in range(90):
        x, y = int(rng.integers(0, width)), int(rng.integers(0, height))
        cv2.circle(field, (x, y), int(rng.integers(2, 9)), float(rng.uniform(40, 220)), -1)
    return grey_levels(np.asarray(cv2.GaussianBlur(field, (0, 0), 1.2)))


def overlaps(images: list[Grey]) -> list[Overlap]:
    return list(find_overlaps([fingerprint(image) for image in images], lambda first, second: False))


def test_windows_that_share_half_of_a_film_are_one_family_and_other_films_are_not() -> None:
    one, other = film(1), film(2)
    windows = [one[:, 0:400], one[:, 200:600], one[:, 400:800], other[:, 0:400], other[:, 200:600]]
    labels = find_families([fingerprint(window) for window in windows]).labels
    assert labels.tolist() == [0, 0, 0, 1, 1]


@pytest.mark.parametrize("change", ["none", "mirrored", "upside down", "quarter", "brighter", "enlarged"])
def test_a_crop_of_half_the_area_is_joined_to_its_image(change: str) -> None:
    whole = film(3, 400, 400)
    crop = whole[60:340, 20:300]
    changed = {
        "none": crop, "mirrored": crop[:, ::-1], "upside down": crop[::-1], "quarter": np.rot90(crop),
        "brighter": cv2.convertScaleAbs(crop, alpha=1.2, beta=-20), "enlarged": cv2.resize(crop, (400, 400)),
    }[change]  # fmt: skip
    found = overlaps([whole, np.ascontiguousarray(changed), film(4, 400, 400)])
    assert {(one.first, one.second) for one in found} == {(0, 1)}
    assert found[0].score > 0.5


def test_films_that_share_their_letters_alone_are_not_joined() -> None:
    films = [film(seed, 400, 400) for seed in range(5, 9)]
    for image in films:
        cv2.putText(image, "10 FE DIN", (20, 60), cv2.FONT_HERSHEY_SIMPLEX, 2.0, 230, 6)
    assert overlaps(films) == []


def test_made_films_that_share_letters_and_the_edges_of_their_seams_are_not_joined() -> None:
    shots = [
        ("lack_of_penetration", 72, 3),
        ("no_defect", 77, 0),
        ("pore", 83, 0),
        ("no_defect", 104, 1),
        ("pore", 230, 3),
        ("no_defect", 124, 0),
        ("lack_of_penetration", 144, 2),
        ("pore", 91, 1),
        ("no_defect", 146, 2),
    ]
    films = [sample_film(label, 1_000_003 + weld, view).pixels for label, weld, view in shots]
    assert overlaps(films) == []


def test_two_grown_families_need_one_sure_overlap_or_two_weak_ones_that_share_no_image() -> None:
    def joined(*weak: Overlap) -> int:
        forest = Forest(8)
        for number in range(3):
            forest.join(0, number)
            forest.join(4, 4 + number)
        join_overlaps(forest, weak)
        return len(set(forest.labels.tolist()[:3] + forest.labels.tolist()[4:7]))

    assert joined(Overlap(0, 4, 0.5, 0.3, False)) == 2
    assert joined(Overlap(0, 4, 0.5, 0.3, False), Overlap(0, 5, 0.5, 0.3, False)) == 2
    assert joined(Overlap(0, 4, 0.5, 0.3, False), Overlap(1, 5, 0.5, 0.3, False)) == 1
    assert joined(Overlap(0, 4, 0.5, 0.7, True)) == 1


def test_whole_films_of_one_set_up_are_not_taken_for_copies() -> None:
    films = [fingerprint(workshop_film(seed)) for seed in range(6)]
    without_detail = [Fingerprint(one.phash, one.view, one.blank, one.keypoints) for one in films]
    assert len(set(find_families(without_detail).labels.tolist())) < 6, "the set-up alone has to look like a copy here"
    assert len(set(find_families(films).labels.tolist())) == 6


@pytest.mark.parametrize("kind", ["jpeg", "half", "gamma", "turned", "cut"])
def test_copies_of_a_whole_film_are_found(kind: str) -> None:
    film = workshop_film(0)
    height, width = film.shape
    turn = cv2.getRotationMatrix2D((width / 2, height / 2), 0.8, 1)
    copy = {
        "jpeg": lambda: jpeg(film, 60),
        "half": lambda: grey_levels(cv2.resize(film, (width // 2, height // 2), interpolation=cv2.INTER_AREA)),
        "gamma": lambda: grey_levels(255 * (film / 255.0) ** 1.5),
        "turned": lambda: grey_levels(np.asarray(cv2.warpAffine(film, turn, (width, height), borderMode=1))),
        "cut": lambda: film[:, width // 8 :],
    }[kind]()
    found = find_families([fingerprint(one) for one in (film, copy, workshop_film(1), workshop_film(2))])
    assert found.labels.tolist() == [0, 0, 1, 2]


def test_real_whole_films_of_one_workshop_stay_apart(shared_data: Path) -> None:
    films = sorted((shared_data / "weld-films" / "films").glob("*.png"))
    if not films:
        pytest.skip("the real data hold no whole films")
    found = find_families([fingerprint(np.asarray(cv2.imread(str(film), cv2.IMREAD_GRAYSCALE))) for film in films])
    assert found.pairs == []
