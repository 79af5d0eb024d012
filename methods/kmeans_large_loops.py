"""The loops of greedy k-means++ in RGB on the distinct colors of a large image, compiled.

There squared distances are whole numbers, and so are errors, below 2^53: they are the same in whatever order they are
added up. So what a group of colors costs can be kept, and only groups that a new center can be nearest to are visited.
"""

from __future__ import annotations

import numpy as np
from numba import float64, int64, void
from numpy.typing import NDArray

from methods.compiled import compiled, given, made

BEYOND = float(1 << 18)
"""More than any squared distance."""
BLOCK = 1 << 12
"""Colors, in RGB order, whose cost is kept as one sum, to draw from."""


@compiled()
def _draw(
    weights: NDArray[np.float64],
    closest: NDArray[np.float64],
    blocks: NDArray[np.float64],
    ascending: NDArray[np.int64],
    uniform: float,
) -> int:
    """The color at the share ``uniform`` of all costs, ``weights * closest``, added up in RGB order."""
    place = uniform * blocks.sum()
    before, block = 0.0, 0
    while block < len(blocks) - 1 and before + blocks[block] <= place:
        before += blocks[block]
        block += 1
    for rank in range(block * BLOCK, len(weights)):
        u = ascending[rank]
        before += weights[u] * closest[u]
        if before > place:
            return u
    return ascending[-1]


@compiled()
def _from_box(boxes: NDArray[np.float64], group: int, color: NDArray[np.float64]) -> float:
    """The squared distance of a color from the box of a group."""
    distance = 0.0
    for channel in range(3):
        below, above = boxes[group, 0, channel] - color[channel], color[channel] - boxes[group, 1, channel]
        distance += max(below, above, 0.0) ** 2
    return distance


@compiled()
def _error_with(
    points: NDArray[np.float64],
    starts: NDArray[np.int64],
    boxes: NDArray[np.float64],
    weights: NDArray[np.float64],
    closest: NDArray[np.float64],
    farthest: NDArray[np.float64],
    costs: NDArray[np.float64],
    drawn: int,
) -> float:
    """The cost of all groups if the color ``drawn`` were a center too."""
    color = points[:, drawn].copy()
    error = 0.0
    for group in range(len(boxes)):
        if _from_box(boxes, group, color) >= farthest[group]:
            error += costs[group]
            continue
        for u in range(starts[group], starts[group + 1]):
            distance = (points[0, u] - color[0]) ** 2 + (points[1, u] - color[1]) ** 2 + (points[2, u] - color[2]) ** 2
            error += weights[u] * min(distance, closest[u])
    return error


@compiled()
def _add_center(
    points: NDArray[np.float64],
    starts: NDArray[np.int64],
    boxes: NDArray[np.float64],
    weights: NDArray[np.float64],
    closest: NDArray[np.float64],
    farthest: NDArray[np.float64],
    costs: NDArray[np.float64],
    blocks: NDArray[np.float64],
    ranks: NDArray[np.int64],
    drawn: int,
) -> None:
    """Makes the color ``drawn`` a center: lowers distances, and what is kept of groups and blocks."""
    color = points[:, drawn].copy()
    for group in range(len(boxes)):
        if _from_box(boxes, group, color) >= farthest[group]:
            continue
        farthest[group] = costs[group] = 0
        for u in range(starts[group], starts[group + 1]):
            distance = (points[0, u] - color[0]) ** 2 + (points[1, u] - color[1]) ** 2 + (points[2, u] - color[2]) ** 2
            if distance < closest[u]:
                blocks[ranks[u] // BLOCK] -= weights[u] * (closest[u] - distance)
                closest[u] = distance
            farthest[group] = max(farthest[group], closest[u])
            costs[group] += weights[u] * closest[u]


@compiled(
    void(
        given(float64, 2),
        given(int64, 1),
        given(float64, 3),
        given(float64, 1),
        given(int64, 1),
        given(float64, 2),
        made(float64, 2),
    )
)
def seed_centers(
    points: NDArray[np.float64],
    starts: NDArray[np.int64],
    boxes: NDArray[np.float64],
    weights: NDArray[np.float64],
    ascending: NDArray[np.int64],
    uniforms: NDArray[np.float64],
    centers: NDArray[np.float64],
) -> None:
    """Writes the centers ``[C, 3]`` that k-means++ in ``methods.kmeans_loops`` starts from.

    points: ``[3, U]``, whole numbers in 0..255; starts, boxes: their groups, see ``methods.distinct``; weights:
    ``[U]``, whole numbers; ascending: which color comes first, second, ... in RGB order, ``[U]``; uniforms: ``[C,
    candidates]`` in [0, 1).
    """
    ranks = np.empty_like(ascending)
    blocks = np.zeros((len(weights) - 1) // BLOCK + 1)
    for rank in range(len(weights)):
        ranks[ascending[rank]] = rank
        blocks[rank // BLOCK] += weights[ascending[rank]]
    closest = np.ones(len(weights))
    best = _draw(weights, closest, blocks, ascending, uniforms[0, 0])
    blocks *= BEYOND
    closest.fill(BEYOND)
    farthest, costs = np.full(len(boxes), BEYOND), np.zeros(len(boxes))
    for c in range(len(centers)):
        if c > 0:
            best_error = np.inf
            for uniform in uniforms[c]:
                drawn = _draw(weights, closest, blocks, ascending, uniform)
                error = _error_with(points, starts, boxes, weights, closest, farthest, costs, drawn)
                if error < best_error:
                    best, best_error = drawn, error
        _add_center(points, starts, boxes, weights, closest, farthest, costs, blocks, ranks, best)
        for channel in range(3):
            centers[c, channel] = points[channel, best]
