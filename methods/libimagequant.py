"""libimagequant, the library behind pngquant, where it is installed."""

from __future__ import annotations

import importlib.util
from typing import Annotated

import numpy as np
from pydantic import Field

from harness.contracts import BadInput, Images, Palettized
from harness.registry import quantizer
from methods.batches import in_slices


@quantizer("imagequant", summary="libimagequant, as in pngquant: an optional package under the GPL")
class ImageQuant:
    """Palette and index map of libimagequant: MedianCut by variance, refined by k-means, in a perceptual space.

    Source: Lesinski, libimagequant, https://pngquant.org/lib/. The PyPI package ``imagequant`` bundles it; it is
    licensed under the GPL, version 3, or commercially, and therefore not among fewcolors' dependencies:
    ``pip install 'fewcolors[imagequant]'``. Raises BadInput where it is missing.

    Args:
        dithering: How much of libimagequant's own error diffusion, 0 (none) to 1.
    """

    dithering: Annotated[float, Field(ge=0, le=1)] = 0.0

    def check(self) -> None:
        if importlib.util.find_spec("imagequant") is None:
            raise BadInput(
                "method 'imagequant' needs the package imagequant (libimagequant, under the GPL), which is not "
                "installed: pip install 'fewcolors[imagequant]'"
            )

    def palettize(self, images: Images, colors: int) -> Palettized:
        self.check()
        from imagequant import quantize_raw_rgba_bytes

        n, height, width = images.shape[:3]
        indices = np.empty((n, height, width), np.uint8)
        palettes = np.zeros((n, colors, 3), np.uint8)

        def work(part: slice) -> None:
            opaque = np.full((height, width, 4), 255, np.uint8)
            for i in range(part.start, part.stop):
                opaque[..., :3] = images[i]
                mapped, listed = quantize_raw_rgba_bytes(
                    opaque.tobytes(), width, height, dithering_level=self.dithering, max_colors=colors
                )
                indices[i] = np.frombuffer(mapped, np.uint8).reshape(height, width)
                entries = np.array(listed, np.uint8).reshape(-1, 4)[:colors, :3]
                palettes[i, : len(entries)] = entries

        in_slices(work, n)
        return Palettized(indices, palettes)
