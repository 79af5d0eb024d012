"""Image files of any kind that Pillow can open, as sRGB pixels; and the image files of a folder."""

from __future__ import annotations

import os
import warnings
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageOps, UnidentifiedImageError

from harness.contracts import BadInput

# fmt: off
SUFFIXES = (
    ".apng", ".avif", ".bmp", ".dib", ".gif", ".ico", ".j2k", ".jfif", ".jp2", ".jpe", ".jpeg", ".jpg",
    ".pbm", ".pcx", ".pgm", ".png", ".pnm", ".ppm", ".psd", ".qoi", ".tga", ".tif", ".tiff", ".webp",
)
# fmt: on
"""What an image file of a folder is recognized by, in lower or upper case."""
_ORIENTATION = 0x0112


@dataclass(frozen=True, eq=False)
class Photo:
    """An image file, read. pixels: ``uint8 [H, W, 3]``; remarks: what became of it on the way there."""

    path: Path
    pixels: NDArray[np.uint8]
    file_bytes: int
    remarks: tuple[str, ...] = ()

    @property
    def size(self) -> tuple[int, int]:
        """Height and width."""
        return self.pixels.shape[0], self.pixels.shape[1]


def read_photo(path: Path) -> Photo:
    """The first frame of a file, upright, 8 bits a channel. Raises BadInput where it cannot be read.

    EXIF orientation is applied. Transparency is laid on white. Gray is repeated in all channels; 16-bit values are
    scaled to 8 bits. Color profiles are ignored, as datasets ignore them.
    """
    try:
        with warnings.catch_warnings(action="ignore"), Image.open(path) as opened:
            opened.load()
            pixels, remarks = _upright_rgb(opened)
        return Photo(path, pixels, path.stat().st_size, remarks)
    except Exception as error:  # noqa: BLE001 - damaged files make Pillow's decoders raise nearly anything
        reason = "no image format that Pillow knows" if isinstance(error, UnidentifiedImageError) else error
        raise BadInput(f"{path} cannot be read as an image ({reason}).") from None


def _upright_rgb(opened: Image.Image) -> tuple[NDArray[np.uint8], tuple[str, ...]]:
    remarks = []
    frames = getattr(opened, "n_frames", 1)
    if frames > 1:
        remarks.append(f"first of {frames} frames")
    if opened.getexif().get(_ORIENTATION, 1) != 1:
        remarks.append("turned upright by its EXIF orientation")
    image = ImageOps.exif_transpose(opened)
    if image.mode == "F" or image.mode.startswith("I"):
        return _from_deep_gray(np.asarray(image), image.mode), (*remarks, "16 bits scaled to 8")
    if image.has_transparency_data:
        image = image.convert("RGBA")
        if np.asarray(image.getchannel("A")).min() < 255:
            remarks.append("transparency laid on white")
        image = Image.alpha_composite(Image.new("RGBA", image.size, "white"), image)
    return np.asarray(image.convert("RGB")), tuple(remarks)


def _from_deep_gray(values: NDArray[Any], mode: str) -> NDArray[np.uint8]:
    if mode == "F" or values.min() < 0 or values.max() > 65535:
        raise ValueError(f"mode {mode} with values outside 16 bits")
    gray = ((values.astype(np.int64) * 255 + 32767) // 65535).astype(np.uint8)
    return np.repeat(gray[:, :, None], 3, axis=2)


def photos_below(folder: Path, but_not: Path) -> list[Path]:
    """Every image file of a folder and the folders in it, by name; none that is hidden.

    but_not: if that is a folder somewhere in ``folder``, nothing in it is included either.
    """
    left_out = but_not.resolve()
    inside = folder.resolve() in left_out.parents
    found = []
    for path in sorted(folder.rglob("*")):
        hidden = any(part.startswith(".") for part in path.relative_to(folder).parts)
        elsewhere = not (inside and left_out in path.resolve().parents)
        if path.suffix.lower() in SUFFIXES and not hidden and elsewhere and path.is_file():
            found.append(path)
    return found


def make_folder(folder: Path, option: str) -> None:
    """Makes a folder that is to be written into. Raises BadInput, naming the option, where that cannot be."""
    if folder.is_file():
        raise BadInput(f"{option} {folder}: it is a file, a folder is needed.")
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise BadInput(f"{option} {folder}: cannot be made: {error.strerror}.") from None
    if not os.access(folder, os.W_OK | os.X_OK):
        raise BadInput(f"{option} {folder}: nothing can be written there.")
