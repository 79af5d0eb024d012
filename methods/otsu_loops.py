"""The loops of Otsu's method, compiled."""

from __future__ import annotations

import numpy as np
from numba import int64, uint8, void
from numpy.typing import NDArray

from methods.compiled import compiled, given, made

SHADES = 256


@compiled()
def _class_starts(shades: NDArray[np.int64], count: NDArray[np.int64], classes: int) -> NDArray[np.int64]:
    """Where each of the classes begins among the shades that occur, ascending; at least as many shades as classes.

    Least variance within classes is the largest sum over classes of (sum of shades)^2 / pixels. ``best[k, j]`` is the
    largest that k + 1 classes reach on the first j shades.
    """
    present = len(shades)
    pixels, sums = np.zeros(present + 1), np.zeros(present + 1)
    for j in range(present):
        pixels[j + 1] = pixels[j] + count[j]
        sums[j + 1] = sums[j] + count[j] * shades[j]
    best = np.full((classes, present + 1), -1.0)
    last = np.zeros((classes, present + 1), np.int64)
    for j in range(1, present + 1):
        best[0, j] = sums[j] ** 2 / pixels[j]
    for k in range(1, classes):
        for j in range(k + 1, present + 1):
            for i in range(k, j):
                explained = best[k - 1, i] + (sums[j] - sums[i]) ** 2 / (pixels[j] - pixels[i])
                if explained > best[k, j]:
                    best[k, j], last[k, j] = explained, i
    starts = np.zeros(classes, np.int64)
    end = present
    for k in range(classes - 1, 0, -1):
        end = starts[k] = last[k, end]
    return starts


@compiled(void(given(uint8, 2), given(int64, 2), int64, made(uint8, 2)))
def otsu_classes(luma: NDArray[np.uint8], counts: NDArray[np.int64], classes: int, found: NDArray[np.uint8]) -> None:
    """The class of each pixel of N images, the darkest 0, see ``methods.otsu``.

    luma: ``[N, P]``; counts: how many pixels there are of each, ``[N, P]``; found: ``[N, P]``, written.
    """
    class_of = np.empty(SHADES, np.uint8)
    for n in range(len(luma)):
        histogram = np.zeros(SHADES, np.int64)
        for p in range(luma.shape[1]):
            histogram[luma[n, p]] += counts[n, p]
        shades = np.flatnonzero(histogram)
        starts = _class_starts(shades, histogram[shades], min(classes, len(shades)))
        number = -1
        for j in range(len(shades)):
            if number + 1 < len(starts) and starts[number + 1] == j:
                number += 1
            class_of[shades[j]] = number
        for p in range(luma.shape[1]):
            found[n, p] = class_of[luma[n, p]]
