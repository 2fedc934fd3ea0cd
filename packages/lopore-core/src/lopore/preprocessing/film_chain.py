"""An enhancement chain over a film that is read part by part, with the pixels that the whole film would give."""

from __future__ import annotations

from functools import partial
from itertools import groupby
from typing import TYPE_CHECKING

from lopore.arrays import Pixels
from lopore.errors import ConfigError
from lopore.plugins.registry import call_entry

from .enhancement_chain import Chain, ChainStep, apply_step, folded_table
from .film_layers import HaloLayer, Layer, TableLayer, WholeLayer, blocks

if TYPE_CHECKING:
    from collections.abc import Iterator


def enhanced_layer(below: Layer, chain: Chain) -> tuple[Layer, tuple[str, ...]]:
    """The film through the chain, and notes on steps that hold the whole film in memory.

    Steps that need the film's statistics read it once, here. ConfigError for a step that moves pixels.
    """
    layer, notes = below, []
    for pointwise, run in groupby(chain.steps, key=lambda step: step.enhancer.lookup is not None):
        steps = list(run)
        if pointwise:
            layer = TableLayer(layer, folded_table(steps, layer.dtype))
            continue
        for step in steps:
            layer, note = _step_layer(layer, step)
            notes += [note] if note else []
    return layer, tuple(notes)


def _step_layer(below: Layer, step: ChainStep) -> tuple[Layer, str]:
    enhancer, params = step.enhancer, step.params
    if enhancer.motion is not None:
        raise ConfigError(f"{enhancer.name} moves pixels and cannot be used on a whole film; leave it out of the chain")
    reach = 0
    if enhancer.reach is not None:
        reach = call_entry("enhancer", enhancer.name, step.source, partial(enhancer.reach, params))
    if enhancer.survey is not None:
        prepare = partial(enhancer.survey, partial(_parts, below), below.shape, below.dtype, params)
        return HaloLayer(below, call_entry("enhancer", enhancer.name, step.source, prepare), reach), ""
    apply = partial(apply_step, step)
    if enhancer.reach is not None:
        return HaloLayer(below, lambda pixels, top, left: apply(pixels), reach), ""
    note = f"{enhancer.name} needs the whole film at once; memory grows with the film's size"
    return WholeLayer(below, apply), note


def _parts(layer: Layer) -> Iterator[tuple[int, int, Pixels]]:
    """(top, left, pixels) of windows that cover the film once."""
    for top, left, height, width in blocks(layer.shape):
        yield top, left, layer.read(top, left, height, width)
