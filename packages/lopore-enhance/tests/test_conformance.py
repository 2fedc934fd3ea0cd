"""The conformance kit on every enhancer of this package."""

from __future__ import annotations

import lopore_enhance.plugin
from lopore.testing.check import Check
from lopore.testing.kit import parametrize_checks


@parametrize_checks(lopore_enhance.plugin)
def test_conforms(check: Check) -> None:
    check()
