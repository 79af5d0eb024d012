"""Wan's quantizer: splits of color boxes where the variance along one axis falls most."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from harness.contracts import Images, Palettized
from harness.registry import quantizer
from methods.batches import in_slices
from methods.distinct import Distinct, by_colors, nearest_labels, pays
from methods.palettes import nearest_entries


@quantizer("wan", summary="splits the box of largest variance along the axis whose own variance falls most (Wan 1988)")
class Wan:
    """The variance-based algorithm: boxes of the RGB cube are split at the best threshold of a projection.

    Source: Wan, Wong and Prusinkiewicz, "An algorithm for multidimensional data clustering", ACM Transactions on
    Mathematical Software 14, 1988; Wan, Prusinkiewicz and Wong, "Variance-based color image quantization for frame
    buffer display", Color Research and Application 15, 1990. The box of largest weighted variance, that is squared
    error about the mean of its pixels, is split until there are C. On each axis that threshold is found which leaves
    the projection of the pixels on this axis the least weighted variance; the box is split on the axis where this falls
    most. ``wu`` is what comes of it if the squared error of all three channels decides instead. Boxes consist of cells
    of a histogram with five bits a channel, as in the article, so colors that agree in these are not told apart; here
    their 8-bit values count in means and variances.

    Every pixel gets the nearest of the boxes' means, where the article gives it that of its own box: the same palette,
    less error. An image of at most C colors stays as it is.
    """

    def palettize(self, images: Images, colors: int) -> Palettized:
        from methods.wan_loops import wan_palettes

        def reduce(_image: NDArray[np.uint8], distinct: Distinct) -> tuple[NDArray[np.int64], NDArray[np.uint8]]:
            palette = np.empty((colors, 3), np.uint8)
            wan_palettes(distinct.colors[None], distinct.counts[None], palette[None])
            return nearest_labels(distinct, palette), palette

        if pays(images, colors + 5):
            return by_colors(images, colors, reduce)
        n, height, width = images.shape[:3]
        pixels = np.ascontiguousarray(images).reshape(n, height * width, 3)
        once = np.ones((n, height * width), np.int64)
        palettes = np.empty((n, colors, 3), np.uint8)
        in_slices(lambda part: wan_palettes(pixels[part], once[part], palettes[part]), n)
        return Palettized(nearest_entries(images, palettes), palettes)
