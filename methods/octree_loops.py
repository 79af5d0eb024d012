"""The loops of the octree, compiled.

No tree is built: a color's path from the root is its code, three bits a level, so that in ascending order of codes the
leaves below any node are neighbours. As the deepest level is reduced first, all leaves are on one level until the last.
"""

from __future__ import annotations

import numpy as np
from numba import boolean, int64, uint8, void
from numpy.typing import NDArray

from methods.compiled import compiled, given, made

DEPTH = 8


@compiled()
def _paths(pixels: NDArray[np.uint8]) -> NDArray[np.int64]:
    """The path of each pixel of ``[P, 3]``: bits of red, green, blue in turn, the highest first."""
    paths = np.zeros(len(pixels), np.int64)
    for p in range(len(pixels)):
        for level in range(DEPTH):
            for channel in range(3):
                paths[p] = paths[p] << 1 | (np.int64(pixels[p, channel]) >> (DEPTH - 1 - level) & 1)
    return paths


@compiled()
def _runs(sorted_values: NDArray[np.int64], shift: int) -> NDArray[np.int64]:
    """Where runs of equal ``values >> shift`` begin, and after them the number of values."""
    starts = np.empty(len(sorted_values) + 1, np.int64)
    count = 0
    for i in range(len(sorted_values)):
        if i == 0 or sorted_values[i] >> shift != sorted_values[i - 1] >> shift:
            starts[count] = i
            count += 1
    starts[count] = len(sorted_values)
    return starts[: count + 1]


@compiled()
def _merge(before: NDArray[np.int64], nodes: NDArray[np.int64], colors: int, fewest: bool) -> NDArray[np.int64]:
    """The last level's reductions. Gives each leaf the first of the leaves that it is one with.

    before: how many pixels come before each leaf, and the number of pixels; nodes: where each node's leaves begin, and
    the number of leaves; more than ``colors`` leaves, at most ``colors`` nodes.
    """
    left = len(before) - 1
    merged_into = np.arange(left)
    pixels = before[nodes[1:]] - before[nodes[:-1]]
    for node in np.argsort(pixels if fewest else -pixels, kind="mergesort"):
        first, last = nodes[node], nodes[node + 1]
        excess = left - colors
        if excess == 0:
            break
        children = first + np.argsort(before[first + 1 : last + 1] - before[first:last], kind="mergesort")
        merged = children[: excess + 1]
        merged_into[merged] = merged.min()
        left -= len(merged) - 1
    return merged_into


@compiled(void(given(int64, 1), given(int64, 1), int64, boolean, made(uint8, 1)))
def leaves_of_paths(
    paths: NDArray[np.int64], counts: NDArray[np.int64], colors: int, fewest: bool, leaves: NDArray[np.uint8]
) -> None:
    """The leaf, below ``colors``, of each path of one image, see ``methods.octree``.

    paths: ascending, ``[P]``; counts: how many pixels have each, ``[P]``; leaves: ``[P]``, written.
    """
    before = np.zeros(len(paths) + 1, np.int64)
    before[1:] = np.cumsum(counts)
    shift = 0
    starts = _runs(paths, shift)
    merged_into = np.arange(len(starts) - 1)
    while len(starts) - 1 > colors:
        shift += 3
        above = _runs(paths, shift)
        if len(above) - 1 >= colors:
            starts = above
            merged_into = np.arange(len(starts) - 1)
        else:
            nodes = _runs(paths[starts[:-1]], shift)
            merged_into = _merge(before[starts], nodes, colors, fewest)
            break
    numbers = np.full(len(merged_into), -1)
    count = 0
    for leaf in range(len(merged_into)):
        if merged_into[leaf] == leaf:
            numbers[leaf] = count
            count += 1
        for i in range(starts[leaf], starts[leaf + 1]):
            leaves[i] = numbers[merged_into[leaf]]


@compiled(void(given(uint8, 3), int64, boolean, made(uint8, 2)))
def octree_leaves(pixels: NDArray[np.uint8], colors: int, fewest: bool, leaves: NDArray[np.uint8]) -> None:
    """The same for each pixel of N images. pixels: ``[N, P, 3]``; leaves: ``[N, P]``, written."""
    once = np.ones(pixels.shape[1], np.int64)
    in_order = np.empty(pixels.shape[1], np.uint8)
    for n in range(len(pixels)):
        paths = _paths(pixels[n])
        order = np.argsort(paths)
        leaves_of_paths(paths[order], once, colors, fewest, in_order)
        leaves[n][order] = in_order
