"""One image file of any kind -> ``uint8 [side, side, 3]``."""

from __future__ import annotations

from pathlib import Path
from typing import BinaryIO, Literal

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from harness.image_files import read_image

Shape = Literal["crop", "squash", "pad"]
BILINEAR = Image.Resampling.BILINEAR


def open_rgb(file: Path | BinaryIO, name: str | None = None) -> Image.Image:
    """What ``read_image`` reads, in RGB; BadInput names a file that cannot be read (name: if not its path)."""
    return Image.fromarray(read_image(file, name).pixels)


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
