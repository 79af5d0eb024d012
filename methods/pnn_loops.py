"""The loops of pairwise nearest neighbor, compiled.

A cluster's number tells its age: first the colors in RGB order, then what is merged of them. Its moments are whole
numbers below 2^53, ``float64 [4]``: pixels, sums of red, green and blue. Every pair is kept by its younger member:
``partner`` is the older cluster that is nearest to it, ``cost`` what merging the two costs. A merged cluster is younger
than all others, so it changes nobody else's pair, and where a partner is gone, the old cost is a lower bound of the new
one: such a pair is only looked for again when its bound is the least of all. Clusters that may be near are next to each
other in a list by tone.
"""

from __future__ import annotations

import numpy as np
from numba import int64, uint8, void
from numpy.typing import NDArray

from methods.compiled import compiled, given, made

BLOCK = 32
"""Clusters whose least cost is kept, so that the least of all is found without looking at each."""


@compiled()
def _distinct(pixels: NDArray[np.uint8], counts: NDArray[np.int64]) -> NDArray[np.float64]:
    """The distinct colors of ``[P, 3]`` in ascending RGB order: the moments of each, ``[U, 4]``."""
    keys = np.empty(len(pixels), np.int64)
    for p in range(len(pixels)):
        code = np.int64(pixels[p, 0]) << 16 | np.int64(pixels[p, 1]) << 8 | np.int64(pixels[p, 2])
        keys[p] = code << 32 | p
    keys.sort()
    moments = np.zeros((len(keys), 4))
    last = -1
    for i in range(len(keys)):
        if i == 0 or keys[i] >> 32 != keys[i - 1] >> 32:
            last += 1
        p = keys[i] & 0xFFFFFFFF
        moments[last, 0] += counts[p]
        for channel in range(3):
            moments[last, channel + 1] += counts[p] * pixels[p, channel]
    return moments[: last + 1]


@compiled()
def _cells(colors: NDArray[np.float64], bits: int) -> NDArray[np.float64]:
    """The same of colors that agree in the upper bits of every channel added up, in ascending order of these."""
    shift = 8 - bits
    places = np.full(1 << 3 * bits, -1, np.int32)
    codes = np.empty(len(colors), np.int64)
    for u in range(len(colors)):
        code = np.int64(0)
        for channel in range(3):
            code = code << bits | np.int64(colors[u, channel + 1] / colors[u, 0]) >> shift
        codes[u] = code
        places[code] = 0
    count = 0
    for cell in range(len(places)):
        if places[cell] == 0:
            places[cell] = count
            count += 1
    moments = np.zeros((count, 4))
    for u in range(len(colors)):
        for m in range(4):
            moments[places[codes[u]], m] += colors[u, m]
    return moments


@compiled()
def _find_partner(
    moments: NDArray[np.float64],
    means: NDArray[np.float64],
    darker: NDArray[np.int64],
    lighter: NDArray[np.int64],
    k: int,
    cost: NDArray[np.float64],
    partner: NDArray[np.int64],
) -> None:
    """The older cluster that is nearest to cluster k.

    No pair is cheaper than what its distance along the grey axis alone would cost if the other had one pixel.
    """
    pixels, r, g, b, tone = moments[k, 0], means[k, 0], means[k, 1], means[k, 2], means[k, 3]
    least_share = pixels / (pixels + 1) / 3 * (1 - 1e-9)
    best, nearest = np.inf, -1
    for following in (darker, lighter):
        i = following[k]
        while i >= 0 and least_share * (means[i, 3] - tone) ** 2 <= best:
            if i < k:
                square = (means[i, 0] - r) ** 2 + (means[i, 1] - g) ** 2 + (means[i, 2] - b) ** 2
                price = moments[i, 0] * pixels / (moments[i, 0] + pixels) * square
                if price < best or (price == best and i < nearest):
                    best, nearest = price, i
            i = following[i]
    cost[k], partner[k] = best, nearest


@compiled()
def _renew(cost: NDArray[np.float64], k: int, least: NDArray[np.float64]) -> None:
    """Writes the least cost of the block of clusters that k is in."""
    block = k // BLOCK
    lowest = np.inf
    for i in range(block * BLOCK, (block + 1) * BLOCK):
        if cost[i] < lowest:
            lowest = cost[i]
    least[block] = lowest


@compiled()
def _cheapest(cost: NDArray[np.float64], least: NDArray[np.float64]) -> int:
    """The cluster of least cost, of equals the oldest."""
    best = 0
    for block in range(1, len(least)):
        if least[block] < least[best]:
            best = block
    k = best * BLOCK
    while cost[k] > least[best]:
        k += 1
    return k


@compiled()
def _remove(darker: NDArray[np.int64], lighter: NDArray[np.int64], k: int) -> None:
    """Takes cluster k out of the list."""
    if darker[k] >= 0:
        lighter[darker[k]] = lighter[k]
    if lighter[k] >= 0:
        darker[lighter[k]] = darker[k]


@compiled()
def _insert(
    means: NDArray[np.float64], darker: NDArray[np.int64], lighter: NDArray[np.int64], k: int, after: int
) -> None:
    """Puts cluster k into the list where its tone belongs, not before ``after``."""
    while lighter[after] >= 0 and means[lighter[after], 3] < means[k, 3]:
        after = lighter[after]
    darker[k], lighter[k] = after, lighter[after]
    if lighter[k] >= 0:
        darker[lighter[k]] = k
    lighter[after] = k


@compiled()
def _place(moments: NDArray[np.float64], means: NDArray[np.float64], k: int) -> None:
    """Writes cluster k's mean and its tone, the sum of red, green and blue, ``[4]``."""
    for channel in range(3):
        means[k, channel] = moments[k, channel + 1] / moments[k, 0]
    means[k, 3] = means[k, 0] + means[k, 1] + means[k, 2]


@compiled()
def _merge(colors: NDArray[np.float64], clusters: int) -> NDArray[np.float64]:
    """The moments of the clusters that are left of ``[U, 4]`` when pairs have been merged, the oldest first."""
    count = left = len(colors)
    if left <= clusters:
        return colors
    blocks = 2 * count // BLOCK + 1
    moments, means = np.empty((2 * count, 4)), np.empty((2 * count, 4))
    moments[:count] = colors
    for k in range(count):
        _place(moments, means, k)
    darker, lighter = np.full(2 * count, -1), np.full(2 * count, -1)  # the next cluster by tone
    order = np.argsort(means[:count, 3])
    for i in range(1, count):
        darker[order[i]], lighter[order[i - 1]] = order[i - 1], order[i]
    cost, partner, least = np.full(blocks * BLOCK, np.inf), np.empty(2 * count, np.int64), np.empty(blocks)
    alive = np.zeros(2 * count, np.bool_)
    alive[:count] = True
    for k in range(count):
        _find_partner(moments, means, darker, lighter, k, cost, partner)
    for block in range(blocks):
        _renew(cost, block * BLOCK, least)
    while left > clusters:
        younger = _cheapest(cost, least)
        older = partner[younger]
        if alive[older]:
            for m in range(4):
                moments[count, m] = moments[younger, m] + moments[older, m]
            _place(moments, means, count)
            _insert(means, darker, lighter, count, older if means[older, 3] < means[younger, 3] else younger)
            for k in (younger, older):
                _remove(darker, lighter, k)
                alive[k], cost[k] = False, np.inf
                _renew(cost, k, least)
            alive[count] = True
            younger = count
            count += 1
            left -= 1
        _find_partner(moments, means, darker, lighter, younger, cost, partner)
        _renew(cost, younger, least)
    return moments[:count][alive[:count]]


@compiled(void(given(uint8, 3), given(int64, 2), int64, made(uint8, 3)))
def pnn_palettes(
    pixels: NDArray[np.uint8], counts: NDArray[np.int64], points: int, palettes: NDArray[np.uint8]
) -> None:
    """Palettes of N images with P pixels each, see ``methods.pnn``; of few colors the last is repeated.

    pixels: ``[N, P, 3]``; counts: how many there are of each, ``[N, P]``; points: how many distinct colors are merged
    one by one, at least C; palettes: ``[N, C, 3]``, written.
    """
    entries = palettes.shape[1]
    for n in range(len(pixels)):
        merged = colors = _distinct(pixels[n], counts[n])
        bits = 8
        while len(merged) > points and bits > 5:
            bits -= 1
            merged = _cells(colors, bits)
        merged = _merge(merged, entries)
        for c in range(entries):
            k = min(c, len(merged) - 1)
            for channel in range(3):
                palettes[n, c, channel] = np.uint8(np.rint(merged[k, channel + 1] / merged[k, 0]))
