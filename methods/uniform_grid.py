"""One grid of colors for every image."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from harness.contracts import Images, Palettized
from harness.encoding import in_threads, thread_count
from harness.registry import quantizer
from methods.batches import spans


@quantizer("uniform-grid", summary="a fixed grid over the RGB cube, the same palette for every image")
class UniformGrid:
    """The centers of equal boxes that fill the RGB cube, as many as C allows; every pixel gets the nearest one.

    Source: uniform quantization as in Heckbert, "Color image quantization for frame buffer display", SIGGRAPH 1982.
    The channels get their steps in turn, see ``grid_steps``: 2 colors are two steps of green, 8 two steps of each
    channel, 256 are 6 x 7 x 6.
    """

    def palettize(self, images: Images, colors: int) -> Palettized:
        from methods.pixel_loops import add_steps

        steps = grid_steps(colors)
        pixels, indices = np.ascontiguousarray(images).reshape(-1, 3), np.empty(images.size // 3, np.uint8)
        table = nearest_steps(steps)
        in_threads(lambda part: add_steps(pixels[part], table, indices[part]), spans(len(pixels), 4 * thread_count()))
        return Palettized(indices.reshape(images.shape[:3]), np.tile(grid(steps), (len(images), 1, 1)))


def grid_steps(colors: int) -> tuple[int, int, int]:
    """Steps of red, green and blue: one more at a time for the channel that has fewest and where C still allows it.

    Of equals green goes first, then red, then blue, as they weigh in brightness.
    """
    steps = [1, 1, 1]
    while True:
        for channel in sorted((1, 0, 2), key=steps.__getitem__):
            grown = [step + (c == channel) for c, step in enumerate(steps)]
            if np.prod(grown) <= colors:
                steps = grown
                break
        else:
            return steps[0], steps[1], steps[2]


def grid(steps: tuple[int, int, int]) -> NDArray[np.uint8]:
    """The centers of ``steps`` equal boxes on red, green and blue: ``uint8 [product of steps, 3]``, in RGB order."""
    return np.stack(np.meshgrid(*map(centers, steps), indexing="ij"), axis=-1).reshape(-1, 3).astype(np.uint8)


def nearest_steps(steps: tuple[int, int, int]) -> NDArray[np.uint8]:
    """What each value of a channel adds to the index in ``grid``, so that a pixel's sum is its nearest: ``[3, 256]``.

    The nearest of a grid is the nearest in every channel; of equally distant ones the first, so the lowest index.
    """
    values = np.arange(256)[:, None]
    nearest = [np.abs(values - centers(step)).argmin(axis=1) for step in steps]
    return (np.array(nearest) * np.array([[steps[1] * steps[2]], [steps[2]], [1]])).astype(np.uint8)


def centers(step: int) -> NDArray[np.float64]:
    """Of so many equal boxes on one channel, rounded down."""
    return np.floor((np.arange(step) + 0.5) * 256 / step)
