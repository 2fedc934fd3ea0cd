"""From raw grey values of a film to a network's input as ONNX operators, equal to ``lopore.preprocessing``."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray
from onnx import TensorProto, helper

from lopore.preprocessing.geometry import TIE_SHIFT

from .graph_builder import DOUBLE, FLOAT, INT32, INT64, GraphBuilder

if TYPE_CHECKING:
    from lopore.record.preprocessing import Preprocessing, Window

LEVELS = 1 << 16
PIXEL_CENTRE = 0.5


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
    scaled = graph.add("Div", graph.add("Sub", levels, low), graph.add("Sub", high, low))
    scaled = graph.add("Mul", scaled, graph.constant(top))
    return graph.add("Round", graph.add("Clip", scaled, graph.constant(0.0), graph.constant(top)))


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
    total = graph.number(graph.size_of(flat, 0))
    ones = graph.add("ConstantOfShape", graph.add("Shape", flat), value=_one())
    empty = graph.constant(np.zeros(LEVELS, np.int32))
    counts = graph.add("ScatterElements", empty, flat, ones, axis=0, reduction="add")
    below = graph.cast(graph.add("CumSum", counts, graph.constant(0, np.int64)), DOUBLE)

    def reached(rank: str) -> str:
        less = graph.cast(graph.add("Less", below, rank), DOUBLE)
        return graph.add("ReduceSum", less, keepdims=0)

    first = graph.add("Max", graph.add("Mul", total, graph.constant(low / 100)), graph.constant(1.0))
    bottom = reached(first)
    top = reached(graph.add("Mul", total, graph.constant(high / 100)))
    return bottom, graph.add("Max", top, graph.add("Add", bottom, graph.constant(1.0)))


def _one() -> TensorProto:
    return helper.make_tensor("one", INT32, [1], [1])


def apply_table(graph: GraphBuilder, values: str, table: NDArray[np.unsignedinteger]) -> str:
    """Grey values after a pointwise enhancement; values: a table of whole numbers, float64."""
    return graph.add("Gather", graph.constant(table.astype(np.float64)), graph.cast(values, INT64), axis=0)


def axis_weights(graph: GraphBuilder, length: str, start: str, extent: str, out: str) -> str:
    """Weights (out, length) float32 of the antialiased resize of ``[start, start + extent)`` of a line.

    length, out: int64 scalars. start, extent: float64 scalars. As ``preprocessing.resampling`` makes them: a triangle
    of half-width max(1, extent / out). ONNX's Resize with ``antialias`` has the same filter; written as a product it
    takes any crop, and gives the same numbers in runtimes whose Resize ignores ``antialias``.
    """
    half = graph.constant(PIXEL_CENTRE)
    scale = graph.add("Div", extent, graph.number(out))
    support = graph.add("Max", scale, graph.constant(1.0))
    steps = graph.add("Mul", graph.add("Add", graph.count_to(out), half), scale)
    centres = graph.column(graph.add("Add", start, steps))
    full_size = graph.number(length)
    first = _truncated(graph, graph.add("Add", graph.add("Sub", centres, support), half))
    last = _truncated(graph, graph.add("Add", graph.add("Add", centres, support), half))
    first, last = graph.add("Max", first, graph.constant(0.0)), graph.add("Min", last, full_size)
    places = graph.add("Add", graph.count_to(length), half)
    distance = graph.add("Div", graph.add("Abs", graph.add("Sub", places, centres)), support)
    weights = graph.add("Max", graph.add("Sub", graph.constant(1.0), distance), graph.constant(0.0))
    valid = graph.add("And", graph.add("GreaterOrEqual", places, first), graph.add("Less", places, last))
    weights = graph.add("Mul", weights, graph.cast(valid, DOUBLE))
    total = graph.add("ReduceSum", weights, graph.constant([1], np.int64), keepdims=1)
    return graph.cast(graph.add("Div", weights, total), FLOAT)


def _truncated(graph: GraphBuilder, value: str) -> str:
    return graph.cast(graph.cast(value, INT64), DOUBLE)


class Placement:
    """Where the network's input lies on the film: ``x' = scale * x + offset`` a side, and the pixels put there."""

    def __init__(self, graph: GraphBuilder, shape: tuple[str, str], record: Preprocessing) -> None:
        self.graph, self.record = graph, record
        self.lengths = [graph.number(length) for length in shape]
        self.shape = shape
        self.out = [graph.constant(length, np.int64) for length in record.size]
        self.starts = [graph.constant(0.0)] * 2
        self.extents = list(self.lengths)
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

    def _letterbox(self) -> None:
        graph = self.graph
        ratios = [
            graph.add("Div", graph.constant(float(size)), length)
            for size, length in zip(self.record.size, self.lengths, strict=True)
        ]
        scale, one = graph.add("Min", *ratios), graph.constant(1, np.int64)
        inner = [graph.cast(graph.add("Round", graph.add("Mul", length, scale)), INT64) for length in self.lengths]
        self.inner = [graph.add("Max", length, one) for length in inner]
        room = [graph.add("Sub", out, length) for out, length in zip(self.out, self.inner, strict=True)]
        self.before = [graph.add("Div", length, graph.constant(2, np.int64)) for length in room]
        self.after = [graph.add("Sub", length, half) for length, half in zip(room, self.before, strict=True)]
        self.offsets = [graph.number(length) for length in self.before]

    def pixels(self, planes: str) -> str:
        """(C, H, W) float32 grey values to (1, h, w, C) of the record's depth."""
        graph = self.graph
        down, across = (
            axis_weights(graph, length, start, extent, out)
            for length, start, extent, out in zip(self.shape, self.starts, self.extents, self.inner, strict=True)
        )
        rows = graph.add("MatMul", down, planes)
        means = graph.add("MatMul", rows, graph.add("Transpose", across, perm=[1, 0]))
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
