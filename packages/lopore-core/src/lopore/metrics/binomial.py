"""Shares of independent trials with exact bounds (Clopper and Pearson, Biometrika 26, 1934)."""

from __future__ import annotations

from lopore.record.interval import Interval


def exact_share(successes: int, trials: int, *, confidence: float = 0.95) -> Interval:
    """The observed share with its exact two-sided interval; no trials: no value."""
    if not 0 <= successes <= trials:
        raise ValueError(f"{successes} successes of {trials} trials; give 0 to {trials}")
    if not trials:
        return Interval(value=None)
    tail = (1 - confidence) / 2
    return Interval(
        value=successes / trials,
        low=share_at_least(successes, trials, confidence=1 - tail),
        high=1 - share_at_least(trials - successes, trials, confidence=1 - tail),
    )


def share_at_least(successes: int, trials: int, *, confidence: float = 0.95) -> float:
    """The share that so many successes prove with one-sided ``confidence``; 0 for none."""
    from scipy.special import betaincinv

    if not successes:
        return 0.0
    return float(betaincinv(successes, trials - successes + 1, 1 - confidence))


def trials_needed(share: float, *, failures: int = 0, confidence: float = 0.95) -> int:
    """The fewest trials that prove ``share`` with that many failures among them: 59 for 0.95 without any."""
    from scipy.special import betainc

    def proven(trials: int) -> bool:
        # The chance of at most ``failures`` failures, where the true share is just ``share``.
        return float(betainc(trials - failures, failures + 1, share)) <= 1 - confidence

    high = failures + 1
    while not proven(high):
        high *= 2
    low = max(failures + 1, high // 2)
    while low < high:
        middle = (low + high) // 2
        low, high = (low, middle) if proven(middle) else (middle + 1, high)
    return low
