"""PSD, as Adobe specifies it: the merged image, of which Pillow reads RLE only where there are no further channels."""

from __future__ import annotations

import struct
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from harness.image_files.depth import of_16_bits
from harness.image_files.essence import ON_WHITE, Decoded, Essence, Refused

SIGNATURE = b"8BPS\0\1"
_HEADER = 26
_BITMAP, _GRAY, _INDEXED, _RGB, _CMYK, _DUOTONE, _LAB = 0, 1, 2, 3, 4, 8, 9
_CHANNELS = {_BITMAP: 1, _GRAY: 1, _INDEXED: 1, _RGB: 3, _CMYK: 4, _DUOTONE: 1}
_DEPTHS = {_BITMAP: (1,), _INDEXED: (8,)}
_RAW, _RLE = 0, 1
_TRANSPARENT_INDEX = b"8BIM\x04\x17\0\0\0\0\0\2"


def essence(content: bytes) -> Essence:
    """Decodes the merged image; image resources and layers are skipped.

    Raises:
        Refused: The pixels are truncated, or of a kind that is not read.
    """
    try:
        channels, height, width, bits, mode = struct.unpack_from(">6xHIIHH", content, 6)
        colors, resources, layers, start = _sections(content)
        (compression,) = struct.unpack_from(">H", content, start)
    except struct.error:
        raise Refused("it is truncated before its pixels") from None
    _check(channels, bits, mode, compression)
    if width * height > 2 * (Image.MAX_IMAGE_PIXELS or width * height):
        raise Image.DecompressionBombError
    has_alpha = channels > _CHANNELS[mode] and _merged_alpha(layers)
    planes = _planes(content, start + 2, (channels, height, width), bits, _CHANNELS[mode] + has_alpha, compression)
    unused = channels - len(planes)
    image, remarks = _with_colors(planes, mode, colors, resources)
    remarks += (f"{unused} saved channel{'s' * (unused > 1)} left out",) if unused else ()
    return Essence(b"", image=(image, remarks), frames=1)


def _sections(content: bytes) -> tuple[bytes, bytes, bytes, int]:
    """Color mode data, image resources, layers and masks, and where what follows starts."""
    found, position = [], _HEADER
    for _ in range(3):
        (length,) = struct.unpack_from(">I", content, position)
        found.append(content[position + 4 : position + 4 + length])
        position += 4 + length
    return found[0], found[1], found[2], position


def _check(channels: int, bits: int, mode: int, compression: int) -> None:
    if mode == _LAB:
        raise Refused("its colors are CIE L*a*b*; save it as RGB")
    if mode not in _CHANNELS:
        raise Refused(f"its color mode, number {mode} of Photoshop's, is not read; save it as RGB")
    if bits not in _DEPTHS.get(mode, (8, 16)):
        raise Refused(f"its samples have {bits} bits; save it with 8 or 16 bits a channel")
    if channels < _CHANNELS[mode]:
        raise Refused(f"it has {channels} channels, its color mode needs {_CHANNELS[mode]}")
    if compression not in (_RAW, _RLE):
        raise Refused(f"its compression, number {compression} of Photoshop's, is not read; save it again as PSD")


def _merged_alpha(layers: bytes) -> bool:
    """Whether the first further channel is the transparency of the image: the count of layers is negative then."""
    return len(layers) >= 6 and struct.unpack_from(">h", layers, 4)[0] < 0


def _planes(
    content: bytes, start: int, shape: tuple[int, int, int], bits: int, needed: int, compression: int
) -> NDArray[Any]:
    """The first channels, ``[needed, H, W]``: ``uint16`` where they have 16 bits, else ``uint8``; bitmaps 0 and 1."""
    channels, height, width = shape
    row_bytes = (width * bits + 7) // 8
    if compression == _RLE:
        packed = content[start + 2 * channels * height :]
        rows = np.asarray(Image.frombytes("L", (row_bytes, needed * height), packed, "packbits", "L"))
    else:
        if len(content) < start + needed * height * row_bytes:
            raise Refused("its pixels are truncated")
        rows = np.frombuffer(content, np.uint8, needed * height * row_bytes, start)
    rows = rows.reshape(needed, height, row_bytes)
    if bits == 1:
        return np.unpackbits(rows, axis=2, count=width)
    return np.ascontiguousarray(rows).view(">u2").astype(np.uint16) if bits == 16 else rows


def _with_colors(planes: NDArray[Any], mode: int, colors: bytes, resources: bytes) -> Decoded:
    """planes: of the color mode, and alpha if there is one more."""
    if mode == _INDEXED:
        return _indexed(planes[0], colors, resources), ()
    count, white = _CHANNELS[mode], 65535 if planes.dtype == np.uint16 else 255
    color, alpha = planes[:count], planes[count:]
    if mode == _BITMAP:
        color = (1 - color) * np.uint8(255)
    elif mode == _CMYK:
        # Stored inverted: 0 is all of an ink.
        color = ((color[:3].astype(np.uint32) * color[3] + white // 2) // white).astype(planes.dtype)
    laid: tuple[str, ...] = ()
    # Photoshop has laid RGB on white already; then no sample is darker than the white that shows through.
    if mode == _RGB and len(alpha) and (color.astype(np.int32) + alpha >= white - 1).all():
        laid, alpha = (ON_WHITE,) if alpha.min() < white else (), alpha[1:]
    channels = np.concatenate((color, alpha))
    if white > 255:
        image, remarks = of_16_bits(channels.transpose(1, 2, 0))
        return image, remarks + laid
    mode_name = {1: "L", 2: "LA", 3: "RGB", 4: "RGBA"}[len(channels)]
    return Image.merge(mode_name, [Image.fromarray(plane) for plane in channels]), laid


def _indexed(indices: NDArray[np.uint8], colors: bytes, resources: bytes) -> Image.Image:
    if len(colors) < 768:
        raise Refused(f"its palette has {len(colors)} bytes, 768 are right")
    table = np.frombuffer(colors, np.uint8, 768).reshape(3, 256).T
    image = Image.fromarray(table[indices])
    at = resources.find(_TRANSPARENT_INDEX) + len(_TRANSPARENT_INDEX)
    if at >= len(_TRANSPARENT_INDEX) and at + 2 <= len(resources):
        clear = int.from_bytes(resources[at : at + 2])
        image.putalpha(Image.fromarray((indices != clear) * np.uint8(255)))
    return image
