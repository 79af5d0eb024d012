"""WebP: its chunks, without those that describe the image (EXIF, XMP, color profile)."""

from __future__ import annotations

import struct
from collections.abc import Iterator

from harness.image_files.essence import Essence

_FILE_HEADER = 12
_EXTENDED = b"VP8X"
_DECISIVE = (_EXTENDED, b"ALPH", b"ANIM", b"ANMF", b"VP8 ", b"VP8L")
_DESCRIBED = 0x20 | 0x08 | 0x04
"""The flags of VP8X which say that there are a color profile, EXIF and XMP."""


def accepts(content: bytes) -> bool:
    """Whether it is a WebP file."""
    return content[:4] == b"RIFF" and content[8:12] == b"WEBP"


def essence(content: bytes) -> Essence:
    """Keeps the chunks that decide pixels; the length in the file's header becomes theirs."""
    kept: list[bytes] = []
    described: dict[bytes, bytes] = {}
    for kind, chunk in _chunks(content):
        if kind == _EXTENDED and len(chunk) > 8:
            chunk = chunk[:8] + bytes([chunk[8] & ~_DESCRIBED]) + chunk[9:]
        if kind in _DECISIVE:
            kept.append(chunk)
        else:
            described.setdefault(kind, chunk[8:])
    body = b"WEBP" + b"".join(kept)
    lean = b"RIFF" + struct.pack("<I", len(body)) + body
    return Essence(lean, exif=described.get(b"EXIF", b""), xmp=described.get(b"XMP ", b""))


def _chunks(content: bytes) -> Iterator[tuple[bytes, bytes]]:
    """Kind and all bytes of each chunk; the last one may be cut off."""
    position = _FILE_HEADER
    while position + 8 <= len(content):
        kind, length = struct.unpack_from("<4sI", content, position)
        after = position + 8 + length + length % 2
        yield kind, content[position:after]
        position = after
