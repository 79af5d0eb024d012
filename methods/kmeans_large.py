"""k-means on the distinct colors of a large image, with all the threads this process may use."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from methods.distinct import Groups


def kmeans_center(
    groups: Groups,
    counts: NDArray[np.int64],
    seeding: int,
    starts: NDArray[np.float64],
    uniforms: NDArray[np.float64],
    iterations: int,
) -> NDArray[np.float64]:
    """The centers ``[C, 3]`` that ``kmeans_loops.kmeans_centers`` finds for one image.

    groups: its distinct colors, in ascending RGB order; counts: the pixels that have each, ``[U]``; starts: ``[S, C,
    3]``, overwritten; uniforms: ``[S, C, candidates]``; seeding, iterations: as there.
    """
    from methods.kmeans_large_loops import seed_centers
    from methods.kmeans_loops import K_MEANS_PP, start_centers

    entries = starts.shape[1]
    if len(counts) <= entries:
        return groups.points.T[np.minimum(np.arange(entries), len(counts) - 1)]
    weights = counts.astype(np.float64)
    best, best_error = starts[0], np.inf
    for moved, drawn in zip(starts, uniforms, strict=True):
        if seeding == K_MEANS_PP and groups.space == "rgb":
            seed_centers(groups.points, groups.order, groups.starts, groups.boxes, weights, drawn, moved)
        else:
            start_centers(groups.points, weights, seeding, drawn, moved)
        error = _lloyd(groups, weights, moved, iterations)
        if error < best_error:
            best, best_error = moved, error
    return best


def _lloyd(groups: Groups, weights: NDArray[np.float64], centers: NDArray[np.float64], iterations: int) -> float:
    """Moves the centers until no color changes its cluster, ``iterations`` times at most; the weighted error."""
    from methods.kmeans_loops import fill_empty, move_centers, weighted_error

    labels, least = np.full(len(weights), -1), np.empty(len(weights))
    for done in range(iterations + 1):
        if not groups.assign(centers, labels, least) or done == iterations:
            break
        fill_empty(groups.points, weights, labels, least, len(centers))
        move_centers(groups.points, weights, labels, centers)
    return float(weighted_error(weights, least))
