"""Which images are trained on and tested if not all are, and which training images a search holds out."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from harness.contracts import ContractError


def balanced_rows(labels: NDArray[np.int64], count: int, seed: int = 0) -> NDArray[np.int64]:
    """``count`` of the rows of ``labels``, ascending, each class with its share of them; all rows where they are fewer.

    Within a class they are drawn at random from ``seed``; shares are rounded by largest remainders. A class that has
    an image keeps one, as long as ``count`` allows.
    """
    if count >= len(labels):
        return np.arange(len(labels))
    classes, sizes = np.unique(labels, return_counts=True)
    exact = sizes * (count / len(labels))
    quotas = np.maximum(np.floor(exact).astype(np.int64), 1 if count >= len(classes) else 0)
    order = np.argsort(quotas - exact, kind="stable")
    while (missing := count - quotas.sum()) != 0:
        step = 1 if missing > 0 else -1
        able = [c for c in order[::step] if (quotas[c] < sizes[c] if missing > 0 else quotas[c] > 1)]
        quotas[able[: abs(missing)]] += step
    generator = np.random.default_rng(seed)
    chosen = [
        generator.permutation(np.flatnonzero(labels == label))[:quota]
        for label, quota in zip(classes, quotas, strict=True)
    ]
    return np.sort(np.concatenate(chosen))


def whole_group_rows(
    labels: NDArray[np.int64], groups: NDArray[np.int64], count: int, seed: int = 0
) -> NDArray[np.int64]:
    """At most ``count`` rows, ascending: whole groups, each class with about its share of the images.

    Groups are put in one order, drawn at random from ``seed``, and taken from its beginning until the next one is too
    large; so what a smaller count takes is part of what a larger one takes. First comes one group of each class, then
    the others as evenly as their classes have images. A group counts to the class of its first image.

    Raises:
        ContractError: One group of each class is more than ``count`` images.
    """
    if count >= len(labels):
        return np.arange(len(labels))
    generator = np.random.default_rng(seed)
    names, first, member = np.unique(groups, return_index=True, return_inverse=True)
    sizes, position = np.bincount(member), np.empty(len(names))
    classes = np.unique(labels[first])
    for label in classes:
        own = generator.permutation(np.flatnonzero(labels[first] == label))
        position[own] = (np.cumsum(sizes[own]) - sizes[own] / 2) / sizes[own].sum()
        position[own[0]] = 0
    order = np.lexsort((labels[first], position))
    reached = np.cumsum(sizes[order])
    if reached[len(classes) - 1] > count:
        raise ContractError(
            f"test_images: {count:,} are too few, one source of each class is {reached[len(classes) - 1]:,} images"
        )
    chosen = np.zeros(len(names), bool)
    chosen[order[reached <= count]] = True
    return np.flatnonzero(chosen[member])


def held_out_rows(
    labels: NDArray[np.int64], groups: NDArray[np.int64], share: float, seed: int
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Rows to keep and rows to hold out, ascending: whole groups, of each class about ``share`` of the images.

    A group counts to the class of its first image. Drawn at random from ``seed``; each class that has two groups or
    more keeps one and gives one.
    """
    generator = np.random.default_rng(seed)
    names, first, member = np.unique(groups, return_index=True, return_inverse=True)
    sizes = np.bincount(member)
    out = np.zeros(len(names), bool)
    for label in np.unique(labels):
        own = generator.permutation(np.flatnonzero(labels[first] == label))
        if len(own) < 2:
            continue
        before = np.cumsum(sizes[own]) - sizes[own]
        chosen = own[before + sizes[own] / 2 <= share * sizes[own].sum()]
        out[chosen if len(chosen) else own[:1]] = True
        out[own[-1]] = False
    return np.flatnonzero(~out[member]), np.flatnonzero(out[member])
