"""JPEG 2000: its codestream alone is decoded by Pillow; depth, palette, channels and color space are applied here."""

from __future__ import annotations

import io
import struct
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image
from PIL.ImageFile import ImageFile

from harness.image_files.boxes import boxes
from harness.image_files.depth import scaled
from harness.image_files.essence import Decoded, Essence, Refused, scaled_from

SIGNATURES = (b"\xff\x4f\xff\x51", b"\0\0\0\x0cjP  \r\n\x87\n")
_SIZ, _COD, _COC, _SOT, _SOD, _EOC = 0xFF51, 0xFF52, 0xFF53, 0xFF90, 0xFF93, 0xFFD9
_DESCRIBING = (0xFF55, 0xFF57, 0xFF63, 0xFF64)
"""TLM, PLM, CRG, COM: lengths that are known otherwise, registration and comments."""
_FIRST_SSIZ = 40
"""Where in a SIZ segment the first component's bits are; three bytes further the next one's."""
_CMYK, _SRGB, _GRAY, _SYCC, _ROMM = 12, 16, 17, 18, 21
_OF_PROFILE = {b"CMYK": _CMYK, b"GRAY": _GRAY, b"RGB ": _SRGB}
_COLOR, _ALPHA, _PREMULTIPLIED = 0, 1, 2
_MOST_BITS = 16
_Components = list[tuple[NDArray[Any], int]]
"""Samples, ``uint16 [H, W]``, and the value of white, of each."""


@dataclass(frozen=True)
class _Header:
    """What a JP2 file says about its codestream.

    Attributes:
        space: The number of its color space; 0: it does not say.
        palette: ``[entries, columns]``, scaled to 8 bits; None: there is none.
        mapping: Of each channel: the component, whether the palette is used, and its column.
        channels: Of each channel that is defined: its number, its type, and the color it belongs to.
    """

    space: int = 0
    palette: NDArray[np.uint8] | None = None
    mapping: tuple[tuple[int, int, int], ...] = ()
    channels: tuple[tuple[int, int, int], ...] = ()


def essence(content: bytes) -> Essence:
    """The codestream without its comments.

    Raises:
        Refused: Its header is damaged, it is truncated, or its samples or colors are of a kind that is not read.
    """
    try:
        header, stream = _Header(), content
        if content.startswith(SIGNATURES[1]):
            header, stream = _opened_up(content)
        segments = list(_segments(stream))
        first = next(start for marker, start, _ in segments if marker == _SOT)
        main = [stream[s:e] for marker, s, e in segments if s < first and marker not in _DESCRIBING]
        lean = stream[:2] + b"".join(main) + stream[first:]
        (count,) = struct.unpack_from(">H", lean, 2 + 38)
        sizes = [tuple(lean[2 + at : 5 + at]) for at in range(_FIRST_SSIZ, _FIRST_SSIZ + 3 * count, 3)]
        bits = [(depth & 0x7F) + 1 for depth, _, _ in sizes]
        reversible = {_transform(stream, marker, start) for marker, start, _ in segments if marker in (_COD, _COC)}
    except Refused:
        raise
    except (struct.error, IndexError, ValueError, StopIteration):
        raise Refused("its header is damaged or truncated") from None
    subsampled = any(size[1:] != (1, 1) for size in sizes)
    _check(header, bits, subsampled, len(reversible))
    components = partial(_components, lean, bits, reversible == {True})
    return Essence(lean, partial(_decode, components, header, max(bits), subsampled), exif=b"", frames=1)


def _opened_up(content: bytes) -> tuple[_Header, bytes]:
    """What the boxes say, and the codestream."""
    header: dict[str, Any] = {}
    for kind, start, end in boxes(content):
        if kind == b"jp2h":
            for inner, at, after in boxes(content, start, end):
                _add(header, inner, content[at:after])
        elif kind == b"jp2c":
            return _Header(**header), content[start:end]
    raise Refused("it has no pixels (no jp2c box)")


def _add(header: dict[str, Any], kind: bytes, body: bytes) -> None:
    """Enters what a box of the header says."""
    if kind == b"colr" and "space" not in header and body[:1] in (b"\1", b"\2") and len(body) >= 7:
        stated = struct.unpack_from(">I", body, 3)[0] if body[0] == 1 else _OF_PROFILE.get(body[19:23], 0)
        header["space"] = int(stated)
    elif kind == b"pclr":
        entries, columns = struct.unpack_from(">HB", body)
        depths = [depth + 1 for depth in body[3 : 3 + columns]]
        row = np.dtype([(f"f{column}", ">u2" if depth > 8 else "u1") for column, depth in enumerate(depths)])
        table = np.frombuffer(body, row, entries, 3 + columns)
        values = [scaled(table[f"f{column}"].astype(float), 0, (1 << depth) - 1) for column, depth in enumerate(depths)]
        header["palette"] = np.stack(values, axis=1)
    elif kind == b"cmap":
        header["mapping"] = tuple(struct.iter_unpack(">HBB", body))
    elif kind == b"cdef":
        header["channels"] = tuple(struct.iter_unpack(">HHH", body[2:]))


def _segments(stream: bytes) -> Iterator[tuple[int, int, int]]:
    """Marker, start and end of each segment of the main header and of those of the tiles.

    Raises:
        Refused: The data of a tile are cut off.
    """
    position, after = 2, len(stream)
    while position + 4 <= len(stream):
        marker, length = struct.unpack_from(">HH", stream, position)
        if marker == _EOC:
            return
        if marker == _SOD:
            if after < position + 2:
                raise Refused("its pixels are truncated")
            position = after
            continue
        if marker == _SOT:
            (tile_bytes,) = struct.unpack_from(">I", stream, position + 6)
            after = position + tile_bytes if tile_bytes else len(stream)
            if after > len(stream) or (not tile_bytes and not stream.endswith(struct.pack(">H", _EOC))):
                raise Refused("its pixels are truncated")
        if marker < 0xFF00:
            raise ValueError
        yield marker, position, position + 2 + length
        position += 2 + length


def _transform(stream: bytes, marker: int, start: int) -> bool:
    """Whether a COD or COC segment states the reversible wavelet."""
    return stream[start + (13 if marker == _COD else 10)] == 1


def _check(header: _Header, bits: list[int], subsampled: bool, transforms: int) -> None:
    """Raises Refused for what Pillow or this module would get wrong."""
    many = max(bits, default=0)
    if not bits:
        raise Refused("it has no components")
    if many > _MOST_BITS:
        raise Refused(f"its samples have {many} bits; save it with 8 or 16 bits a channel")
    if len(bits) > 1 and many > 8 and transforms != 1:
        raise Refused(f"its samples have {many} bits and different wavelets; save it with 8 bits a channel")
    if header.space not in (0, _CMYK, 15, _SRGB, _GRAY, _SYCC, _ROMM):
        raise Refused(f"its color space, number {header.space} of JPEG 2000, is not read; save it as RGB")
    if subsampled and (set(bits) != {8} or header.space not in (0, _SYCC) or len(bits) < 3):
        raise Refused("its components have fewer samples than it has pixels; save it as RGB")
    if any(kind == _PREMULTIPLIED for _, kind, _ in header.channels):
        raise Refused("its colors are multiplied by its alpha; save it as PNG")
    if header.palette is not None and (len(bits) > 1 and many > 8):
        raise Refused(f"its palette is beside samples of {many} bits; save it as RGB")


def _decode(
    read: Callable[[ImageFile], _Components], header: _Header, bits: int, converted: bool, opened: ImageFile
) -> Decoded:
    """converted: Pillow has made RGB of YCbCr already, which it does where components are subsampled."""
    components = read(opened)
    if header.palette is None:
        channels = [scaled(values, 0, white) for values, white in components]
    else:
        if not header.mapping:
            raise Refused("it has a palette and does not say (cmap box) of what")
        channels = [_channel(header.palette, components, *entry) for entry in header.mapping]
    return _image(channels, header, converted), scaled_from(bits)


def _components(stream: bytes, bits: list[int], reversible: bool, opened: ImageFile) -> _Components:
    """All samples of an opened file.

    Pillow shifts the samples to 8 bits, those of gray with more than 8 to 16. In color it rounds those with more than
    8, and white becomes 256, of which 0 is left. A second look tells it from black: with more bits, which brings all
    samples near the middle, or with 8 where the wavelet is scaled by the depth.
    """
    values = np.atleast_3d(np.asarray(opened)).astype(np.uint16)
    if values.shape[2] == 1 and bits[0] > 8:
        return [(values[..., 0] >> (_MOST_BITS - bits[0]), (1 << bits[0]) - 1)]
    found = [(values[..., n] >> max(0, 8 - depth), (1 << min(depth, 8)) - 1) for n, depth in enumerate(bits)]
    if max(bits) > 8:
        other = bytearray(stream)
        for n, depth in enumerate(bits):
            if depth > 8:
                other[2 + _FIRST_SSIZ + 3 * n] += 4 if reversible else 8 - depth
        with Image.open(io.BytesIO(other)) as again:
            bright = np.asarray(again) >= 128
        for n, depth in enumerate(bits):
            if depth > 8:
                found[n] = (np.where((values[..., n] == 0) & bright[..., n], np.uint16(256), values[..., n]), 256)
    return found


def _channel(
    palette: NDArray[np.uint8], components: _Components, component: int, used: int, column: int
) -> NDArray[np.uint8]:
    values, white = components[component]
    return palette[np.minimum(values, len(palette) - 1), column] if used else scaled(values, 0, white)


def _image(channels: list[NDArray[np.uint8]], header: _Header, converted: bool) -> Image.Image:
    """An image in mode L, LA, RGB or RGBA, of channels ``[H, W]`` in 8 bits."""
    kinds = {number: (kind, color) for number, kind, color in header.channels if number < len(channels)}
    if kinds:
        colors = [number for number, (kind, _) in sorted(kinds.items(), key=lambda item: item[1][1]) if kind == _COLOR]
        alphas = [number for number, (kind, _) in kinds.items() if kind == _ALPHA]
    else:
        count = len(channels) if header.space == _CMYK or len(channels) % 2 else len(channels) - 1
        colors, alphas = list(range(count)), list(range(count, len(channels)))
    if len(colors) not in (1, 3, 4) or (len(colors) == 4) != (header.space == _CMYK):
        raise Refused(f"it has {len(colors)} channels of color; save it as RGB")
    image = Image.merge({1: "L", 3: "RGB", 4: "CMYK"}[len(colors)], [Image.fromarray(channels[n]) for n in colors])
    if header.space == _SYCC and len(colors) == 3 and not converted:
        image = Image.merge("YCbCr", image.split()).convert("RGB")
    if image.mode == "CMYK":
        image = image.convert("RGB")
    if alphas:
        image.putalpha(Image.fromarray(channels[alphas[0]]))
    return image
