"""Otsu's thresholds on brightness."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from harness.contracts import Images, Palettized
from harness.registry import quantizer
from methods.batches import in_slices
from methods.distinct import Distinct, by_colors, pays
from methods.palettes import mean_palette, mean_palettes

LUMA = np.array([19595, 38470, 7471])
"""ITU-R BT.601 in 65536ths, as in Pillow's conversion to "L"."""


@quantizer("otsu", summary="the best thresholds on brightness, each class its mean color (Otsu 1979)")
class Otsu:
    """Cuts the range of luma into C classes of least variance; a class shows the mean color of its pixels.

    Source: Otsu, "A threshold selection method from gray-level histograms", IEEE Transactions on Systems, Man, and
    Cybernetics 9, 1979, with his extension to several thresholds, solved exactly by dynamic programming on the
    256-bin histogram. At 2 colors it is the usual threshold; there are never more colors than shades of luma. Of
    equally good thresholds the lowest are taken.
    """

    def palettize(self, images: Images, colors: int) -> Palettized:
        from methods.otsu_loops import otsu_classes

        def reduce(_image: NDArray[np.uint8], distinct: Distinct) -> tuple[NDArray[np.uint8], NDArray[np.uint8]]:
            labels = np.empty(len(distinct.codes), np.uint8)
            otsu_classes(luma(distinct.colors)[None], distinct.counts[None], colors, labels[None])
            return labels, mean_palette(distinct, labels, colors)

        if pays(images, 30):
            return by_colors(images, colors, reduce)
        n, height, width = images.shape[:3]
        classes = np.empty((n, height * width), np.uint8)

        def work(part: slice) -> None:
            shades = luma(images[part]).reshape(part.stop - part.start, -1)
            otsu_classes(shades, np.ones(shades.shape, np.int64), colors, classes[part])

        in_slices(work, n)
        indices = classes.reshape(n, height, width)
        return Palettized(indices, mean_palettes(images, indices, colors))


def luma(images: Images) -> np.ndarray[tuple[int, ...], np.dtype[np.uint8]]:
    """``uint8 [..., 3]`` sRGB to ``uint8 [...]``, rounded as Pillow does."""
    return ((images @ LUMA + 0x8000) >> 16).astype(np.uint8)
