"""Shapes are compared before a network is built: a record that names a giant costs neither memory nor time."""

from __future__ import annotations

import resource

import pytest
import torch
from made.models import record_for

from lopore.errors import ModelError
from lopore.record.preprocessing import Preprocessing
from lopore_torch.backbones import rebuild

GIB_IN_KIB = 1 << 20


def test_a_record_that_names_a_giant_is_refused_before_anything_of_its_size_is_made() -> None:
    record = record_for(
        backbone="vit_giant_patch14_clip_224", architecture={"outputs": 2}, preprocessing=Preprocessing(size=224)
    )
    state = {"normalise.scale": torch.ones(1, 1, 1), "normalise.shift": torch.zeros(1, 1, 1)}
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    with pytest.raises(ModelError, match=r"bright/1: the weights do not fit vit_giant.* and \d+ more differ") as caught:
        rebuild(record, state)
    assert "\n" not in str(caught.value)
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < GIB_IN_KIB / 2  # its weights take 4 GB
