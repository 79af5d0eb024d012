"""Large images by their distinct colors: counted, reduced once each, and looked up for every pixel, in threads.

A photograph of 24 megapixels has some hundred thousand colors. Everything here is independent of the number of threads:
counts are whole numbers, and each color and each pixel is treated by itself.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from harness.contracts import Images, Palettized
from harness.encoding import in_threads, thread_count
from methods.batches import spans
from methods.spaces import Space, to_space

TO_COUNT = 1 << 27
"""Nanoseconds, roughly, that it takes to count the colors of a photograph, whatever its size."""

PER_PIXEL = 16
"""Nanoseconds, roughly, that a pixel costs if it is counted and looked up."""

PIXELS_PER_COUNT = 1 << 22
"""At least, in each thread that counts colors, because its counts take 64 MB."""

CODES = 1 << 24

CELLS = 1 << 15

PIXELS_FOR_CELLS = 1 << 18
"""From which on an image's pixels are compared faster by ``write_nearest`` than each with each entry."""


@dataclass(frozen=True, eq=False)
class Distinct:
    """The distinct colors of one image, in the order of an octree.

    codes: ``int64 [U]``, ascending, see ``methods.color_loops``. colors: ``uint8 [U, 3]``. counts: how many pixels have
    each, ``int64 [U]``.
    """

    codes: NDArray[np.int64]
    colors: NDArray[np.uint8]
    counts: NDArray[np.int64]


@dataclass(frozen=True, eq=False)
class Groups:
    """Colors in a space of distances, in groups of neighbors, so that few centers are near to each group.

    points: ``float64 [3, U]``, in ``space``, group by group. starts: where each begins, and the end, ``int64 [G + 1]``.
    boxes: the least and greatest coordinates in each, ``float64 [G, 2, 3]``.
    """

    space: Space
    points: NDArray[np.float64]
    starts: NDArray[np.int64]
    boxes: NDArray[np.float64]

    @classmethod
    def of(cls, distinct: Distinct, space: Space) -> Groups:
        """A group for each cell of a 32 x 32 x 32 grid that has colors."""
        points = np.ascontiguousarray(to_space(distinct.colors, space).T)
        starts = np.flatnonzero(np.diff(distinct.codes >> 9, prepend=-1))
        boxes = [bound.reduceat(points, starts, axis=1).T for bound in (np.minimum, np.maximum)]
        return cls(space, points, np.append(starts, points.shape[1]), np.ascontiguousarray(np.stack(boxes, axis=1)))

    def assign(self, centers: NDArray[np.float64], labels: NDArray[np.int64], least: NDArray[np.float64]) -> bool:
        """Writes each color's nearest center of ``[C, 3]`` and the squared distance; says whether a label changed."""
        from methods.color_loops import assign_nearest

        def work(part: slice) -> int:
            return assign_nearest(self.points, self.starts, self.boxes, centers, part.start, part.stop, labels, least)

        return any(in_threads(work, spans(len(self.boxes), 4 * thread_count())))

    def nearest(self, centers: NDArray[np.float64]) -> NDArray[np.int64]:
        """Each color's nearest center of ``[C, 3]``, of equally distant ones the lowest: ``int64 [U]``."""
        labels = np.full(self.points.shape[1], -1)
        self.assign(centers, labels, np.empty(len(labels)))
        return labels


def pays(images: Images, nanoseconds: int) -> bool:
    """Whether each of ``[N, H, W, 3]`` is so large that it is reduced faster by its distinct colors.

    nanoseconds: what a pixel costs otherwise, roughly, on one thread.
    """
    return images.shape[1] * images.shape[2] * (nanoseconds - PER_PIXEL) >= TO_COUNT


def cells_pay(images: Images) -> bool:
    """Whether each of ``[N, H, W, 3]`` is so large that ``write_nearest`` is the faster search."""
    return images.shape[1] * images.shape[2] >= PIXELS_FOR_CELLS


def distinct_colors(image: NDArray[np.uint8]) -> Distinct:
    """The colors of ``uint8 [H, W, 3]``."""
    from methods import color_loops

    pixels = np.ascontiguousarray(image).reshape(-1, 3)
    parts = spans(len(pixels), min(thread_count(), len(pixels) // PIXELS_PER_COUNT))
    tables = np.zeros((len(parts), CODES), np.uint32)
    in_threads(lambda t: color_loops.count_colors(pixels[parts[t]], tables[t]), range(len(parts)))
    ranges = spans(CODES, 4 * thread_count())
    sizes = in_threads(lambda part: color_loops.count_present(tables, part.start, part.stop), ranges)
    ends = np.cumsum(sizes)
    codes, counts = np.empty(ends[-1], np.int64), np.empty(ends[-1], np.int64)
    colors = np.empty((ends[-1], 3), np.uint8)

    def work(job: tuple[slice, int, int]) -> None:
        part, size, end = job
        own = slice(end - size, end)
        color_loops.list_present(tables, part.start, part.stop, codes[own], colors[own], counts[own])

    in_threads(work, zip(ranges, sizes, ends, strict=True))
    return Distinct(codes, colors, counts)


def nearest_labels(distinct: Distinct, palette: NDArray[np.uint8], space: Space = "rgb") -> NDArray[np.int64]:
    """For every color what ``methods.palettes.nearest_entries`` gives its pixels: ``int64 [U]``."""
    return Groups.of(distinct, space).nearest(to_space(palette, space))


def paint(
    image: NDArray[np.uint8], distinct: Distinct, labels: NDArray[np.integer], indices: NDArray[np.uint8]
) -> None:
    """Writes the label, below 256, of every pixel's color: ``uint8 [H, W, 3]``, ``[U]``, ``uint8 [H, W]``."""
    from methods.color_loops import look_up

    table = np.empty(CODES, np.uint8)
    table[distinct.codes] = labels
    pixels, flat = np.ascontiguousarray(image).reshape(-1, 3), indices.reshape(-1)
    in_threads(lambda part: look_up(pixels[part], table, flat[part]), spans(len(pixels), 4 * thread_count()))


def write_nearest(image: NDArray[np.uint8], palette: NDArray[np.uint8], indices: NDArray[np.uint8]) -> None:
    """Writes what ``methods.palettes.nearest_entries`` gives: ``uint8 [H, W, 3]``, ``[C, 3]``, ``[H, W]``.

    Each color is compared once, and only with the entries that can be nearest to one of its neighborhood.
    """
    from methods import color_loops

    exact, whole = palette.astype(np.float64), palette.astype(np.int64)
    candidates, counts = np.empty((CELLS, 256), np.uint8), np.empty(CELLS, np.int64)
    parts = 4 * thread_count()
    in_threads(
        lambda part: color_loops.list_candidates(exact, part.start, part.stop, candidates, counts), spans(CELLS, parts)
    )
    pixels, flat, known = image.reshape(-1, 3), indices.reshape(-1), np.zeros(CODES, np.uint16)

    def work(part: slice) -> None:
        color_loops.nearest_of_candidates(pixels[part], whole, candidates, counts, known, flat[part])

    in_threads(work, spans(len(pixels), parts))


Reduction = Callable[[NDArray[np.uint8], Distinct], tuple[NDArray[np.integer], NDArray[np.uint8]]]
"""From ``uint8 [H, W, 3]`` and its colors to the label of each color, ``[U]``, and a palette, ``uint8 [C, 3]``."""


def by_colors(images: Images, colors: int, reduce: Reduction) -> Palettized:
    """Large images ``uint8 [N, H, W, 3]``, one after the other, where a pixel's entry depends on its color alone."""
    indices = np.empty(images.shape[:3], np.uint8)
    palettes = np.empty((len(images), colors, 3), np.uint8)
    for n, image in enumerate(images):
        distinct = distinct_colors(image)
        labels, palettes[n] = reduce(image, distinct)
        paint(image, distinct, labels, indices[n])
    return Palettized(indices, palettes)
