"""The loops of k-means, compiled; ``methods.kmeans_large`` takes its steps one by one.

Callees stand in the module of their callers, because numba's cache notices changes of one source file only. Colors lie
channel by channel, ``float64 [3, U]``, so that the distance loop runs on vector registers. In RGB sums of weighted
colors are whole numbers below 2^53, so that centers do not depend on the order of summation.
"""

from __future__ import annotations

import numpy as np
from numba import float64, int64, uint8, void
from numpy.typing import NDArray

from methods.compiled import compiled, given, made

GIVEN, K_MEANS_PP, RANDOM, MAXIMIN = range(4)
"""Where centers start from."""


@compiled()
def _distinct(
    pixels: NDArray[np.uint8], points: NDArray[np.float64]
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """The distinct colors of ``uint8 [P, 3]`` in ascending RGB order, and how many pixels have each.

    points: ``[P, 3]``, where the pixels lie in the space of distances, equal for equal colors; the result is ``[3, U]``
    in that space.
    """
    keys = np.empty(len(pixels), np.int64)
    for p in range(len(pixels)):
        code = np.int64(pixels[p, 0]) << 16 | np.int64(pixels[p, 1]) << 8 | np.int64(pixels[p, 2])
        keys[p] = code << 32 | p
    keys.sort()
    weights = np.zeros(len(keys))
    last = 0
    for p in range(len(keys)):
        if keys[p] >> 32 != keys[last] >> 32:
            last += 1
            keys[last] = keys[p]
        weights[last] += 1
    colors = np.empty((3, last + 1))
    for u in range(last + 1):
        for channel in range(3):
            colors[channel, u] = points[keys[u] & 0xFFFFFFFF, channel]
    return colors, weights[: last + 1]


@compiled()
def _distance(colors: NDArray[np.float64], a: int, b: int) -> float:
    """Squared, between two of the colors."""
    return (colors[0, a] - colors[0, b]) ** 2 + (colors[1, a] - colors[1, b]) ** 2 + (colors[2, a] - colors[2, b]) ** 2


@compiled(reorder=True)
def _seed_centers(
    colors: NDArray[np.float64],
    weights: NDArray[np.float64],
    uniforms: NDArray[np.float64],
    centers: NDArray[np.float64],
) -> None:
    """Greedy k-means++: each center is the best of ``uniforms.shape[1]`` colors drawn by their share of the error."""
    reduced, least = np.empty(len(weights)), np.empty(len(weights))
    closest = np.ones(len(weights))
    for c in range(len(centers)):
        cumulative = np.cumsum(weights * closest)
        best, best_error = 0, np.inf
        for uniform in uniforms[c, : 1 if c == 0 else uniforms.shape[1]]:
            drawn = min(np.searchsorted(cumulative, uniform * cumulative[-1], side="right"), len(weights) - 1)
            error = 0.0
            for u in range(len(weights)):
                distance = _distance(colors, u, drawn)
                reduced[u] = distance if c == 0 else min(distance, closest[u])
                error += weights[u] * reduced[u]
            if error < best_error:
                best, best_error = drawn, error
                reduced, least = least, reduced
        for channel in range(3):
            centers[c, channel] = colors[channel, best]
        closest, least = least, closest


@compiled()
def _draw_centers(
    colors: NDArray[np.float64],
    weights: NDArray[np.float64],
    uniforms: NDArray[np.float64],
    centers: NDArray[np.float64],
) -> None:
    """Each center is the color of a pixel drawn from those that have the color of no center yet."""
    left = weights.copy()
    for c in range(len(centers)):
        cumulative = np.cumsum(left)
        place = min(uniforms[c, 0] * cumulative[-1], cumulative[-1] - 0.5)  # weights are whole numbers
        drawn = np.searchsorted(cumulative, place, side="right")
        left[drawn] = 0
        for channel in range(3):
            centers[c, channel] = colors[channel, drawn]


@compiled()
def _farthest_centers(colors: NDArray[np.float64], weights: NDArray[np.float64], centers: NDArray[np.float64]) -> None:
    """The first center is the mean of the image, each other the color farthest from its nearest center so far."""
    for channel in range(3):
        centers[0, channel] = (weights * colors[channel]).sum() / weights.sum()
    closest = np.full(len(weights), np.inf)
    for c in range(1, len(centers)):
        for u in range(len(weights)):
            distance = 0.0
            for channel in range(3):
                distance += (colors[channel, u] - centers[c - 1, channel]) ** 2
            closest[u] = min(closest[u], distance)
        farthest = np.argmax(closest)
        for channel in range(3):
            centers[c, channel] = colors[channel, farthest]


@compiled()
def _assign(
    colors: NDArray[np.float64], centers: NDArray[np.float64], labels: NDArray[np.int64], least: NDArray[np.float64]
) -> bool:
    """Gives each color its nearest center and the squared distance to it; says whether any label changed."""
    before = labels.copy()
    least.fill(np.inf)
    for c in range(len(centers)):
        r, g, b = centers[c, 0], centers[c, 1], centers[c, 2]
        for u in range(len(labels)):
            distance = (colors[0, u] - r) ** 2 + (colors[1, u] - g) ** 2 + (colors[2, u] - b) ** 2
            closer = distance < least[u]
            least[u] = distance if closer else least[u]
            labels[u] = c if closer else labels[u]
    return bool((labels != before).any())


@compiled()
def fill_empty(
    colors: NDArray[np.float64],
    weights: NDArray[np.float64],
    labels: NDArray[np.int64],
    least: NDArray[np.float64],
    clusters: int,
) -> None:
    """Gives each cluster without a color the one that costs most among those that share a cluster with another.

    Costs count the colors already given away as centers (``least`` is lowered), so that several empty clusters do not
    all go to one place.
    """
    members = np.zeros(clusters, np.int64)
    for label in labels:
        members[label] += 1
    for c in range(clusters):
        if members[c] == 0:
            worst, cost = -1, -1.0
            for u in range(len(labels)):
                if members[labels[u]] > 1 and weights[u] * least[u] > cost:
                    worst, cost = u, weights[u] * least[u]
            members[labels[worst]] -= 1
            members[c], labels[worst] = 1, c
            for u in range(len(labels)):
                least[u] = min(least[u], _distance(colors, u, worst))


@compiled()
def move_centers(
    colors: NDArray[np.float64], weights: NDArray[np.float64], labels: NDArray[np.int64], centers: NDArray[np.float64]
) -> None:
    """Each center becomes the weighted mean of its colors."""
    centers.fill(0)
    mass = np.zeros(len(centers))
    for u in range(len(weights)):
        mass[labels[u]] += weights[u]
        for channel in range(3):
            centers[labels[u], channel] += weights[u] * colors[channel, u]
    for c in range(len(centers)):
        for channel in range(3):
            centers[c, channel] /= mass[c]


@compiled()
def weighted_error(weights: NDArray[np.float64], least: NDArray[np.float64]) -> float:
    """The squared error, added up in the order of colors."""
    error = 0.0
    for u in range(len(weights)):
        error += weights[u] * least[u]
    return error


@compiled()
def _lloyd(
    colors: NDArray[np.float64], weights: NDArray[np.float64], centers: NDArray[np.float64], iterations: int
) -> float:
    """Moves the centers until no color changes its cluster, ``iterations`` times at most; the weighted error."""
    labels, least = np.full(len(weights), -1), np.empty(len(weights))
    for done in range(iterations + 1):
        if not _assign(colors, centers, labels, least) or done == iterations:
            break
        fill_empty(colors, weights, labels, least, len(centers))
        move_centers(colors, weights, labels, centers)
    return weighted_error(weights, least)


@compiled()
def start_centers(
    colors: NDArray[np.float64],
    weights: NDArray[np.float64],
    seeding: int,
    uniforms: NDArray[np.float64],
    centers: NDArray[np.float64],
) -> None:
    """Writes the centers ``[C, 3]`` to start from; those that are GIVEN stay. uniforms: ``[C, candidates]``."""
    if seeding == K_MEANS_PP:
        _seed_centers(colors, weights, uniforms, centers)
    elif seeding == RANDOM:
        _draw_centers(colors, weights, uniforms, centers)
    elif seeding == MAXIMIN:
        _farthest_centers(colors, weights, centers)


@compiled(void(given(uint8, 3), given(float64, 3), int64, made(float64, 4), given(float64, 4), int64, made(float64, 3)))
def kmeans_centers(
    pixels: NDArray[np.uint8],
    points: NDArray[np.float64],
    seeding: int,
    starts: NDArray[np.float64],
    uniforms: NDArray[np.float64],
    iterations: int,
    centers: NDArray[np.float64],
) -> None:
    """Centers for N images with P pixels each, of all starts the ones that end with the least squared error.

    pixels: ``[N, P, 3]``; points: the same in the space of distances, ``[N, P, 3]``; seeding: how a start comes about;
    starts: ``[N, S, C, 3]``, the centers to start from where they are GIVEN, overwritten; uniforms: ``[N, S, C,
    candidates]`` in [0, 1), for what is drawn; centers: ``[N, C, 3]`` in the space of distances, written. An image of
    at most C colors has these as centers, the last one repeated.
    """
    entries = centers.shape[1]
    for n in range(len(pixels)):
        colors, weights = _distinct(pixels[n], points[n])
        if len(weights) <= entries:
            for c in range(entries):
                centers[n, c] = colors[:, min(c, len(weights) - 1)]
            continue
        best_error = np.inf
        for s in range(starts.shape[1]):
            moved = starts[n, s]
            start_centers(colors, weights, seeding, uniforms[n, s], moved)
            error = _lloyd(colors, weights, moved, iterations)
            if error < best_error:
                best_error = error
                centers[n] = moved
