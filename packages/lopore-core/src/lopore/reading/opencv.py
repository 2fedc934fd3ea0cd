"""The one place where OpenCV's image decoder is called."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import cv2
import numpy as np
from cv2.utils import logging
from numpy.typing import NDArray

from .headers import damaged


@contextmanager
def _quiet() -> Iterator[None]:
    """OpenCV prints its reasons on the error stream; lopore says them in its one line."""
    before = logging.getLogLevel()
    logging.setLogLevel(0)
    try:
        yield
    finally:
        logging.setLogLevel(before)


def by_opencv(content: bytes, name: str, *, colour: bool = False) -> NDArray[Any]:
    """What OpenCV reads: as the file has it, or in BGR; never turned. Raises ImageError."""
    flags = cv2.IMREAD_COLOR_BGR | cv2.IMREAD_IGNORE_ORIENTATION if colour else cv2.IMREAD_UNCHANGED
    try:
        with _quiet():
            image = cv2.imdecode(np.frombuffer(content, np.uint8), flags)
    except cv2.error as error:
        raise damaged(name, "the decoder refuses it") from error
    if image is None:
        raise damaged(name, "the decoder refuses it")
    return image
