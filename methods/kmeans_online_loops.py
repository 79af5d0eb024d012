"""The loops of online k-means, compiled."""

from __future__ import annotations

import numpy as np
from numba import boolean, float64, int64, uint8, void
from numpy.typing import NDArray

from methods.compiled import compiled, given, made

BITS = 32

RULER = np.array([min(~n & n + 1, 128).bit_length() - 1 for n in range(256)])
"""The lowest zero bit of each number below 255."""


@compiled()
def _directions() -> NDArray[np.int64]:
    """The direction numbers of Sobol's first two dimensions, ``[2, BITS]``: van der Corput's, and those of x + 1."""
    numbers = np.empty((2, BITS), np.int64)
    numbers[1, 0] = 1 << BITS - 1
    for bit in range(BITS):
        numbers[0, bit] = 1 << BITS - 1 - bit
        if bit > 0:
            numbers[1, bit] = numbers[1, bit - 1] ^ numbers[1, bit - 1] >> 1
    return numbers


@compiled()
def _nearest(
    r: float,
    g: float,
    b: float,
    centers: NDArray[np.float64],
    count: int,
    distances: NDArray[np.float64],
    bits: NDArray[np.int64],
) -> int:
    """The first of the nearest of ``count`` centers.

    bits: ``distances`` as whole numbers, which are in the same order, as none is negative: their least is found on
    vector registers.
    """
    for c in range(count):
        distances[c] = (centers[0, c] - r) ** 2 + (centers[1, c] - g) ** 2 + (centers[2, c] - b) ** 2
    least = bits[0]
    for c in range(1, count):
        least = min(least, bits[c])
    nearest = 0
    while bits[nearest] != least:
        nearest += 1
    return nearest


@compiled()
def _split(centers: NDArray[np.float64], errors: NDArray[np.float64], count: int, into: int) -> None:
    """Makes ``into`` centers of ``count``: adds a copy of each, of those with most error where not all can have one."""
    order = np.arange(count) if into == 2 * count else np.argsort(-errors[:count], kind="mergesort")
    for k in range(into - count):
        centers[:, count + k] = centers[:, order[k]]


@compiled(void(given(uint8, 4), given(boolean, 1), int64, float64, made(float64, 3)))
def online_centers(
    images: NDArray[np.uint8],
    skip: NDArray[np.bool_],
    samples: int,
    exponent: float,
    centers: NDArray[np.float64],
) -> None:
    """The centers of each of N images, see ``methods.kmeans_online``.

    images: ``[N, H, W, 3]``; skip: ``[N]``, images that are left out; samples: pixels shown after each split; centers:
    ``[N, C, 3]``, written.
    """
    entries = centers.shape[1]
    height, width = images.shape[1:3]
    directions = _directions()
    found, distances = np.empty((3, entries)), np.empty(entries)
    bits = distances.view(np.int64)
    rates, known = np.empty(samples + 1), 0  # by how often a center has won, as far as any has
    sizes, errors = np.empty(entries, np.int64), np.empty(entries)
    for n in range(len(images)):
        if skip[n]:
            continue
        sums = np.zeros(3, np.int64)
        for y in range(height):
            for x in range(width):
                for channel in range(3):
                    sums[channel] += images[n, y, x, channel]
        found[:, 0] = sums / (height * width)
        count, drawn, across, down = 1, 0, 0, 0
        while count < entries:
            into = min(2 * count, entries)
            _split(found, errors, count, into)
            count = into
            sizes.fill(0)
            errors.fill(0)
            for _ in range(samples):
                bit = RULER[drawn & 255]  # the lowest zero of the number of points so far, in the order of Gray's code
                if drawn & 255 == 255:
                    bit = 8
                    while drawn >> bit & 1:
                        bit += 1
                drawn += 1
                across ^= directions[0, bit]
                down ^= directions[1, bit]
                pixel = images[n, down * height >> BITS, across * width >> BITS]
                r, g, b = float(pixel[0]), float(pixel[1]), float(pixel[2])
                nearest = _nearest(r, g, b, found, count, distances, bits)
                sizes[nearest] += 1
                errors[nearest] += distances[nearest]
                if sizes[nearest] > known:
                    known += 1
                    rates[known] = known**-exponent
                rate = rates[sizes[nearest]]
                found[0, nearest] += rate * (r - found[0, nearest])
                found[1, nearest] += rate * (g - found[1, nearest])
                found[2, nearest] += rate * (b - found[2, nearest])
        for c in range(entries):
            for channel in range(3):
                centers[n, c, channel] = found[channel, c]
