"""From palettes to index maps and back, for whole batches and for large images."""

from __future__ import annotations

from itertools import product

import numpy as np
from numpy.typing import NDArray

from harness.contracts import Images
from harness.encoding import in_threads, thread_count
from methods.batches import in_slices, is_large, spans
from methods.distinct import Distinct, cells_pay, distinct_colors, nearest_labels, paint, pays, write_nearest
from methods.spaces import Space, to_space


def nearest_entries(images: Images, palettes: NDArray[np.uint8], space: Space = "rgb") -> NDArray[np.uint8]:
    """For every pixel the entry of its image's palette at the least squared Euclidean distance in ``space``.

    images: ``uint8 [N, H, W, 3]``; palettes: ``uint8 [N, C, 3]``, C at most 256; returns ``uint8 [N, H, W]``.
    RGB distances are integers, so there this is exact; of equally distant entries the lowest index is taken.
    """
    pixels = np.ascontiguousarray(images)
    indices = np.empty(images.shape[:3], np.uint8)
    if space == "rgb" and cells_pay(images):
        for each in zip(pixels, palettes, indices, strict=True):
            write_nearest(*each)
        return indices
    if space == "lab" and pays(images, palettes.shape[1] + 200):
        for image, palette, index_map in zip(pixels, palettes, indices, strict=True):
            distinct = distinct_colors(image)
            paint(image, distinct, nearest_labels(distinct, palette, space), index_map)
        return indices
    if not is_large(images):
        in_slices(lambda part: _search(pixels[part], palettes[part], space, indices[part]), len(images))
        return indices

    def work(job: tuple[slice, slice]) -> None:
        image, rows = job
        _search(pixels[image, rows], palettes[image], space, indices[image, rows])

    in_threads(work, product(spans(len(images), len(images)), spans(images.shape[1], 4 * thread_count())))
    return indices


def _search(images: Images, palettes: NDArray[np.uint8], space: Space, indices: NDArray[np.uint8]) -> None:
    from methods import pixel_loops

    if space == "rgb":
        pixel_loops.nearest_entries(images, palettes.astype(np.int64, order="C"), indices)
    else:
        pixel_loops.nearest_points(to_space(images, space), to_space(palettes, space), indices)


def mean_palettes(images: Images, indices: NDArray[np.uint8], colors: int) -> NDArray[np.uint8]:
    """For every index the mean of the pixels that have it (paper Eq. 4), rounded to 8 bits; black where none has.

    images: ``uint8 [N, H, W, 3]``; indices: ``uint8 [N, H, W]``, below ``colors``; returns ``uint8 [N, colors, 3]``.
    """
    from methods.pixel_loops import add_by_index

    n, height, width = images.shape[:3]
    pixels = np.ascontiguousarray(images).reshape(n, height * width, 3)
    flat = np.ascontiguousarray(indices).reshape(n, height * width)
    sums = np.zeros((n, colors, 4), np.int64)
    if is_large(images):
        for i in range(n):
            sums[i] = _sums(pixels[i], flat[i], colors)
    else:
        in_slices(lambda part: add_by_index(pixels[part], flat[part], sums[part]), n)
    return _means(sums)


def _sums(pixels: NDArray[np.uint8], indices: NDArray[np.uint8], colors: int) -> NDArray[np.int64]:
    """Of one large image, ``[P, 3]`` and ``[P]``: for every index its pixels and their sums, ``int64 [colors, 4]``."""
    from methods.pixel_loops import add_by_index

    def part_sums(part: slice) -> NDArray[np.int64]:
        sums = np.zeros((1, colors, 4), np.int64)
        add_by_index(pixels[part][None], indices[part][None], sums)
        return sums[0]

    return np.sum(in_threads(part_sums, spans(len(pixels), thread_count())), axis=0)


def mean_palette(distinct: Distinct, labels: NDArray[np.uint8], colors: int) -> NDArray[np.uint8]:
    """The same of one image by its distinct colors; labels: ``uint8 [U]``, below ``colors``; ``uint8 [colors, 3]``."""
    from methods.color_loops import add_counted

    def part_sums(part: slice) -> NDArray[np.int64]:
        sums = np.zeros((colors, 4), np.int64)
        add_counted(distinct.colors[part], distinct.counts[part], labels[part], sums)
        return sums

    return _means(np.sum(in_threads(part_sums, spans(len(labels), thread_count())), axis=0))


def _means(sums: NDArray[np.int64]) -> NDArray[np.uint8]:
    """From pixels and their sums of red, green and blue, ``[..., 4]``, to ``uint8 [..., 3]``."""
    return np.rint(sums[..., 1:] / np.maximum(sums[..., :1], 1)).astype(np.uint8)
