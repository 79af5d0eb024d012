"""The loops of pairwise nearest neighbor, compiled.

A cluster's number tells its age: first the colors in RGB order, then what is merged of them. It is a row of ``float64
[8]``: its moments (pixels, sums of red, green and blue), whole numbers below 2^53; its mean red, green and blue; its
tone, which is their sum. Every pair is kept by its younger member: ``partner`` is the older cluster that is nearest to
it, and what merging the two costs is in a tournament. A merged cluster is younger than all others, so it changes nobody
else's pair, and where a partner is gone, the old cost is a lower bound of the new one: such a pair is only looked for
again when its bound is the least of all. Clusters that may be near are next to each other in a list by tone.
"""

from __future__ import annotations

import numpy as np
from numba import int64, uint8, void
from numpy.typing import NDArray

from methods.compiled import compiled, given, made

TONES = 3 * 255 + 1

DARKER, LIGHTER = range(2)
"""A cluster's neighbors in the list by tone, ``int64 [2]``, -1 where there is none."""


@compiled()
def _in_rgb_order(pixels: NDArray[np.uint8]) -> NDArray[np.int64]:
    """The places of the pixels ``[P, 3]`` in ascending order of their colors: sorted by blue, by green, by red."""
    order, moved = np.arange(len(pixels)), np.empty(len(pixels), np.int64)
    for channel in (2, 1, 0):
        ends = np.zeros(256, np.int64)
        for p in range(len(pixels)):
            ends[pixels[p, channel]] += 1
        for value in range(1, 256):
            ends[value] += ends[value - 1]
        for i in range(len(order) - 1, -1, -1):
            value = pixels[order[i], channel]
            ends[value] -= 1
            moved[ends[value]] = order[i]
        order, moved = moved, order
    return order


@compiled()
def _distinct(pixels: NDArray[np.uint8], counts: NDArray[np.int64]) -> NDArray[np.float64]:
    """The distinct colors of ``[P, 3]`` in ascending RGB order: the moments of each, ``[U, 4]``."""
    moments = np.zeros((len(pixels), 4))
    last, before = -1, np.int64(-1)
    for p in _in_rgb_order(pixels):
        code = np.int64(pixels[p, 0]) << 16 | np.int64(pixels[p, 1]) << 8 | np.int64(pixels[p, 2])
        last += code != before
        before = code
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
def _in_tone_order(clusters: NDArray[np.float64], count: int) -> NDArray[np.int64]:
    """The first so many clusters from dark to light: sorted by whole tones, then neighbors exchanged."""
    ends = np.zeros(TONES, np.int64)
    for k in range(count):
        ends[int(clusters[k, 7])] += 1
    for tone in range(1, TONES):
        ends[tone] += ends[tone - 1]
    order = np.empty(count, np.int64)
    for k in range(count):
        tone = int(clusters[k, 7])
        ends[tone] -= 1
        order[ends[tone]] = k
    for i in range(1, count):
        k, place = order[i], i
        while place > 0 and clusters[order[place - 1], 7] > clusters[k, 7]:
            order[place] = order[place - 1]
            place -= 1
        order[place] = k
    return order


@compiled()
def _price(clusters: NDArray[np.float64], i: int, pixels: float, r: float, g: float, b: float) -> float:
    """What it costs to merge cluster i with one of so many pixels and this mean."""
    square = (clusters[i, 4] - r) ** 2 + (clusters[i, 5] - g) ** 2 + (clusters[i, 6] - b) ** 2
    return clusters[i, 0] * pixels / (clusters[i, 0] + pixels) * square


@compiled()
def _find_partner(
    clusters: NDArray[np.float64], links: NDArray[np.int64], k: int, guess: int
) -> tuple[float, int, int]:
    """What merging cluster k with the older cluster that is nearest to it costs, which that is, and one that is near.

    No pair is cheaper than what its distance along the grey axis alone would cost if the other had one pixel. guess:
    an older cluster that may be near, so that the search ends early, or -1.
    """
    pixels, r, g, b, tone = clusters[k, 0], clusters[k, 4], clusters[k, 5], clusters[k, 6], clusters[k, 7]
    least_share = pixels / (pixels + 1) / 3 * (1 - 1e-9)
    best, nearest, second = np.inf, guess, -1
    if guess >= 0:
        best = _price(clusters, guess, pixels, r, g, b)
    for side in range(2):
        i = links[k, side]
        while i >= 0 and least_share * (clusters[i, 7] - tone) ** 2 <= best:
            price = _price(clusters, i, pixels, r, g, b)
            if price <= best and i < k and (price < best or i < nearest):
                best, nearest, second = price, i, nearest
            i = links[i, side]
    return best, nearest, second


@compiled()
def _enter(costs: NDArray[np.float64], winners: NDArray[np.int64], place: int, cost: float, k: int) -> None:
    """Puts cluster k at a leaf of a tournament: each node has the cheaper of the two below, of equals the older."""
    costs[place], winners[place] = cost, k
    while place > 1:
        other, rival = costs[place ^ 1], winners[place ^ 1]
        loses = (other < cost) | ((other == cost) & (rival < k))
        cost, k = other if loses else cost, rival if loses else k
        place >>= 1
        if winners[place] == k and costs[place] == cost:
            break
        costs[place], winners[place] = cost, k


@compiled()
def _remove(links: NDArray[np.int64], k: int) -> None:
    """Takes cluster k out of the list."""
    if links[k, DARKER] >= 0:
        links[links[k, DARKER], LIGHTER] = links[k, LIGHTER]
    if links[k, LIGHTER] >= 0:
        links[links[k, LIGHTER], DARKER] = links[k, DARKER]


@compiled()
def _restore(links: NDArray[np.int64], k: int) -> None:
    """Puts cluster k back between those that it was taken from."""
    if links[k, DARKER] >= 0:
        links[links[k, DARKER], LIGHTER] = k
    if links[k, LIGHTER] >= 0:
        links[links[k, LIGHTER], DARKER] = k


@compiled()
def _insert(clusters: NDArray[np.float64], links: NDArray[np.int64], k: int, after: int) -> None:
    """Puts cluster k into the list where its tone belongs, not before ``after``."""
    following = links[after, LIGHTER]
    while following >= 0 and clusters[following, 7] < clusters[k, 7]:
        after, following = following, links[following, LIGHTER]
    links[k, DARKER], links[k, LIGHTER] = after, following
    _restore(links, k)


@compiled()
def _place(clusters: NDArray[np.float64], k: int) -> None:
    """Writes the mean and the tone of cluster k, whose moments are there."""
    for channel in range(3):
        clusters[k, channel + 4] = clusters[k, channel + 1] / clusters[k, 0]
    clusters[k, 7] = clusters[k, 4] + clusters[k, 5] + clusters[k, 6]


@compiled()
def _merge(colors: NDArray[np.float64], wanted: int) -> NDArray[np.float64]:
    """The moments of the clusters that are left of ``[U, 4]`` when pairs have been merged, the oldest first."""
    count = left = len(colors)
    if left <= wanted:
        return colors
    clusters = np.empty((2 * count, 8))
    for k in range(count):
        for m in range(4):
            clusters[k, m] = colors[k, m]
        _place(clusters, k)
    links = np.full((2 * count, 2), -1)
    order = _in_tone_order(clusters, count)
    for i in range(1, count):
        links[order[i], DARKER], links[order[i - 1], LIGHTER] = order[i - 1], order[i]
    leaves = 2
    while leaves < count:
        leaves *= 2
    costs, winners = np.full(2 * leaves, np.inf), np.full(2 * leaves, 2 * count)
    leaf, partner, near = np.empty(2 * count, np.int64), np.empty(2 * count, np.int64), np.empty(2 * count, np.int64)
    for k in range(count - 1, -1, -1):  # the list has the older ones only
        leaf[k] = leaves + k
        costs[leaf[k]], partner[k], near[k] = _find_partner(clusters, links, k, k - 1)
        winners[leaf[k]] = k
        _remove(links, k)
    for k in range(count):
        _restore(links, k)
    for place in range(leaves - 1, 0, -1):
        winner = 2 * place + (costs[2 * place + 1] < costs[2 * place])  # the right one is younger
        costs[place], winners[place] = costs[winner], winners[winner]
    alive = np.zeros(2 * count, np.bool_)
    alive[:count] = True
    while left > wanted:
        younger = winners[1]
        older, guess = partner[younger], near[younger]
        if alive[older]:
            for m in range(4):
                clusters[count, m] = clusters[younger, m] + clusters[older, m]
            _place(clusters, count)
            _insert(clusters, links, count, older if clusters[older, 7] < clusters[younger, 7] else younger)
            for k in (younger, older):
                _remove(links, k)
                alive[k] = False
            _enter(costs, winners, leaf[older], np.inf, older)
            leaf[count] = leaf[younger]
            alive[count] = True
            younger = count
            count += 1
            left -= 1
        if guess >= 0 and not alive[guess]:
            guess = -1
        cost, partner[younger], near[younger] = _find_partner(clusters, links, younger, guess)
        _enter(costs, winners, leaf[younger], cost, younger)
    moments = np.empty((left, 4))
    row = 0
    for k in range(count):
        if alive[k]:
            for m in range(4):
                moments[row, m] = clusters[k, m]
            row += 1
    return moments


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
