"""MedianCut, with and without Floyd-Steinberg dithering."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Literal

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from harness.contracts import Images, Palettized
from harness.registry import quantizer
from methods.dithering import Errors, floyd_steinberg
from methods.pillow import quantized

_ERRORS: Mapping[str, Errors] = {
    "floyd-steinberg": "bounded",
    "floyd-steinberg-clipped": "clipped",
    "floyd-steinberg-plain": "plain",
}


@quantizer("median-cut", summary="splits the box of colors at its median until there are enough (Heckbert 1982)")
class MedianCut:
    """Palette and index map of Pillow's MEDIANCUT, pixel for pixel.

    Source: Heckbert, "Color image quantization for frame buffer display", SIGGRAPH 1982, as Pillow implements it.

    Args:
        dither: "floyd-steinberg" keeps the palette and spreads each pixel's error over its neighbours (Floyd and
            Steinberg 1976), bounded as pngquant does it: see ``methods.dithering``; "floyd-steinberg-clipped" limits
            values to 0..255 on the way and, where the plain map uses n entries of the palette, keeps the first n only,
            both as the ColorCNN authors' code does; "floyd-steinberg-plain" limits nothing, as published.
    """

    dither: Literal["none", "floyd-steinberg", "floyd-steinberg-clipped", "floyd-steinberg-plain"] = "none"

    def palettize(self, images: Images, colors: int) -> Palettized:
        plain = quantized(images, colors, Image.Quantize.MEDIANCUT)
        if self.dither == "none":
            return plain
        errors = _ERRORS[self.dither]
        palettes = _first_as_many_as_used(plain) if errors == "clipped" else plain.palettes
        return Palettized(floyd_steinberg(images, palettes, errors), palettes)


def _first_as_many_as_used(plain: Palettized) -> NDArray[np.uint8]:
    """Each palette's first n entries, where its index map uses n of them, the last of these repeated."""
    palettes = plain.palettes.copy()
    for palette, indices in zip(palettes, plain.indices, strict=True):
        used = len(np.unique(indices))
        palette[used:] = palette[used - 1]
    return palettes
