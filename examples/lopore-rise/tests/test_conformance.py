"""The promises that lopore's contract asks for, on a model that the kit trains."""

from __future__ import annotations

import lopore_rise.plugin

from lopore.testing import Check, parametrize_checks


@parametrize_checks(lopore_rise.plugin)
def test_conforms(check: Check) -> None:
    check()
