"""Maps as people see them: gray values as heat, alone or laid over the picture they belong to."""

from __future__ import annotations

import functools
import io

import matplotlib
import numpy as np
from numpy.typing import NDArray
from PIL import Image

from harness.encoding import indexed_png

_HEAT_SHARE = 0.55
_STEPS = 64
_LUMA = np.array([0.299, 0.587, 0.114])


@functools.cache
def colormap() -> NDArray[np.uint8]:
    """Matplotlib's inferno, dark for 0 and bright for 255: ``uint8 [256, 3]``."""
    shares = matplotlib.colormaps["inferno"](np.arange(256))[:, :3]
    return np.rint(255 * shares).astype(np.uint8)


def heated(gray_map: bytes) -> bytes:
    """A gray PNG with its values as heat, as an indexed PNG of the same size."""
    return indexed_png(_pixels(gray_map, "L"), colormap())


def overlaid(picture: bytes, gray_map: bytes) -> bytes:
    """A PNG in gray with the heat of a gray PNG of the same size laid over it; at most 64 colors keep it small."""
    gray = _pixels(picture, "RGB") @ _LUMA
    mixed = (1 - _HEAT_SHARE) * gray[..., None] + _HEAT_SHARE * colormap()[_pixels(gray_map, "L")]
    shown = Image.fromarray(np.rint(mixed).astype(np.uint8)).quantize(_STEPS, dither=Image.Dither.NONE)
    palette = np.array(shown.getpalette(), np.uint8).reshape(-1, 3)
    return indexed_png(np.asarray(shown), palette[:_STEPS])


def _pixels(png: bytes, mode: str) -> NDArray[np.uint8]:
    with Image.open(io.BytesIO(png)) as image:
        return np.asarray(image.convert(mode))
