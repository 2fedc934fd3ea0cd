"""Films that file names state: ``RRT-13R_Img1_A80_S4_[1][2].png`` is a tile of film RRT-13R, ``W17_3`` a part of W17.

A name is read from its end: marks of copies, tile coordinates and numbered parts are taken off, and what is left names
the film, if several images share it. Images that are merely counted (``pore_001``) name no film.
"""

from __future__ import annotations

import re
from collections import Counter, defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import PurePosixPath

from lopore.messages import counted, plain

from .grouping import AUGMENTED, join_groups
from .manifest import Manifest
from .name_forms import nfc

_COPY = re.compile(
    r"(?:[ _-]+copy(?:[ _-]?[0-9]{1,3})?|[ _-]+kopie(?:[ _-]?[0-9]{1,3})?"
    r"|[ _-](?:aug|augmented|flip|flipped|hflip|vflip|rot|rotated|rotate|bright|dark|blur|noise|noisy|mirror|mirrored|"
    r"clahe|gamma|contrast|crop|cropped|resized|scaled|enhanced|orig|original|preview|small|large)"
    r"(?:[ _-]?[0-9]{1,4})?(?:deg)?)$",
    re.IGNORECASE,
)
_COORDINATES = re.compile(
    r"(?:[ _-]*(?:\[[0-9]{1,5}\]|\{[0-9]{1,5}\}){1,4}"
    r"|[ _-]*\([0-9]{1,5}[,_ ;-]+[0-9]{1,5}\)"
    r"|[ _-]r(?:ow)?[_-]?[0-9]{1,5}[ _-]*c(?:ol|olumn)?[_-]?[0-9]{1,5}"
    r"|[ _-][xy][_-]?[0-9]{1,6}[ _-]*[yx][_-]?[0-9]{1,6}(?:[ _-]*[wh][_-]?[0-9]{1,6}){0,2}"
    r"|[ _-](?:tile|patch|crop|win|window|roi|slice|chip|block|sub|piece|cut)[_ -]?[0-9]{1,6}(?:[ _-][0-9]{1,6}){0,3}"
    r"|(?:[_-][0-9]{1,6}){2})$",
    re.IGNORECASE,
)
_PART = re.compile(
    r"^(?:s|sec|sect|section|part|seg|segment|frame|fr|img|image|im|view|shot|exp|exposure|zone|pos|position|scan|page|"
    r"num|n|no|nr|a|angle|side|strip|tile|patch|crop|win|window|roi)[-]?[0-9]{1,6}[a-d]?$",
    re.IGNORECASE,
)
_SEPARATOR = re.compile(r"[_\s]+")
_SIZE_OR_SUFFIX = re.compile(r"^(?:[0-9]{2,5}x[0-9]{2,5}|jpe?g|png|bmp|tiff?|dcm)$", re.IGNORECASE)
_NUMBERED_PART = re.compile(r"^(.*[0-9].*?)[_ -]+(?:[a-z]+-?)?\(?([0-9]{1,4})\)?$", re.IGNORECASE)
_LEAST_SHARE = 0.2


@dataclass(frozen=True)
class FilmNames:
    """keys: for each name the film that it states, or an empty text. rule: how it was read, for a person.

    sure: whether tile coordinates or marks of copies were read, and not a running number alone.
    """

    keys: tuple[str, ...]
    rule: str = ""
    sure: bool = False

    @property
    def counts(self) -> dict[str, int]:
        """Images of each film that several images name, the largest first."""
        return dict(Counter(key for key in self.keys if key).most_common())


def film_names(paths: Sequence[str]) -> FilmNames:
    """The films that file names state; no key at all where the names state none that several images share.

    paths: POSIX, with folders, which do not count.
    """
    stems = [_stem(path) for path in paths]
    reduced = [_without_coordinates(stem) for stem, _ in stems]
    constant = _constant_words([_SEPARATOR.split(stem) for stem, tiled in reduced if tiled])
    copied = {stem for stem, is_copy in stems if is_copy}
    tiles = [_film_of(short, constant) if tiled else "" for short, tiled in reduced]
    copies = [stem if stem in copied else "" for stem, _ in stems]
    keys = [tile or part or copy for tile, part, copy in zip(tiles, _numbered_parts(reduced), copies, strict=True)]
    sure = sum(map(bool, (*tiles, *copies)))
    shared = Counter(key for key in keys if key)
    films = tuple(key if shared[key] > 1 else "" for key in keys)
    if sum(map(bool, films)) < max(2, _LEAST_SHARE * len(paths)):
        return FilmNames(("",) * len(paths))
    example = next(path for path, key in zip(paths, films, strict=True) if key)
    film = films[paths.index(example)]
    return FilmNames(films, f"{plain(PurePosixPath(example).name, 80)} is a part of {plain(film, 60)}", sure > 0)


def _stem(path: str) -> tuple[str, bool]:
    """The name without suffix, augmentation hash and marks of copies, and whether it had such a mark."""
    name = nfc(PurePosixPath(path).name)
    augmented = AUGMENTED.match(name)
    stem = augmented.group(1) if augmented else PurePosixPath(name).stem
    marked = False
    while (shorter := _COPY.sub("", stem)) != stem and shorter:
        stem, marked = shorter, True
    words = stem.split("_")
    while len(words) > 1 and _SIZE_OR_SUFFIX.match(words[-1]):
        words.pop()
    return "_".join(words), marked


def _without_coordinates(stem: str) -> tuple[str, bool]:
    """The stem without tile coordinates, and whether it had some; ``_x_y_w_h`` where a number is left before it."""
    shorter = _COORDINATES.sub("", stem).rstrip(" _-")
    twice = _COORDINATES.sub("", shorter).rstrip(" _-")
    shorter = twice if re.search(r"[0-9]", twice) else shorter
    return (shorter, True) if shorter and shorter != stem and re.search(r"[^\W\d_]", shorter) else (stem, False)


def _constant_words(lists: Sequence[Sequence[str]]) -> frozenset[str]:
    """Words behind the first that nine of ten tiled names carry: a setting of the scan, not the film's name."""
    counts = Counter(word for words in lists for word in set(words[1:]))
    return frozenset(word for word, count in counts.items() if len(lists) > 9 and count >= 0.9 * len(lists))


def _film_of(stem: str, constant: frozenset[str]) -> str:
    words = [word for word in _SEPARATOR.split(stem) if word]
    while len(words) > 1 and (_PART.match(words[-1]) or words[-1] in constant):
        words.pop()
    film = "_".join(words)
    return film if re.search(r"[0-9]", film) else ""


def _numbered_parts(reduced: Sequence[tuple[str, bool]]) -> list[str]:
    """``W17_1, W17_2, W18_1``: names with a number of their own before a running one that begins anew with each."""
    found = [_NUMBERED_PART.match(stem) for stem, _ in reduced]
    numbers: dict[str, list[int]] = defaultdict(list)
    for hit in found:
        if hit:
            numbers[hit.group(1)].append(int(hit.group(2)))
    ranges = [(min(values), max(values)) for values in numbers.values() if len(values) > 1]
    # Parts of films are numbered anew for each; running numbers of a whole set go on from one prefix to the next.
    anew = len(ranges) > 1 and sum(low <= 2 for low, _ in ranges) >= 0.7 * len(ranges)
    return [hit.group(1) if hit and anew and len(numbers[hit.group(1)]) > 1 else "" for hit in found]


def unused_films(manifest: Manifest) -> FilmNames:
    """Films that names state and the groups of a manifest part; no key where every such film is one group.

    Names that end in a running number alone, and whose first part is a code of the class, state no film.
    """
    found = film_names([row.path for row in manifest.rows])
    nothing = FilmNames(("",) * len(manifest))
    labels: dict[str, set[tuple[str, ...]]] = defaultdict(set)
    groups: dict[str, set[int]] = defaultdict(set)
    for key, row, group in zip(found.keys, manifest.rows, manifest.group_ids().tolist(), strict=True):
        labels[key].add(row.labels)
        groups[key].add(group)
    pure = all(len(each) == 1 for key, each in labels.items() if key)
    if not found.sure and pure and len(found.counts) <= len(manifest.classes) + 1 and len(manifest.classes) > 1:
        return nothing
    parted = {key for key, ids in groups.items() if key and len(ids) > 1}
    return replace(found, keys=tuple(key if key in parted else "" for key in found.keys)) if parted else nothing


def joined_by_film(manifest: Manifest, films: FilmNames) -> Manifest:
    """The manifest with the groups joined that show one film by its name."""
    groups = [row.group or (f"family {row.family}" if row.family else "") for row in manifest.rows]
    names = join_groups(len(manifest), {"name": list(films.keys), "group": groups})
    rows = tuple(replace(row, group=name) for row, name in zip(manifest.rows, names, strict=True))
    said = "; ".join(filter(None, [manifest.about.groups, f"films by file names ({films.rule})"]))
    return replace(manifest, rows=rows, about=manifest.about.model_copy(update={"groups": said[:2000]}))


def keep_films_whole(manifest: Manifest, choice: str | None) -> tuple[Manifest, list[str]]:
    """Before a split: the groups joined by the films that file names state, and what a person should know.

    choice: "join", "ignore", or None, which joins and says that it was assumed.
    """
    films = unused_films(manifest)
    found = films_in_a_line(films)
    if not found:
        return manifest, []
    before = len(set(manifest.group_ids().tolist()))
    if choice == "ignore":
        return manifest, [f"{found}; their groups are parted, as --film-names ignore says"]
    joined = joined_by_film(manifest, films)
    after = len(set(joined.group_ids().tolist()))
    assumed = "assumed, and each film kept whole" if choice is None else "each film is kept whole"
    way_out = "; --film-names ignore parts them" if choice is None else ""
    return joined, [f"{found}: {assumed}, {before} groups became {after}{way_out}"]


def films_in_a_line(films: FilmNames) -> str:
    """What the names state, with counts, for a person; empty where they state nothing."""
    counts = films.counts
    if not counts:
        return ""
    shown = ", ".join(f"{plain(name, 40)} {number}" for name, number in list(counts.items())[:4])
    more = f" and {len(counts) - 4} more" if len(counts) > 4 else ""
    named = counted(sum(counts.values()), "file name states", "file names state")
    return f"{named} {counted(len(counts), 'film')} ({shown}{more}; {films.rule})"
