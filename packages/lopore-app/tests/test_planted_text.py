"""Markup that is planted in every text of a record, a file name and a report is live in no element of any page."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from made.app import serving
from made.images import even
from made.models import publish, record_for
from made.visitor import Visitor

from lopore.record.model import LeakReport, Threshold

LIVE = re.compile(r"(?<!\\)\]\(http|(?<!\\)<img|(?<!\\):material/bomb|(?<!\\)\$planted")
MARKUP = re.compile(r"<img|<script|onerror=")
PLANTED = "![p](http://planted.example/p.png) <img src=x> :material/bomb: $planted$ `x`"
PLAIN = {"arrow_data_frame", "text", "bidi_component", "json"}
"""Elements that draw text as it is; what they hold is looked at in tests of their own."""
AS_IT_IS = {
    "alt",
    "options",
    "default",
    "url",
    "file_name",
    "deferred_file_id",
    "user_key",
    "id",
    "raw_values",
    "set_value",
}


def strings(message: Any, path: str = "") -> Iterator[tuple[str, str]]:
    """Every text of a protocol message with where it stands."""
    for field, value in message.ListFields():
        here = f"{path}.{field.name}"
        if field.name in PLAIN or field.name in AS_IT_IS:
            continue
        many = value if hasattr(value, "append") or hasattr(value, "add") else [value]
        if hasattr(value, "items"):
            many = list(value.values())
        for one in many:
            if isinstance(one, str):
                yield here, one
            elif hasattr(one, "ListFields"):
                yield from strings(one, here)


def test_no_text_of_a_record_or_a_name_is_live_on_any_page(tmp_path: Path) -> None:
    classes = (f"no_defect {PLANTED[:60]}", f"pore {PLANTED[:70]}")
    record = record_for(
        classes=classes,
        framework=PLANTED,
        backbone=PLANTED,
        threshold=Threshold(value=0.0, rule=PLANTED, chosen_on=PLANTED),
        metrics_split=PLANTED,
        leaks=LeakReport(split_kind=PLANTED, examples=(PLANTED,)),
        versions={PLANTED[:40]: PLANTED},
        licence=PLANTED,
        created=PLANTED,
    )
    publish(tmp_path / "models" / "final" / "bright" / "1", record=record)
    seen = 0
    with serving(tmp_path) as port, Visitor(port) as visitor:
        visitor.upload((f"{PLANTED.replace('/', ' ')}.png", even(255)), (f"{PLANTED[:20]}.dcm", PLANTED.encode()))
        for page in ("", "film", "models", "records", "evaluation", "extensions"):
            visitor.run(page, None if page else visitor.files)
            assert not visitor.texts("exception"), page
            for element in visitor.drawn.values():
                for path, text in strings(element):
                    seen += "planted" in text
                    live = MARKUP if path.endswith("html.body") else LIVE
                    assert not live.search(text), (page, path, text[:300])
    assert seen > 5  # the planted texts are on the pages


@pytest.mark.parametrize("text", ["![p](http://x)", "<img>", ":material/bomb:", "$x$", "[p](http://x)", "\\", "\u202e"])
def test_the_check_itself_would_notice(text: str) -> None:
    from lopore_app.plain_text import plain

    assert not LIVE.search(plain(f"{text} {PLANTED}", 400))
    assert LIVE.search(PLANTED)
