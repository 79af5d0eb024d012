"""From palettes to index maps and back, for whole batches."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from harness.contracts import Images
from methods.batches import in_slices
from methods.spaces import Space, to_space


def nearest_entries(images: Images, palettes: NDArray[np.uint8], space: Space = "rgb") -> NDArray[np.uint8]:
    """For every pixel the entry of its image's palette at the least squared Euclidean distance in ``space``.

    images: ``uint8 [N, H, W, 3]``; palettes: ``uint8 [N, C, 3]``, C at most 256; returns ``uint8 [N, H, W]``.
    RGB distances are integers, so there this is exact; of equally distant entries the lowest index is taken.
    """
    from methods import pixel_loops

    pixels = np.ascontiguousarray(images)
    indices = np.empty(images.shape[:3], np.uint8)

    def work(part: slice) -> None:
        if space == "rgb":
            pixel_loops.nearest_entries(pixels[part], palettes[part].astype(np.int64, order="C"), indices[part])
        else:
            points = to_space(pixels[part], space)
            pixel_loops.nearest_points(points, to_space(palettes[part], space), indices[part])

    in_slices(work, len(images))
    return indices


def mean_palettes(images: Images, indices: NDArray[np.uint8], colors: int) -> NDArray[np.uint8]:
    """For every index the mean of the pixels that have it (paper Eq. 4), rounded to 8 bits; black where none has.

    images: ``uint8 [N, H, W, 3]``; indices: ``uint8 [N, H, W]``, below ``colors``; returns ``uint8 [N, colors, 3]``.
    """
    palettes = np.empty((len(images), colors, 3), np.uint8)

    def work(part: slice) -> None:
        n = part.stop - part.start
        cell = (indices[part].reshape(n, -1) + colors * np.arange(n)[:, None]).ravel()
        pixels = images[part].reshape(-1, 3)
        count = np.bincount(cell, minlength=n * colors)
        sums = np.stack([np.bincount(cell, channel, n * colors) for channel in pixels.T], axis=1)
        palettes[part] = np.rint(sums / np.maximum(count, 1)[:, None]).reshape(n, colors, 3)

    in_slices(work, len(images))
    return palettes
