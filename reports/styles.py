"""One color and one marker for each variant, the same in every figure, table and gallery of every page."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from dataclasses import dataclass

from harness.contracts import Cell

PALETTE = (
    ("#0173b2", "#4aa8e8"),
    ("#de8f05", "#f2b13c"),
    ("#029e73", "#2fc79b"),
    ("#d55e00", "#ff8a4a"),
    ("#a9559b", "#e09ad4"),
    ("#8a5f2d", "#d3a877"),
    ("#56b4e9", "#9ad6fb"),
    ("#7a7a7a", "#b3b3b3"),
)
"""Colors on a light and on a dark page: seaborn's "colorblind" set, the pale ones darkened for white paper."""
MARKERS = {
    "o": "M6 1.6a4.4 4.4 0 1 0 .01 0z",
    "s": "M2 2h8v8H2z",
    "^": "M6 1.2 11 10.4H1z",
    "D": "M6 .6 11.4 6 6 11.4.6 6z",
    "v": "M6 10.8 1 1.6h10z",
    "P": "M4.2 1h3.6v3.2H11v3.6H7.8V11H4.2V7.8H1V4.2h3.2z",
    "X": "M3.4 1 6 3.6 8.6 1 11 3.4 8.4 6 11 8.6 8.6 11 6 8.4 3.4 11 1 8.6 3.6 6 1 3.4z",
}
"""matplotlib's name of a marker, and the same shape as an SVG path in a 12 x 12 box."""


@dataclass(frozen=True)
class Style:
    slot: int
    marker: str

    @property
    def color(self) -> str:
        """The color on a light page."""
        return PALETTE[self.slot][0]

    @property
    def path(self) -> str:
        return MARKERS[self.marker]


_BLUE, _ORANGE, _GREEN, _RED, _PURPLE, _BROWN, _SKY, _GRAY = range(len(PALETTE))
KNOWN = {
    "colorcnn": Style(_BLUE, "o"),
    "median-cut": Style(_ORANGE, "s"),
    "octree": Style(_PURPLE, "P"),
    "median-cut dither=floyd-steinberg-clipped": Style(_RED, "D"),
    "colorcnn-plus": Style(_PURPLE, "v"),
    "jpeg": Style(_BROWN, "X"),
    "cqformer": Style(_SKY, "P"),
    "original": Style(_GRAY, "o"),
    "webp": Style(_RED, "X"),
    "anchored": Style(_RED, "o"),
    "kmeans": Style(_PURPLE, "s"),
    "wu": Style(_BROWN, "^"),
    "max-coverage": Style(_SKY, "D"),
    "otsu": Style(_BLUE, "v"),
    "imagequant": Style(_ORANGE, "P"),
    "octree-gervautz": Style(_GREEN, "s"),
    "octree-reference": Style(_GREEN, "v"),
    "median-cut dither=floyd-steinberg": Style(_RED, "s"),
    "pnn": Style(_PURPLE, "^"),
    "neuquant": Style(_BROWN, "D"),
    "popularity": Style(_SKY, "v"),
    "random": Style(_GRAY, "X"),
    "uniform-grid": Style(_GRAY, "s"),
    "avif": Style(_PURPLE, "X"),
    "png": Style(_GRAY, "P"),
    "webp-lossless": Style(_GRAY, "D"),
    "scolorq": Style(_ORANGE, "o"),
    "wan": Style(_BLUE, "^"),
    "binary-splitting": Style(_RED, "P"),
    "kmeans-online": Style(_SKY, "s"),
    "colorcnn backbone=dncnn": Style(_GRAY, "^"),
    "colorcnn gamma=0": Style(_PURPLE, "D"),
    "colorcnn gamma=0.01": Style(_RED, "^"),
    "colorcnn gamma=0.1": Style(_RED, "v"),
    "colorcnn gamma=10": Style(_BROWN, "s"),
    "colorcnn gamma=100": Style(_BROWN, "v"),
    "colorcnn xi=0": Style(_ORANGE, "D"),
    "colorcnn xi=0.01": Style(_GREEN, "D"),
    "colorcnn xi=0.1": Style(_GREEN, "P"),
    "colorcnn xi=10": Style(_SKY, "^"),
    "colorcnn xi=100": Style(_SKY, "o"),
}
"""Of the built-in methods and the article's variants, by name; those that are often compared differ in color."""


def assign(lines: Iterable[str]) -> dict[str, Style]:
    """A style for each line that is no variant, in the given order; they only repeat together after 56 names."""
    names = list(dict.fromkeys(lines))
    markers = list(MARKERS)
    return {name: Style(i % len(PALETTE), markers[i % len(markers)]) for i, name in enumerate(names)}


def styles_of(cells: Iterable[Cell]) -> dict[str, Style]:
    """The styles of a run's variants."""
    return by_name(cell.label for cell in cells)


def by_name(variants: Iterable[str]) -> dict[str, Style]:
    """A style for each variant, which its name alone decides: the same on every page.

    A variant that is not in ``KNOWN`` has the style that the hash of its name says. Only where another one on the page
    has exactly this style, known ones first and then in order of names, it takes the next that is free.
    """
    names = sorted(set(variants))
    found = {name: KNOWN[name] for name in names if name in KNOWN}
    taken = set(found.values())
    for name in names:
        if name not in found:
            found[name] = _free(name, taken)
            taken.add(found[name])
    return found


def _free(name: str, taken: set[Style]) -> Style:
    """From the hash on, the first style that is not taken; the hash's own where all are."""
    markers = list(MARKERS)
    start = int.from_bytes(hashlib.sha256(name.encode()).digest()[:8], "big")
    count = len(PALETTE) * len(markers)
    styles = [Style(i % len(PALETTE), markers[i % len(markers)]) for i in range(start, start + count)]
    return next((style for style in styles if style not in taken), styles[0])
