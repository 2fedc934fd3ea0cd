"""One row of a manifest, and what the manifest says of the whole set."""

from __future__ import annotations

from dataclasses import dataclass, fields

from pydantic import BaseModel, ConfigDict, Field

from .name_forms import nfc

SPLITS = ("train", "val", "test")


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """One image.

    path: POSIX, from the set's root. labels: sorted class names; empty means not labelled.
    group: what must stay in one split; empty means its family does, or the image alone. family: images that show the
    same thing, found from the pixels. split: train, val, test or empty. fold: 0.. or None. mask: paths as ``path``,
    several where each marks a part; empty where there is none. mm_per_pixel: None where unknown. polarity: "film",
    "detector", or empty where the file does not say. depth: bits a channel. sha256: of the file. pixel_hash: of the
    decoded pixels. phash: 16 hex digits, for near duplicates. crop_of: of a part of a film its place there, as
    ``films/a.png#xywh=left,top,width,height`` in px of the film. film_number: as lead letters state it, where they were
    read; what shares one shows one film.
    """

    path: str
    labels: tuple[str, ...] = ()
    group: str = ""
    family: str = ""
    split: str = ""
    fold: int | None = None
    mask: tuple[str, ...] = ()
    mm_per_pixel: float | None = None
    polarity: str = ""
    depth: int | None = None
    width: int | None = None
    height: int | None = None
    sha256: str = ""
    pixel_hash: str = ""
    phash: str = ""
    crop_of: str = ""
    film_number: str = ""

    def __post_init__(self) -> None:
        """Names are kept in composed letters: two spellings of one weld would hide a leak."""
        for name, value in (("labels", tuple(map(nfc, self.labels))), ("group", nfc(self.group))):
            if getattr(self, name) != value:
                object.__setattr__(self, name, value)


COLUMNS = tuple(column.name for column in fields(Row))


class About(BaseModel):
    """What a manifest's rows cannot say: origin, rights, how groups and split were made."""

    model_config = ConfigDict(frozen=True, extra="ignore", allow_inf_nan=False)

    schema_version: int = Field(1, ge=1, le=1)
    root: str = Field(".", max_length=4096)
    source: str = Field("", max_length=2000)
    licence: str = Field("", max_length=2000)
    attribution: str = Field("", max_length=2000)
    groups: str = Field("", max_length=2000)
    split_kind: str = Field("", pattern="^(|given|grouped|random)$")
    seed: int | None = None
    shares: dict[str, float] = Field(default_factory=dict)
    folds: int | None = None
    class_counts: dict[str, int] = Field(default_factory=dict)
    merged: tuple[tuple[str, str], ...] = ()
    sound: tuple[str, ...] = ()
    fingerprint: str = ""
    split_fingerprint: str = ""
