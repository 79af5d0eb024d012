"""The loops of Wu's quantizer, compiled.

Moments are whole numbers: pixels, sums of red, green and blue, and sums of their squares, ``int64 [5, 33, 33, 33]``,
cumulated so that ``moments[:, r, g, b]`` covers the cells below r, g, b. A box is ``int64 [3, 2]``: from, up to but
without.
"""

from __future__ import annotations

import numpy as np
from numba import int64, uint8, void
from numpy.typing import NDArray

from methods.compiled import compiled, given, made

CELLS = 32


@compiled()
def _cumulate(pixels: NDArray[np.uint8], counts: NDArray[np.int64], moments: NDArray[np.int64]) -> None:
    """Fills the moments of ``uint8 [P, 3]``, each counted so many times."""
    moments.fill(0)
    for p in range(len(pixels)):
        r, g, b = np.int64(pixels[p, 0]), np.int64(pixels[p, 1]), np.int64(pixels[p, 2])
        cell = moments[:, (r >> 3) + 1, (g >> 3) + 1, (b >> 3) + 1]
        cell[0] += counts[p]
        cell[1] += counts[p] * r
        cell[2] += counts[p] * g
        cell[3] += counts[p] * b
        cell[4] += counts[p] * (r * r + g * g + b * b)
    for m in range(5):
        for i in range(1, CELLS + 1):
            for j in range(1, CELLS + 1):
                row = np.int64(0)
                for k in range(1, CELLS + 1):
                    row += moments[m, i, j, k]
                    moments[m, i, j, k] = (
                        row + moments[m, i - 1, j, k] + moments[m, i, j - 1, k] - moments[m, i - 1, j - 1, k]
                    )


@compiled()
def _inside(moments: NDArray[np.int64], box: NDArray[np.int64], m: int) -> int:
    """Moment m of the pixels in a box, from its eight corners."""
    total = 0
    for corner in range(8):
        i, j, k = corner >> 2, corner >> 1 & 1, corner & 1
        value = moments[m, box[0, i], box[1, j], box[2, k]]
        total += value if (i + j + k) & 1 else -value
    return total


@compiled()
def _explained(moments: NDArray[np.int64], box: NDArray[np.int64]) -> float:
    """The squared length of the sum of a box's pixels over their number: their squares less the squared error."""
    r, g, b = _inside(moments, box, 1), _inside(moments, box, 2), _inside(moments, box, 3)
    squares = float(r) * r + float(g) * g + float(b) * b  # whole numbers of a photograph's sums would overflow
    return squares / _inside(moments, box, 0)


@compiled()
def _split(moments: NDArray[np.int64], box: NDArray[np.int64], upper: NDArray[np.int64]) -> bool:
    """Cuts ``box`` so that the squared error of both parts is least; it keeps the lower part. False: no cut parts it.

    Of equally good cuts, the first: red, green, blue, and on each from below.
    """
    best, axis, place = 0.0, -1, 0
    lower = box.copy()
    upper[:] = box
    for a in range(3):
        for cut in range(box[a, 0] + 1, box[a, 1]):
            lower[a, 1] = upper[a, 0] = cut
            if _inside(moments, lower, 0) > 0 and _inside(moments, upper, 0) > 0:
                explained = _explained(moments, lower) + _explained(moments, upper)
                if explained > best:
                    best, axis, place = explained, a, cut
        lower[a, 1], upper[a, 0] = box[a, 1], box[a, 0]
    if axis >= 0:
        box[axis, 1] = upper[axis, 0] = place
    return axis >= 0


@compiled(void(given(uint8, 3), given(int64, 2), made(uint8, 3)))
def wu_palettes(pixels: NDArray[np.uint8], counts: NDArray[np.int64], palettes: NDArray[np.uint8]) -> None:
    """Palettes of N images with P pixels each, see ``methods.wu``; the last entry is repeated where boxes run out.

    pixels: ``[N, P, 3]``; counts: how many there are of each, ``[N, P]``; palettes: ``[N, C, 3]``, written.
    """
    entries = palettes.shape[1]
    moments = np.empty((5, CELLS + 1, CELLS + 1, CELLS + 1), np.int64)
    boxes, errors = np.empty((entries, 3, 2), np.int64), np.empty(entries)
    for n in range(len(pixels)):
        _cumulate(pixels[n], counts[n], moments)
        boxes[0, :, 0], boxes[0, :, 1] = 0, CELLS
        errors[0] = _inside(moments, boxes[0], 4) - _explained(moments, boxes[0])
        count = 1
        while count < entries:
            worst = np.argmax(errors[:count])
            if errors[worst] <= 0:
                break
            if not _split(moments, boxes[worst], boxes[count]):
                errors[worst] = 0
                continue
            for part in (worst, count):
                errors[part] = _inside(moments, boxes[part], 4) - _explained(moments, boxes[part])
            count += 1
        for c in range(entries):
            box = boxes[min(c, count - 1)]
            for channel in range(3):
                mean = _inside(moments, box, channel + 1) / _inside(moments, box, 0)
                palettes[n, c, channel] = np.uint8(np.rint(mean))
