"""A uniform grid over the RGB cube."""

import numpy as np

import fewcolors as fc


@fc.quantizer("uniform", summary="a fixed grid over the RGB cube, the same palette for every image")
class Uniform:
    """Splits the channels green, red, blue in turn while the grid has at most C cells; cells show their centers."""

    def palettize(self, images: fc.Images, colors: int) -> fc.Palettized:
        steps = np.array([1, 1, 1])
        for channel in (1, 0, 2) * 4:
            grown = steps + (np.arange(3) == channel)
            if grown.prod() <= colors:
                steps = grown
        cells = images.astype(np.int64) * steps // 256
        indices = (cells[..., 0] * steps[1] + cells[..., 1]) * steps[2] + cells[..., 2]
        grid = np.stack(np.meshgrid(*(np.arange(n) for n in steps), indexing="ij"), axis=-1).reshape(-1, 3)
        centers = ((grid + 0.5) * 256 / steps).astype(np.uint8)
        return fc.Palettized(indices.astype(np.uint8), np.tile(centers, (len(images), 1, 1)))
