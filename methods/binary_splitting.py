"""Binary splitting: clusters of colors are cut across their principal axis."""

from __future__ import annotations

from typing import Literal

import numpy as np
from numpy.typing import NDArray

from harness.contracts import Images, Palettized
from harness.registry import quantizer
from methods.batches import in_slices
from methods.distinct import Distinct, by_colors, nearest_labels, pays
from methods.palettes import nearest_entries


@quantizer("binary-splitting", summary="cuts the longest cluster of colors across its principal axis (Orchard 1991)")
class BinarySplitting:
    """A tree of clusters, each cut in two by the plane through its mean, across the axis of its largest variance.

    Source: Orchard and Bouman, "Color quantization of images", IEEE Transactions on Signal Processing 39, 1991, without
    its weights for what is seen in smooth areas. The leaf whose pixels vary most along one axis, that is the one with
    the largest eigenvalue of the sum of squared deviations, not divided by the number of pixels, is split until there
    are C leaves, of equals the first. Pixels whose projection on the eigenvector is at most that of the mean are one
    part, the others the other one; the eigenvector's component of largest magnitude is positive.

    Means are rounded to 8 bits. An image of at most C colors stays as it is.

    Args:
        mapping: "nearest" gives every pixel the nearest of the leaves' means; "tree", the mean of its own leaf, as in
            the article, where the tree that makes the palette also spares the search for the nearest entry: the same
            palette, more error.
    """

    mapping: Literal["nearest", "tree"] = "nearest"

    def palettize(self, images: Images, colors: int) -> Palettized:
        from methods.binary_splitting_loops import split_leaves

        def reduce(_image: NDArray[np.uint8], distinct: Distinct) -> tuple[NDArray[np.integer], NDArray[np.uint8]]:
            labels, palette = np.empty(len(distinct.codes), np.uint8), np.empty((colors, 3), np.uint8)
            split_leaves(distinct.colors[None], distinct.counts[None], labels[None], palette[None])
            return labels if self.mapping == "tree" else nearest_labels(distinct, palette), palette

        if pays(images, 60 if self.mapping == "tree" else colors + 60):
            return by_colors(images, colors, reduce)
        n, height, width = images.shape[:3]
        pixels = np.ascontiguousarray(images).reshape(n, height * width, 3)
        once = np.ones(pixels.shape[:2], np.int64)
        leaves, palettes = np.empty(pixels.shape[:2], np.uint8), np.empty((n, colors, 3), np.uint8)
        in_slices(lambda part: split_leaves(pixels[part], once[part], leaves[part], palettes[part]), n)
        if self.mapping == "nearest":
            return Palettized(nearest_entries(images, palettes), palettes)
        return Palettized(leaves.reshape(n, height, width), palettes)
