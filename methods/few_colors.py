"""Images that need no quantizer, because they have few colors already."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from harness.contracts import Images
from methods.batches import in_slices


def few_colors(images: Images, colors: int) -> tuple[NDArray[np.bool_], NDArray[np.uint8]]:
    """Which of ``uint8 [N, H, W, 3]`` have at most ``colors`` colors, 256 at most, and these.

    Returns:
        ``bool [N]``; ``uint8 [N, colors, 3]``: where it is True the image's colors, the last one repeated, elsewhere
        to be written.
    """
    from methods.few_colors_loops import list_colors

    pixels = np.ascontiguousarray(images).reshape(len(images), -1, 3) if len(images) else np.empty((0, 0, 3), np.uint8)
    palettes, counts = np.empty((len(images), colors, 3), np.uint8), np.empty(len(images), np.int64)
    in_slices(lambda part: list_colors(pixels[part], palettes[part], counts[part]), len(images))
    return counts <= colors, palettes
