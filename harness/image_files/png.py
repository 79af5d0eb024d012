"""PNG (3rd edition of its specification): what decides pixels, and what Pillow gets wrong, gray that is transparent and
color in 16 bits."""

from __future__ import annotations

import io
import struct
import zlib
from collections.abc import Iterator
from functools import partial
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image
from PIL.ImageFile import ImageFile

from harness.image_files.depth import of_16_bits, with_16_bits
from harness.image_files.essence import Decoded, Essence, Refused

SIGNATURE = b"\x89PNG\r\n\x1a\n"
_DECISIVE = (b"IHDR", b"PLTE", b"tRNS", b"IDAT", b"IEND")
_KEYWORDS = {b"XML:com.adobe.xmp": b"xmp", b"Raw profile type exif": b"raw"}
_GRAY, _RGB, _PALETTE, _GRAY_ALPHA, _RGBA = 0, 2, 3, 4, 6


def essence(content: bytes) -> Essence:
    """Keeps the chunks that decide the pixels of the image that is not animated, or of the first frame.

    Raises:
        Refused: One of these chunks is damaged or cut off, or a chunk is necessary and unknown.
    """
    kept: list[tuple[bytes, bytes]] = []
    others: dict[bytes, bytes] = {}
    clear, frames = b"", 0
    for kind, body, sound in _chunks(content):
        if kind in _DECISIVE:
            if not sound and kind != b"IEND":
                raise Refused(f"its {kind.decode()} chunk is damaged or truncated")
            if kind == b"IDAT" and kept and kept[-1][0] != b"IDAT" and b"fcTL" not in others:
                frames += 1
            if kind == b"tRNS" and _header(kept)[1] != _PALETTE:
                clear = body if _header(kept)[1] in (_GRAY, _RGB) else b""
            else:
                kept.append((kind, body))
        elif kind.isalpha() and kind[:1].isupper():
            raise Refused(f"its {kind.decode()} chunk is necessary for its pixels and unknown to the PNG specification")
        elif sound:
            others.setdefault(_KEYWORDS.get(body.partition(b"\0")[0], kind), body)
    if b"IDAT" not in dict(kept):
        raise Refused("it has no pixels (no IDAT chunk)")
    if len(others.get(b"acTL", b"")) == 8:
        frames += struct.unpack_from(">I", others[b"acTL"])[0]
    bits, color = _header(kept)
    decode = partial(_decode, bits, color, clear, _joined(kept))
    exif = others.get(b"eXIf") or _raw_profile(others.get(b"raw", b""))
    return Essence(_joined(kept), decode, exif=exif, xmp=others.get(b"xmp", b""), frames=frames)


def _chunks(content: bytes) -> Iterator[tuple[bytes, bytes, bool]]:
    """Kind, body, and whether it is complete and has the right checksum; of each chunk up to IEND."""
    position, kind = len(SIGNATURE), b""
    while position + 8 <= len(content) and kind != b"IEND":
        length, kind = struct.unpack_from(">I4s", content, position)
        end = position + 8 + length
        body = content[position + 8 : end]
        yield kind, body, content[end : end + 4] == struct.pack(">I", zlib.crc32(kind + body))
        position = end + 4


def _raw_profile(body: bytes) -> bytes:
    """EXIF as ImageMagick wrote it before there was eXIf: a text chunk, deflated or not, with hexadecimal digits."""
    text = body.partition(b"\0")[2]
    try:
        if text.startswith(b"\0"):
            text = zlib.decompressobj().decompress(text[1:], 1 << 20)
        return bytes.fromhex("".join(text.decode("latin-1").split("\n")[3:]))
    except (ValueError, zlib.error):
        return b""


def _joined(chunks: list[tuple[bytes, bytes]]) -> bytes:
    return SIGNATURE + b"".join(
        struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body)) for kind, body in chunks
    )


def _header(chunks: list[tuple[bytes, bytes]]) -> tuple[int, int]:
    """Bits of a sample, and the color type."""
    if not chunks or chunks[0][0] != b"IHDR" or len(chunks[0][1]) != 13:
        raise Refused("it does not begin with a PNG header (IHDR chunk)")
    return chunks[0][1][8], chunks[0][1][9]


def _decode(bits: int, color: int, clear: bytes, content: bytes, opened: ImageFile) -> Decoded:
    """clear: the body of tRNS, where it is a color."""
    if bits == 16:
        values = _in_16_bits(color, content, opened)
        return of_16_bits(np.dstack((values, _opaque(values, bits, clear) * np.uint16(65535))) if clear else values)
    image = opened.copy()
    if clear:
        image = image.convert("L" if color == _GRAY else "RGB")
        opaque = _opaque(np.atleast_3d(np.asarray(image)), bits, clear)
        image.putalpha(Image.fromarray(opaque * np.uint8(255)))
    return image, ()


def _opaque(values: NDArray[Any], bits: int, clear: bytes) -> NDArray[np.bool_]:
    """Which pixels have another color than the one that is transparent, ``[H, W]``.

    values: ``[H, W, channels]``, scaled to 8 bits where they have less.
    """
    channels = values.shape[2]
    if len(clear) != 2 * channels:
        raise Refused(f"its tRNS chunk has {len(clear)} bytes, {2 * channels} are right")
    key = np.array(struct.unpack(f">{channels}H", clear)) & (1 << bits) - 1
    if bits < 8:
        key *= 255 // ((1 << bits) - 1)
    return np.asarray((values != key).any(axis=2))


def _in_16_bits(color: int, content: bytes, opened: ImageFile) -> NDArray[np.uint16]:
    """``[H, W, channels]``."""
    if color == _GRAY:
        return np.asarray(opened)[..., None]
    if color != _GRAY_ALPHA:
        return with_16_bits(content, opened)
    # Read as if the four bytes of a pixel were 8-bit red, green, blue and alpha.
    header = bytearray(content[8:33])
    header[16:18] = 8, _RGBA
    header[21:] = struct.pack(">I", zlib.crc32(header[4:21]))
    with Image.open(io.BytesIO(SIGNATURE + header + content[33:])) as pairs:
        upper, lower = np.asarray(pairs)[..., ::2], np.asarray(pairs)[..., 1::2]
    return upper.astype(np.uint16) << 8 | lower
