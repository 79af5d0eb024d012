"""Incremental online k-means."""

from __future__ import annotations

from typing import Annotated

import numpy as np
from pydantic import Field

from harness.contracts import Images, Palettized
from harness.registry import quantizer
from methods.batches import in_slices
from methods.few_colors import few_colors
from methods.palettes import nearest_entries


@quantizer(
    "kmeans-online", summary="incremental online k-means: centers that split and learn (Abernathy and Celebi 2022)"
)
class KMeansOnline:
    """MacQueen's online k-means with centers that are split: 1, 2, 4, ... until there are C.

    Source: Abernathy and Celebi, "The incremental online k-means clustering algorithm and its application to color
    quantization", Expert Systems with Applications 207, 2022. The first center is the image's mean. After every split
    sampled pixels are shown one by one: the nearest center, which has won n times since the split with this one, moves
    by the share n^-exponent towards the pixel (MacQueen 1967: 1 / n), so that of two equal halves the first to win
    leaves the other. Pixels are sampled at the points of Sobol's sequence in two dimensions, which goes on from
    split to split; nothing is drawn by chance. Every pixel gets its nearest center, rounded to 8 bits. An image of at
    most ``colors`` colors stays as it is.

    Where C is no power of two, the last split is only of the centers whose pixels had the largest sums of squared
    distances since the split before.
    Departures: sample places are rounded down, so that pixels at the border have the same chance as others, and the
    number of samples is bounded for images that are small or large.

    Args:
        exponent: How fast the learning rate falls, 0.5 to 1; the authors set 0.5.
        sampling: The share of an image's pixels that is shown after each split; the authors set 0.5.
        least_samples: Pixels shown after each split at least, in images that have fewer.
        most_samples: Pixels shown after each split at most, in large images.
    """

    exponent: Annotated[float, Field(ge=0.5, le=1)] = 0.5
    sampling: Annotated[float, Field(gt=0, le=1)] = 0.5
    least_samples: Annotated[int, Field(ge=1)] = 2048
    most_samples: Annotated[int, Field(ge=1)] = 1 << 20

    def palettize(self, images: Images, colors: int) -> Palettized:
        from methods.kmeans_online_loops import online_centers

        n, height, width = images.shape[:3]
        few, palettes = few_colors(images, colors)
        pixels = np.ascontiguousarray(images)
        samples = min(max(round(self.sampling * height * width), self.least_samples), self.most_samples)

        def work(part: slice) -> None:
            centers = np.empty((part.stop - part.start, colors, 3))
            online_centers(pixels[part], few[part], samples, self.exponent, centers)
            learned = ~few[part]
            palettes[part][learned] = np.rint(centers[learned])

        in_slices(work, n)
        return Palettized(nearest_entries(images, palettes), palettes)
