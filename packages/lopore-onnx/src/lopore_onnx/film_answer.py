"""From a network's outputs to what a person is told, as ONNX operators: averaged views, decision, map on the film."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from .film_input import Placement
from .graph_builder import DOUBLE, FLOAT, INT64, GraphBuilder

if TYPE_CHECKING:
    from lopore.record.model import ModelRecord


def views_of(graph: GraphBuilder, batch: str, views: int) -> str:
    """(views, h, w, C) from (1, h, w, C): as ``inference.test_time_augmentation.view_of``."""
    turned = [batch]
    for view in range(1, views):
        one = batch
        if view & 1:
            one = graph.flip(one, 2)
        if view & 2:
            one = graph.flip(one, 1)
        if view & 4:
            one = graph.add("Transpose", graph.flip(one, 2), perm=[0, 2, 1, 3])
        turned.append(one)
    return graph.add("Concat", *turned, axis=0) if views > 1 else batch


def mean_over_views(graph: GraphBuilder, scores: str) -> str:
    """(views, K) float32 to (K,) float32, summed in float64."""
    total = graph.add("ReduceMean", graph.cast(scores, DOUBLE), graph.constant([0], np.int64), keepdims=0)
    return graph.cast(total, FLOAT)


def average_maps(graph: GraphBuilder, maps: str, views: int) -> str:
    """(views, K, h, w) of turned views to (K, h, w), each turned back."""
    total = ""
    for view in range(views):
        one = graph.slice(maps, graph.constant([view], np.int64), graph.constant([view + 1], np.int64), 0)
        if view & 4:  # three quarters on
            one = graph.flip(graph.add("Transpose", one, perm=[0, 1, 3, 2]), 3)
        if view & 2:
            one = graph.flip(one, 2)
        if view & 1:
            one = graph.flip(one, 3)
        one = graph.cast(one, DOUBLE)
        total = graph.add("Add", total, one) if total else one
    mean = graph.add("Div", total, graph.constant(float(views)))
    return graph.cast(graph.add("Squeeze", mean, graph.constant([0], np.int64)), FLOAT)


def decision(graph: GraphBuilder, scores: str, record: ModelRecord) -> str:
    """(K,) int64: 1 for each class that ``inference.decisions.decide`` finds; all 0 where a model is undecided."""
    exact, one = graph.cast(scores, DOUBLE), graph.constant(1, np.int64)
    limits = graph.constant(np.array([record.threshold_of(name) for name in record.classes], np.float64))
    reached = graph.add("GreaterOrEqual", exact, limits)
    if record.task in ("multilabel", "segmentation"):
        return graph.cast(reached, INT64)
    if record.task == "multiclass":
        best = graph.add("Equal", graph.constant(np.arange(len(record.classes))), best_class(graph, scores))
        return graph.cast(graph.add("And", best, reached), INT64)
    positive = record.classes.index(record.positive or record.classes[-1])
    found = graph.cast(graph.add("Gather", reached, graph.constant(positive, np.int64), axis=0), INT64)
    other = graph.add("Sub", one, found)
    return graph.vector(*[found if at == positive else other for at in range(len(record.classes))])


def best_class(graph: GraphBuilder, scores: str) -> str:
    """Number of the class with the largest score, int64 scalar."""
    return graph.add("ArgMax", scores, axis=0, keepdims=0)


def map_on_film(graph: GraphBuilder, maps: str, chosen: str, placement: Placement) -> str:
    """(H, W) float32 of one class's map (K, h, w), by bilinear sampling; NaN where the network saw nothing."""
    heat = graph.add("Gather", maps, chosen, axis=0)
    down, across = (_sampling(graph, heat, axis, placement) for axis in (0, 1))
    drawn = graph.add("MatMul", graph.add("MatMul", down[0], heat), graph.add("Transpose", across[0], perm=[1, 0]))
    if placement.record.resize != "crop":
        return drawn
    seen = graph.add("And", graph.column(down[1]), across[1])
    return graph.add("Where", seen, drawn, graph.constant(np.nan, np.float32))


def _sampling(graph: GraphBuilder, heat: str, axis: int, placement: Placement) -> tuple[str, str]:
    """Weights (side, cells) float32 by which a line of the film reads a line of the map; and which pixels were seen."""
    cells, half = graph.number(graph.size_of(heat, axis)), graph.constant(0.5)
    size = graph.constant(float(placement.record.size[axis]))
    scale = graph.add("Div", graph.number(placement.inner[axis]), placement.extents[axis])
    offset = graph.add("Sub", placement.offsets[axis], graph.add("Mul", placement.starts[axis], scale))
    centres = graph.add("Add", graph.count_to(placement.shape[axis]), half)
    inside = graph.add("Add", graph.add("Mul", centres, scale), offset)
    seen = graph.add(
        "And",
        graph.add("GreaterOrEqual", inside, graph.constant(0.0)),
        graph.add("LessOrEqual", inside, size),
    )
    at = graph.add("Sub", graph.add("Mul", inside, graph.add("Div", cells, size)), half)
    last = graph.add("Sub", cells, graph.constant(1.0))
    at = graph.add("Min", graph.add("Max", at, graph.constant(0.0)), last)
    distance = graph.add("Abs", graph.add("Sub", graph.column(at), graph.count_to(graph.size_of(heat, axis))))
    weights = graph.add("Max", graph.add("Sub", graph.constant(1.0), distance), graph.constant(0.0))
    return graph.cast(weights, FLOAT), seen
