"""What every enhancer promises, one function a promise."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import numpy as np

from lopore.affine import Affine
from lopore.arrays import Pixels
from lopore.contracts import Enhancer, Params
from lopore.errors import LoporeError
from lopore.plugins.problems import one_line

from .check import require
from .images import DTYPES, film, flat, full_scale, images, ramp, step
from .moves import motion_moves_planted_marks, planted_marks_stay
from .parameters import bounds_are_stated_and_hold, defaults_are_valid, variations
from .process import leaves_all
from .reach import tiles_equal_the_film

LARGEST = 1 << 24
"""Pixels; an enlargement beyond this is not tried."""


def checks_for(enhancer: Enhancer) -> Iterator[Callable[[Enhancer], None]]:
    """The promises that this descriptor makes."""
    yield from (
        defaults_are_valid,
        bounds_are_stated_and_hold,
        works_within_its_bounds,
        leaves_input_untouched,
        keeps_depth_8_bit,
        keeps_depth_16_bit,
        repeatable,
        keeps_its_result,
        takes_any_memory_layout,
        leaves_the_process_as_it_was,
        constant_image,
        tiny_image,
    )
    if not enhancer.preview_only:
        yield from (keeps_grey_levels_16_bit, does_not_wrap_around)
    if enhancer.lookup is not None:
        yield from (lookup_equals_apply, lookup_keeps_order)
    if enhancer.reach is not None or enhancer.survey is not None:
        yield tiles_equal_the_film
    if enhancer.motion is not None:
        yield motion_moves_planted_marks
    elif not enhancer.preview_only:
        yield planted_marks_stay


def works_within_its_bounds(enhancer: Enhancer) -> None:
    """At both ends of every range and for every choice it works, or refuses in one line."""
    for dtype in DTYPES:
        for said, params in variations(enhancer.params):
            result = attempt(enhancer, film(dtype), params)
            if result is not None:
                _same_kind(result, film(dtype), f"{dtype} at {said}")


def attempt(enhancer: Enhancer, image: Pixels, params: Params) -> Pixels | None:
    """What apply gives; None where it refuses in one line or would make an image too large to try."""
    try:
        if enhancer.motion is not None:
            move = enhancer.motion((image.shape[0], image.shape[1]), params)
            if _area(move) * image.size > LARGEST:
                return None
        return enhancer.apply(image, params)
    except (ValueError, LoporeError) as error:
        text = str(error)
        require(bool(text.strip()) and "\n" not in text, f"its refusal is not one line: {one_line(text)!r}")
        return None


def _area(move: Affine) -> float:
    return abs(move.xx * move.yy - move.xy * move.yx)


def _same_kind(result: Any, image: Pixels, case: str) -> None:
    require(isinstance(result, np.ndarray), f"{case}: it gave {type(result).__name__}, not an array")
    require(result.dtype == image.dtype, f"{case}: it gave {result.dtype} for {image.dtype}")
    require(
        result.ndim == image.ndim and result.shape[2:] == image.shape[2:] and result.size > 0,
        f"{case}: it gave shape {result.shape} for {image.shape}",
    )


def _keeps_depth(enhancer: Enhancer, dtype: np.dtype[Any]) -> None:
    for image in images(dtype):
        result = enhancer.apply(image, enhancer.params())
        case = f"{dtype}, {'grey' if image.ndim == 2 else 'colour'}"
        _same_kind(result, image, case)
        require(
            enhancer.motion is not None or result.shape == image.shape,
            f"{case}: it gave shape {result.shape} for {image.shape} and declares no motion",
        )


def keeps_depth_8_bit(enhancer: Enhancer) -> None:
    """uint8 in is uint8 out, grey stays grey, colour stays colour, and the size stays unless a motion is declared."""
    _keeps_depth(enhancer, np.dtype(np.uint8))


def keeps_depth_16_bit(enhancer: Enhancer) -> None:
    """uint16 in is uint16 out, grey stays grey, colour stays colour, and the size stays unless a motion is declared."""
    _keeps_depth(enhancer, np.dtype(np.uint16))


def keeps_grey_levels_16_bit(enhancer: Enhancer) -> None:
    """16 bits are not narrowed to 8 on the way: of ten thousand grey values more than 256 remain."""
    result = enhancer.apply(ramp(np.dtype(np.uint16)), enhancer.params())
    inside = result[(result > 0) & (result < full_scale(result.dtype))]  # a window sends most values to the ends
    left = len(np.unique(inside))
    require(
        left > min(256, inside.size // 2) or not inside.size,
        f"of {inside.size} grey values between black and white {left} are left: it works in 8 bits inside",
    )


def leaves_input_untouched(enhancer: Enhancer) -> None:
    """The image that it was given is the same afterwards."""
    for dtype in DTYPES:
        for image in images(dtype):
            given = image.copy()
            enhancer.apply(given, enhancer.params())
            require(np.array_equal(given, image), f"it changed the {dtype} image {image.shape} that it was given")


def repeatable(enhancer: Enhancer) -> None:
    """Equal parameters and pixels give equal pixels, whatever was enhanced in between."""
    for dtype in DTYPES:
        first = enhancer.apply(film(dtype), enhancer.params())
        enhancer.apply(film(dtype, seed=1), enhancer.params())
        np.random.default_rng().random()
        again = enhancer.apply(film(dtype), enhancer.params())
        require(np.array_equal(first, again), f"two runs on the same {dtype} image differ; seed it by a parameter")


def keeps_its_result(enhancer: Enhancer) -> None:
    """A result stays as it is while the next image is enhanced: no buffer is used twice."""
    for dtype in DTYPES:
        first = enhancer.apply(film(dtype), enhancer.params())
        copy = first.copy()
        enhancer.apply(film(dtype, seed=1), enhancer.params())
        require(np.array_equal(first, copy), f"a {dtype} result changed while another image was enhanced; copy it")


def takes_any_memory_layout(enhancer: Enhancer) -> None:
    """A cut-out, mirrored or turned view of an image gives what a copy of it gives."""
    for dtype in DTYPES:
        for image in images(dtype):
            turned = (1, 0, *range(2, image.ndim))
            views = {"cut-out": image[3:-2, 5:-4], "mirrored": image[:, ::-1], "turned": image.transpose(turned)}
            for name, view in views.items():
                expected = enhancer.apply(np.ascontiguousarray(view), enhancer.params())
                same = np.array_equal(enhancer.apply(view, enhancer.params()), expected)
                require(same, f"a {name} view of a {dtype} image gives another result than its copy")


def leaves_the_process_as_it_was(enhancer: Enhancer) -> None:
    """Random states, directory, locale, environment, library settings and threads are the same afterwards."""

    def work() -> None:
        for dtype in DTYPES:
            enhancer.apply(film(dtype), enhancer.params())

    leaves_all(work)


def constant_image(enhancer: Enhancer) -> None:
    """Black, grey and white images without any detail are enhanced or refused in one line."""
    for dtype in DTYPES:
        for share in (0.0, 0.5, 1.0):
            for shape in ((96, 112), (96, 112, 3)):
                image = flat(dtype, share, shape)
                result = attempt(enhancer, image, enhancer.params())
                if result is not None:
                    _same_kind(result, image, f"a constant {dtype} image")


def tiny_image(enhancer: Enhancer) -> None:
    """Images of 1 x 1 and 3 x 5 pixels are enhanced or refused in one line."""
    for dtype in DTYPES:
        for shape in ((1, 1), (3, 5), (1, 1, 3), (3, 5, 3)):
            image = film(dtype, 3 if len(shape) == 3 else 1)[: shape[0], : shape[1]].copy()
            result = attempt(enhancer, image, enhancer.params())
            if result is not None:
                _same_kind(result, image, f"a {dtype} image of shape {shape}")


def does_not_wrap_around(enhancer: Enhancer) -> None:
    """White never turns black: flat images keep their order, and a sharp edge gets no stripes beside it."""
    for dtype in DTYPES:
        for said, params in variations(enhancer.params):
            _flat_images_keep_order(enhancer, dtype, said, params)
            _edges_get_no_stripes(enhancer, dtype, said, params)


def _flat_images_keep_order(enhancer: Enhancer, dtype: np.dtype[Any], said: str, params: Params) -> None:
    results = [attempt(enhancer, flat(dtype, share), params) for share in (0.0, 0.25, 0.5, 0.75, 1.0)]
    made = [result.astype(np.int64) for result in results if result is not None]
    if len(made) < len(results) or len({result.shape for result in made}) > 1:
        return
    steps = np.diff(np.stack(made), axis=0)
    slack = 4 * full_scale(dtype) // 255
    require(
        bool((steps >= -slack).all() or (steps <= slack).all()),
        f"{dtype} at {said}: brighter flat images come out in no order, "
        f"{[round(float(result.mean()), 1) for result in made]}: values wrap around",
    )


def _edges_get_no_stripes(enhancer: Enhancer, dtype: np.dtype[Any], said: str, params: Params) -> None:
    sharp, plain = attempt(enhancer, step(dtype), params), attempt(enhancer, flat(dtype, 0.5), params)
    if sharp is None or plain is None:
        return
    # A clipped overshoot moves a row by 2 full scales at most; one that wraps by 3 and more. Noise moves both alike.
    travelled = _travelled(sharp) - _travelled(plain)
    require(
        travelled <= 2.5 * full_scale(dtype),
        f"{dtype} at {said}: beside a sharp edge the grey value runs through {travelled / full_scale(dtype):.1f} "
        "full scales: values wrap around",
    )


def _travelled(image: Pixels) -> float:
    """How far the grey value moves along a row and along a column, the larger of the two means."""
    values = image.astype(np.int64)
    return max(float(np.abs(np.diff(values, axis=axis)).sum(axis=axis).mean()) for axis in (0, 1))


def lookup_equals_apply(enhancer: Enhancer) -> None:
    """The table gives what apply gives on one channel, for 8 and 16 bit, defaults and bounds."""
    lookup = enhancer.lookup
    assert lookup is not None  # asked only where one is declared
    for dtype in DTYPES:
        every = np.arange(full_scale(dtype) + 1).astype(dtype).reshape(16, -1)
        for said, params in variations(enhancer.params):
            table = lookup(dtype, params)
            require(
                table.dtype == dtype and table.shape == (full_scale(dtype) + 1,),
                f"{dtype} at {said}: the table is {table.dtype} {table.shape}; one entry a grey value of {dtype}",
            )
            differ = int((table[every] != enhancer.apply(every, params)).sum())
            require(not differ, f"{dtype} at {said}: table and apply differ for {differ} grey values")


def lookup_keeps_order(enhancer: Enhancer) -> None:
    """The table only rises or only falls, so that no two grey values change places."""
    lookup = enhancer.lookup
    assert lookup is not None  # asked only where one is declared
    for dtype in DTYPES:
        for said, params in variations(enhancer.params):
            steps = np.diff(lookup(dtype, params).astype(np.int64))
            require(bool((steps >= 0).all() or (steps <= 0).all()), f"{dtype} at {said}: the table rises and falls")
