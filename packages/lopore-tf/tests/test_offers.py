"""lopore-tf is found, without problems, and offers only what works."""

from __future__ import annotations

from lopore.registry import Registry
from lopore_tf import plugin


def test_it_registers_without_problems_and_offers_nothing_that_does_not_work() -> None:
    registry = Registry.from_plugins({"lopore-tf": plugin})
    assert registry.problems == ()
    assert [entry.entries for entry in registry.plugins] == [0]
