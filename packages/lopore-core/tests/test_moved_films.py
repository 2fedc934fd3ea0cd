"""Films that were moved, renamed, linked or lost, and manifests that a spreadsheet or a hand changed."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
from click.testing import Result
from made.commands import error_line
from made.runs import config, edit_manifest, run

from lopore.errors import LoporeError

Invoke = Callable[..., Result]


def refusal(result: Result) -> str:
    assert result.exit_code == 1, result.output
    return error_line(result.stderr)


def test_a_table_whose_case_differs_from_the_disk_names_the_file_that_is_there(films: Path, invoke: Invoke) -> None:
    Path("labels.csv").write_text("path,label\nfilms/PORE/Pore0.PNG,pore\nfilms/pore/pore1.png,pore\n")
    if Path("films/PORE").exists():
        pytest.skip("case is no matter here")
    line = refusal(invoke("data", "index", "labels.csv"))
    assert "films/PORE/Pore0.PNG is not there, but films/pore/pore0.png is; mend the case" in line


def test_a_table_away_from_its_films_is_told_of_the_root(films: Path, invoke: Invoke) -> None:
    Path("labels.csv").write_text("path,label\npore/pore0.png,pore\npore/pore1.png,pore\nno_defect/no_defect0.png,ok\n")
    for words in (("data", "index", "labels.csv"), ("data", "index", "labels.csv", "--skip-bad")):
        line = refusal(invoke(*words))
        assert f"none of the 3 images of labels.csv is below {films.parent}, such as pore/pore0.png" in line
        assert "name the folder that its paths count from with --root" in line
    assert invoke("data", "index", "labels.csv", "--root", "films").exit_code == 0


def test_a_class_folder_that_is_a_link_is_called_so(films: Path, invoke: Invoke, tmp_path: Path) -> None:
    shutil.move("films/pore", "elsewhere")
    Path("films/pore").symlink_to(tmp_path / "elsewhere")
    line = refusal(invoke("data", "index", "films"))
    assert "pore is a link to a folder, which is not followed; put the folder itself there" in line


def test_a_link_to_nowhere_is_called_so(films: Path, invoke: Invoke) -> None:
    Path("films/pore/pore0.png").unlink()
    Path("films/pore/pore0.png").symlink_to("/nowhere/pore0.png")
    done = invoke("data", "index", "films")
    assert "lopore: pore/pore0.png is a link to a file that is not there; mend or remove it" in done.stderr


def test_the_folder_of_one_class_is_told_to_index_the_one_above(films: Path, invoke: Invoke) -> None:
    told = invoke("data", "index", "films/pore").stdout
    assert (
        "none of 6 images lies in a class folder, so none has a label; index the folder above, a CSV of labels" in told
    )


def test_one_missing_film_is_named_with_its_folder(welds: Path, softmax: None) -> None:
    Path("films/05-1.png").rename("films/renamed.png")
    with pytest.raises(LoporeError, match=r"/films/05-1\.png does not exist; .*`lopore data check` lists all"):
        run(config(welds))


def test_a_set_that_was_moved_is_told_where_it_was_looked_for(welds: Path, softmax: None, invoke: Invoke) -> None:
    Path("films").rename("moved")
    told = f"none of the 48 images is where films.csv says, such as {welds}/films/00-0.png"
    with pytest.raises(LoporeError) as caught:
        run(config(welds))
    assert told in str(caught.value)
    assert "move them back, or index them where they are" in str(caught.value)
    checked = invoke("data", "check", "films.csv")
    assert checked.exit_code == 1
    (line,) = [line for line in checked.stdout.splitlines() if "unreadable" in line or "moved" in line]
    assert line.startswith("error  moved  none of the 48 images is where films.csv says")


def test_two_damaged_films_of_one_name_are_told_apart(films: Path, invoke: Invoke) -> None:
    shutil.copy("films/pore/pore0.png", "films/no_defect/pore0.png")
    Path("films/pore/pore0.png").write_bytes(Path("films/pore/pore0.png").read_bytes()[:200])
    done = invoke("data", "index", "films")
    assert "lopore: pore/pore0.png " in done.stderr
    assert "no_defect/pore0.png" not in done.stderr


def test_a_damaged_film_is_named_with_its_folder_by_training(welds: Path, softmax: None) -> None:
    Path("films/05-1.png").write_bytes(b"no image")
    with pytest.raises(LoporeError, match=rf"^{welds}/films/05-1\.png is no image"):
        run(config(welds))


def test_a_manifest_that_a_spreadsheet_saved_with_semicolons_is_told_so(welds: Path, invoke: Invoke) -> None:
    text = Path("films.csv").read_text(encoding="utf-8")
    Path("films.csv").write_text(text.replace(",", ";"), encoding="utf-8")
    line = refusal(invoke("data", "split", "films.csv"))
    assert "films.csv parts its columns by ';', a manifest by ','; save it so, or index again" in line


@pytest.mark.parametrize("encoding", ["utf-16", "latin-1"])
def test_a_manifest_in_another_encoding_is_told_to_be_saved_as_utf_8(
    welds: Path, invoke: Invoke, encoding: str
) -> None:
    text = Path("films.csv").read_text(encoding="utf-8").replace("ok", "s\xfcß")
    Path("films.csv").write_bytes(text.encode(encoding))
    assert "films.csv is not UTF-8 text; save it as CSV UTF-8, or index again" in refusal(
        invoke("data", "split", "films.csv")
    )


def test_a_damaged_json_beside_a_manifest_is_told_once(welds: Path, invoke: Invoke) -> None:
    Path("films.csv.json").write_text("broken", encoding="utf-8")
    line = refusal(invoke("data", "split", "films.csv"))
    assert "films.csv.json: Invalid JSON" in line


def test_a_misspelt_label_names_the_class_that_was_meant(welds: Path, softmax: None) -> None:
    edit_manifest(welds, lambda rows: rows[2].update(labels="poer"))
    changes = {"task": "multiclass", "data__positive": None}
    with pytest.raises(LoporeError, match=r"class 'poer' has 1 image in train, .*; did you mean pore\?"):
        run(config(welds, **changes))


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"data__positive": "por"}, "data.positive is 'por'; the images carry ok, pore; did you mean pore?"),
        ({"data__exclude": ["por"]}, "there are ok, pore; did you mean pore?"),
        ({"training__loss": {"class_weights": {"pores": 2.0}}}, "the classes are ok, pore; did you mean pore?"),
        ({"data__manifest": None}, "data.manifest: a path is needed (got nothing)"),
    ],
)
def test_a_misspelt_class_in_a_config_names_the_near_one(
    welds: Path, softmax: None, changes: dict[str, object], said: str
) -> None:
    with pytest.raises(LoporeError) as caught:
        run(config(welds, **changes))
    assert said in str(caught.value)


def test_a_misspelt_class_to_leave_out_names_the_near_one(welds: Path, invoke: Invoke) -> None:
    line = refusal(invoke("data", "split", "films.csv", "--leave-out", "pores", "--replace"))
    assert "its classes are ok, pore; did you mean pore?" in line
