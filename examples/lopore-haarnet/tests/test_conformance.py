"""The promises that lopore's contract asks for."""

from __future__ import annotations

import lopore_haarnet.plugin

from lopore.testing import Check, parametrize_checks


@parametrize_checks(lopore_haarnet.plugin)
def test_conforms(check: Check) -> None:
    check()
