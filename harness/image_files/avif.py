"""AVIF: without the items that describe the image (EXIF, XMP), which libavif checks before any pixel."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial

from PIL.ImageFile import ImageFile

from harness.image_files.boxes import boxes
from harness.image_files.essence import Decoded, Essence, scaled_from

_DESCRIBING = (b"Exif", b"mime")
_UNUSED = b"free"
_CONFIGURATION = b"av1C"


def accepts(content: bytes) -> bool:
    """Whether it is an AVIF file."""
    return content[4:8] == b"ftyp" and content[8:12] in (b"avif", b"avis")


def essence(content: bytes) -> Essence:
    """Renames what describes the image; its orientation is in properties of its own (irot, imir)."""
    lean = bytearray(content)
    for at in _item_types(content):
        if content[at : at + 4] in _DESCRIBING:
            lean[at : at + 4] = _UNUSED
    return Essence(bytes(lean), partial(_decode, bits(content)))


def _item_types(content: bytes) -> Iterator[int]:
    """Where the type of each item is."""
    for kind, start, end in boxes(content):
        if kind != b"meta":
            continue
        for inner, listed, listed_end in boxes(content, start + 4, end):
            if inner == b"iinf":
                first = listed + (6 if content[listed] == 0 else 8)
                yield from (
                    at + (8 if content[at] == 2 else 10)
                    for entry, at, _ in boxes(content, first, listed_end)
                    if entry == b"infe" and content[at] >= 2
                )


def bits(content: bytes) -> int:
    """How many a sample has, as the configuration of the first AV1 image says."""
    at = content.find(_CONFIGURATION)
    flags = content[at + 6] if 0 <= at < len(content) - 6 else 0
    return 8 if not flags & 0x40 else 12 if flags & 0x20 else 10


def _decode(depth: int, opened: ImageFile) -> Decoded:
    return opened.copy(), scaled_from(depth)
