"""Heckbert's popularity algorithm."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from harness.contracts import Images, Palettized
from harness.registry import quantizer
from methods.batches import in_slices
from methods.distinct import Distinct, by_colors, nearest_labels, pays
from methods.palettes import nearest_entries


@quantizer("popularity", summary="the most frequent colors of a 32 x 32 x 32 histogram (Heckbert 1982)")
class Popularity:
    """The C fullest cells of the RGB histogram with five bits a channel; every pixel gets the nearest entry.

    Source: Heckbert, "Color image quantization for frame buffer display", SIGGRAPH 1982, the popularity algorithm. An
    entry is the mean of its cell's pixels, rounded to 8 bits. Of equally full cells those that come first in RGB order
    are taken.
    """

    def palettize(self, images: Images, colors: int) -> Palettized:
        def reduce(_image: NDArray[np.uint8], distinct: Distinct) -> tuple[NDArray[np.int64], NDArray[np.uint8]]:
            palette = popular_colors(distinct.colors, distinct.counts, colors)
            return nearest_labels(distinct, palette), palette

        if pays(images, colors + 60):
            return by_colors(images, colors, reduce)
        palettes = np.empty((len(images), colors, 3), np.uint8)
        once = np.ones(images.shape[1] * images.shape[2], np.int64)

        def work(part: slice) -> None:
            for n in range(part.start, part.stop):
                palettes[n] = popular_colors(images[n].reshape(-1, 3), once, colors)

        in_slices(work, len(images))
        return Palettized(nearest_entries(images, palettes), palettes)


def popular_colors(pixels: NDArray[np.uint8], counts: NDArray[np.int64], colors: int) -> NDArray[np.uint8]:
    """``uint8 [P, 3]`` to ``uint8 [colors, 3]``, the most popular first, the last repeated where there are fewer.

    counts: how many there are of each pixel, ``int64 [P]``. Sums are whole numbers below 2^53, so float64 has them.
    """
    cells = (pixels.astype(np.int64) >> 3) @ np.array([1 << 10, 1 << 5, 1])
    count = np.bincount(cells, counts)
    present = np.flatnonzero(count)
    chosen = present[np.argsort(-count[present], kind="stable")[:colors]]
    sums = np.stack([np.bincount(cells, counts * channel)[chosen] for channel in pixels.T], axis=1)
    means = np.rint(sums / count[chosen, None]).astype(np.uint8)
    return means[np.minimum(np.arange(colors), len(means) - 1)]
