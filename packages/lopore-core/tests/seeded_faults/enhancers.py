"""Enhancers with one promise broken."""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np

from lopore.affine import Affine
from lopore.contracts import Enhancer, Pixels

from .sound import GAIN, MIRROR, PLAIN, SMOOTH, Loose, Unbounded, multiplied_table


def _float_at_the_low_end(pixels: Pixels, params: Any) -> Any:
    return pixels.astype(np.float64) if params.gain == 0 else pixels.copy()


def _fails_at_the_low_end(pixels: Pixels, params: Any) -> Pixels:
    if params.gain == 0 and len(np.unique(pixels)) > 2:
        raise ZeroDivisionError("float division by zero")
    return pixels.copy()


def _scratches_its_input(pixels: Pixels, params: Any) -> Pixels:
    result = pixels.copy()
    pixels[0, 0] = 0
    return result


def _loses_a_row_of(dtype: type[Any]) -> Callable[[Pixels, Any], Pixels]:
    return lambda pixels, params: pixels[:-1].copy() if pixels.dtype == dtype and len(pixels) > 5 else pixels.copy()


def _eight_bits_inside(pixels: Pixels, params: Any) -> Pixels:
    return np.asarray(pixels >> 8 << 8) if pixels.dtype == np.uint16 else pixels.copy()


def _unseeded(pixels: Pixels, params: Any) -> Pixels:
    return pixels // 2 * 2 + np.random.default_rng().integers(0, 2, pixels.shape).astype(pixels.dtype)


def _float_when_flat(pixels: Pixels, params: Any) -> Any:
    return pixels.astype(np.float64) if pixels.size > 15 and pixels.min() == pixels.max() else pixels.copy()


def _fails_when_tiny(pixels: Pixels, params: Any) -> Pixels:
    if min(pixels.shape[:2]) < 7:
        raise IndexError("index 7 is out of bounds")
    return pixels.copy()


def _long_refusal(pixels: Pixels, params: Any) -> Pixels:
    if min(pixels.shape[:2]) < 7:
        raise ValueError("too small\nTraceback (most recent call last):\n  ...")
    return pixels.copy()


def _wraps(pixels: Pixels, params: Any) -> Pixels:
    return pixels + pixels.dtype.type(np.iinfo(pixels.dtype).max // 4)


def _wraps_at_edges(pixels: Pixels, params: Any) -> Pixels:
    values = pixels.astype(np.int64)
    padded = np.pad(values, ((0, 0), (3, 3)) + ((0, 0),) * (values.ndim - 2), mode="edge")
    smooth = sum(padded[:, at : at + values.shape[1]] for at in range(7)) // 7
    return np.asarray(values + (values - smooth) * 2).astype(pixels.dtype)


def _off_by_one(dtype: np.dtype[Any], params: Any) -> Pixels:
    table = multiplied_table(dtype, params)
    table[7] += 1
    return table


def _swapped_table(dtype: np.dtype[Any], params: Any) -> Pixels:
    table = np.arange(np.iinfo(dtype).max + 1).astype(dtype)
    table[[100, 101]] = table[[101, 100]]
    return table


def _swapped(pixels: Pixels, params: Any) -> Pixels:
    return _swapped_table(pixels.dtype, params)[pixels]


SHARED_BUFFER: dict[tuple[Any, ...], Pixels] = {}


def _into_one_buffer(pixels: Pixels, params: Any) -> Pixels:
    buffer = SHARED_BUFFER.setdefault((pixels.shape, str(pixels.dtype)), np.empty_like(pixels))
    buffer[...] = pixels
    return buffer


def _reads_memory_in_order(pixels: Pixels, params: Any) -> Pixels:
    flat = pixels if pixels.base is None or pixels.flags.c_contiguous else pixels.base
    return np.resize(flat, pixels.shape).astype(pixels.dtype)


def _after(change: Callable[[], object]) -> Callable[[Pixels, Any], Pixels]:
    def apply(pixels: Pixels, params: Any) -> Pixels:
        change()
        return pixels.copy()

    return apply


def _one_opencv_thread() -> None:
    import cv2

    cv2.setNumThreads(1)


def _a_thread_that_stays() -> None:
    threading.Thread(target=time.sleep, args=(5,), daemon=True).start()


def _an_environment_variable() -> None:
    os.environ["SEEDED_FAULT"] = "was here"


ENHANCER_FAULTS: dict[str, tuple[Enhancer, set[str]]] = {
    "unknown parameters are accepted": (replace(PLAIN, params=Loose), {"defaults_are_valid"}),
    "a number has no bounds": (replace(PLAIN, params=Unbounded), {"bounds_are_stated_and_hold"}),
    "another dtype at a bound": (replace(PLAIN, apply=_float_at_the_low_end), {"works_within_its_bounds"}),
    "a crash at a bound": (replace(PLAIN, apply=_fails_at_the_low_end), {"works_within_its_bounds"}),
    "the input is changed": (replace(PLAIN, apply=_scratches_its_input), {"leaves_input_untouched"}),
    "a row is lost in 8 bits": (replace(PLAIN, apply=_loses_a_row_of(np.uint8)), {"keeps_depth_8_bit"}),
    "a row is lost in 16 bits": (replace(PLAIN, apply=_loses_a_row_of(np.uint16)), {"keeps_depth_16_bit"}),
    "8 bits inside": (replace(PLAIN, apply=_eight_bits_inside), {"keeps_grey_levels_16_bit"}),
    "noise without a seed": (replace(PLAIN, apply=_unseeded), {"repeatable", "takes_any_memory_layout"}),
    "one buffer for all results": (replace(PLAIN, apply=_into_one_buffer), {"keeps_its_result"}),
    "a view is read as if it were whole": (replace(PLAIN, apply=_reads_memory_in_order), {"takes_any_memory_layout"}),
    "NumPy is seeded for all": (
        replace(PLAIN, apply=_after(lambda: np.random.seed(7))), {"leaves_the_process_as_it_was"}
    ),
    "the directory is changed": (
        replace(PLAIN, apply=_after(lambda: os.chdir(os.sep))), {"leaves_the_process_as_it_was"}
    ),
    "OpenCV's threads are set": (replace(PLAIN, apply=_after(_one_opencv_thread)), {"leaves_the_process_as_it_was"}),
    "the environment is changed": (
        replace(PLAIN, apply=_after(_an_environment_variable)), {"leaves_the_process_as_it_was"}
    ),
    "a thread is left running": (replace(PLAIN, apply=_after(_a_thread_that_stays)), {"leaves_the_process_as_it_was"}),
    "another dtype when flat": (replace(PLAIN, apply=_float_when_flat), {"constant_image"}),
    "a crash when tiny": (replace(PLAIN, apply=_fails_when_tiny), {"tiny_image"}),
    "a refusal of many lines": (replace(PLAIN, apply=_long_refusal), {"tiny_image"}),
    "white turns black": (replace(PLAIN, apply=_wraps), {"does_not_wrap_around"}),
    "edges get stripes": (replace(PLAIN, apply=_wraps_at_edges), {"does_not_wrap_around"}),
    "the table is another": (replace(GAIN, lookup=_off_by_one), {"lookup_equals_apply", "lookup_keeps_order"}),
    "two values change places": (replace(GAIN, apply=_swapped, lookup=_swapped_table), {"lookup_keeps_order"}),
    "the reach is too small": (replace(SMOOTH, reach=lambda params: 0), {"tiles_equal_the_film"}),
    "the motion is wrong": (replace(MIRROR, motion=lambda shape, params: Affine()), {"motion_moves_planted_marks"}),
    "a motion is not declared": (replace(MIRROR, motion=None), {"planted_marks_stay"}),
}  # fmt: skip
