"""One image file of any kind -> ``uint8 [H, W, 3]``."""

from __future__ import annotations

import io
import re
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

import numpy as np
from numpy.typing import NDArray
from PIL import Image, UnidentifiedImageError
from PIL.ImageFile import ImageFile

from harness.contracts import BadInput
from harness.image_files import avif, gif, ico, jpeg, jpeg2000, png, psd, tiff, webp
from harness.image_files.depth import gray_of_any_depth
from harness.image_files.essence import ON_WHITE, Decoded, Essence, Refused, scaled_from

# fmt: off
EXTENSIONS = (
    ".apng", ".avif", ".bmp", ".dib", ".gif", ".ico", ".j2k", ".jfif", ".jp2", ".jpe", ".jpeg", ".jpg",
    ".pbm", ".pcx", ".pgm", ".png", ".pnm", ".ppm", ".psd", ".qoi", ".tga", ".tif", ".tiff", ".webp",
)
# fmt: on
"""What an image file of a folder is recognized by, in lower or upper case."""
_TURNED = {
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_270,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_90,
}
_ORIENTATION = 0x0112
_IN_XMP = re.compile(rb"tiff:Orientation(?:\s*=\s*[\"']|>)\s*([1-8])\b")
_KINDS: dict[bytes, Callable[[bytes], Essence]] = {
    png.SIGNATURE: png.essence,
    jpeg.SIGNATURE: jpeg.essence,
    b"II*\0": tiff.essence,
    b"MM\0*": tiff.essence,
    b"II+\0": tiff.essence,
    b"MM\0+": tiff.essence,
    **dict.fromkeys(gif.SIGNATURES, gif.essence),
    **dict.fromkeys(jpeg2000.SIGNATURES, jpeg2000.essence),
    psd.SIGNATURE: psd.essence,
    ico.SIGNATURE: ico.essence,
}
_ACCEPTING: dict[Callable[[bytes], bool], Callable[[bytes], Essence]] = {
    avif.accepts: avif.essence,
    webp.accepts: webp.essence,
}


@dataclass(frozen=True, eq=False)
class ReadImage:
    """An image file, read.

    Attributes:
        pixels: ``uint8 [H, W, 3]``, sRGB.
        remarks: What became of the file's samples on the way there, such as ``"16 bits scaled to 8"``.
    """

    pixels: NDArray[np.uint8]
    remarks: tuple[str, ...] = ()


def read_image(file: Path | BinaryIO, name: str | None = None) -> ReadImage:
    """Reads the first frame of an image file as it is meant: upright, on white, 8 bits a channel.

    The orientation in EXIF, else in XMP, is applied. Transparency is laid on white. Gray is repeated in all channels.
    More than 8 bits are scaled to 8 and rounded, from the range that the file declares. Color profiles and gamma are
    ignored, as torchvision ignores them. Metadata that are damaged are ignored too: they never fail sound pixels.

    Args:
        file: A path, or an open binary file.
        name: What messages call it, if not its path.

    Returns:
        The pixels, and remarks on what became of them.

    Raises:
        BadInput: The pixels are damaged, incomplete, or of a kind that is not read; the sentence names the file.
    """
    try:
        if isinstance(file, Path):
            if not file.is_file():
                raise Refused("it is not a file" if file.exists() else "there is no such file")
            content = file.read_bytes()
        else:
            content = file.read()
        return _decode(content)
    except Exception as error:  # noqa: BLE001 - damaged files make Pillow's decoders raise nearly anything
        raise BadInput(f"{name or file} cannot be read as an image ({_reason(error)}).") from None


def _reason(error: Exception) -> str:
    if isinstance(error, Image.DecompressionBombError):
        limit = 2 * (Image.MAX_IMAGE_PIXELS or 0)
        return f"it has more than {limit:,} pixels, the most that are read; make it smaller"
    if isinstance(error, MemoryError):
        return "there is not enough memory for its pixels; make it smaller"
    if isinstance(error, OSError) and error.strerror:
        return error.strerror
    return str(error).strip().rstrip(".") or type(error).__name__


def _decode(content: bytes) -> ReadImage:
    if not content:
        raise Refused("no image format that Pillow knows: it is empty")
    essence = _essence(content)
    if essence.image:
        (image, done), orientation, frames = essence.image, essence.orientation, essence.frames
    else:
        with _opened(essence.content) as opened:
            orientation = _orientation(essence, opened)
            image, done = essence.decode(opened) if essence.decode else _of_other_kinds(opened)
            frames = essence.frames or _frame_count(opened)
    remarks = [f"first of {frames} frames"] if frames > 1 else []
    if orientation in _TURNED:
        remarks.append("turned upright by its EXIF orientation")
        image = image.transpose(_TURNED[orientation])
    remarks += done
    if image.mode == "LAB":
        raise Refused("its colors are CIE L*a*b*; save it as RGB")
    if image.mode == "La":
        image = image.convert("LA")
    if image.has_transparency_data:
        image = image.convert("RGBA")
        if np.asarray(image.getchannel("A")).min() < 255:
            remarks.append(ON_WHITE)
        image = Image.alpha_composite(Image.new("RGBA", image.size, "white"), image)
    return ReadImage(np.asarray(image.convert("RGB")), tuple(remarks))


def _essence(content: bytes) -> Essence:
    by_signature = (of_kind for kind, of_kind in _KINDS.items() if content.startswith(kind))
    accepting = (of_kind for accepts, of_kind in _ACCEPTING.items() if accepts(content))
    return next((of_kind(content) for found in (by_signature, accepting) for of_kind in found), Essence(content))


def _opened(content: bytes) -> ImageFile:
    try:
        return Image.open(io.BytesIO(content))
    except UnidentifiedImageError:
        raise Refused(_why_unidentified(content)) from None


def _why_unidentified(content: bytes) -> str:
    """What the decoder said that knows this kind of file."""
    for kind in Image.ID:
        factory, accept = Image.OPEN[kind]
        if accept is not None and accept(content[:16]) is True:
            try:
                factory(io.BytesIO(content), "")
            except Exception as error:  # noqa: BLE001 - see read_image
                return f"a {kind} file that Pillow does not read: {_reason(error)}; save it as 8-bit PNG"
    return "no image format that Pillow knows"


def _orientation(essence: Essence, opened: ImageFile) -> int:
    """1 to 8 as EXIF numbers them; 1 where nothing readable states it."""
    if essence.orientation in _TURNED:
        return essence.orientation
    try:
        exif = opened.getexif() if essence.exif is None else Image.Exif()
        if essence.exif:
            exif.load(essence.exif)
        stated = exif.get(_ORIENTATION)
    except Exception:  # noqa: BLE001 - damaged metadata make Pillow raise nearly anything
        stated = None
    if isinstance(stated, int) and 1 <= stated <= 8:
        return stated
    found = _IN_XMP.search(essence.xmp)
    return int(found[1]) if found else 1


def _frame_count(opened: ImageFile) -> int:
    """At least 1; frames behind the first one may be damaged."""
    try:
        return int(getattr(opened, "n_frames", 1))
    except Exception:  # noqa: BLE001 - see read_image
        return 1


def _of_other_kinds(opened: ImageFile) -> Decoded:
    bits = _bits(opened)
    if opened.mode == "F" or opened.mode.startswith("I"):
        # Pillow stretches what PGM has in up to 16 bits to all values of 16 bits.
        whole = opened.mode.startswith("I;16") or (opened.mode == "I" and opened.format == "PPM")
        return gray_of_any_depth(np.asarray(opened), (0, 65535) if whole else None, bits)
    image = opened.copy()
    if opened.format in ("BMP", "DIB", "TGA") and image.mode in ("RGBA", "LA") and not np.asarray(image)[..., -1].any():
        # Many writers leave the last byte of every pixel 0 where there is no transparency.
        image = image.convert("RGB")
    return image, scaled_from(bits)


def _bits(opened: ImageFile) -> int:
    """Of a sample, as its decoder is told before it scales them: PGM and PPM by their greatest value, SGI by bytes."""
    codec, arguments = (opened.tile[0].codec_name, opened.tile[0].args) if opened.tile else ("", None)
    last = arguments[-1] if isinstance(arguments, tuple) and arguments else None
    if codec in ("ppm", "ppm_plain") and isinstance(last, int):
        return last.bit_length()
    if codec == "SGI16" or (codec == "sgi_rle" and last == 2):
        return 16
    return 16 if opened.mode == "F" or opened.mode.startswith("I") else 8
