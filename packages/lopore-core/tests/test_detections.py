"""Detections of a segmentation model: place and size on the film, specks dropped by a rule."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from pydantic import ValidationError

from lopore.affine import Affine
from lopore.errors import ConfigError
from lopore.inference.regions import Detection, DetectionRule, Detections, extract_detections
from lopore.inference.test_time_augmentation import segment_views
from lopore.preprocessing.geometry import Geometry
from lopore.preprocessing.geometry import fit_to_input as place
from lopore.preprocessing.resampling import resize

CLASSES = ("pore", "slag")
MAP = 24


def whole(original: tuple[int, int] = (48, 72), size: tuple[int, int] = (MAP, MAP)) -> Geometry:
    """The whole image stretched onto the input."""
    return Geometry(original, size, Affine(xx=size[1] / original[1], yy=size[0] / original[0]))


def detections_in(
    maps: NDArray[np.float32], rule: DetectionRule, geometry: Geometry | None = None, **options: Any
) -> Detections:
    options = {"classes": CLASSES, "thresholds": (0.7, 0.3), **options}
    return extract_detections(maps, geometry or whole(), rule, **options)


def found_in(maps: NDArray[np.float32], geometry: Geometry, **options: Any) -> tuple[Detection, ...]:
    """What the default rule finds of one class."""
    options = {"classes": ("pore",), "thresholds": (0.5,), **options}
    return extract_detections(maps, geometry, DetectionRule(), **options).found


@st.composite
def some_maps(draw: st.DrawFn) -> NDArray[np.float32]:
    """Two maps (2, 24, 24) with blobs and specks of many heights over noise."""
    rng = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    maps = rng.uniform(0, draw(st.sampled_from([0.0, 0.25, 1.0])), (2, MAP, MAP))
    for _ in range(draw(st.integers(0, 9))):
        plane, top, left = int(rng.integers(2)), *(int(v) for v in rng.integers(0, MAP, 2))
        height, width = (int(v) for v in rng.integers(1, 9, 2))
        maps[plane, top : top + height, left : left + width] = rng.uniform(0.2, 1)
    return maps.astype(np.float32)


rules = st.builds(
    DetectionRule,
    threshold=st.none() | st.floats(0.05, 1),
    extent=st.floats(0.05, 1),
    minimum_area_px=st.floats(0, 300),
    opening=st.integers(0, 2),
)


@settings(deadline=None)
@given(some_maps(), rules, st.floats(0, 300), st.floats(0, 300))
def test_a_larger_minimum_area_never_brings_anything_back(
    maps: NDArray[np.float32], rule: DetectionRule, one: float, other: float
) -> None:
    less, more = (
        detections_in(maps, rule.model_copy(update={"minimum_area_px": area}))
        for area in (min(one, other), max(one, other))
    )
    assert set(more.found) <= set(less.found)
    assert (more.scores <= less.scores).all()
    assert not (more.regions & ~less.regions).any()
    assert more.dropped >= less.dropped
    assert all(found.area_px >= max(one, other) for found in more.found)


@settings(deadline=None)
@given(some_maps(), st.floats(0.05, 1), st.floats(0.01, 3))
def test_the_areas_of_all_detections_are_the_thresholded_area(
    maps: NDArray[np.float32], level: float, pitch: float
) -> None:
    found = detections_in(maps, DetectionRule(threshold=level, extent=level), pitch_mm=pitch).found
    pixel = (48 / MAP) * (72 / MAP)
    for values, name in zip(maps, CLASSES, strict=True):
        areas = [one.area_px for one in found if one.class_name == name]
        assert sum(areas) == pytest.approx(pixel * (values >= np.float32(level)).sum())
    assert [one.area_mm2 for one in found] == pytest.approx([one.area_px * pitch**2 for one in found])


@settings(deadline=None)
@given(some_maps())
def test_at_zero_nothing_is_dropped_and_the_scores_are_those_of_the_maps(maps: NDArray[np.float32]) -> None:
    seen = detections_in(maps, DetectionRule())
    assert seen.dropped == 0
    np.testing.assert_array_equal(seen.scores, maps.max(axis=(1, 2)))


@settings(deadline=None)
@given(some_maps(), rules)
def test_a_class_is_called_exactly_where_it_has_a_detection(maps: NDArray[np.float32], rule: DetectionRule) -> None:
    seen = detections_in(maps, rule)
    limits = (0.7, 0.3) if rule.threshold is None else (rule.threshold,) * 2
    called = {name for name, score, limit in zip(CLASSES, seen.scores, limits, strict=True) if float(score) >= limit}
    assert called == {found.class_name for found in seen.found}


@settings(deadline=None)
@given(
    st.sampled_from(["stretch", "letterbox", "crop"]),
    st.tuples(st.integers(150, 420), st.integers(150, 420)),
    st.floats(0.35, 0.65),
    st.floats(0.35, 0.65),
    st.floats(0.14, 0.22),
)
def test_a_planted_disc_is_found_with_its_centre_and_area(
    mode: Any, original: tuple[int, int], across: float, down: float, share: float
) -> None:
    height, width = original
    radius = share * min(original)
    x = width / 2 + (across - 0.5) * min(original)
    y = height / 2 + (down - 0.5) * min(original)
    rows, columns = np.mgrid[0:height, 0:width] + 0.5
    disc = np.where(np.hypot(rows - y, columns - x) < radius, 255, 0).astype(np.uint8)
    drawn, move = place(disc, mode, (160, 192))
    maps = (drawn / np.float32(255))[None]
    (found,) = found_in(maps, Geometry(original, (160, 192), move), thresholds=(0.9,), pitch_mm=0.1)
    area = np.pi * radius**2
    assert found.centre == pytest.approx((x, y), abs=1)
    assert found.area_px == pytest.approx(area, rel=0.05)
    assert found.area_mm2 == pytest.approx(area / 100, rel=0.05)
    edge = max(height / 160, width / 192, 1) + 1
    assert found.box == pytest.approx((x - radius, y - radius, x + radius, y + radius), abs=edge)


def test_maps_of_a_coarser_grid_lie_at_the_same_place() -> None:
    fine = np.zeros((1, 32, 32), np.float32)
    fine[0, 8:16, 20:28] = 0.9
    coarse = resize(fine[0], (8, 8))[None]
    seen = [found_in(maps, whole((64, 64), (32, 32)))[0] for maps in (fine, coarse)]
    assert seen[0].box == seen[1].box == pytest.approx((40, 16, 56, 32))
    assert seen[0].centre == pytest.approx((48, 24))
    assert seen[0].area_px == seen[1].area_px == pytest.approx(256)


def test_a_mirrored_picture_gives_mirrored_places_on_the_original() -> None:
    maps = np.zeros((1, 16, 16), np.float32)
    maps[0, 2:4, 0:6] = 0.8
    mirror = Geometry((32, 48), (16, 16), Affine(xx=-1, x0=48).then(Affine(xx=16 / 48, yy=0.5)))
    (found,) = found_in(maps, mirror)
    assert found.box == pytest.approx((30, 4, 48, 8))
    assert found.centre == pytest.approx((39, 6))


def test_the_bars_of_a_letterbox_hold_no_detection() -> None:
    maps = np.full((1, 20, 20), 0.9, np.float32)
    geometry = Geometry((10, 20), (20, 20), Affine(y0=5))
    seen = extract_detections(maps, geometry, DetectionRule(), classes=("pore",), thresholds=(0.5,))
    assert [found.box for found in seen.found] == [(0, 0, 20, 10)]
    maps[0, 5:15] = 0.1
    seen = extract_detections(maps, geometry, DetectionRule(), classes=("pore",), thresholds=(0.5,))
    assert (seen.found, float(seen.scores[0])) == ((), pytest.approx(0.1))


def test_pixels_that_touch_by_a_corner_are_one_detection_and_no_box_leaves_the_film() -> None:
    maps = np.zeros((1, 4, 4), np.float32)
    maps[0, 2, 2] = maps[0, 3, 3] = 0.9
    geometry = Geometry((15, 15), (4, 4), Affine(xx=0.25, yy=0.25))  # the last pixels reach 1 px over the edge
    (found,) = found_in(maps, geometry)
    assert found.box == (8, 8, 15, 15)
    assert found.centre == pytest.approx((12, 12))


def test_an_opening_takes_scratches_away_and_leaves_the_pore() -> None:
    maps = np.zeros((1, MAP, MAP), np.float32)
    maps[0, 2] = 0.95
    maps[0, 10:19, 10:19] = 0.8
    maps[0, 0, 20:] = 0.9
    kept = detections_in(maps, DetectionRule(opening=1), classes=("pore",), thresholds=(0.5,))
    assert [found.peak for found in kept.found] == [pytest.approx(0.8)]
    assert kept.scores[0] == np.float32(0.8)
    assert kept.dropped == 2
    assert len(detections_in(maps, DetectionRule(), classes=("pore",), thresholds=(0.5,)).found) == 3


def test_square_millimetres_need_a_pitch_and_mean_the_same_as_pixels() -> None:
    maps = np.zeros((2, MAP, MAP), np.float32)
    maps[0, 3:5, 3:6], maps[0, 12:18, 12:18] = 0.9, 0.9  # 36 and 216 px of the original
    rule = DetectionRule(minimum_area_mm2=1.0)
    with pytest.raises(ConfigError, match="so 1 mm2 is no known area; give the pitch, or a minimum area in pixels"):
        detections_in(maps, rule)
    in_mm = detections_in(maps, rule, pitch_mm=0.1)
    assert in_mm.found == detections_in(maps, DetectionRule(minimum_area_px=100), pitch_mm=0.1).found
    assert [found.area_mm2 for found in in_mm.found] == pytest.approx([2.16])
    assert in_mm.dropped == 1


@pytest.mark.parametrize(
    "wrong",
    [{"minimum_area_px": -1}, {"threshold": 1.5}, {"opening": 99}, {"minimum_area_px": float("nan")}, {"area": 3}],
)
def test_a_rule_out_of_bounds_is_refused(wrong: dict[str, Any]) -> None:
    with pytest.raises(ValidationError):
        DetectionRule.model_validate(wrong)


@pytest.mark.parametrize("views", [1, 2, 4, 8])
def test_the_maps_of_turned_views_are_turned_back(views: int) -> None:
    batch = np.random.default_rng(views).integers(0, 255, (2, 16, 16, 3), np.uint8)
    calls = []

    def segment(pixels: NDArray[Any]) -> NDArray[np.float32]:
        calls.append(1)
        return pixels.transpose(0, 3, 1, 2).astype(np.float32) / 255

    np.testing.assert_allclose(segment_views(segment, batch, views), segment(batch), atol=1e-6)
    assert len(calls) == views + 1
