"""The model card in the field's form: YAML front matter, then sections (Mitchell and others, FAT* 2019)."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

from lopore.arrays import gives_maps
from lopore.html_page import bounds_text, number_text
from lopore.messages import plain

if TYPE_CHECKING:
    from lopore.evaluation.model_facts import ModelFacts


def model_card(facts: ModelFacts) -> str:
    """Markdown of a card from the facts that the report shows."""
    record = facts.record
    classes = ", ".join(_safe(name) for name in record.classes)
    network = f"{_safe(record.framework)}/{_safe(record.backbone)}"
    return "\n".join(
        [
            *_front_matter(facts),
            f"# {record.name} {record.version}",
            "",
            f"Tells {classes} apart in radiographs: a {record.task} model of {network}, made with lopore.",
            "",
            "## Intended use",
            "",
            "A second look beside a qualified person. It certifies nothing and replaces nobody.",
            "",
            "## Data",
            "",
            *(f"- {_safe(line)}" for line in facts.data_lines),
            "",
            "## Figures",
            "",
            "| figure | value | 95 % |",
            "|---|---|---|",
            *(f"| {name} | {number_text(one)} | {bounds_text(one)} |" for name, one in facts.metrics.overall.items()),
            "",
            *_statements(facts),
            "## Limits",
            "",
            *(f"- {_safe(line)}" for line in facts.limits),
            "",
        ]
    )


def _front_matter(facts: ModelFacts) -> list[str]:
    record = facts.record
    results = [(name, one.value) for name, one in facts.metrics.overall.items() if one.value is not None]
    return [
        "---",
        f"license: {json.dumps(record.licence or 'unknown')}",
        "library_name: lopore",
        "pipeline_tag: image-classification" if not gives_maps(record.task) else "pipeline_tag: image-segmentation",
        "tags: [radiography, weld, non-destructive-testing]",
        "model-index:",
        f"- name: {json.dumps(record.name)}",
        "  results:",
        "  - task: {type: " + ("image-segmentation" if gives_maps(record.task) else "image-classification") + "}",
        f"    dataset: {{name: {json.dumps(facts.split)}, type: {json.dumps(record.data_fingerprint[:16] or 'own')}}}",
        "    metrics:",
        *(f"    - {{type: {name}, value: {value:.4f}}}" for name, value in results),
        "---",
    ]


def _statements(facts: ModelFacts) -> list[str]:
    record, lines = facts.record, []
    lines.append(f"- Calibration: {record.calibration.text if record.calibration else 'none'}")
    if facts.contract is not None:
        lines += [f"- {_safe(line)}" for line in facts.contract.lines]
    if facts.abstention is not None:
        lines += [f"- Left to a person: {_safe(line)}" for line in facts.abstention.lines]
    if facts.pod is not None and facts.pod.a90_95 is not None:
        lines.append(f"- a90/95 {facts.pod.a90_95:.3g} ({_safe(facts.pod.size_name)}, {facts.pod.method})")
    elif facts.pod is not None:
        lines += [f"- {_safe(refusal.text)}" for refusal in facts.pod.refusals]
    return ["## Statements", "", *lines, ""]


def _safe(text: str) -> str:
    """Text from outside, without what Markdown or HTML would read as markup."""
    return "".join(f"\\{sign}" if sign in "\\`*_{}[]<>#|" else sign for sign in plain(text, 400))
