"""The conformance kit: does a plugin keep the promises that its descriptors make?

Three lines in a plugin's tests adopt it:

    @parametrize_checks(lopore_mine.plugin, expected_failures={"enhancer/fft/tiny_image": "needs 64 px"})
    def test_conforms(check):
        check()

``iter_checks`` gives the same checks without pytest, and ``lopore check-plugin NAME`` runs them from a shell.
"""

from __future__ import annotations

from .check import Check, Outcome, run_check
from .kit import KINDS, iter_checks, parametrize_checks

__all__ = ["KINDS", "Check", "Outcome", "iter_checks", "parametrize_checks", "run_check"]
