"""The loops over the distinct colors of a large image, compiled; ``methods.distinct`` calls them in several threads.

A color's code is its path in an octree: the highest bits of red, green and blue, then the next, and so on. So colors
with similar codes are similar, and those of each cell of a grid of 2^n steps lie together. Arrays are C-contiguous,
inputs may be read-only.
"""

from __future__ import annotations

import numpy as np
from numba import float64, int64, uint8, uint16, uint32, void
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


@compiled(void(given(uint8, 2), given(int64, 1), given(uint8, 1), made(int64, 2)))
def add_counted(
    colors: NDArray[np.uint8], counts: NDArray[np.int64], labels: NDArray[np.uint8], sums: NDArray[np.int64]
) -> None:
    """Adds, for each label, the pixels and their red, green and blue to ``sums [C, 4]``.

    colors: ``[U, 3]``; counts: how many pixels have each, ``[U]``; labels: ``[U]``, below C.
    """
    for u in range(len(colors)):
        label, count = labels[u], counts[u]
        sums[label, 0] += count
        for channel in range(3):
            sums[label, channel + 1] += count * colors[u, channel]


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
    starts: NDArray[np.int64],
    boxes: NDArray[np.float64],
    centers: NDArray[np.float64],
    first: int,
    last: int,
    labels: NDArray[np.int64],
    least: NDArray[np.float64],
) -> int:
    """Gives each point of the groups ``first`` up to but without ``last`` its nearest center, of equals the lowest.

    points, starts, boxes: see ``methods.distinct.Groups``; centers: ``[C, 3]``; labels, least: ``[U]``, written, the
    center and its squared distance. Returns how many labels have changed.
    """
    from_box, possible = np.empty(len(centers)), np.empty(len(centers), np.int64)
    changed = 0
    for group in range(first, last):
        count = _possible(boxes[group, 0], boxes[group, 1], centers, from_box, possible)
        for u in range(starts[group], starts[group + 1]):
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


@compiled(void(given(float64, 2), int64, int64, made(uint8, 2), made(int64, 1)))
def list_candidates(
    palette: NDArray[np.float64], first: int, last: int, candidates: NDArray[np.uint8], counts: NDArray[np.int64]
) -> None:
    """The entries of ``palette [C, 3]`` that can be nearest to a color of the cells ``first`` up to ``last``.

    A cell is the 8 x 8 x 8 colors whose codes differ in their lowest 9 bits. candidates, counts: ``[2^15, 256]`` and
    ``[2^15]``, written: each cell's entries, ascending, and how many they are.
    """
    from_box, possible = np.empty(len(palette)), np.empty(len(palette), np.int64)
    low, high = np.empty(3), np.empty(3)
    for cell in range(first, last):
        for channel in range(3):
            value = 0
            for bit in range(5):
                value |= int(cell >> (3 * bit + 2 - channel) & 1) << (bit + 3)
            low[channel], high[channel] = value, value + 7
        counts[cell] = _possible(low, high, palette, from_box, possible)
        for k in range(counts[cell]):
            candidates[cell, k] = possible[k]


@compiled(void(given(uint8, 2), given(int64, 2), given(uint8, 2), given(int64, 1), made(uint16, 1), made(uint8, 1)))
def nearest_of_candidates(
    pixels: NDArray[np.uint8],
    palette: NDArray[np.int64],
    candidates: NDArray[np.uint8],
    counts: NDArray[np.int64],
    known: NDArray[np.uint16],
    indices: NDArray[np.uint8],
) -> None:
    """indices[p] = the entry of ``palette [C, 3]`` closest to pixels[p], of equals the lowest; ``[P, 3]``, ``[P]``.

    candidates, counts: see ``list_candidates``. known: ``[2^24]``, by code, one more than the color's entry, or 0 where
    it was not yet searched; threads may share it, because all write the same.
    """
    for p in range(len(pixels)):
        code = _code(pixels, p)
        if not known[code]:
            r, g, b = np.int64(pixels[p, 0]), np.int64(pixels[p, 1]), np.int64(pixels[p, 2])
            cell = code >> 9
            best, shortest = 0, 3 * 256**2
            for k in range(counts[cell]):
                c = int(candidates[cell, k])
                distance = (r - palette[c, 0]) ** 2 + (g - palette[c, 1]) ** 2 + (b - palette[c, 2]) ** 2
                if distance < shortest:
                    best, shortest = c, distance
            known[code] = best + 1
        indices[p] = known[code] - 1
