"""Spatial color quantization: palette and dithering in one."""

from __future__ import annotations

from itertools import product
from typing import Annotated, Literal

import numpy as np
from numpy.typing import NDArray
from pydantic import Field

from harness.contracts import Images, Palettized
from harness.encoding import in_threads
from harness.registry import quantizer
from methods.batches import in_slices, limited_by_pixels
from methods.few_colors import few_colors
from methods.kmeans import own_generator

WHOLE = 1 << 18
"""Pixels up to which an image is treated as a whole."""

MEMBERSHIPS = 1 << 23
"""At most, that is pixels times colors, in an image that is treated as a whole."""

SAMPLE_SIDE = 32
"""Of the squares of a large image from which its palette is learned."""

TILE_SIDE = 256
"""Of the tiles in which its index map is made."""


@quantizer("scolorq", summary="spatial color quantization: palette and dithering in one (Puzicha et al. 2000)")
class SColorQ:
    """The palette and index map whose image, seen through a filter, is nearest to the original seen through it.

    Source: Puzicha, Held, Ketterer, Buhmann and Fellner, "On spatial quantization of color images", IEEE Transactions
    on Image Processing 9, 2000. With w the filter, x the pixels and y the palette, the energy is the sum over all
    places of |sum_j w_ij (x_j - y_c(j))|^2, so that errors of neighbors may cancel: dithering. It is minimized by
    mean-field annealing: at a temperature T each pixel has each entry with the probability exp(-E / T) / Z, E the
    energy it would add among the expected colors of its neighbors; pixels are visited one by one, and then the palette
    of least expected energy is found from its linear system. Meanwhile the temperature falls, and from blocks of
    pixels that share their probabilities one goes to smaller blocks and to single pixels. At the end, at temperature
    0, labels and palette are improved in turn, and labels once more for the palette rounded to 8 bits. With a filter
    of one pixel this is k-means with annealing. An image of at most ``colors`` colors stays as it is.

    As the map is dithered, many pixels do not have their nearest color. Chosen here: the filter is a Gaussian, so that
    couplings of pixels and of blocks are products of those of rows and columns, without approximation; beyond the
    border the error is 0; pixels too far apart to be coupled are visited at once (with a filter of 3 pixels those of
    every third row and column, so that nine turns visit all); entries are held within 0..255 while the linear system is
    solved; once blocks have given way to pixels, a palette of more than 8 colors is solved only after every third
    temperature; it starts from colors drawn as for k-means++, and temperatures are in units of the squared error with
    these.

    A large image (more than 2^18 pixels, or than 2^23 / ``colors``) gets the palette of a mosaic of 32 x 32 squares
    evenly spread over it, as many as make an image that is not large. Its index map is then annealed in tiles of
    256 x 256 pixels, and those that come later take account of the errors of those beside them.

    Args:
        filter: The filter's side in pixels, 1, 3 or 5.
        width: The filter's standard deviation in pixels: the wider, the more is dithered.
        initial_temperature: At the coarsest level, in units of the mean squared error of the palette to start from.
        final_temperature: At the end, in the same units.
        temperatures: Steps, from one temperature to the next, on each level.
        visits: Of each pixel (or block) at each temperature.
        rounds: Of labels and palette at temperature 0, at most.
        seed: What is drawn by chance follows from it and from the image itself.
    """

    filter: Literal[1, 3, 5] = 3
    width: Annotated[float, Field(ge=0.01, le=100)] = 0.7
    initial_temperature: Annotated[float, Field(gt=0, allow_inf_nan=False)] = 1.0
    final_temperature: Annotated[float, Field(gt=0, allow_inf_nan=False)] = 0.05
    temperatures: Annotated[int, Field(ge=1)] = 2
    visits: Annotated[int, Field(ge=1)] = 2
    rounds: Annotated[int, Field(ge=1)] = 3
    seed: Annotated[int, Field(ge=0)] = 0

    def palettize(self, images: Images, colors: int) -> Palettized:
        few, palettes = few_colors(images, colors)
        indices = np.empty(images.shape[:3], np.uint8)
        height, width = images.shape[1:3]
        if height * width > _most_pixels(colors):
            for n in range(len(images)):
                if not few[n]:
                    palettes[n] = self._quantize_tiles(images[n], colors, indices[n])
        else:
            pixels = np.ascontiguousarray(images)

            def work(part: slice) -> None:
                found, _ = self._quantize(pixels[part], few[part], colors, indices[part])
                palettes[part][~few[part]] = found[~few[part]]

            in_slices(work, len(images), limited_by_pixels(height, width))
        if few.any():
            from methods.palettes import nearest_entries

            indices[few] = nearest_entries(images[few], palettes[few])
        return Palettized(indices, palettes)

    def _profile(self) -> NDArray[np.float64]:
        """The couplings of pixels in a row, by distance: the filter's correlation with itself."""
        places = np.arange(self.filter) - self.filter // 2
        weights = np.exp(-(places**2) / (2 * self.width**2))
        return np.convolve(weights / weights.sum(), weights / weights.sum())

    def _quantize(
        self, images: Images, skip: NDArray[np.bool_], colors: int, indices: NDArray[np.uint8]
    ) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """Palettes ``[N, C, 3]``, whole numbers, and the squared errors they started with, ``[N]``; writes indices."""
        from methods.kmeans_loops import K_MEANS_PP, kmeans_centers
        from methods.scolorq_loops import quantize_images

        n = len(images)
        flat = images.reshape(n, -1, 3)
        uniforms = np.zeros((n, 1, colors, 2 + int(np.log(colors))))
        for image, own, skipped in zip(images, uniforms, skip, strict=True):
            if not skipped:
                own_generator(self.seed, image).random(out=own)
        palettes, errors = np.empty((n, colors, 3)), np.empty(n)
        starts = np.empty((n, 1, colors, 3))
        kmeans_centers(flat, flat.astype(np.float64), K_MEANS_PP, starts, uniforms, 0, palettes)
        quantize_images(
            images,
            skip,
            self._profile(),
            self.initial_temperature,
            self.final_temperature,
            self.temperatures,
            self.visits,
            self.rounds,
            palettes,
            indices,
            errors,
        )
        return palettes, errors

    def _quantize_tiles(self, image: NDArray[np.uint8], colors: int, indices: NDArray[np.uint8]) -> NDArray[np.float64]:
        """The palette ``[C, 3]`` of one large image; writes its indices."""
        from methods.scolorq_loops import quantize_tile

        pixels = np.ascontiguousarray(image)
        mosaic = mosaic_of(pixels, _most_pixels(colors))
        palettes, errors = self._quantize(
            mosaic[None], np.zeros(1, np.bool_), colors, np.empty((1, *mosaic.shape[:2]), np.uint8)
        )
        entries, profile = np.ascontiguousarray(palettes[0].T), self._profile()

        def work(corner: tuple[int, int]) -> None:
            quantize_tile(
                pixels,
                profile,
                entries,
                errors[0],
                self.initial_temperature,
                self.final_temperature,
                self.temperatures,
                self.visits,
                self.rounds,
                TILE_SIDE,
                *corner,
                indices,
            )

        for y, x in product((0, TILE_SIDE), repeat=2):
            tops, lefts = range(y, image.shape[0], 2 * TILE_SIDE), range(x, image.shape[1], 2 * TILE_SIDE)
            in_threads(work, list(product(tops, lefts)))
        return palettes[0]


def _most_pixels(colors: int) -> int:
    """Of an image that is treated as a whole."""
    return min(WHOLE, MEMBERSHIPS // colors)


def mosaic_of(image: NDArray[np.uint8], pixels: int) -> NDArray[np.uint8]:
    """Squares of ``uint8 [H, W, 3]`` (oblongs where it is thinner) on a grid from border to border, beside each other.

    pixels: of the mosaic, at most.
    """
    height, width = image.shape[:2]
    tall, wide = min(SAMPLE_SIDE, height), min(SAMPLE_SIDE, width)
    count = pixels // (tall * wide)
    down = int(np.clip(round((count * height * wide / (width * tall)) ** 0.5), 1, min(count, height // tall)))
    across = min(count // down, width // wide)
    tops = np.linspace(0, height - tall, down).round().astype(int)
    lefts = np.linspace(0, width - wide, across).round().astype(int)
    rows = [np.concatenate([image[y : y + tall, x : x + wide] for x in lefts], axis=1) for y in tops]
    return np.concatenate(rows)
