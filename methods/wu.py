"""Wu's quantizer: greedy splits of color boxes by least squared error."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from harness.contracts import Images, Palettized
from harness.registry import quantizer
from methods.batches import in_slices
from methods.distinct import Distinct, by_colors, nearest_labels, pays
from methods.palettes import nearest_entries


@quantizer("wu", summary="splits the box of largest squared error where it helps most (Wu 1991)")
class Wu:
    """Greedy orthogonal bipartition of the RGB cube with cumulative moments.

    Source: Wu, "Efficient statistical computations for optimal color quantization", Graphics Gems II, 1991; Wu, "Color
    quantization by dynamic programming and principal analysis", ACM Transactions on Graphics 11, 1992. The box whose
    pixels have the largest squared error about their mean is split across the axis, at the place, that leave the
    least, until there are C boxes. Boxes consist of cells of a 32 x 32 x 32 histogram, so colors that agree in the
    upper five bits of every channel are never told apart; their 8-bit values count in means and errors.

    Every pixel gets the nearest of the boxes' means, where Wu gives it that of its own box: the same palette, less
    error.
    """

    def palettize(self, images: Images, colors: int) -> Palettized:
        from methods.wu_loops import wu_palettes

        def reduce(_image: NDArray[np.uint8], distinct: Distinct) -> tuple[NDArray[np.int64], NDArray[np.uint8]]:
            palette = np.empty((colors, 3), np.uint8)
            wu_palettes(distinct.colors[None], distinct.counts[None], palette[None])
            return nearest_labels(distinct, palette), palette

        if pays(images, colors + 5):
            return by_colors(images, colors, reduce)
        n, height, width = images.shape[:3]
        pixels = np.ascontiguousarray(images).reshape(n, height * width, 3)
        once = np.ones((n, height * width), np.int64)
        palettes = np.empty((n, colors, 3), np.uint8)
        in_slices(lambda part: wu_palettes(pixels[part], once[part], palettes[part]), n)
        return Palettized(nearest_entries(images, palettes), palettes)
