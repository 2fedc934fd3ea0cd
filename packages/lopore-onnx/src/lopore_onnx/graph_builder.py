"""ONNX nodes written like arithmetic: each call adds one operator and gives the name of its result."""

from __future__ import annotations

import hashlib
from typing import Any

import numpy as np
import onnx
from numpy.typing import ArrayLike, NDArray
from onnx import TensorProto, helper, numpy_helper

FLOAT, DOUBLE, INT64, INT32 = TensorProto.FLOAT, TensorProto.DOUBLE, TensorProto.INT64, TensorProto.INT32


class GraphBuilder:
    """Nodes and constants of a graph in the making; all names begin with ``prefix``."""

    def __init__(self, prefix: str) -> None:
        self.prefix, self._count = prefix, 0
        self.nodes: list[onnx.NodeProto] = []
        self.constants: dict[str, onnx.TensorProto] = {}

    def add(self, operator: str, *inputs: str, **attributes: Any) -> str:
        """One node with one output; returns the output's name."""
        name = self.new_name()
        self.nodes.append(helper.make_node(operator, list(inputs), [name], **attributes))
        return name

    def new_name(self) -> str:
        """A name that no other result has."""
        self._count += 1
        return f"{self.prefix}{self._count}"

    def constant(self, value: ArrayLike | NDArray[Any], dtype: Any = None) -> str:
        """A constant, kept once for equal values; Python numbers become float64 or int64."""
        array = np.asarray(value, dtype)
        digest = hashlib.sha256(f"{array.dtype}{array.shape}".encode() + array.tobytes()).hexdigest()
        name = f"{self.prefix}{digest[:16]}"
        if name not in self.constants:
            self.constants[name] = numpy_helper.from_array(array, name)
        return name

    def smallest(self, value: str, count: str) -> str:
        """The ``count`` smallest of the last axis, in order; count: int64 vector with one element."""
        name = self.new_name()
        self.nodes.append(helper.make_node("TopK", [value, count], [name, f"{name}_at"], largest=0))
        return name

    def cast(self, value: str, kind: int) -> str:
        return self.add("Cast", value, to=kind)

    def slice(self, value: str, start: str, end: str, axis: int, step: str = "") -> str:
        """start, end, step: names of int64 vectors with one element."""
        steps = [step] if step else []
        return self.add("Slice", value, start, end, self.constant([axis], np.int64), *steps)

    def flip(self, value: str, axis: int) -> str:
        """The value turned over along one axis."""
        last, first = self.constant([-1], np.int64), self.constant([np.iinfo(np.int64).min], np.int64)
        return self.slice(value, last, first, axis, step=self.constant([-1], np.int64))

    def vector(self, *scalars: str) -> str:
        """int64 scalars as one vector."""
        axis = self.constant([0], np.int64)
        return self.add("Concat", *(self.add("Unsqueeze", scalar, axis) for scalar in scalars), axis=0)

    def size_of(self, value: str, axis: int) -> str:
        """One side of a tensor, int64 scalar."""
        return self.add("Gather", self.add("Shape", value), self.constant(axis, np.int64), axis=0)

    def count_to(self, end: str) -> str:
        """0, 1, ... up to an int64 scalar, as float64."""
        zero, one = self.constant(0, np.int64), self.constant(1, np.int64)
        return self.cast(self.add("Range", zero, end, one), DOUBLE)

    def column(self, vector: str) -> str:
        return self.add("Unsqueeze", vector, self.constant([1], np.int64))

    def number(self, scalar: str) -> str:
        """An integer scalar as float64."""
        return self.cast(scalar, DOUBLE)


def renamed(graph: onnx.GraphProto, prefix: str, given: dict[str, str], gives: dict[str, str]) -> None:
    """Put ``prefix`` before every name in a graph, in place, but for inputs and outputs that ``given``, ``gives`` name.

    The graph has no subgraphs: control flow is refused before.
    """
    names = {"": "", **given, **gives}

    def new(name: str) -> str:
        return names.get(name) or (f"{prefix}{name}" if name else "")

    for node in graph.node:
        inputs, outputs = [new(name) for name in node.input], [new(name) for name in node.output]
        del node.input[:], node.output[:]
        node.input.extend(inputs)
        node.output.extend(outputs)
        node.name = f"{prefix}{node.name}" if node.name else ""
    for tensor in graph.initializer:
        tensor.name = new(tensor.name)
