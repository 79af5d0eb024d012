"""The loops of Wan's quantizer, compiled.

A cell is ``int64 [8]``: its red, green and blue, below 32, the number of its pixels, the sums of their red, green and
blue, and that of the squares of all three. The cells of a box follow each other; splitting a box reorders them.
"""

from __future__ import annotations

import numpy as np
from numba import int64, uint8, void
from numpy.typing import NDArray

from methods.compiled import compiled, given, made

CELLS = 32


@compiled()
def _few_colors(pixels: NDArray[np.uint8], palette: NDArray[np.uint8]) -> bool:
    """Whether ``[P, 3]`` have no more colors than there are entries; these become the palette, the last repeated."""
    codes = np.empty(len(pixels), np.int64)
    for p in range(len(pixels)):
        codes[p] = np.int64(pixels[p, 0]) << 16 | np.int64(pixels[p, 1]) << 8 | np.int64(pixels[p, 2])
    codes.sort()
    count = 0
    for p in range(len(codes)):
        if p == 0 or codes[p] != codes[p - 1]:
            codes[count] = codes[p]
            count += 1
    if count > len(palette):
        return False
    for c in range(len(palette)):
        code = codes[min(c, count - 1)]
        palette[c, 0], palette[c, 1], palette[c, 2] = code >> 16, code >> 8 & 255, code & 255
    return True


@compiled()
def _count_cells(
    pixels: NDArray[np.uint8], counts: NDArray[np.int64], places: NDArray[np.int32], cells: NDArray[np.int64]
) -> int:
    """Fills the cells of ``uint8 [P, 3]``, each counted so many times; how many have pixels.

    places: -1 for each cell of the cube, ``[32^3]``, and so again afterwards.
    """
    count = 0
    for p in range(len(pixels)):
        r, g, b = np.int64(pixels[p, 0]), np.int64(pixels[p, 1]), np.int64(pixels[p, 2])
        code = (r >> 3) << 10 | (g >> 3) << 5 | b >> 3
        place = places[code]
        if place < 0:
            place = places[code] = count
            cells[count, 0], cells[count, 1], cells[count, 2] = r >> 3, g >> 3, b >> 3
            cells[count, 3:] = 0
            count += 1
        cell = cells[place]
        cell[3] += counts[p]
        cell[4] += counts[p] * r
        cell[5] += counts[p] * g
        cell[6] += counts[p] * b
        cell[7] += counts[p] * (r * r + g * g + b * b)
    for k in range(count):
        places[cells[k, 0] << 10 | cells[k, 1] << 5 | cells[k, 2]] = -1
    return count


@compiled()
def _error(total: NDArray[np.int64]) -> float:
    """The squared error about the mean, from the sums ``[5]`` of a box."""
    r, g, b = float(total[1]), float(total[2]), float(total[3])  # squares of a photograph's sums would overflow
    return total[4] - (r * r + g * g + b * b) / total[0]


@compiled()
def _threshold(cells: NDArray[np.int64]) -> tuple[int, int]:
    """The axis, and the first cell above the cut on it, that reduce the variance of a projection most; -1: none does.

    Of equally good cuts, the first: red, green, blue, and on each from below.
    """
    best, axis, place = 0.0, -1, 0
    bins = np.empty((CELLS, 2), np.int64)
    for a in range(3):
        bins.fill(0)
        for k in range(len(cells)):
            bins[cells[k, a], 0] += cells[k, 3]
            bins[cells[k, a], 1] += cells[k, 4 + a]
        pixels, total = float(bins[:, 0].sum()), float(bins[:, 1].sum())
        below = sum_below = 0.0
        for cut in range(1, CELLS):
            below += bins[cut - 1, 0]
            sum_below += bins[cut - 1, 1]
            if 0 < below < pixels:
                reduction = (pixels * sum_below - below * total) ** 2 / (pixels * below * (pixels - below))
                if reduction > best:
                    best, axis, place = reduction, a, cut
    return axis, place


@compiled()
def _split(cells: NDArray[np.int64], axis: int, place: int) -> int:
    """Moves the cells below the threshold to the front; how many they are."""
    lower = 0
    for k in range(len(cells)):
        if cells[k, axis] < place:
            if k != lower:
                for m in range(cells.shape[1]):
                    cells[k, m], cells[lower, m] = cells[lower, m], cells[k, m]
            lower += 1
    return lower


@compiled(void(given(uint8, 3), given(int64, 2), made(uint8, 3)))
def wan_palettes(pixels: NDArray[np.uint8], counts: NDArray[np.int64], palettes: NDArray[np.uint8]) -> None:
    """Palettes of N images with P pixels each, see ``methods.wan``; the last entry is repeated where boxes run out.

    pixels: ``[N, P, 3]``; counts: how many there are of each, ``[N, P]``; palettes: ``[N, C, 3]``, written.
    """
    entries = palettes.shape[1]
    places = np.full(CELLS**3, -1, np.int32)
    cells = np.empty((min(pixels.shape[1], CELLS**3), 8), np.int64)
    starts, ends = np.empty(entries, np.int64), np.empty(entries, np.int64)
    errors, totals = np.empty(entries), np.empty((entries, 5), np.int64)
    for n in range(len(pixels)):
        present = _count_cells(pixels[n], counts[n], places, cells)
        if present <= entries and _few_colors(pixels[n], palettes[n]):
            continue
        starts[0], ends[0] = 0, present
        totals[0] = cells[:present, 3:].sum(axis=0)
        errors[0] = _error(totals[0])
        count = 1
        while count < entries:
            worst = np.argmax(errors[:count])
            if errors[worst] <= 0:
                break
            box = cells[starts[worst] : ends[worst]]
            axis, place = _threshold(box)
            if axis < 0:
                errors[worst] = 0
                continue
            middle = starts[worst] + _split(box, axis, place)
            starts[count], ends[count], ends[worst] = middle, ends[worst], middle
            totals[count] = cells[starts[count] : ends[count], 3:].sum(axis=0)
            totals[worst] -= totals[count]
            errors[worst], errors[count] = _error(totals[worst]), _error(totals[count])
            count += 1
        for c in range(entries):
            total = totals[min(c, count - 1)]
            for channel in range(3):
                palettes[n, c, channel] = np.uint8(np.rint(total[channel + 1] / total[0]))
