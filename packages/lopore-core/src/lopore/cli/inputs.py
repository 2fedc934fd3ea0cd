"""What commands over many files share: finding them, and an account of which failed."""

from __future__ import annotations

import errno
import os
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import click

from lopore.messages import counted

IMAGE_SUFFIXES = frozenset({".png", ".jpg", ".jpeg", ".tif", ".tiff", ".bmp", ".dcm", ".dicom", ".dcn"})
_NO_PLACE = {errno.ENOSPC, errno.EDQUOT, errno.EROFS}


class Tally:
    """Counts good and bad files; a bad one is told on standard error at once, the end decides the exit status."""

    def __init__(self) -> None:
        self.good = 0
        self.bad = 0
        self.failed: list[str] = []

    def attempt(self, path: Path, work: Callable[[], None]) -> None:
        """Run ``work`` and count it as good; a user's error is told and counted, everything else passes."""
        with self.reported(path):
            work()
            self.good += 1

    @contextmanager
    def reported(self, path: Path) -> Iterator[None]:
        """A user's error within the block is told and counted; a full disk, which ends all, and the rest pass."""
        from lopore.errors import LoporeError

        try:
            yield
        except LoporeError as error:
            if isinstance(error.__cause__, OSError) and error.__cause__.errno in _NO_PLACE:
                raise
            self.fail(str(path), str(error))

    def fail(self, source: str, reason: str) -> None:
        """Tell and count one failed file; the reason already names the source where it is an image error."""
        from lopore.messages import plain
        from lopore.reading.regular_files import display_name

        self.bad += 1
        name, shown = display_name(Path(source).name), plain(source, 300)
        self.failed.append(shown)
        if reason.startswith(f"{name} "):
            text = f"{shown}{reason[len(name) :]}"
        else:
            text = reason if shown in reason else f"{shown}: {reason}"
        click.echo(f"lopore: {plain(' '.join(text.split()), 800)}", err=True)

    def finish(self, verb: str) -> None:
        """Tell the counts on standard error and leave with status 1 where any file failed."""
        click.echo(f"{self.good} {verb}, {self.bad} failed", err=True)
        if self.bad:
            raise SystemExit(1)


def check_out_folder(out: Path) -> None:
    """ConfigError where the folder ``out`` cannot be made or written to: told once, before any work."""
    from lopore.errors import ConfigError

    nearest = next(folder for folder in (out, *out.parents, Path()) if folder.exists())
    if not nearest.is_dir():
        raise ConfigError(f"--out {out}: {nearest} is a file; name a folder")
    if not os.access(nearest, os.W_OK | os.X_OK):
        raise ConfigError(f"--out {out}: {nearest} is not yours to write in; choose another folder")


def expand(images: Sequence[Path], tally: Tally) -> list[Path]:
    """Images among files, folders (searched to the bottom) and globs, each once, sorted.

    A file that is named by itself, or by its suffix says that it is an image, is kept whatever it holds, so that its
    reader says what is wrong with it; other files in folders are passed over, and so are masks, which are counted on
    standard error. An argument that gives nothing is counted as failed; no argument at all is a ConfigError.
    """
    from lopore.errors import ConfigError, ImageError
    from lopore.reading.regular_files import image_paths

    if not images:
        raise ConfigError("name at least one image, folder or glob")
    found: dict[Path, None] = {}
    for given in images:
        if given.is_file():
            found[given] = None
            continue
        try:
            sound, others = image_paths(given)
        except ImageError as error:
            tally.fail(str(given), str(error))
            continue
        paths = sorted([*sound, *(path for path in others if path.suffix.lower() in IMAGE_SUFFIXES)])
        if given.is_dir():
            paths = _without_masks(given, paths)
        if not paths:
            tally.fail(str(given), f"{given} holds no image")
        found.update(dict.fromkeys(paths))
    return list(found)


def _without_masks(folder: Path, paths: list[Path]) -> list[Path]:
    """The images below ``folder`` that no name calls a mask, as `lopore data index` tells them apart."""
    from lopore.data.mask_pairs import names_a_mask

    films = [path for path in paths if not names_a_mask(str(path.relative_to(folder)))]
    if not films or len(films) == len(paths):
        return paths
    masks = counted(len(paths) - len(films), f"mask below {folder} is", f"masks below {folder} are")
    click.echo(f"note: {masks} passed over", err=True)
    return films
