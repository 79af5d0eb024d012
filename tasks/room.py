"""How much is decoded at once: so many pixels over all threads, however many these are."""

from __future__ import annotations

import contextlib
import ctypes
import struct
import sys
import threading
import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO

from PIL import Image

from harness.contracts import BadInput

PIXELS = 36_000_000
"""Three photographs of 12 megapixels. Decoding takes 18 to 26 bytes a pixel, with 16 bits a channel 40 to 80."""
TRIM = 4_000_000
"""After so many pixels freed memory is given back, which glibc's malloc would keep for each thread."""
DEEP = 4
"""A pixel of 16 bits a channel counts for so many."""
_PNG, _JPEG = b"\x89PNG\r\n\x1a\n", b"\xff\xd8"
_FRAMES = {*range(0xC0, 0xD0)} - {0xC4, 0xC8, 0xCC}
"""The markers of JPEG segments that state an image's size."""


class Room:
    """For so many pixels at once; who asks first is let in first, and who asks for more than all is let in alone."""

    def __init__(self, pixels: int) -> None:
        self._pixels = self._free = pixels
        self._done = 0
        self._turn, self._freed = threading.Lock(), threading.Condition()

    @contextlib.contextmanager
    def of(self, pixels: int) -> Iterator[None]:
        """Waits until there is room for so many pixels, and keeps it until the end."""
        pixels = min(pixels, self._pixels)
        with self._turn, self._freed:
            self._freed.wait_for(lambda: self._free >= pixels)
            self._free -= pixels
        try:
            yield
        finally:
            with self._freed:
                self._done += pixels
                trims = self._done >= TRIM
                self._done = 0 if trims else self._done
            if trims:
                _give_memory_back()
            with self._freed:
                self._free += pixels
                self._freed.notify()


def _give_memory_back() -> None:
    trim = getattr(ctypes.CDLL(None), "malloc_trim", None) if sys.platform == "linux" else None
    if trim is not None:
        trim(0)


_ROOM = Room(PIXELS)
_quiet = threading.Lock()


@contextlib.contextmanager
def opened(path: Path) -> Iterator[BinaryIO]:
    """Opens an image file, and waits until there is room for its pixels; one that does not say how large it is is let
    in alone. Raises BadInput where it cannot be opened."""
    try:
        file = path.open("rb")
    except OSError as error:
        raise BadInput(f"{path} cannot be read as an image ({error.strerror}).") from None
    with file:
        try:
            pixels = pixels_of(file)
        except Exception:  # noqa: BLE001 - what is wrong with the file is for its reader to say
            pixels = PIXELS
        file.seek(0)
        with _ROOM.of(pixels):
            yield file


def pixels_of(file: BinaryIO) -> int:
    """How many pixels an image file has, by its header alone; those of 16 bits a channel count for more.

    Raises:
        Exception: It does not say; whichever one Pillow or ``struct`` raises.
    """
    start = file.read(26)
    if start.startswith(_PNG):
        width, height, bits = struct.unpack(">IIB", start[16:25])
        return int(width * height * (DEEP if bits == 16 else 1))
    file.seek(2)
    if start.startswith(_JPEG):
        marker, length = struct.unpack(">xBH", file.read(4))
        while marker not in _FRAMES:
            file.seek(length - 2, 1)
            marker, length = struct.unpack(">xBH", file.read(4))
        height, width = struct.unpack(">xHH", file.read(5))
        return int(width * height)
    file.seek(0)
    # Pillow warns of metadata that reading ignores.
    with _quiet, warnings.catch_warnings(action="ignore"), Image.open(file) as opened:
        bits = max(getattr(opened, "tag_v2", {}).get(258, (8,)))
        return opened.width * opened.height * (DEEP if bits > 8 else 1)
