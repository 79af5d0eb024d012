"""Floyd-Steinberg error diffusion."""

from __future__ import annotations

from typing import Literal

import numpy as np
from numpy.typing import NDArray

from harness.contracts import Images
from methods.batches import in_slices

Errors = Literal["bounded", "clipped", "plain"]


def floyd_steinberg(images: Images, palettes: NDArray[np.uint8], errors: Errors = "bounded") -> NDArray[np.uint8]:
    """Index maps by error diffusion after Floyd and Steinberg, "An adaptive algorithm for spatial greyscale", 1976.

    Pixels are visited row by row, every row from left to right (not serpentine), in float64 on the RGB values. A pixel
    gets the entry nearest (squared Euclidean, lowest index of equals) to its value plus the errors it received; what
    is then left goes to the pixels on the right (7/16), below left (3/16), below (5/16) and below right (1/16); shares
    that would leave the image are dropped.

    As published, errors grow where a color lies outside what mixtures of the palette can show, and flood the pixels
    that follow with colors that are not there.

    Args:
        images: ``uint8 [N, H, W, 3]``.
        palettes: ``uint8 [N, C, 3]``, C at most 256.
        errors: ``bounded``, as pngquant bounds them: the errors that a pixel receives are scaled down, all channels
            alike, until its value lies within 25.5 of 0..255; of an error larger than the widest gap between
            neighboring entries of the palette three quarters are passed on. ``clipped``: each value is limited to
            0..255 before its entry is chosen and its error taken, as the ColorCNN authors' code does. ``plain``: as
            published, nothing is limited.

    Returns:
        ``uint8 [N, H, W]``.
    """
    from methods.pixel_loops import floyd_steinberg as kernel

    pixels, entries = np.ascontiguousarray(images), np.ascontiguousarray(palettes, np.float64)
    indices = np.empty(images.shape[:3], np.uint8)
    clip, bound = errors == "clipped", errors == "bounded"
    in_slices(lambda part: kernel(pixels[part], entries[part], clip, bound, indices[part]), len(images))
    return indices
