"""The sheet that shows what the network sees of the training images."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from lopore.arrays import Pixels
from lopore.config.augmentation import Recipe
from lopore.preprocessing.resampling import resize

from .augmenter import Augmenter

if TYPE_CHECKING:
    from PIL.Image import Image

LARGEST_TILE = 256
GAP = 6


def to_screen(image: Pixels, longest: int = LARGEST_TILE) -> Pixels:
    """(h, w, 3) uint8 of a (H, W, C) image, linear from its full range, no side above ``side``."""
    values = image.astype(np.float32) / (257.0 if image.dtype == np.uint16 else 1.0)
    factor = min(1.0, longest / max(image.shape[:2]))
    if factor < 1.0:
        values = resize(values, (round(image.shape[0] * factor), round(image.shape[1] * factor)))
    grey = np.rint(np.clip(values, 0, 255)).astype(np.uint8).reshape(*values.shape[:2], -1)
    return grey if grey.shape[2] == 3 else np.repeat(grey, 3, axis=2)


def _font(points: int) -> Any:
    import matplotlib
    from PIL import ImageFont

    return ImageFont.truetype(str(Path(matplotlib.get_data_path()) / "fonts" / "ttf" / "DejaVuSans.ttf"), points)


def draw_sheet(rows: list[list[Pixels]], titles: list[str], heading: str, least_width: int = 420) -> Image:
    """Rows of images of one size under a heading; the title of each row stands above it, cut to the sheet's width."""
    from PIL import Image, ImageDraw

    tiles = [[to_screen(image) for image in row] for row in rows]
    high, wide = tiles[0][0].shape[:2]
    label, top = 20, 30 if heading else GAP
    width = max(GAP + len(tiles[0]) * (wide + GAP), least_width)
    sheet = Image.new("RGB", (width, top + len(tiles) * (high + label + GAP)), (24, 26, 30))
    draw = ImageDraw.Draw(sheet)
    if heading:
        draw.text((GAP, 6), heading[: width // 8], font=_font(14), fill=(235, 235, 235))
    for line, (row, title) in enumerate(zip(tiles, titles, strict=True)):
        y = top + line * (high + label + GAP)
        draw.text((GAP, y + 2), title[: width // 8], font=_font(12), fill=(250, 200, 90))
        for column, tile in enumerate(row):
            sheet.paste(Image.fromarray(tile), (GAP + column * (wide + GAP), y + label))
    return sheet


def preview_sheet(
    path: Path,
    images: Sequence[Pixels],
    titles: Sequence[str],
    recipe: Recipe,
    *,
    seed: int = 0,
    versions: int = 5,
    heading: str = "",
) -> Path:
    """Write a PNG of what the network sees: a row an image, the unchanged one first, then ``versions`` changed ones.

    images: (H, W, C) uint8 or uint16, all of one size. titles: a class name for each. Returns ``path``.
    """
    import io

    from lopore.atomic_files import atomic_write_bytes

    augmenter = Augmenter(recipe, (images[0].shape[0], images[0].shape[1]), seed)
    shown = versions if augmenter.changes else 0
    rows = [
        [image, *(augmenter(image, epoch=version, index=index)[0] for version in range(shown))]
        for index, image in enumerate(images)
    ]
    stream = io.BytesIO()
    draw_sheet(rows, list(titles), heading).save(stream, format="PNG")
    atomic_write_bytes(path, stream.getvalue())
    return path
