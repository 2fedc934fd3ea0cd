"""Verdicts by a user's rules, worked out by hand; what cannot be decided is an answer of its own."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import pytest

from lopore.errors import ConfigError
from lopore.indications.acceptance import FilmMarks, RuleResult, Verdict, apply_profile
from lopore.indications.acceptance_profile import parse_profile, read_profile
from lopore.indications.clustering import GroupRule, find_groups
from lopore.indications.indication import Indication

PITCH = 0.1
EXAMPLES = Path(__file__).parents[3] / "examples" / "acceptance"


def mark(number: int, x: float, y: float, length: float, height: float | None = None, name: str = "pore") -> Indication:
    """A rectangle of ``length`` x ``height`` px whose centre is (x, y)."""
    tall = length if height is None else height
    box = (x - length / 2, y - tall / 2, x + length / 2, y + tall / 2)
    corners = ((box[0], box[1]), (box[2], box[1]), (box[2], box[3]), (box[0], box[3]))
    return Indication(
        id=number, class_name=name, peak=0.9, mean=0.8, centre=(x, y), box=box, contour=corners, area_px=length * tall,
        length_px=length, width_px=min(length, tall), diameter_px=2 * math.sqrt(length * tall / math.pi),
        orientation_deg=0.0,
    )  # fmt: skip


def verdict(
    rules: list[dict[str, Any]], *marks: Indication, pitch: float | None = PITCH, grouped: bool = False, **given: float
) -> Verdict:
    """Rules over marks on a film of 200 x 3000 px; the model knows pores and lack of penetration."""
    named = [{"name": f"rule {number}", **rule} for number, rule in enumerate(rules)]
    data = {"title": "Test", "source": "made up", "variables": {"thickness": {}, "weld_width": {}}, "rules": named}
    groups = find_groups(marks, GroupRule()) if grouped else []
    film = FilmMarks(marks, groups, (200, 3000), pitch, ("pore", "lop"))
    return apply_profile(parse_profile(data, source="test.yaml"), film, given)


def one(rule: dict[str, Any], *marks: Indication, **options: Any) -> RuleResult:
    (result,) = verdict([rule], *marks, **options).rules
    return result


def test_the_largest_size_is_compared_with_the_thickness() -> None:
    rule = {"check": "largest", "measure": "diameter", "limit": "min(0.3 * thickness, 4)", "unit": "mm"}
    marks = mark(1, 100, 50, 20), mark(2, 500, 50, 40)  # diameters of 2.257 and 4.514 mm
    held = one(rule, *marks[:1], thickness=10)
    assert (held.answer, held.limit, held.value) == ("holds", 3.0, pytest.approx(2.2568, abs=1e-4))
    broken = one(rule, *marks, thickness=20)
    assert (broken.answer, broken.limit, broken.indications) == ("broken", 4.0, (2,))
    assert "largest diameter 4.514 mm, limit 4 mm" in broken.reason


def test_a_size_of_just_the_limit_holds() -> None:
    rule = {"check": "largest", "limit": 2, "unit": "mm"}
    assert one(rule, mark(1, 100, 50, 20)).answer == "holds"
    assert one(rule, mark(1, 100, 50, 20.01)).answer == "broken"


def test_lengths_are_summed_in_the_worst_stretch() -> None:
    """Three bars of 10 mm, 30 mm from centre to centre: any 70 mm hold all three, any 50 mm two and a half at most."""
    bars = [mark(number, 1000 + 300 * number, 50, 100, 10, "lop") for number in (1, 2, 3)]
    rule = {"check": "sum", "applies_to": ["lop"], "limit": 25, "unit": "mm", "within": 70}
    assert one(rule, *bars).value == pytest.approx(30)
    assert one(rule, *bars).indications == (1, 2, 3)
    shorter = one({**rule, "within": 50}, *bars)  # one bar and 40 mm to the next: 10 + 10, and no third
    assert (shorter.value, shorter.answer) == (pytest.approx(20), "holds")
    part = one({**rule, "within": 35}, *bars)  # 35 mm: a whole bar, 20 mm of gap, 5 mm of the next
    assert part.value == pytest.approx(15)
    assert one({**rule, "within": None}, *bars).value == pytest.approx(30)


def test_an_area_share_is_that_of_the_fullest_window() -> None:
    """Two pores of 2 x 2 mm within 20 mm: 8 mm2 of 20 x 10 mm are 4 %."""
    pores = mark(1, 500, 50, 20), mark(2, 600, 50, 20), mark(3, 2500, 50, 20)
    rule = {"check": "area_share", "limit": 3, "unit": "%", "within": 20, "height": "weld_width"}
    found = one(rule, *pores, weld_width=10)
    assert (found.answer, found.value) == ("broken", pytest.approx(4.0))
    assert found.indications == (1, 2)
    assert one(rule, *pores, weld_width=20).value == pytest.approx(2.0)


def test_marks_are_counted_in_a_window() -> None:
    pores = [mark(number, x, 50, 10) for number, x in enumerate((100, 200, 300, 900), start=1)]
    rule = {"check": "count", "limit": 2, "within": 20}
    found = one(rule, *pores)
    assert (found.answer, found.value, found.indications) == ("broken", 3, (1, 2, 3))
    assert one({**rule, "within": 19.9}, *pores).value == 2
    assert one({"check": "count", "limit": 4}, *pores).answer == "holds"


def test_the_distance_between_marks_is_from_edge_to_edge() -> None:
    pores = mark(1, 100, 50, 20), mark(2, 150, 50, 20), mark(3, 900, 50, 20)  # 30 px between the first two
    found = one({"check": "distance", "limit": 5, "unit": "mm"}, *pores)
    assert (found.answer, found.value, found.indications) == ("broken", pytest.approx(3.0, abs=0.05), (1, 2))
    assert one({"check": "distance", "limit": 2.9, "unit": "mm"}, *pores).answer == "holds"
    assert one({"check": "distance", "limit": 5, "unit": "mm"}, pores[0]).answer == "holds"


def test_what_is_not_permitted_is_named() -> None:
    found = one({"check": "not_permitted", "applies_to": ["402"]}, mark(1, 100, 50, 9), mark(2, 300, 50, 40, 5, "lop"))
    assert (found.answer, found.indications, found.value) == ("broken", (2,), 1)


def test_a_cluster_counts_as_one_mark_of_its_own_size() -> None:
    """Five pores of 1 mm, 1.9 mm from centre to centre: a line of 8.6 x 1 mm."""
    pores = [mark(number, 500 + 19 * number, 50, 10) for number in range(1, 6)]
    rule = {"check": "largest", "limit": 5, "unit": "mm"}
    assert one(rule, *pores, grouped=True).answer == "holds"
    joined = one({**rule, "clusters": "as_one"}, *pores, grouped=True)
    assert (joined.answer, joined.indications) == ("broken", (1, 2, 3, 4, 5))
    assert joined.value == pytest.approx(8.65, abs=0.1)
    assert one({"check": "count", "limit": 1, "clusters": "as_one"}, *pores, grouped=True).answer == "holds"


def test_marks_under_the_smallest_size_are_not_looked_at() -> None:
    rule = {"check": "count", "limit": 0, "smallest": 1.5}
    assert one(rule, mark(1, 100, 50, 10)).answer == "holds"
    assert one(rule, mark(1, 100, 50, 20)).answer == "broken"


def test_one_of_several_rules_may_hold() -> None:
    few = {"name": "few", "check": "count", "limit": 1}
    small = {"name": "small", "check": "largest", "limit": 1, "unit": "mm"}
    either = {"any_of": [few, small]}
    assert one(either, mark(1, 100, 50, 30)).answer == "holds"
    broken = one(either, mark(1, 100, 50, 30), mark(2, 800, 50, 5))
    assert (broken.answer, broken.indications) == ("broken", (1, 2))
    assert [part.answer for part in broken.parts] == ["broken", "broken"]


def test_what_cannot_be_decided_is_said_with_what_is_missing() -> None:
    rule = {"check": "largest", "limit": "0.2 * thickness", "unit": "mm"}
    pore = mark(1, 100, 50, 20)
    assert "--set thickness=" in one(rule, pore).reason
    assert "--mm-per-pixel" in one(rule, pore, pitch=None, thickness=10).reason
    for options in ({}, {"pitch": None, "thickness": 10}):
        assert verdict([rule], pore, **options).answer == "undecided"
    crack = one({"check": "not_permitted", "applies_to": ["crack"]}, pore)
    assert (crack.answer, crack.reason) == ("undecided", "the model does not look for crack")


def test_without_a_mark_every_rule_of_known_classes_holds() -> None:
    rule = {"check": "largest", "limit": "0.2 * thickness", "unit": "mm"}
    assert verdict([rule], pitch=None).answer == "accept"


def test_a_broken_rule_outweighs_an_undecided_one_and_that_a_rule_that_holds() -> None:
    holds = {"check": "count", "limit": 9}
    broken = {"check": "count", "limit": 0}
    undecided = {"check": "largest", "limit": "thickness", "unit": "mm"}
    pore = mark(1, 100, 50, 20)
    assert verdict([holds, undecided, broken], pore).answer == "reject"
    assert verdict([holds, undecided], pore).answer == "undecided"
    assert verdict([holds], pore).answer == "accept"
    assert verdict([holds, broken], pore).fired == (1,)


BAD = [
    (
        {"check": "largest", "limit": 3, "unit": "inch"},
        r"unit 'inch' is not known here; largest takes mm, mm2, px, px2",
    ),
    ({"check": "largest", "limit": 3, "unit": "mm2"}, r"unit mm2 belongs to measure: area"),
    ({"check": "largest", "unit": "mm"}, r"largest needs a limit"),
    ({"check": "largst", "limit": 3, "unit": "mm"}, r"rules.0.check"),
    ({"check": "largest", "limit": "0.3 * thicknes", "unit": "mm"}, r"no variable 'thicknes'; did you mean thickness"),
    ({"check": "largest", "limit": "__import__('os')", "unit": "mm"}, r"allowed are numbers, variables"),
    ({"check": "largest", "limit": "3 +", "unit": "mm"}, r"is no formula"),
    ({"check": "largest", "limit": "9**9**9", "unit": "mm"}, r"allowed are numbers"),
    ({"check": "area_share", "limit": 3, "unit": "%"}, r"needs its window"),
    ({"limit": 3}, r"either a check or any_of"),
    ({"check": "not_permitted", "applies_to": ["poer"]}, r"'poer', which is neither a class.*did you mean pore"),
]


@pytest.mark.parametrize(("rule", "message"), BAD)
def test_a_wrong_rule_is_one_line_that_names_it(rule: dict[str, Any], message: str) -> None:
    with pytest.raises(ConfigError, match=message) as caught:
        verdict([rule], mark(1, 100, 50, 20), thickness=10)
    assert "\n" not in str(caught.value)


def test_values_that_the_profile_does_not_ask_for_are_refused() -> None:
    with pytest.raises(ConfigError, match="did you mean thickness"):
        verdict([{"check": "count", "limit": 1}], thicknes=3)
    with pytest.raises(ConfigError, match="thickness = -1 is no size"):
        verdict([{"check": "count", "limit": 1}], thickness=-1)


def test_a_profile_is_read_from_yaml_with_its_sha256(tmp_path: Path) -> None:
    path = tmp_path / "rules.yaml"
    path.write_text("title: Own\nsource: me\nrules:\n- {name: none, check: count, limit: 0}\n")
    profile = read_profile(path)
    assert len(profile.sha256) == 64
    assert read_profile(path) == profile
    for text, message in (("- 1", "holds no profile"), ("title: x", "source"), (b"\xff", "UTF-8"), ("a: [", "YAML")):
        path.write_bytes(text if isinstance(text, bytes) else text.encode())
        with pytest.raises(ConfigError, match=message):
            read_profile(path)
    with pytest.raises(ConfigError, match="cannot be read"):
        read_profile(tmp_path / "absent.yaml")


@pytest.mark.parametrize("name", ["butt-weld.yaml", "beam-weld.yaml"])
def test_the_examples_are_read_and_say_that_their_limits_are_invented(name: str) -> None:
    profile = read_profile(EXAMPLES / name)
    assert profile.invented
    assert "invented" in profile.title.lower()
