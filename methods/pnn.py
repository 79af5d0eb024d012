"""Pairwise nearest neighbor: colors are merged, the pair that costs least first."""

from __future__ import annotations

from typing import Annotated

import numpy as np
from numpy.typing import NDArray
from pydantic import Field

from harness.contracts import Images, Palettized
from harness.registry import quantizer
from methods.batches import in_slices
from methods.distinct import Distinct, by_colors, nearest_labels, pays
from methods.palettes import nearest_entries


@quantizer("pnn", summary="merges the two colors that cost least until C are left (Equitz 1989)")
class PairwiseNearestNeighbor:
    """Ward's clustering of an image's distinct colors, weighted by their pixels.

    Source: Equitz, "A new vector quantization clustering algorithm", IEEE Transactions on Acoustics, Speech, and Signal
    Processing 37, 1989. Two clusters of n and m pixels whose means have the squared distance d are one cluster at the
    cost of n m / (n + m) d more squared error; the cheapest pair is merged until C clusters are left. The result is
    that of a search among all pairs before each merge. It is found with a pointer to a nearest neighbor per cluster
    (Fränti, Kaukoranta, Shen and Chang, "Fast and memory efficient implementation of the exact PNN", IEEE Transactions
    on Image Processing 9, 2000; here to the nearest older one), renewed only when it could be the next to be merged
    (Kaukoranta, Fränti and Nevalainen, "Vector quantization by lazy pairwise nearest neighbor method", Optical
    Engineering 38, 1999), in a search that ends where the means' sums of red, green and blue differ too much
    (Virmajoki, Fränti and Kaukoranta, "Practical methods for speeding-up the pairwise nearest neighbor method", Optical
    Engineering 40, 2001). Of equally cheap pairs the one whose younger cluster is oldest is merged, then the one whose
    older cluster is oldest; colors are as old as they come in RGB order, and older than merged clusters.

    Means are rounded to 8 bits, and every pixel gets the nearest of them, as a codebook is used in the article. An
    image of at most C colors stays as it is.

    Args:
        points: An image with more distinct colors than this is counted in a histogram first, because the time grows
            faster than their number: in the finest of 7, 6 or 5 bits a channel of which at most this many cells have
            pixels, or else in that of 5 bits. Then the means of the cells are what is merged.
    """

    points: Annotated[int, Field(ge=256)] = 4096

    def palettize(self, images: Images, colors: int) -> Palettized:
        from methods.pnn_loops import pnn_palettes

        def reduce(_image: NDArray[np.uint8], distinct: Distinct) -> tuple[NDArray[np.int64], NDArray[np.uint8]]:
            palette = np.empty((colors, 3), np.uint8)
            pnn_palettes(distinct.colors[None], distinct.counts[None], self.points, palette[None])
            return nearest_labels(distinct, palette), palette

        if pays(images, colors + 100):
            return by_colors(images, colors, reduce)
        n, height, width = images.shape[:3]
        pixels = np.ascontiguousarray(images).reshape(n, height * width, 3)
        once = np.ones((n, height * width), np.int64)
        palettes = np.empty((n, colors, 3), np.uint8)
        in_slices(lambda part: pnn_palettes(pixels[part], once[part], self.points, palettes[part]), n)
        return Palettized(nearest_entries(images, palettes), palettes)
