"""One image file of any kind -> ``uint8 [side, side, 3]``."""

from __future__ import annotations

from pathlib import Path
from typing import BinaryIO, Literal

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageOps, UnidentifiedImageError

from harness.contracts import BadInput

EXTENSIONS = (".bmp", ".gif", ".jpeg", ".jpg", ".pgm", ".png", ".ppm", ".tif", ".tiff", ".webp")
Shape = Literal["crop", "squash", "pad"]
BILINEAR = Image.Resampling.BILINEAR


def open_rgb(file: Path | BinaryIO, name: str | None = None) -> Image.Image:
    """The decoded first frame in RGB, upright; BadInput names a file that cannot be decoded (name: if not its path).

    EXIF orientation is applied. Transparency, of palettes too, is laid on white. Gray is repeated in all channels;
    16-bit values are scaled to 8 bits. Color profiles are ignored, as torchvision ignores them.
    """
    try:
        with Image.open(file) as opened:
            opened.load()
            image = ImageOps.exif_transpose(opened)
            if image.mode == "F" or image.mode.startswith("I"):
                return _from_deep_gray(image)
            if image.has_transparency_data:
                image = image.convert("RGBA")
                image = Image.alpha_composite(Image.new("RGBA", image.size, "white"), image)
            return image.convert("RGB")
    except Exception as error:  # noqa: BLE001 - damaged files make Pillow's decoders raise nearly anything
        reason = "no image format that Pillow knows" if isinstance(error, UnidentifiedImageError) else error
        raise BadInput(f"{name or file} cannot be read as an image ({reason}).") from None


def _from_deep_gray(image: Image.Image) -> Image.Image:
    values = np.asarray(image)
    if image.mode == "F" or values.min() < 0 or values.max() > 65535:
        raise ValueError(f"mode {image.mode} with values outside 16 bits")
    return Image.fromarray(((values.astype(np.int64) * 255 + 32767) // 65535).astype(np.uint8)).convert("RGB")


def to_square(image: Image.Image, side: int, shape: Shape, resize: int | None = None) -> NDArray[np.uint8]:
    """``uint8 [side, side, 3]``, bilinear with antialiasing.

    crop: the shorter side becomes ``resize``, or else ``side``, and the middle is kept, as torchvision's ``Resize`` and
    ``CenterCrop`` do. squash: both sides are resized. pad: the longer side becomes ``side``, centered on white.
    """
    if shape == "squash":
        return np.asarray(image.resize((side, side), BILINEAR))
    if shape == "pad":
        width, height = (max(1, round(side * length / max(image.size))) for length in image.size)
        canvas = Image.new("RGB", (side, side), "white")
        canvas.paste(image.resize((width, height), BILINEAR), ((side - width) // 2, (side - height) // 2))
        return np.asarray(canvas)
    shorter = resize or side
    width, height = (int(shorter * length / min(image.size)) for length in image.size)
    left, top = round((width - side) / 2), round((height - side) / 2)
    return np.asarray(image.resize((width, height), BILINEAR).crop((left, top, left + side, top + side)))
