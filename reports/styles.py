"""One color and one marker for each variant, the same in every figure, table and gallery of a page."""

from __future__ import annotations

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


def assign(variants: Iterable[str]) -> dict[str, Style]:
    """A style for each name, in the given order; colors and markers only repeat together after 56 names."""
    names = list(dict.fromkeys(variants))
    markers = list(MARKERS)
    return {name: Style(i % len(PALETTE), markers[i % len(markers)]) for i, name in enumerate(names)}


def styles_of(cells: Iterable[Cell]) -> dict[str, Style]:
    """The styles of a run's variants, those without a level last."""
    return assign(cell.label for cell in sorted(cells, key=lambda cell: (cell.level_kind == "none", cell.label)))
