"""Work by all the threads this process may use: a slice of images at a time, or a part of a large image."""

from __future__ import annotations

from collections.abc import Callable
from itertools import pairwise

from harness.contracts import Images
from harness.encoding import in_threads, thread_count

IMAGES_PER_SLICE = 64
"""At most, so that what is computed in between stays small."""


PIXELS_PER_SLICE = 1 << 16
"""At most, where much is computed of each pixel."""


LARGE = 1 << 20
"""Pixels from which on an image is split among threads where that can be."""


def is_large(images: Images) -> bool:
    """Whether each of ``[N, H, W, 3]`` is worth splitting."""
    return images.shape[1] * images.shape[2] >= LARGE


def limited_by_pixels(height: int, width: int) -> int:
    """How many images of this size, at least one, make a slice where much is computed of each pixel."""
    return max(1, min(IMAGES_PER_SLICE, PIXELS_PER_SLICE // (height * width)))


def in_slices(work: Callable[[slice], None], images: int, at_most: int = IMAGES_PER_SLICE) -> None:
    """Calls ``work`` with slices that together cover ``range(images)``, several at once.

    ``work`` must write its results into its own slice of arrays made before, and treat each image by itself: then the
    outcome depends neither on the number of threads nor on the slices. An exception of any slice is raised. at_most:
    images in a slice.
    """
    step = min(at_most, max(1, images // (4 * thread_count())))
    in_threads(work, [slice(start, min(start + step, images)) for start in range(0, images, step)])


def spans(length: int, parts: int) -> list[slice]:
    """``range(length)`` in at least one and at most ``parts`` slices, nearly equal, none of them empty."""
    parts = max(1, min(parts, length))
    edges = [length * part // parts for part in range(parts + 1)]
    return [slice(start, stop) for start, stop in pairwise(edges)]
