"""TIFF 6.0 and BigTIFF: the tags that decide pixels, and samples of any depth, which Pillow does not scale."""

from __future__ import annotations

import struct
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageOps
from PIL.ImageFile import ImageFile

from harness.image_files.depth import gray_of_any_depth, of_16_bits, with_16_bits
from harness.image_files.essence import DEEP, Decoded, Essence, Refused

_BITS, _PHOTOMETRIC, _ORIENTATION, _PLANAR = 258, 262, 274, 284
_COLOR_MAP, _SAMPLE_FORMAT, _SMALLEST, _GREATEST, _SUBSAMPLING, _XMP = 320, 339, 340, 341, 530, 700
_EXTRA = 338
_UNSIGNED, _SIGNED, _UNDEFINED = 1, 2, 4
_SEPARATE, _PREMULTIPLIED = 2, 1
# fmt: off
_DECISIVE = {
    256, 257, _BITS, 259, _PHOTOMETRIC, 266, 273, 277, 278, 279, _PLANAR, 292, 293, 317, _COLOR_MAP, 322, 323, 324, 325,
    _EXTRA, _SAMPLE_FORMAT, _SMALLEST, _GREATEST, 347, 512, 513, 514, 515, 517, 518, 519, 520, 521, 529,
    _SUBSAMPLING, 531, 532,
}
# fmt: on
"""Size, samples, compression, strips, tiles, palette, ranges, JPEG's tables, YCbCr; numbers as in TIFF 6.0."""
_INTEGERS = {1: "B", 3: "H", 4: "I"}


@dataclass(frozen=True)
class _Layout:
    """How a directory is written. order: of bytes, as struct says it. big: BigTIFF."""

    order: str
    big: bool

    @property
    def count(self) -> str:
        return self.order + ("Q" if self.big else "H")

    @property
    def offset(self) -> str:
        return self.order + ("Q" if self.big else "I")

    @property
    def entry_bytes(self) -> int:
        return 20 if self.big else 12

    @property
    def value_at(self) -> int:
        """Where in an entry its value, or the offset of that, is."""
        return 12 if self.big else 8

    def integer(self, entry: bytes) -> int | None:
        """The value of an entry that is a single integer."""
        (kind,) = struct.unpack_from(self.order + "H", entry, 2)
        (count,) = struct.unpack_from(self.offset, entry, 4)
        if count != 1 or kind not in _INTEGERS:
            return None
        return int(struct.unpack_from(self.order + _INTEGERS[kind], entry, self.value_at)[0])


def essence(content: bytes) -> Essence:
    """Keeps those tags of the first image that decide its pixels; all but its directory stays where it is.

    WhiteIsZero becomes BlackIsZero, which Pillow knows at every depth; decoding inverts the samples. Samples of an
    undefined format are unsigned integers, as samples are where no format is stated.
    """
    layout = _Layout("<" if content.startswith(b"I") else ">", content[2:4] in (b"+\0", b"\0+"))
    try:
        (start,) = struct.unpack_from(layout.offset, content, 8 if layout.big else 4)
        entries, following = _directory(content, start, layout)
        kept = {tag: entry for tag, entry in entries.items() if tag in _DECISIVE}
        inverted = layout.integer(kept.get(_PHOTOMETRIC, bytes(20))) == 0
        if inverted:
            kept[_PHOTOMETRIC] = struct.pack(layout.order + "HH", _PHOTOMETRIC, 3) + (
                struct.pack(layout.offset, 1) + struct.pack(layout.order + "HH", 1, 0).ljust(layout.value_at - 4, b"\0")
            )
        if set(_shorts(content, kept.get(_SAMPLE_FORMAT, b""), layout)) <= {_UNSIGNED, _UNDEFINED}:
            kept.pop(_SAMPLE_FORMAT, None)
        orientation = layout.integer(entries.get(_ORIENTATION, bytes(20))) or 1
        written = struct.pack(layout.count, len(kept)) + b"".join(kept[tag] for tag in sorted(kept)) + following
        xmp = _bytes_of(content, entries.get(_XMP, b""), layout)
    except struct.error:
        raise Refused("its directory of tags is damaged or truncated") from None
    lean = content[:start] + written + content[start + len(written) :]
    return Essence(lean, partial(_decode, lean, inverted), orientation, exif=b"", xmp=xmp)


def _directory(content: bytes, start: int, layout: _Layout) -> tuple[dict[int, bytes], bytes]:
    """Each tag with its entry, the first one of several; and the offset of the next directory."""
    (count,) = struct.unpack_from(layout.count, content, start)
    first = start + struct.calcsize(layout.count)
    after = first + count * layout.entry_bytes
    found: dict[int, bytes] = {}
    for at in range(first, after, layout.entry_bytes):
        (tag,) = struct.unpack_from(layout.order + "H", content, at)
        found.setdefault(tag, content[at : at + layout.entry_bytes])
    struct.unpack_from(layout.offset, content, after)
    return found, content[after : after + struct.calcsize(layout.offset)]


def _bytes_of(content: bytes, entry: bytes, layout: _Layout) -> bytes:
    """What an entry with bytes points to; empty where it does not."""
    if not entry:
        return b""
    count, offset = (struct.unpack_from(layout.offset, entry, at)[0] for at in (4, layout.value_at))
    return content[offset : offset + count]


def _shorts(content: bytes, entry: bytes, layout: _Layout) -> tuple[int, ...]:
    """The values of an entry with 16-bit integers; none where it has others."""
    if not entry or struct.unpack_from(layout.order + "H", entry, 2) != (3,):
        return (0,) if entry else ()
    (count,) = struct.unpack_from(layout.offset, entry, 4)
    inside = 2 * count <= layout.entry_bytes - layout.value_at
    at = 0 if inside else struct.unpack_from(layout.offset, entry, layout.value_at)[0]
    values = entry[layout.value_at :] if inside else content[at : at + 2 * count]
    return struct.unpack_from(f"{layout.order}{count}H", values)


def _decode(content: bytes, inverted: bool, opened: Any) -> Decoded:
    tags: Any = getattr(opened, "tag_v2", {})
    bits, formats = tags.get(_BITS, (1,))[0], set(tags.get(_SAMPLE_FORMAT, (_UNSIGNED,)))
    _check(opened, tags)
    opened.tile = [_renamed(tile, _layout(tile, bits, opened)) for tile in opened.tile]
    whole = bits == 16 and not (tags.get(_PLANAR) == _SEPARATE and opened.tile[0].codec_name == "libtiff")
    if opened.mode == "F" or opened.mode.startswith("I") or formats != {_UNSIGNED}:
        values = _of_their_type(np.asarray(opened), bits, formats)
        image, remarks = gray_of_any_depth(values, _declared(tags, bits, formats), bits)
    elif whole and opened.mode == "CMYK":
        inks = (65535 - with_16_bits(content, opened)).astype(np.uint32)
        image, remarks = of_16_bits((inks[..., :3] * inks[..., 3:] // 65535).astype(np.uint16))
    elif whole and opened.mode in ("RGB", "RGBA"):
        # Layouts named RGBa would be divided by alpha, each byte on its own.
        opened.tile = [_renamed(tile, tile.args[0].replace("a", "A")) for tile in opened.tile]
        image, remarks = of_16_bits(with_16_bits(content, opened), tags.get(_EXTRA, ())[:1] == (_PREMULTIPLIED,))
    else:
        image, remarks = _with_palette(opened, tags.get(_COLOR_MAP, ())), (DEEP,) if bits == 16 else ()
    return _inverted(image) if inverted else image, remarks


def _check(opened: ImageFile, tags: Any) -> None:
    """Raises Refused for what Pillow opens and gets wrong."""
    if opened.mode == "YCbCr" and tuple(tags.get(_SUBSAMPLING, (2, 2))) != (1, 1):
        raise Refused("its YCbCr samples are subsampled without compression; save it as RGB")
    if opened.mode in ("LA", "La", "PA") and tags.get(_PLANAR) == _SEPARATE:
        raise Refused("its alpha is in a plane of its own beside gray or a palette; save it as PNG")


def _layout(tile: Any, bits: int, opened: Any) -> str:
    """What Pillow's decoders call the layout of a tile's samples, where Pillow itself names a wrong one."""
    layout: str = tile.args[0]
    if tile.codec_name == "libtiff":
        return {"I;16BS": "I;16NS", "I;32BS": "I;32NS", "F;32BF": "F;32NF"}.get(layout, layout)
    if bits == 16 and len(layout) == 1 and opened.mode in ("RGB", "RGBA", "CMYK"):
        return layout + (";16L" if opened.tag_v2.prefix == b"II" else ";16B")
    return layout


def _renamed(tile: Any, layout: str) -> Any:
    return tile._replace(args=(layout, *tile.args[1:]))


def _of_their_type(values: NDArray[Any], bits: int, formats: set[int]) -> NDArray[Any]:
    """The samples as what they are, where Pillow has signed for unsigned integers or the reverse."""
    if formats == {_SIGNED} and bits == 8:
        return values.view(np.int8)
    if formats == {_UNSIGNED} and bits == 32:
        return values.view(np.uint32)
    return values


def _declared(tags: Any, bits: int, formats: set[int]) -> tuple[float, float] | None:
    """The values of black and white: for up to 16 unsigned bits the whole range, else what the file states."""
    whole = (0.0, float((1 << bits) - 1)) if formats == {_UNSIGNED} else None
    if whole and bits <= 16:
        return whole
    stated = [np.ravel(tags.get(tag, ())) for tag in (_SMALLEST, _GREATEST)]
    if not all(len(value) and value.dtype.kind in "iuf" and np.isfinite(value[0]) for value in stated):
        return whole
    black, white = (float(value[0]) for value in stated)
    return (black, white) if black < white else whole


def _with_palette(opened: ImageFile, color_map: tuple[int, ...]) -> Image.Image:
    image = opened.copy()
    if image.mode == "P" and color_map and max(color_map) < 256:
        # Old writers stored 8-bit entries, of which Pillow takes the upper byte of 16.
        image.putpalette(np.array(color_map, np.uint8).reshape(3, -1).T.tobytes())
    return image


def _inverted(image: Image.Image) -> Image.Image:
    if image.mode == "La":
        image = image.convert("LA")
    if image.mode != "LA":
        return ImageOps.invert(image.convert("L"))
    gray, alpha = image.split()
    return Image.merge("LA", (ImageOps.invert(gray), alpha))
