"""k-means on the distinct colors of a large image, with all the threads this process may use."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from methods.distinct import Groups


def kmeans_center(
    groups: Groups,
    counts: NDArray[np.int64],
    ascending: NDArray[np.int64],
    seeding: int,
    starts: NDArray[np.float64],
    uniforms: NDArray[np.float64],
    iterations: int,
) -> NDArray[np.float64]:
    """The centers ``[C, 3]`` that ``kmeans_loops.kmeans_centers`` finds for one image.

    groups: its distinct colors; counts: the pixels that have each, ``[U]``; ascending: which color comes first, then
    second, ... in RGB order, ``[U]``; starts: ``[S, C, 3]``, overwritten; uniforms: ``[S, C, candidates]``; seeding,
    iterations: as there.
    """
    from methods.kmeans_large_loops import seed_centers
    from methods.kmeans_loops import K_MEANS_PP, start_centers

    entries = starts.shape[1]
    if len(counts) <= entries:
        return groups.points.T[ascending[np.minimum(np.arange(entries), len(counts) - 1)]]
    weighted = _Weighted(groups, counts.astype(np.float64), ascending)
    best, best_error = starts[0], np.inf
    for moved, drawn in zip(starts, uniforms, strict=True):
        if seeding == K_MEANS_PP and groups.space == "rgb":
            seed_centers(groups.points, groups.starts, groups.boxes, weighted.weights, ascending, drawn, moved)
        else:
            start_centers(*weighted.in_order, seeding, drawn, moved)
        error = weighted.lloyd(moved, iterations)
        if error < best_error:
            best, best_error = moved, error
    return best


@dataclass(frozen=True, eq=False)
class _Weighted:
    """Colors in groups, how many pixels have each, ``float64 [U]``, and which comes first, second, ... in RGB order.

    Sums depend on their order where they are not of whole numbers, and so does which of several equal colors is taken.
    There the order is RGB's; elsewhere neighbors are together in memory, which is several times as fast.
    """

    groups: Groups
    weights: NDArray[np.float64]
    ascending: NDArray[np.int64]

    @cached_property
    def in_order(self) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """The points, ``[3, U]``, and the weights, in RGB order."""
        return np.ascontiguousarray(self.groups.points[:, self.ascending]), self.weights[self.ascending]

    def lloyd(self, centers: NDArray[np.float64], iterations: int) -> float:
        """Moves the centers until no color changes its cluster, ``iterations`` times at most; the weighted error."""
        from methods.kmeans_loops import move_centers, weighted_error

        labels, least = np.full(len(self.weights), -1), np.empty(len(self.weights))
        for done in range(iterations + 1):
            if not self.groups.assign(centers, labels, least) or done == iterations:
                break
            if not np.bincount(labels, minlength=len(centers)).all():
                self._fill_empty(labels, least, len(centers))
            if self.groups.space == "rgb":
                move_centers(self.groups.points, self.weights, labels, centers)
            else:
                move_centers(*self.in_order, labels[self.ascending], centers)
        return float(weighted_error(self.weights[self.ascending], least[self.ascending]))

    def _fill_empty(self, labels: NDArray[np.int64], least: NDArray[np.float64], clusters: int) -> None:
        from methods.kmeans_loops import fill_empty

        labels_in_order, least_in_order = labels[self.ascending], least[self.ascending]
        fill_empty(*self.in_order, labels_in_order, least_in_order, clusters)
        labels[self.ascending], least[self.ascending] = labels_in_order, least_in_order
