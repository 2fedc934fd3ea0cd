"""The record's calibration as tensors, as Keras layers and as ONNX nodes: the same numbers as core's."""

from __future__ import annotations

from collections import Counter
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import onnxruntime
import pytest

from lopore.metrics.score_calibration import curve_values, scores_from
from lopore.record.score_calibration import LogitCurve, ScoreCalibration
from lopore_tf.export import probabilities
from lopore_tf.network import to_scores
from lopore_tf.onnx_export import _calibrated, _scores
from lopore_tf.onnx_layers import Graph
from lopore_tf.score_calibration import calibrate
from lopore_tf.start import keras, tf

BENT = LogitCurve(scale=0.4, shift=-0.3, knots=(-1.0, 0.5, 2.0), gains=(0.3, 0.6, -0.9))
STRAIGHT = LogitCurve(scale=0.5, shift=0.7)


@pytest.mark.parametrize(
    ("task", "curves"),
    [("binary", (BENT,)), ("multilabel", (BENT, STRAIGHT, STRAIGHT)), ("multiclass", (STRAIGHT,) * 3)],
)
def test_every_form_gives_the_same_numbers_as_core(task: Any, curves: Any, tmp_path: Path) -> None:
    count = len(curves)
    logits = (np.linspace(-30, 12, 60)[:, None].repeat(count, 1) - np.arange(count) * 1.5).astype(np.float32)
    found = ScoreCalibration(method="isotonic", curves=curves, fitted_on="made films")
    moved = np.column_stack([curve_values(c, logits[:, k].astype(float)) for k, c in enumerate(curves)])
    want = scores_from(moved, task)
    close = {"rtol": 3e-5, "atol": 1e-30}
    np.testing.assert_allclose(to_scores(calibrate(tf.constant(logits), found), task).numpy(), want, **close)
    given = keras.Input((count,))
    network = keras.Model(given, keras.layers.Rescaling(1.0)(given))
    path = tmp_path / "model.keras"
    probabilities(network, task, found).save(path)
    np.testing.assert_allclose(keras.models.load_model(path)(logits).numpy(), want, **close)
    graph = Graph(Counter())
    _scores(graph, _calibrated(graph, "logits", found), task)
    info = [onnx.helper.make_tensor_value_info("logits", onnx.TensorProto.FLOAT, ["N", count])]
    out = [onnx.helper.make_tensor_value_info("scores", onnx.TensorProto.FLOAT, ["N", None])]
    weights = [onnx.numpy_helper.from_array(value, name) for name, value in graph.constants.items()]
    made = onnx.helper.make_graph(graph.nodes, "made", info, out, weights)
    model = onnx.helper.make_model(made, opset_imports=[onnx.helper.make_opsetid("", 18)], ir_version=8)
    runtime = onnxruntime.InferenceSession(model.SerializeToString(), providers=["CPUExecutionProvider"])
    np.testing.assert_allclose(runtime.run(None, {"logits": logits})[0], want, **close)
