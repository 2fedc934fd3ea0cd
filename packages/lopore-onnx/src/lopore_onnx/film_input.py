"""From raw grey values of a film to a network's input as ONNX operators, equal to ``lopore.preprocessing``.

Some runtimes compute float64 in float32 and int64 in int32 (OpenVINO does). What decides a rounding is therefore
written in whole numbers that either holds exactly: sums and products of integers, and floats below 2^24.
"""

from __future__ import annotations

import math
from fractions import Fraction
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
from numpy.typing import NDArray
from onnx import TensorProto, helper

from lopore.preprocessing.pipeline import share_of
from lopore.preprocessing.resampling import MEAN_PARTS, TIE_SHIFT, WEIGHT_PARTS

from .graph_builder import DOUBLE, FLOAT, INT32, INT64, GraphBuilder

if TYPE_CHECKING:
    from lopore.record.preprocessing import Preprocessing, Window

LEVELS = 1 << 16


def to_depth(graph: GraphBuilder, image: str, bits: str, tags: str, record: Preprocessing) -> str:
    """The table of grey values after the window, (65536,) float64, whole numbers of the record's depth.

    image: int64. bits: int64 scalar, 8 or 16. tags: two float64, NaN for none; read in the mode ``tags`` alone.
    """
    top = float(2**record.depth - 1)
    levels = graph.constant(np.arange(LEVELS, dtype=np.float64))
    if record.window.mode == "full":
        if record.depth == 8:
            return levels
        eight = graph.add("Equal", bits, graph.constant(8, np.int64))
        return graph.add("Where", eight, graph.add("Mul", levels, graph.constant(257.0)), levels)
    low, high = _limits(graph, image, tags, record.window)
    width = graph.add("Sub", high, low)
    above = graph.add("Max", graph.add("Min", graph.add("Sub", levels, low), width), graph.constant(0.0))
    scaled = graph.add("Mul", above, graph.constant(top))
    return (
        _rounded_ratio(graph, scaled, width)
        if record.depth == 8
        else graph.add("Round", graph.add("Div", scaled, width))
    )


def _rounded_ratio(graph: GraphBuilder, value: str, divisor: str) -> str:
    """``round(value / divisor)``, half to even, for whole or half numbers: what the division left over corrects it."""
    one, two = graph.constant(1.0), graph.constant(2.0)
    near = graph.add("Round", graph.add("Div", value, divisor))
    left = graph.add("Mul", graph.add("Sub", value, graph.add("Mul", near, divisor)), two)
    half = graph.add("Floor", graph.add("Div", near, two))
    odd = graph.add("Equal", graph.add("Sub", near, graph.add("Mul", half, two)), one)

    def beyond(amount: str) -> str:
        tie = graph.add("And", graph.add("Equal", amount, divisor), odd)
        return graph.cast(graph.add("Or", graph.add("Greater", amount, divisor), tie), DOUBLE)

    return graph.add("Sub", graph.add("Add", near, beyond(left)), beyond(graph.add("Neg", left)))


def _limits(graph: GraphBuilder, image: str, tags: str, window: Window) -> tuple[str, str]:
    if window.mode == "fixed":
        return graph.constant(window.low), graph.constant(window.high)
    low, high = _percentiles(graph, image, window.low, window.high)
    if window.mode == "percentile":
        return low, high

    def stated_or(found: str, at: int) -> str:
        stated = graph.add("Gather", tags, graph.constant(at, np.int64), axis=0)
        return graph.add("Where", graph.add("IsNaN", stated), found, stated)

    return stated_or(low, 0), stated_or(high, 1)


def _percentiles(graph: GraphBuilder, image: str, low: float, high: float) -> tuple[str, str]:
    """As ``preprocessing.pipeline.percentile_limits``: exact, by the histogram."""
    flat = graph.add("Reshape", image, graph.constant([-1], np.int64))
    total, one = graph.size_of(flat, 0), graph.constant(1, np.int64)
    ones = graph.add("ConstantOfShape", graph.add("Shape", flat), value=_one())
    empty = graph.constant(np.zeros(LEVELS, np.int32))
    counts = graph.add("ScatterElements", empty, flat, ones, axis=0, reduction="add")
    below = graph.cast(graph.add("CumSum", counts, graph.constant(0, np.int64)), INT64)

    def reached(rank: str) -> str:
        """How many grey values lie below the rank; by the sign of a difference, which no rounding changes."""
        missing = graph.number(graph.add("Sub", rank, below))
        less = graph.cast(graph.add("Greater", missing, graph.constant(0.0)), DOUBLE)
        return graph.add("ReduceSum", less, keepdims=0)

    bottom = reached(graph.add("Max", _rank(graph, total, share_of(low)), one))
    top = reached(_rank(graph, total, share_of(high)))
    return bottom, graph.add("Max", top, graph.add("Add", bottom, graph.constant(1.0)))


def _rank(graph: GraphBuilder, total: str, share: Fraction) -> str:
    """``ceil(total * share)``, int64: whole parts and rest apart, so that nothing large is divided twice.

    The first division may be off by one where int64 is no int64; the rest makes up for it.
    """
    above, below = (graph.constant(part, np.int64) for part in (share.numerator, share.denominator))
    parts = graph.add("Div", total, below)
    rest = graph.number(graph.add("Mul", graph.add("Sub", total, graph.add("Mul", parts, below)), above))
    more = graph.cast(graph.add("Ceil", graph.add("Div", rest, graph.number(below))), INT64)
    return graph.add("Add", graph.add("Mul", parts, above), more)


def _one() -> TensorProto:
    return helper.make_tensor("one", INT32, [1], [1])


def apply_table(graph: GraphBuilder, values: str, table: NDArray[np.unsignedinteger]) -> str:
    """Grey values after a pointwise enhancement; values: a table of whole numbers, float64."""
    return graph.add("Gather", graph.constant(table.astype(np.float64)), graph.cast(values, INT64), axis=0)


class Span(NamedTuple):
    """What of a line the network sees: from ``twice_start / 2 / unit`` on ``extent / unit`` pixels; int64 scalars."""

    twice_start: str
    extent: str
    unit: str


def axis_weights(graph: GraphBuilder, length: str, span: Span, out: str) -> str:
    """Weights (out, length) float32 of the antialiased resize of a line's span, whole parts of ``WEIGHT_PARTS``.

    length, out: int64 scalars. As ``preprocessing.resampling`` makes them: a triangle of half-width
    max(1, extent / out) pixels about the middle of each output, its running sum rounded. Distances are kept times
    ``2 * out * unit``, which makes them whole. ONNX's Resize with ``antialias`` has the same filter; written as a
    product it takes any crop, and gives the same numbers in every runtime.
    """
    one, two = graph.constant(1, np.int64), graph.constant(2, np.int64)
    whole = graph.add("Mul", out, span.unit)

    def odd_numbers(count: str) -> str:
        return graph.add("Add", graph.add("Mul", graph.add("Range", graph.constant(0, np.int64), count, one), two), one)

    centres = graph.add("Mul", odd_numbers(out), span.extent)
    centres = graph.column(graph.add("Add", centres, graph.add("Mul", span.twice_start, out)))
    places = graph.add("Mul", odd_numbers(length), whole)
    support = graph.add("Mul", graph.add("Max", span.extent, whole), two)
    inside = graph.add("Sub", support, graph.add("Abs", graph.add("Sub", places, centres)))
    inside = graph.cast(graph.add("Max", inside, graph.constant(0, np.int64)), DOUBLE)
    reached = graph.add("CumSum", inside, one)
    parts = _parts_reached(graph, reached, graph.add("ReduceSum", inside, graph.constant([1], np.int64), keepdims=1))
    end = graph.constant([-1], np.int64)
    before = graph.add("Pad", graph.slice(parts, graph.constant([0], np.int64), end, 1), graph.constant([0, 1, 0, 0]))
    return graph.cast(graph.add("Sub", parts, before), FLOAT)


def _parts_reached(graph: GraphBuilder, reached: str, total: str) -> str:
    """``round(WEIGHT_PARTS * reached / total)``, half up; whole numbers, total below 2^24 / sqrt(WEIGHT_PARTS).

    Divided in two steps of the root, as one divides by hand: what is left over never passes what float32 holds.
    """
    root = math.isqrt(WEIGHT_PARTS)
    assert root * root == WEIGHT_PARTS
    step, two = graph.constant(float(root)), graph.constant(2.0)
    high, rest = _divided(graph, graph.add("Mul", reached, step), total)
    low, rest = _divided(graph, graph.add("Mul", rest, step), total)
    more, _ = _divided(graph, graph.add("Mul", rest, two), total)
    return graph.add("Add", graph.add("Add", graph.add("Mul", high, step), low), more)


def _divided(graph: GraphBuilder, value: str, divisor: str) -> tuple[str, str]:
    """Whole quotient and what is left over, of whole numbers; a quotient that was rounded up or down is put right."""
    near = graph.add("Floor", graph.add("Div", value, divisor))
    left = graph.add("Sub", value, graph.add("Mul", near, divisor))
    beyond = graph.cast(graph.add("Not", graph.add("Greater", divisor, left)), DOUBLE)
    short = graph.cast(graph.add("Greater", graph.constant(0.0), left), DOUBLE)
    change = graph.add("Sub", beyond, short)
    return graph.add("Add", near, change), graph.add("Sub", left, graph.add("Mul", change, divisor))


class Placement:
    """Where the network's input lies on the film: ``x' = scale * x + offset`` a side, and the pixels put there."""

    def __init__(self, graph: GraphBuilder, shape: tuple[str, str], record: Preprocessing) -> None:
        self.graph, self.record = graph, record
        self.lengths = [graph.number(length) for length in shape]
        self.shape = shape
        self.out = [graph.constant(length, np.int64) for length in record.size]
        self.starts = [graph.constant(0.0)] * 2
        self.extents = list(self.lengths)
        one = graph.constant(1, np.int64)
        self.spans = [Span(graph.constant(0, np.int64), length, one) for length in shape]
        self.inner = list(self.out)
        self.offsets = [graph.constant(0.0)] * 2
        if record.resize == "crop":
            self._crop()
        elif record.resize == "letterbox":
            self._letterbox()

    def _crop(self) -> None:
        graph, two = self.graph, self.graph.constant(2.0)
        sizes = [graph.constant(float(size)) for size in self.record.size]
        scale = graph.add("Min", *(graph.add("Div", *pair) for pair in zip(self.lengths, sizes, strict=True)))
        scaled = [graph.add("Mul", size, scale) for size in sizes]
        room = [graph.add("Sub", length, part) for length, part in zip(self.lengths, scaled, strict=True)]
        self.starts = [graph.add("Div", one, two) for one in room]
        ends = [graph.add("Add", start, part) for start, part in zip(self.starts, scaled, strict=True)]
        self.extents = [graph.add("Sub", end, start) for end, start in zip(ends, self.starts, strict=True)]
        common = math.gcd(*self.record.size)
        units = [graph.constant(side // common, np.int64) for side in reversed(self.record.size)]
        fitted = [graph.add("Mul", length, unit) for length, unit in zip(self.shape, units, strict=True)]
        extent = graph.add("Min", *fitted)
        self.spans = [
            Span(graph.add("Sub", side, extent), extent, unit) for side, unit in zip(fitted, units, strict=True)
        ]

    def _letterbox(self) -> None:
        graph = self.graph
        one = graph.constant(1, np.int64)
        across = zip(self.lengths, reversed(self.record.size), reversed(self.lengths), strict=True)
        fitted = [  # each side where the other one fits; the smaller of that and its own size
            _rounded_ratio(graph, graph.add("Mul", length, graph.constant(float(size))), other)
            for length, size, other in across
        ]
        inner = [
            graph.add("Min", graph.cast(side, INT64), graph.constant(size, np.int64))
            for side, size in zip(fitted, self.record.size, strict=True)
        ]
        self.inner = [graph.add("Max", length, one) for length in inner]
        room = [graph.add("Sub", out, length) for out, length in zip(self.out, self.inner, strict=True)]
        self.before = [graph.add("Div", length, graph.constant(2, np.int64)) for length in room]
        self.after = [graph.add("Sub", length, half) for length, half in zip(room, self.before, strict=True)]
        self.offsets = [graph.number(length) for length in self.before]

    def pixels(self, planes: str) -> str:
        """(C, H, W) float32 grey values to (1, h, w, C) of the record's depth."""
        graph = self.graph
        down, across = (
            axis_weights(graph, length, span, out)
            for length, span, out in zip(self.shape, self.spans, self.inner, strict=True)
        )
        to_means = graph.constant(MEAN_PARTS / WEIGHT_PARTS, np.float32)
        to_levels = graph.constant(1 / (MEAN_PARTS * WEIGHT_PARTS), np.float32)
        rows = graph.add("Round", graph.add("MatMul", graph.add("Mul", down, to_means), planes))
        across = graph.add("Transpose", graph.add("Mul", across, to_levels), perm=[1, 0])
        means = graph.add("MatMul", rows, across)
        placed = graph.add("Round", graph.add("Add", means, graph.constant(TIE_SHIFT, np.float32)))
        if self.record.resize == "letterbox":
            placed = self._framed(placed, planes)
        top = graph.constant(float(2**self.record.depth - 1), np.float32)
        placed = graph.add("Clip", placed, graph.constant(0.0, np.float32), top)
        kind = TensorProto.UINT8 if self.record.depth == 8 else TensorProto.UINT16
        batch = graph.add("Unsqueeze", graph.cast(placed, kind), graph.constant([0], np.int64))
        return graph.add("Transpose", batch, perm=[0, 2, 3, 1])

    def _framed(self, placed: str, planes: str) -> str:
        graph, zero = self.graph, self.graph.constant(0, np.int64)
        pads = graph.vector(zero, *self.before, zero, *self.after)
        frame = graph.add("Pad", placed, pads, graph.constant(0.0, np.float32))
        ones = graph.add("ConstantOfShape", graph.add("Shape", placed), value=_one())
        inside = graph.cast(graph.add("Pad", ones, pads, graph.constant(0, np.int32)), TensorProto.BOOL)
        return graph.add("Where", inside, frame, self._median(planes))

    def _median(self, planes: str) -> str:
        """(C, 1, 1): the median of at most 128 x 128 pixels, cut to a whole number."""
        graph, one = self.graph, self.graph.constant(1, np.int64)
        few, end = planes, graph.constant([np.iinfo(np.int64).max], np.int64)
        for axis, length in enumerate(self.shape, start=1):
            step = graph.add("Max", graph.add("Div", length, graph.constant(64, np.int64)), one)
            few = graph.slice(few, graph.constant([0], np.int64), end, axis, step=graph.vector(step))
        flat = graph.add("Flatten", few, axis=1)
        count = graph.size_of(flat, 1)
        half = graph.add("Div", count, graph.constant(2, np.int64))
        most = graph.add("Add", half, one)
        ranked = graph.smallest(flat, graph.vector(most))
        even = graph.add("Sub", one, graph.add("Sub", count, graph.add("Mul", half, graph.constant(2, np.int64))))
        pair = [graph.add("Gather", ranked, graph.vector(at), axis=1) for at in (graph.add("Sub", half, even), half)]
        middle = graph.add("Mul", graph.add("Add", *pair), graph.constant(0.5, np.float32))
        return graph.add("Unsqueeze", graph.add("Floor", middle), graph.constant([2], np.int64))
