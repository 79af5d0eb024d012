"""The variants that the paper's claims speak of, found by method and parameters, however a run calls them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from harness.contracts import Cell


@dataclass(frozen=True)
class Variant:
    """A method with some of its parameters.

    words: what sentences call it. params: by name, a value or a frozenset of those allowed.
    """

    words: str
    method: str
    params: Mapping[str, Any] = field(default_factory=dict)

    def __call__(self, cell: Cell) -> bool:
        """Whether a cell is of this variant."""
        return cell.method == self.method and all(
            name in cell.params
            and (cell.params[name] in wanted if isinstance(wanted, frozenset) else cell.params[name] == wanted)
            for name, wanted in self.params.items()
        )


_PAPER = {"backbone": "unet", "gamma": 1.0, "xi": 1.0}
"""What tells the paper's own ColorCNN from the variants of its Sections 6.3 and 6.4."""


def colorcnn(words: str = "ColorCNN", /, **instead: Any) -> Variant:
    """ColorCNN as in the paper, but for these parameters; the width and the training may be any."""
    return Variant(words, "colorcnn", {**_PAPER, **instead})


def varied(parameter: str) -> Variant:
    """ColorCNN as in the paper, with any value of this parameter."""
    return Variant("ColorCNN", "colorcnn", {name: value for name, value in _PAPER.items() if name != parameter})


COLORCNN = colorcnn()
WITHOUT_REGULARIZER = colorcnn("ColorCNN with gamma 0", gamma=0.0)
WITHOUT_JITTER = colorcnn("ColorCNN with xi 0", xi=0.0)
DNCNN = colorcnn("ColorCNN with DnCNN", backbone="dncnn")
MEDIAN_CUT = Variant("MedianCut", "median-cut", {"dither": "none"})
DITHERED = Variant(
    "dithered MedianCut",
    "median-cut",
    {"dither": frozenset({"floyd-steinberg", "floyd-steinberg-clipped", "floyd-steinberg-plain"})},
)
OCTREE_REFERENCE = Variant("the octree of the authors' code", "octree-reference")
OCTREE_GERVAUTZ = Variant("the octree as published", "octree-gervautz")
JPEG = Variant("JPEG", "jpeg")

CLASSIFIERS = ("alexnet", "vgg16", "resnet18")
"""The paper's, from the weakest to the strongest."""
COLORS = (2, 4, 8, 16, 32, 64)
"""The paper's color counts, 1 to 6 bits."""
