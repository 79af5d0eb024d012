"""Pillow's MAXCOVERAGE palette."""

from __future__ import annotations

from PIL import Image

from harness.contracts import Images, Palettized
from harness.registry import quantizer
from methods.palettes import nearest_entries
from methods.pillow import quantized


@quantizer("max-coverage", summary="Pillow's MAXCOVERAGE palette, every pixel given its nearest color")
class MaxCoverage:
    """Colors far apart first, however few pixels have them: the palette of Pillow's MAXCOVERAGE, mapped exactly.

    Source: ``PIL.Image.Quantize.MAXCOVERAGE``. It keeps rare colors and, at few colors, has much more squared error
    than MedianCut.
    """

    def palettize(self, images: Images, colors: int) -> Palettized:
        palettes = quantized(images, colors, Image.Quantize.MAXCOVERAGE).palettes
        return Palettized(nearest_entries(images, palettes), palettes)
