"""The loops over the distinct colors of a large image, compiled; ``methods.distinct`` calls them in several threads.

A color's code is its path in an octree: the highest bits of red, green and blue, then the next, and so on. So colors
with similar codes are similar, and those of each cell of a grid of 2^n steps lie together. Arrays are C-contiguous,
inputs may be read-only.
"""

from __future__ import annotations

import numpy as np
from numba import float64, int64, uint8, uint32, void
from numpy.typing import NDArray

from methods.compiled import compiled, given, made

SPREAD = np.sum([(np.arange(256) >> bit & 1) << 3 * bit for bit in range(8)], axis=0)
"""The bits of each value, two zeros before each: ``int64 [256]``."""


@compiled()
def _code(pixels: NDArray[np.uint8], p: int) -> int:
    return SPREAD[pixels[p, 0]] << 2 | SPREAD[pixels[p, 1]] << 1 | SPREAD[pixels[p, 2]]


@compiled(void(given(uint8, 2), made(uint32, 1)))
def count_colors(pixels: NDArray[np.uint8], counts: NDArray[np.uint32]) -> None:
    """Adds the pixels ``[P, 3]`` to ``counts [2^24]``, by code."""
    for p in range(len(pixels)):
        counts[_code(pixels, p)] += 1


@compiled(int64(given(uint32, 2), int64, int64))
def count_present(tables: NDArray[np.uint32], first: int, last: int) -> int:
    """How many codes from ``first`` up to but without ``last`` any of the tables ``[T, 2^24]`` has counted."""
    present = 0
    for code in range(first, last):
        total = np.int64(0)
        for table in range(len(tables)):
            total += tables[table, code]
        present += bool(total > 0)
    return present


@compiled(void(given(uint32, 2), int64, int64, made(int64, 1), made(uint8, 2), made(int64, 1)))
def list_present(
    tables: NDArray[np.uint32],
    first: int,
    last: int,
    codes: NDArray[np.int64],
    colors: NDArray[np.uint8],
    counts: NDArray[np.int64],
) -> None:
    """Writes these codes, ascending, their colors ``[U, 3]``, and how many pixels have each."""
    found = 0
    for code in range(first, last):
        total = np.int64(0)
        for table in range(len(tables)):
            total += tables[table, code]
        if total > 0:
            codes[found], counts[found] = code, total
            for channel in range(3):
                value = 0
                for bit in range(8):
                    value |= int(code >> (3 * bit + 2 - channel) & 1) << bit
                colors[found, channel] = value
            found += 1


@compiled(void(given(uint8, 2), given(uint8, 1), made(uint8, 1)))
def look_up(pixels: NDArray[np.uint8], table: NDArray[np.uint8], indices: NDArray[np.uint8]) -> None:
    """indices[p] = the value of ``table [2^24]`` at the code of pixels[p]; ``[P, 3]``, ``[P]``."""
    for p in range(len(pixels)):
        indices[p] = table[_code(pixels, p)]


@compiled()
def _possible(
    low: NDArray[np.float64],
    high: NDArray[np.float64],
    centers: NDArray[np.float64],
    from_box: NDArray[np.float64],
    possible: NDArray[np.int64],
) -> int:
    """Writes the centers that can be the nearest of a color in the box from ``low`` to ``high``; how many there are.

    Left out is a center whose distance to the box is above the greatest distance from some other center to a color in
    it. Rounding keeps order, so what is rounded in the same way obeys these bounds too.
    """
    limit = np.inf
    for c in range(len(centers)):
        least = greatest = 0.0
        for channel in range(3):
            below, above = low[channel] - centers[c, channel], high[channel] - centers[c, channel]
            nearer, farther = max(below, -above, 0.0), max(-below, above)
            least += nearer**2
            greatest += farther**2
        from_box[c] = least
        limit = min(limit, greatest)
    count = 0
    for c in range(len(centers)):
        if from_box[c] <= limit:
            possible[count] = c
            count += 1
    return count


@compiled(
    int64(
        given(float64, 2),
        given(int64, 1),
        given(int64, 1),
        given(float64, 3),
        given(float64, 2),
        int64,
        int64,
        made(int64, 1),
        made(float64, 1),
    )
)
def assign_nearest(
    points: NDArray[np.float64],
    order: NDArray[np.int64],
    starts: NDArray[np.int64],
    boxes: NDArray[np.float64],
    centers: NDArray[np.float64],
    first: int,
    last: int,
    labels: NDArray[np.int64],
    least: NDArray[np.float64],
) -> int:
    """Gives each point of the groups ``first`` up to but without ``last`` its nearest center, of equals the lowest.

    points, order, starts, boxes: see ``methods.distinct.Groups``; centers: ``[C, 3]``; labels, least: ``[U]``, written,
    the center and its squared distance. Returns how many labels have changed.
    """
    from_box, possible = np.empty(len(centers)), np.empty(len(centers), np.int64)
    changed = 0
    for group in range(first, last):
        count = _possible(boxes[group, 0], boxes[group, 1], centers, from_box, possible)
        for i in range(starts[group], starts[group + 1]):
            u = order[i]
            r, g, b = points[0, u], points[1, u], points[2, u]
            best, shortest = -1, np.inf
            for k in range(count):
                c = possible[k]
                distance = (r - centers[c, 0]) ** 2 + (g - centers[c, 1]) ** 2 + (b - centers[c, 2]) ** 2
                if distance < shortest:
                    best, shortest = c, distance
            changed += labels[u] != best
            labels[u], least[u] = best, shortest
    return changed
