"""The probabilities of a whole film on disk: one byte a pixel and plane, written strip by strip, read in windows.

A plane is a class. Where classes exclude each other, one more plane holds their sum, the probability of any of them: a
mark that the model sees but cannot name is faint in each class and plain in the sum.
"""

from __future__ import annotations

import json
import os
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from lopore.affine import Affine
from lopore.atomic_files import atomic_write_text
from lopore.errors import LoporeError

STATE_NAME, CODES_NAME = "film_map.json", "film_map.codes"
_LOW, _HIGH = 1e-4, 1 - 1e-4


def probability_levels(exact: tuple[float, ...] = ()) -> NDArray[np.float32]:
    """(256,) ascending probabilities, the first 0: a byte stands for the values from its level up to the next.

    Half of the bytes lie evenly, half by the logit, so that steps are under 0.008 everywhere and under a sixth of p
    (or of 1 - p) down to 1e-4. exact: probabilities that become levels, so that a comparison with them is exact.
    """
    fine = np.linspace(0, 1, 20001)
    clipped = np.clip(fine, _LOW, _HIGH)
    logit = np.log(clipped / (1 - clipped))
    even = 0.5 * fine + 0.5 * (logit - logit[0]) / (logit[-1] - logit[0])
    levels = np.interp(np.arange(256) / 256, even, fine).astype(np.float32)
    taken: set[int] = set()
    for value in sorted({float(item) for item in exact if 0 < item <= 1}):
        nearest = np.argsort(np.abs(levels[1:] - value), kind="stable") + 1
        level = next(int(number) for number in nearest if int(number) not in taken)
        levels[level] = value
        taken.add(level)
    return np.sort(levels)


def encode(values: NDArray[np.float32], levels: NDArray[np.float32]) -> NDArray[np.uint8]:
    """Bytes of probabilities; a value lies at its byte's level or above it, and under the next one."""
    return (np.searchsorted(levels, values, side="right") - 1).clip(0, 255).astype(np.uint8)


@dataclass(frozen=True)
class MapFacts:
    """What a map is of; ``key`` names everything that its values depend on, so that only its own run goes on with it.

    shape: (height, width) of the map. to_film: from map pixels to pixels of the film. long_rows: whether strips are
    rows (the film is higher than wide) or columns. exclusive: whether a pixel has at most one class, so that the
    probabilities of several classes add up to that of any of them.
    """

    key: str
    classes: tuple[str, ...]
    shape: tuple[int, int]
    to_film: Affine
    levels: tuple[float, ...]
    exclusive: bool = False

    @property
    def any_plane(self) -> int | None:
        """The plane of any class; None where there is one class, or where a pixel may have several."""
        return len(self.classes) if self.exclusive and len(self.classes) > 1 else None

    @property
    def planes(self) -> int:
        """How many planes the map has."""
        return len(self.classes) + (self.any_plane is not None)

    @property
    def size(self) -> int:
        """Bytes of the map."""
        return self.planes * self.shape[0] * self.shape[1]

    @property
    def long_rows(self) -> bool:
        return self.shape[0] >= self.shape[1]

    @property
    def longer_first(self) -> tuple[int, int]:
        """(length of the longer side, length of the other): strips go along the first."""
        return max(self.shape), min(self.shape)

    def to_text(self, done: int, notes: tuple[str, ...]) -> str:
        """The state as JSON."""
        move = [self.to_film.xx, self.to_film.xy, self.to_film.x0, self.to_film.yx, self.to_film.yy, self.to_film.y0]
        plain = {
            "key": self.key, "classes": self.classes, "shape": self.shape, "to_film": move, "levels": self.levels,
            "exclusive": self.exclusive, "done": done, "notes": notes,
        }  # fmt: skip
        return json.dumps(plain) + "\n"


class FilmMap:
    """A map on disk. ``done`` counts the finished pixels along the film's longer side; ``notes`` tell how it was made.

    A plane lies in the file with the film's longer side first, so that every strip is one piece of it.
    """

    def __init__(self, folder: Path, facts: MapFacts, done: int, notes: tuple[str, ...] = ()) -> None:
        self.folder, self.facts, self.done, self.notes = folder, facts, done, notes
        self._path = folder / CODES_NAME
        self._levels = np.array(facts.levels, np.float32)
        upper = np.append(self._levels[1:], 1.0)
        self._middle = ((self._levels + upper) / 2).astype(np.float32)
        self._middle[0] = 0.0

    @classmethod
    def start(cls, folder: Path, facts: MapFacts) -> FilmMap:
        """A map of this key in the folder, as far as an earlier run came; an empty one where there is none."""
        found = cls.found(folder)
        if found is not None and found.facts == facts:
            return found
        folder.mkdir(parents=True, exist_ok=True)
        (folder / STATE_NAME).unlink(missing_ok=True)
        size = facts.size
        path = folder / CODES_NAME
        try:
            with path.open("wb") as stream:
                if hasattr(os, "posix_fallocate"):
                    os.posix_fallocate(stream.fileno(), 0, size)  # a full disk is told now, not after an hour
                else:
                    stream.truncate(size)
        except OSError as error:
            path.unlink(missing_ok=True)
            raise LoporeError(
                f"{path} cannot be written ({error.strerror}): the film map takes {size / 2**20:.0f} MiB; free space "
                "or choose another folder"
            ) from error
        return cls(folder, facts, 0)

    @classmethod
    def found(cls, folder: Path) -> FilmMap | None:
        """The map in a folder, None where there is none that can be read."""
        try:
            plain: dict[str, Any] = json.loads((folder / STATE_NAME).read_text("utf-8"))
            facts = MapFacts(
                plain["key"], tuple(plain["classes"]), (plain["shape"][0], plain["shape"][1]),
                Affine(*plain["to_film"]), tuple(plain["levels"]), bool(plain["exclusive"]),
            )  # fmt: skip
            if (folder / CODES_NAME).stat().st_size != facts.size:
                return None
            return cls(folder, facts, int(plain["done"]), tuple(map(str, plain["notes"])))
        except (OSError, ValueError, KeyError, TypeError, IndexError):
            return None

    @property
    def classes(self) -> tuple[str, ...]:
        return self.facts.classes

    @property
    def complete(self) -> bool:
        return self.done == self.facts.longer_first[0]

    def append(self, strip: NDArray[np.float32]) -> bool:
        """Write the next strip, (K, length, C) with the film's longer side first; True where the map is then whole."""
        longer, other = self.facts.longer_first
        if self.facts.any_plane is not None:
            strip = np.concatenate([strip, strip.sum(axis=0, keepdims=True).clip(max=1)])
        codes = encode(strip, self._levels)
        try:
            with self._path.open("r+b") as stream:
                for number, plane in enumerate(codes):
                    stream.seek((number * longer + self.done) * other)
                    stream.write(np.ascontiguousarray(plane).data)
        except OSError as error:
            raise LoporeError(f"{self._path} cannot be written ({error.strerror}); free space and run again") from error
        self.done += strip.shape[1]
        return self.complete

    def save_state(self) -> None:
        """Note on disk how far the map is; what was written before lies there whole."""
        with self._path.open("r+b") as stream:
            os.fsync(stream.fileno())
        atomic_write_text(self.folder / STATE_NAME, self.facts.to_text(self.done, self.notes))

    def strip(self, plane: int, begin: int, end: int) -> NDArray[np.uint8]:
        """Bytes (end - begin, C) of one plane, with the film's longer side first."""
        longer, other = self.facts.longer_first
        codes = np.fromfile(self._path, np.uint8, (end - begin) * other, offset=(plane * longer + begin) * other)
        return codes.reshape(end - begin, other)

    def codes(self, plane: int, top: int, left: int, height: int, width: int) -> NDArray[np.uint8]:
        """Bytes (height, width) of a window that lies on the map."""
        if self.facts.long_rows:
            return self.strip(plane, top, top + height)[:, left : left + width]
        return self.strip(plane, left, left + width)[:, top : top + height].T

    def read(self, plane: int, top: int, left: int, height: int, width: int, step: int = 1) -> NDArray[np.float32]:
        """Probabilities (height / step, width / step) float32 of a window of the map, the largest of each step x
        step."""
        codes = self.codes(plane, top, left, height, width)
        if step > 1:
            codes = _largest(codes, step)
        return self.decode(codes)

    def decode(self, codes: NDArray[np.uint8]) -> NDArray[np.float32]:
        """The probability in the middle of each byte's values."""
        values: NDArray[np.float32] = self._middle[codes]
        return values

    def code_of(self, probability: float) -> int:
        """The smallest byte whose values all reach a probability: exact for those that the levels hold."""
        return int(np.searchsorted(self._levels, np.float32(probability), side="left"))


def _largest(codes: NDArray[np.uint8], step: int) -> NDArray[np.uint8]:
    height, width = -(-codes.shape[0] // step) * step, -(-codes.shape[1] // step) * step
    padded = np.zeros((height, width), np.uint8)
    padded[: codes.shape[0], : codes.shape[1]] = codes
    largest: NDArray[np.uint8] = padded.reshape(height // step, step, width // step, step).max(axis=(1, 3))
    return largest
