"""What is left of an image file when everything that does not decide its pixels is removed."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from PIL import Image
from PIL.ImageFile import ImageFile

DEEP = "16 bits scaled to 8"
ON_WHITE = "transparency laid on white"
Decoded = tuple[Image.Image, tuple[str, ...]]
"""An 8-bit image, with its alpha if that is not yet laid on white, and remarks."""


class Refused(ValueError):
    """A file that is not read; the message ends the sentence that names the file."""


@dataclass(frozen=True, eq=False)
class Essence:
    """A file without its metadata, so that damaged metadata cannot fail it.

    Attributes:
        content: A file of the same kind with the same samples.
        decode: What becomes of the file, opened by Pillow and not yet loaded; None: what Pillow makes of it.
        orientation: 1 to 8, where the format itself states one; else 0.
        exif: The EXIF block, undecoded, empty if there is none; None: ask Pillow.
        xmp: The XMP packet, undecoded, empty if there is none.
        frames: How many frames the file has; 0: ask Pillow.
        image: The pixels, where the file is not for Pillow to open.
    """

    content: bytes
    decode: Callable[[ImageFile], Decoded] | None = None
    orientation: int = 0
    exif: bytes | None = None
    xmp: bytes = b""
    frames: int = 0
    image: Decoded | None = None


def scaled_from(bits: int) -> tuple[str, ...]:
    """The remark on samples that have more than 8 bits; none on others."""
    return (f"{bits} bits scaled to 8",) if bits > 8 else ()
