"""The record's calibration, as operations on tensors and as Keras layers: logits in, calibrated logits out."""

from __future__ import annotations

from typing import Any

from lopore.record.score_calibration import LogitCurve, ScoreCalibration

from .start import keras, tf


def calibrate(logits: Any, calibration: ScoreCalibration | None) -> Any:
    """(N, outputs) logits through ``LogitCurve`` of each output; without a calibration they stay as they are."""
    if calibration is None:
        return logits
    curves = calibration.curves
    found = logits * tf.constant([curve.scale for curve in curves]) + tf.constant([curve.shift for curve in curves])
    for knots, gains in bends(curves):
        found = found + tf.nn.relu(logits - tf.constant(knots)) * tf.constant(gains)
    return found


def calibrate_layers(logits: Any, calibration: ScoreCalibration | None) -> Any:
    """The same with standard Keras layers, which any Keras opens without lopore."""
    if calibration is None:
        return logits
    layers, curves = keras.layers, calibration.curves

    def rescaled(tensor: Any, scale: Any, offset: Any, name: str) -> Any:
        return layers.Rescaling(scale, offset, dtype="float32", name=name)(tensor)

    scale, shift = [curve.scale for curve in curves], [curve.shift for curve in curves]
    parts = [rescaled(logits, scale, shift, "calibration")]
    for number, (knots, gains) in enumerate(bends(curves)):
        moved = rescaled(logits, 1.0, [-knot for knot in knots], f"calibration_knot_{number}")
        above = layers.ReLU(dtype="float32", name=f"calibration_above_{number}")(moved)
        parts.append(rescaled(above, gains, 0.0, f"calibration_gain_{number}"))
    return layers.Add(dtype="float32", name="calibrated")(parts) if len(parts) > 1 else parts[0]


def bends(curves: tuple[LogitCurve, ...]) -> list[tuple[list[float], list[float]]]:
    """Knots and gains of all outputs, one bend after the other; where an output has fewer, its gain is 0."""
    most = max(len(curve.knots) for curve in curves)
    knots = [[*curve.knots, *[0.0] * (most - len(curve.knots))] for curve in curves]
    gains = [[*curve.gains, *[0.0] * (most - len(curve.gains))] for curve in curves]
    return [([row[k] for row in knots], [row[k] for row in gains]) for k in range(most)]
