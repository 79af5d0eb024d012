"""ICO: its pictures, of which those that are PNG files are left without metadata."""

from __future__ import annotations

import struct

from harness.image_files import png
from harness.image_files.essence import Essence, Refused

SIGNATURE = b"\0\0\1\0"
_HEADER, _ENTRY = 6, 16


def essence(content: bytes) -> Essence:
    """Writes the pictures anew behind the directory.

    Raises:
        Refused: The directory is cut off.
    """
    try:
        (count,) = struct.unpack_from("<H", content, 4)
        entries = [struct.unpack_from("<8sII", content, _HEADER + _ENTRY * n) for n in range(count)]
    except struct.error:
        raise Refused("its directory is truncated") from None
    directory, pictures = content[:_HEADER], b""
    for described, length, start in entries:
        picture = _lean(content[start : start + length])
        directory += struct.pack("<8sII", described, len(picture), _HEADER + _ENTRY * count + len(pictures))
        pictures += picture
    return Essence(directory + pictures)


def _lean(picture: bytes) -> bytes:
    """A picture that is not PNG, or that is damaged, remains as it is."""
    try:
        return png.essence(picture).content if picture.startswith(png.SIGNATURE) else picture
    except Refused:
        return picture
