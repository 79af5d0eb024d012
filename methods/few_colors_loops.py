"""The loop that looks for images of few colors, compiled."""

from __future__ import annotations

import numpy as np
from numba import int64, uint8, void
from numpy.typing import NDArray

from methods.compiled import compiled, given, made

SLOTS = 1024
"""Of a hash table that holds at most 256 colors; a power of two."""


@compiled(void(given(uint8, 3), made(uint8, 3), made(int64, 1)))
def list_colors(pixels: NDArray[np.uint8], palettes: NDArray[np.uint8], counts: NDArray[np.int64]) -> None:
    """Lists the distinct colors of N images with P pixels each, at most C of them, at most 256.

    pixels: ``[N, P, 3]``; palettes: ``[N, C, 3]``, written: in the order in which colors first occur, the last one
    repeated; counts: ``[N]``, written: how many colors there are, C + 1 where there are more than C.
    """
    entries = palettes.shape[1]
    table = np.empty(SLOTS, np.int64)
    for n in range(len(pixels)):
        table.fill(-1)
        count, last = 0, np.int64(-1)
        for p in range(pixels.shape[1]):
            code = np.int64(pixels[n, p, 0]) << 16 | np.int64(pixels[n, p, 1]) << 8 | np.int64(pixels[n, p, 2])
            if code == last:
                continue
            last = code
            slot = (code * 0x9E3779B1 >> 16) & (SLOTS - 1)
            while table[slot] >= 0 and table[slot] != code:
                slot = (slot + 1) & (SLOTS - 1)
            if table[slot] == code:
                continue
            if count == entries:
                count += 1
                break
            table[slot] = code
            palettes[n, count] = pixels[n, p]
            count += 1
        counts[n] = count
        for c in range(count, entries):
            palettes[n, c] = palettes[n, count - 1]
