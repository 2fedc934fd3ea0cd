"""Tables as other tools write them: nothing is dropped or turned into something else without a word."""

from __future__ import annotations

import unicodedata
from pathlib import Path

import pytest
from made.films import smooth
from made.images import save

from lopore.data.label_csv import list_table
from lopore.data.listing import Listing
from lopore.errors import DataError


@pytest.fixture
def films(tmp_path: Path) -> Path:
    for number, name in enumerate("abcd"):
        save(tmp_path / f"{name}.png", smooth(number))
    return tmp_path


def read(folder: Path, *lines: str) -> Listing:
    (folder / "labels.csv").write_text("\n".join(lines) + "\n", encoding="utf-8")
    return list_table(folder / "labels.csv")


def labels(listing: Listing) -> dict[str, tuple[str, ...]]:
    return {entry.path: entry.labels for entry in listing.entries}


def test_a_cell_beyond_the_header_is_a_fault_and_not_lost(films: Path) -> None:
    listing = read(films, "path,label", "a.png,crack,pore", "b.png,pore", 'c.png,"crack,pore"')
    assert labels(listing) == {"b.png": ("pore",), "c.png": ("crack", "pore")}
    ((path, why),) = listing.faults
    assert path == "a.png"
    assert "line 2" in why and "'pore' would be lost" in why and "quotes" in why


def test_one_class_in_two_spellings_is_one_and_it_is_said(films: Path) -> None:
    name = "Wurzelrückfall"
    listing = read(films, "path,label", f"a.png,{name}", f"b.png,{unicodedata.normalize('NFD', name)}")
    assert set(labels(listing).values()) == {(name,)}
    assert any("decomposed letters" in note for note in listing.notes)


def test_a_repeated_line_without_a_label_is_said(films: Path) -> None:
    listing = read(films, "path,label", "a.png,pore", "a.png,", "b.png,pore", "b.png,crack")
    assert labels(listing) == {"a.png": ("pore",), "b.png": ("crack", "pore")}
    assert any("2 lines name an image again" in note and "on 1 of them" in note for note in listing.notes)


@pytest.mark.parametrize(
    "cell",
    [
        "\"['pore', 'lop']\"", '"[""pore"", ""lop""]"', '"{""choices"": [""pore"", ""lop""]}"', "\"('pore','lop')\"",
        "\"{'pore': 1, 'lop': 1, 'crack': 0}\"", '"{""lop"": true, ""pore"": true}"',
        "\"['pore' 'lop']\"", '"[{""value"": {""rectanglelabels"": [""pore"", ""lop""]}, ""id"": 3}]"',
    ],
)  # fmt: skip
def test_lists_and_choices_in_a_cell_are_labels(films: Path, cell: str) -> None:
    assert labels(read(films, "path,labels", f"a.png,{cell}"))["a.png"] == ("lop", "pore")


def test_a_list_that_cannot_be_read_is_refused(films: Path) -> None:
    with pytest.raises(DataError, match="are no list that can be read"):
        read(films, "path,labels", "a.png,\"['pore', __import__('os')]\"")


@pytest.mark.parametrize("cell", ["NaN", "nan", "None", "null", "NA", "N/A", "<NA>", "?", "TBD", "unlabeled"])
def test_what_stands_for_nothing_is_no_label(films: Path, cell: str) -> None:
    listing = read(films, "path,label", f"a.png,{cell}", "b.png,pore")
    assert labels(listing) == {"a.png": (), "b.png": ("pore",)}
    assert any("no label" in note for note in listing.notes)


@pytest.mark.parametrize(
    ("header", "cell", "mm"),
    [
        ("pixel_size_um", "50", 0.05), ("Pixel size [µm]", "50", 0.05), ("um_per_pixel", "40,3", 0.0403),
        ("pixelsize_µm", "50", 0.05), ("um_px", "50", 0.05),
        ("micron_per_px", "100", 0.1), ("mm_per_pixel", "50 µm", 0.05), ("mm_per_pixel", "0.05", 0.05),
        ("dpi", "600", 25.4 / 600), ("px_per_mm", "20", 0.05),
        ("pixel_size", "50 µm", 0.05), ("Pixel pitch", "0,05 mm", 0.05), ("resolution", "600 dpi", 25.4 / 600),
    ],
)  # fmt: skip
def test_a_scale_in_another_unit_becomes_mm(films: Path, header: str, cell: str, mm: float) -> None:
    listing = read(films, f"path;label;{header}", f"a.png;pore;{cell}")
    assert listing.entries[0].mm_per_pixel == pytest.approx(mm)


@pytest.mark.parametrize("header", ["mm_per_pixel", "pixel_pitch_mm"])
def test_micrometres_under_the_name_of_mm_are_refused(films: Path, header: str) -> None:
    with pytest.raises(DataError, match=r"would be 50 mm a pixel.* um_per_pixel"):
        read(films, f"path,label,{header}", "a.png,pore,50")


def test_a_size_without_a_unit_is_not_guessed(films: Path) -> None:
    listing = read(films, "path,label,pixel_size", "a.png,pore,50")
    assert listing.entries[0].mm_per_pixel is None
    assert any("not used: column pixel_size" in note for note in listing.notes)


def test_flags_beside_classes_are_no_classes(films: Path) -> None:
    listing = read(films, "filename,pore,lop,verified,is_augmented", "a.png,0,1,1,0", "b.png,1,0,0,1")
    assert labels(listing) == {"a.png": ("lop",), "b.png": ("pore",)}
    assert any("verified, is_augmented" in note for note in listing.notes)


@pytest.mark.parametrize("flag", ["qa_ok", "checked_by_hand", "split_train", "usable", "good_quality", "rotated90"])
def test_a_flag_in_several_words_is_no_class_and_a_class_with_such_a_word_stays_one(films: Path, flag: str) -> None:
    listing = read(films, f"filename,pore,hidden_crack,{flag}", "a.png,0,1,1", "b.png,1,0,1")
    assert labels(listing) == {"a.png": ("hidden_crack",), "b.png": ("pore",)}
    assert any(f"no class by name: {flag}" in note for note in listing.notes)


@pytest.mark.parametrize(
    "before",
    ["C:\\Users\\qa\\films\\", "/mnt/nas/set7/", "\\\\server\\share\\", "~/films/", "file:///data/", "s3://bucket/x/"],
)
def test_a_path_of_another_machine_is_found_by_its_end(films: Path, before: str) -> None:
    listing = read(films, "path,label", f"{before}a.png,lop", f"{before}b.png,pore")
    assert labels(listing) == {"a.png": ("lop",), "b.png": ("pore",)}
    assert any("2 paths are of another machine" in note for note in listing.notes)


def test_a_path_of_another_machine_that_is_not_here_says_what_to_do(films: Path) -> None:
    with pytest.raises(DataError, match="--root"):
        read(films, "path,label", "C:\\films\\zz.png,lop")


def test_a_table_in_composed_letters_finds_files_in_decomposed_ones(films: Path) -> None:
    name = "Röntgen_ö.png"
    save(films / unicodedata.normalize("NFD", name), smooth(7))
    listing = read(films, "path,label_name", f"{name},pore")
    assert labels(listing) == {unicodedata.normalize("NFD", name): ("pore",)}
    assert not listing.faults
