"""Octree palettes."""

from __future__ import annotations

from PIL import Image

from harness.contracts import Images, Palettized
from harness.registry import quantizer
from methods.palettes import nearest_entries
from methods.pillow import quantized


@quantizer("octree", summary="Pillow's FASTOCTREE palette, every pixel given its nearest color")
class Octree:
    """Pillow's FASTOCTREE palette (all entries it lists) with an exact nearest-color map.

    Pillow's own map gives index 0 to every pixel whose coarse cell of colors is not listed, at 2 colors most of the
    image; here only its palette is used. Source of the idea: Gervautz and Purgathofer, "A simple method for color
    quantization: octree quantization", 1988; Pillow's palette takes the fullest cells of a fixed grid instead of
    merging leaves.
    """

    def palettize(self, images: Images, colors: int) -> Palettized:
        palettes = quantized(images, colors, Image.Quantize.FASTOCTREE).palettes
        return Palettized(nearest_entries(images, palettes), palettes)
