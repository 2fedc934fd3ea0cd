"""What stands beside the tests is importable, whichever test runs; and the network that most of them train."""

from __future__ import annotations

import gc
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parent))


@pytest.fixture
def tiny_is_known(monkeypatch: pytest.MonkeyPatch) -> None:
    """``backbones.build`` knows the network TINY."""
    from tf_films import TINY, tiny

    from lopore_tf.architectures import ARCHITECTURES

    monkeypatch.setitem(ARCHITECTURES, TINY, tiny())  # type: ignore[arg-type]


@pytest.fixture(scope="module", autouse=True)
def _graphs_are_given_back() -> Iterator[None]:
    """Graphs of TensorFlow lie in circles: a file's would stay in memory, 1.5 GB of the conformance kit's alone."""
    yield
    gc.collect()
