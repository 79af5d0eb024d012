"""The loops of binary splitting, compiled.

Moments are whole numbers: pixels, sums of red, green and blue, and sums of their products rr, rg, rb, gg, gb, bb,
``int64 [10]``. The pixels of a leaf follow each other in ``order``; splitting a leaf reorders them.
"""

from __future__ import annotations

import numpy as np
from numba import int64, uint8, void
from numpy.typing import NDArray

from methods.compiled import compiled, given, made

ROTATIONS = 30
"""At most: three rotations make a sweep, and after five sweeps of a 3 x 3 matrix nothing is left to rotate."""

ROUNDING = 1e-9
"""What is closer than this, relative to numbers of the size of the largest, is equal: rounding decides nothing."""


@compiled()
def _add(pixels: NDArray[np.uint8], counts: NDArray[np.int64], p: int, moments: NDArray[np.int64]) -> None:
    """Adds pixel p of ``[P, 3]`` to the moments."""
    r, g, b, count = np.int64(pixels[p, 0]), np.int64(pixels[p, 1]), np.int64(pixels[p, 2]), counts[p]
    moments[0] += count
    moments[1] += count * r
    moments[2] += count * g
    moments[3] += count * b
    moments[4] += count * r * r
    moments[5] += count * r * g
    moments[6] += count * r * b
    moments[7] += count * g * g
    moments[8] += count * g * b
    moments[9] += count * b * b


@compiled()
def _scatter(moments: NDArray[np.int64], matrix: NDArray[np.float64]) -> None:
    """Writes the sum of the products of deviations from the mean, ``[3, 3]``."""
    m = 4
    for i in range(3):
        for j in range(i, 3):
            matrix[i, j] = matrix[j, i] = moments[m] - float(moments[1 + i]) * moments[1 + j] / moments[0]
            m += 1


@compiled()
def _first_largest(values: NDArray[np.float64]) -> int:
    """The index of the largest of ``[K]``, which is not negative; of equals the first."""
    largest = values.max()
    k = 0
    while values[k] < largest * (1 - ROUNDING):
        k += 1
    return k


@compiled()
def _principal(matrix: NDArray[np.float64], axis: NDArray[np.float64]) -> float:
    """The largest eigenvalue of a symmetric ``[3, 3]``, by Jacobi's rotations; writes its eigenvector.

    The component of largest magnitude is positive, of equals the first.
    """
    vectors = np.eye(3)
    for _ in range(ROTATIONS):
        i, j = 0, 1
        if abs(matrix[0, 2]) > abs(matrix[i, j]):
            i, j = 0, 2
        if abs(matrix[1, 2]) > abs(matrix[i, j]):
            i, j = 1, 2
        if matrix[i, j] == 0:
            break
        theta = (matrix[j, j] - matrix[i, i]) / (2 * matrix[i, j])
        tangent = (1.0 if theta >= 0 else -1.0) / (abs(theta) + np.sqrt(theta * theta + 1))
        cosine = 1 / np.sqrt(tangent * tangent + 1)
        sine = tangent * cosine
        shift = tangent * matrix[i, j]
        matrix[i, i] -= shift
        matrix[j, j] += shift
        matrix[i, j] = matrix[j, i] = 0
        k = 3 - i - j
        first, second = matrix[k, i], matrix[k, j]
        matrix[k, i] = matrix[i, k] = cosine * first - sine * second
        matrix[k, j] = matrix[j, k] = sine * first + cosine * second
        for k in range(3):
            first, second = vectors[k, i], vectors[k, j]
            vectors[k, i], vectors[k, j] = cosine * first - sine * second, sine * first + cosine * second
    largest = 0
    for i in range(1, 3):
        if matrix[i, i] > matrix[largest, largest]:
            largest = i
    axis[:] = vectors[:, largest]
    if axis[_first_largest(np.abs(axis))] < 0:
        axis *= -1
    return matrix[largest, largest]


@compiled()
def _split(
    pixels: NDArray[np.uint8],
    counts: NDArray[np.int64],
    order: NDArray[np.int64],
    axis: NDArray[np.float64],
    limit: float,
    upper: NDArray[np.int64],
) -> int:
    """Moves those of the pixels ``order`` whose projection is at most ``limit`` to the front; how many they are.

    upper: the moments of the others, written.
    """
    upper.fill(0)
    lower = 0
    for i in range(len(order)):
        p = order[i]
        if axis[0] * pixels[p, 0] + axis[1] * pixels[p, 1] + axis[2] * pixels[p, 2] <= limit:
            order[i], order[lower] = order[lower], p
            lower += 1
        else:
            _add(pixels, counts, p, upper)
    return lower


@compiled(void(given(uint8, 3), given(int64, 2), made(uint8, 2), made(uint8, 3)))
def split_leaves(
    pixels: NDArray[np.uint8], counts: NDArray[np.int64], leaves: NDArray[np.uint8], palettes: NDArray[np.uint8]
) -> None:
    """The leaf of each pixel of N images, and the leaves' means, see ``methods.binary_splitting``.

    pixels: ``[N, P, 3]``; counts: how many there are of each, ``[N, P]``; leaves: ``[N, P]``, written; palettes:
    ``[N, C, 3]``, written; the last entry is repeated where leaves run out.
    """
    entries = palettes.shape[1]
    starts, ends = np.empty(entries, np.int64), np.empty(entries, np.int64)
    moments = np.empty((entries, 10), np.int64)
    values, axes, matrix = np.empty(entries), np.empty((entries, 3)), np.empty((3, 3))
    for n in range(len(pixels)):
        order = np.arange(pixels.shape[1])
        moments[0] = 0
        for p in order:
            _add(pixels[n], counts[n], p, moments[0])
        starts[0], ends[0] = 0, len(order)
        _scatter(moments[0], matrix)
        values[0] = _principal(matrix, axes[0])
        count = 1
        while count < entries:
            worst = _first_largest(values[:count])
            if values[worst] <= 0:
                break
            limit = ROUNDING * 256
            for channel in range(3):
                limit += axes[worst, channel] * (moments[worst, channel + 1] / moments[worst, 0])
            leaf = order[starts[worst] : ends[worst]]
            middle = starts[worst] + _split(pixels[n], counts[n], leaf, axes[worst], limit, moments[count])
            if middle in (starts[worst], ends[worst]):
                values[worst] = 0
                continue
            starts[count], ends[count], ends[worst] = middle, ends[worst], middle
            moments[worst] -= moments[count]
            for part in (worst, count):
                _scatter(moments[part], matrix)
                values[part] = _principal(matrix, axes[part])
            count += 1
        for c in range(count):
            for i in range(starts[c], ends[c]):
                leaves[n, order[i]] = c
        for c in range(entries):
            total = moments[min(c, count - 1)]
            for channel in range(3):
                palettes[n, c, channel] = np.uint8(np.rint(total[channel + 1] / total[0]))
