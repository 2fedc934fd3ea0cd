"""Shards of a job put together are what one run would have written, byte for byte; what is missing is named."""

from __future__ import annotations

import re
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
from click.testing import Result
from hypothesis import given
from hypothesis import strategies as st
from made.commands import error_line, lopore
from made.models import publish, publish_areas
from made.whole_films import disc, ground

from lopore.errors import DataError
from lopore.inference.jobs import finished_shards, merge_tables, part_path, shard_of
from lopore.reading.radiograph import write_radiograph

Say = Callable[..., Result]


@pytest.fixture(scope="module")
def films(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Seven films, one of them broken, and models."""
    place = tmp_path_factory.mktemp("jobs")
    publish(place / "models" / "final" / "bright" / "1")
    publish_areas(place / "models" / "final" / "areas" / "1")
    for number in range(7):
        pixels = ground(90, 200, 20 + 15 * number)
        for mark in range(number % 3):
            disc(pixels, 40.5 + 60 * mark, 45.5, 12)
        write_radiograph(pixels, place / "films" / f"film{number}.png")
    broken = place / "films" / "film3.png"
    broken.write_bytes(broken.read_bytes()[:150])
    return place


@pytest.fixture
def say(films: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Say:
    shutil.copytree(films, tmp_path, dirs_exist_ok=True)
    monkeypatch.chdir(tmp_path)
    return lopore


@given(st.integers(0, 60), st.integers(1, 70))
def test_shards_one_behind_the_other_are_the_list(items: int, count: int) -> None:
    blocks = [shard_of(range(items), (number, count)) for number in range(1, count + 1)]
    assert [one for block in blocks for one in block] == list(range(items))
    assert max(map(len, blocks)) - min(map(len, blocks)) <= 1


@pytest.mark.parametrize("suffix", ["csv", "json", "jsonl"])
@pytest.mark.parametrize("count", [1, 3, 9])
def test_parts_of_a_table_are_the_table_of_one_run(say: Say, suffix: str, count: int) -> None:
    asked = ("predict", "--model", "areas", "films", "--min-area", "1")
    if suffix == "csv":
        asked = (*asked, "--detections", "marks.csv")
    tables = [f"answers.{suffix}", *(["marks.csv"] if suffix == "csv" else [])]
    assert say(*asked, "--out", f"answers.{suffix}").exit_code == 1
    once = [Path(table).read_bytes() for table in tables]
    for number in range(1, count + 1):
        say(*asked, "--out", f"answers.{suffix}", "--shard", f"{number}/{count}")
    for table, expected in zip(tables, once, strict=True):
        Path(table).unlink()
        assert say("jobs", "merge", table).exit_code == 0
        assert Path(table).read_bytes() == expected
    assert sum(b"film" in line for line in once[0].splitlines()) == 6


def test_a_shard_that_is_missing_is_named_and_nothing_is_written(say: Say) -> None:
    for number in (1, 3):
        say("predict", "--model", "bright", "films", "--out", "answers.csv", "--shard", f"{number}/4")
    told = error_line(say("jobs", "merge", "answers.csv").stderr)
    assert "shard 2/4, 4/4 of 4 is not finished" in told and not Path("answers.csv").exists()
    assert "there is none" in error_line(say("jobs", "merge", "others.csv").stderr)
    shutil.copy("answers.1-of-4.csv", "answers.1-of-2.csv")
    assert "jobs with 2 and 4 shards" in error_line(say("jobs", "merge", "answers.csv").stderr)


def test_parts_of_other_columns_are_not_put_together(tmp_path: Path) -> None:
    for number, heading in ((1, "a,b"), (2, "a,c")):
        part_path(tmp_path / "t.csv", (number, 2)).write_text(f"{heading}\n1,2\n")
    with pytest.raises(DataError, match="other columns"):
        merge_tables(tmp_path / "t.csv")
    assert not (tmp_path / "t.csv").exists()
    with pytest.raises(DataError, match="there is none"):
        finished_shards([], tmp_path)


TIMED = re.compile(rb'"(created|date_created|seconds)": [^,\n]+,?')


def contents(out: Path) -> dict[str, bytes]:
    """Every file, without the lines that state when it was made; report and DICONDE object hold no more than these."""
    return {
        str(path.relative_to(out)): TIMED.sub(b"", path.read_bytes())
        for path in sorted(out.rglob("*"))
        if path.is_file() and path.suffix not in (".html", ".dcm") and ".shards" not in path.parts
    }


@pytest.mark.parametrize("apart", [False, True], ids=["one folder", "a folder a machine"])
def test_shards_of_an_inspection_are_the_folder_of_one_run(say: Say, apart: bool) -> None:
    asked = ("inspect", "areas", "films", "--no-pdf")
    assert say(*asked, "--out", "once").exit_code == 1
    for number in (2, 1, 3):
        say(*asked, "--out", f"machine-{number}" if apart else "seen", "--shard", f"{number}/3")
    parts = [f"machine-{number}" for number in (1, 2, 3)] if apart else []
    merged = say("jobs", "merge", "seen", *parts)
    assert merged.exit_code == 1 and "film3.png failed" in merged.stderr and "7 films, 1 failed" in merged.stderr
    assert contents(Path("seen")) == contents(Path("once"))
    assert len(contents(Path("once"))) == 6 * 5 + 1


def test_a_shard_of_films_that_did_not_end_is_named(say: Say) -> None:
    say("inspect", "areas", "films", "--no-pdf", "--out", "seen", "--shard", "1/3")
    told = error_line(say("jobs", "merge", "seen").stderr)
    assert "shard 2/3, 3/3 of 3 is not finished" in told and not Path("seen/films.csv").exists()
