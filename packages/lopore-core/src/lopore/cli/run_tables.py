"""Lists of runs as `runs` and `sweep` print them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from lopore.messages import plain

from .scores import score_text

if TYPE_CHECKING:
    from lopore.training.run_list import RunEntry


def run_table(entries: Sequence[RunEntry], *, score: str) -> str:
    """A line a run: name, state, validation score, a score with its interval, and the settings that differ."""
    from lopore.training.run_list import differing_settings

    keys = differing_settings(entries)
    rows = [("run", "state", "validation", score, "settings that differ"), *(_row(one, score, keys) for one in entries)]
    return "\n".join(_aligned(rows))


def _aligned(rows: Sequence[Sequence[str]]) -> list[str]:
    widths = [max(len(row[column]) for row in rows) for column in range(len(rows[0]) - 1)]
    return [
        "  ".join([*(f"{cell:<{w}}" for cell, w in zip(row, widths, strict=False)), row[-1]]).rstrip() for row in rows
    ]


def _row(entry: RunEntry, score: str, keys: Sequence[str]) -> tuple[str, ...]:
    found = entry.scores.get(score)
    scored = f"{score_text(found)} on {entry.split}" if found else "not scored"
    chosen = f"{entry.validation[0]} {entry.validation[1]:.4f}" if entry.validation else ""
    settings = " ".join(f"{key}={_value(entry.settings[key])}" for key in keys if key in entry.settings)
    leaky = "LEAKY TRAINING " if entry.leaks else ""
    return tuple(plain(text, 400) for text in (entry.name, entry.state, chosen, scored, leaky + settings))


def _value(value: Any) -> str:
    return "null" if value is None else plain(value, 60)


def against(first: RunEntry, second: RunEntry) -> str:
    """Two runs beside each other: what differs in their settings, then every score of both."""
    from lopore.training.run_list import differing_settings

    rows: list[tuple[str, ...]] = [("", first.name, second.name)]
    rows += [("state", first.state, second.state), ("model", first.model, second.model)]
    for key in differing_settings([first, second]):
        rows.append((key, *(_value(one.settings.get(key, "not set")) for one in (first, second))))
    if first.validation or second.validation:
        pair = [f"{one.validation[0]} {one.validation[1]:.4f}" if one.validation else "" for one in (first, second)]
        rows.append(("validation", *pair))
    names = [name for name in dict.fromkeys([*first.scores, *second.scores]) if "/" not in name]
    rows += [("scores on", first.split, second.split)] if names else []
    for name in names:
        rows.append((name, *(score_text(one.scores[name]) if name in one.scores else "" for one in (first, second))))
    lines = _aligned([tuple(plain(cell, 100) for cell in row) for row in rows])
    if names and (first.films != second.films or first.split != second.split):
        lines.append("note: the scores stand on different films, so they cannot be compared")
    elif first.model and second.model:
        lines.append(f"note: `lopore compare {first.model} {second.model}` tests the difference film by film")
    return "\n".join(lines)
