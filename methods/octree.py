"""Octree quantizers: the published one, and what Pillow calls so."""

from __future__ import annotations

from typing import Literal

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from harness.contracts import Images, Palettized
from harness.registry import quantizer
from methods.batches import in_slices
from methods.distinct import Distinct, by_colors, pays
from methods.palettes import mean_palette, mean_palettes, nearest_entries
from methods.pillow import quantized


@quantizer("octree", summary="Pillow's FASTOCTREE palette, every pixel given its nearest color")
class Octree:
    """Pillow's FASTOCTREE palette (all entries it lists) with an exact nearest-color map.

    Pillow's own map gives index 0 to every pixel whose coarse cell of colors is not listed (``octree-reference``);
    here only its palette is used. Pillow's palette takes the fullest cells of a fixed grid instead of merging leaves:
    ``octree-gervautz`` is the published algorithm.
    """

    def palettize(self, images: Images, colors: int) -> Palettized:
        palettes = quantized(images, colors, Image.Quantize.FASTOCTREE).palettes
        return Palettized(nearest_entries(images, palettes), palettes)


@quantizer("octree-reference", summary="Pillow's FASTOCTREE with its own map, as the ColorCNN authors' baseline is")
class OctreeReference:
    """Palette and index map of Pillow's FASTOCTREE, pixel for pixel: the "OCTree" the ColorCNN authors compared with.

    A pixel whose coarse cell of colors is not listed gets index 0, not its nearest color; at 2 colors that is most of
    a photograph. To be used where the authors' figures are repeated; ``octree`` is the same palette mapped well.
    """

    def palettize(self, images: Images, colors: int) -> Palettized:
        return quantized(images, colors, Image.Quantize.FASTOCTREE)


@quantizer(
    "octree-gervautz", summary="merges the deepest leaves of an octree of colors (Gervautz and Purgathofer 1988)"
)
class OctreeGervautz:
    """The octree of an image's colors, reduced from the deepest level upwards until C leaves are left.

    Source: Gervautz and Purgathofer, "A simple method for color quantization: octree quantization", 1988. Each of the
    8 levels splits by one bit of red, green and blue. A reduction makes a node of the deepest level that has nodes a
    leaf, with the pixels of its children. A pixel shows the mean of its leaf, rounded to 8 bits. An image of at most
    ``colors`` colors stays as it is.

    Two departures: all pixels are inserted before anything is reduced, where the article, to save memory, reduces on
    the way (so the order of pixels does not matter here); and where the last reduction would leave fewer than C
    leaves (it can drop up to seven, at 2 colors the whole image), only so many children of its node as necessary
    become one leaf, those with the fewest pixels.

    Args:
        reduce: Which node of the level goes first, of the article's two proposals: "fewest" pixels keeps the error
            small, "most" keeps details and merges large areas. Of equals, the one first in the octree's order.
    """

    reduce: Literal["fewest", "most"] = "fewest"

    def palettize(self, images: Images, colors: int) -> Palettized:
        from methods.octree_loops import leaves_of_paths, octree_leaves

        fewest = self.reduce == "fewest"

        def reduce(_image: NDArray[np.uint8], distinct: Distinct) -> tuple[NDArray[np.uint8], NDArray[np.uint8]]:
            labels = np.empty(len(distinct.codes), np.uint8)
            leaves_of_paths(distinct.codes, distinct.counts, colors, fewest, labels)
            return labels, mean_palette(distinct, labels, colors)

        if pays(images, 150):
            return by_colors(images, colors, reduce)
        n, height, width = images.shape[:3]
        pixels = np.ascontiguousarray(images).reshape(n, height * width, 3)
        leaves = np.empty(pixels.shape[:2], np.uint8)
        in_slices(lambda part: octree_leaves(pixels[part], colors, fewest, leaves[part]), n)
        indices = leaves.reshape(n, height, width)
        return Palettized(indices, mean_palettes(images, indices, colors))
