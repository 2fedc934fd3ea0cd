"""lopore-tf's losses keep the promises of the contract."""

from __future__ import annotations

from lopore.testing import Check, parametrize_checks
from lopore_tf import plugin


@parametrize_checks(plugin, kinds=["loss"])
def test_lopores_losses_keep_every_promise(check: Check) -> None:
    check()
