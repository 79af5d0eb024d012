"""What any method should beat."""

from __future__ import annotations

from typing import Annotated

import numpy as np
from pydantic import Field

from harness.contracts import Images, Palettized
from harness.registry import quantizer
from methods.palettes import mean_palettes


@quantizer("random", summary="a random index map with the best palette for it: the floor")
class RandomMap:
    """Every pixel gets one of the colors by chance, every color is the mean of the pixels that got it (paper Eq. 4).

    The map follows from seed, height, width and number of colors alone: it knows nothing of the image, and all images
    of one shape share it.

    Args:
        seed: What the map is drawn with.
    """

    seed: Annotated[int, Field(ge=0)] = 0

    def palettize(self, images: Images, colors: int) -> Palettized:
        n, height, width = images.shape[:3]
        generator = np.random.default_rng([self.seed, height, width, colors])
        index_map = generator.integers(0, colors, (height, width), np.uint8, endpoint=False)
        indices = np.broadcast_to(index_map, (n, height, width)).copy()
        return Palettized(indices, mean_palettes(images, indices, colors))
