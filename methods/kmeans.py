"""k-means in RGB or CIELAB."""

from __future__ import annotations

import hashlib
from typing import Annotated, Literal

import numpy as np
from numpy.typing import NDArray
from PIL import Image
from pydantic import Field

from harness.contracts import Images, Palettized
from harness.registry import quantizer
from methods.batches import in_slices
from methods.distinct import Distinct, Groups, by_colors, pays
from methods.kmeans_large import kmeans_center
from methods.palettes import nearest_entries
from methods.pillow import quantized
from methods.spaces import Space, from_space, to_space

DRAWN = ("k-means++", "random")


@quantizer("kmeans", summary="k-means in RGB or CIELAB: the palette of (locally) least squared error")
class KMeans:
    """Lloyd's k-means on each image's distinct colors, weighted by their pixels.

    Source: Lloyd, "Least squares quantization in PCM", 1982. A cluster that loses its last color takes over the one
    that costs most. Means are rounded to 8-bit sRGB at the end and every pixel is then given its nearest palette color
    by the distance that was minimized. An image of at most ``colors`` colors stays as it is. Random numbers come from
    the seed and the image itself, so neither batch nor order matter.

    Args:
        space: Where squared distances are taken and means are formed, "rgb" (8-bit sRGB values as they are) or "lab"
            (CIELAB of 1976, D65; a mean that sRGB cannot show is clipped).
        init: "k-means++" (Arthur and Vassilvitskii, SODA 2007) in its greedy form, each center the best of 2 + ln C
            drawn ones; "random": the colors of C pixels drawn by chance, all different (Forgy 1965); "maximin": the
            image's mean, then each time the color farthest from its nearest center (Gonzalez 1985); "median-cut":
            Pillow's palette.
        iterations: Moves of the centers at most; it ends earlier when no color changes its cluster.
        n_init: Starts, of which the one of least error is kept; "maximin" and "median-cut" draw nothing and start once.
        seed: What is drawn by chance follows from it and from the image itself.
    """

    space: Space = "rgb"
    init: Literal["k-means++", "random", "maximin", "median-cut"] = "k-means++"
    iterations: Annotated[int, Field(ge=1)] = 100
    n_init: Annotated[int, Field(ge=1)] = 1
    seed: Annotated[int, Field(ge=0)] = 0

    def palettize(self, images: Images, colors: int) -> Palettized:
        from methods import kmeans_loops

        seeding = {
            "k-means++": kmeans_loops.K_MEANS_PP,
            "random": kmeans_loops.RANDOM,
            "maximin": kmeans_loops.MAXIMIN,
            "median-cut": kmeans_loops.GIVEN,
        }[self.init]

        def reduce(image: NDArray[np.uint8], distinct: Distinct) -> tuple[NDArray[np.int64], NDArray[np.uint8]]:
            groups = Groups.of(distinct, self.space)
            ascending = np.lexsort(distinct.colors.T[::-1])
            starts, uniforms = self._starts(image[None], colors)[0], self._uniforms(image[None], colors)[0]
            centers = kmeans_center(groups, distinct.counts, ascending, seeding, starts, uniforms, self.iterations)
            palette = from_space(centers, self.space)
            return groups.nearest(to_space(palette, self.space)), palette

        if pays(images, colors + 150):
            return by_colors(images, colors, reduce)
        pixels = np.ascontiguousarray(images)
        palettes = np.empty((len(images), colors, 3), np.uint8)

        def work(part: slice) -> None:
            flat = pixels[part].reshape(part.stop - part.start, -1, 3)
            centers = np.empty((len(flat), colors, 3))
            kmeans_loops.kmeans_centers(
                flat,
                to_space(flat, self.space),
                seeding,
                self._starts(pixels[part], colors),
                self._uniforms(pixels[part], colors),
                self.iterations,
                centers,
            )
            palettes[part] = from_space(centers, self.space)

        in_slices(work, len(images))
        return Palettized(nearest_entries(pixels, palettes, self.space), palettes)

    def _starts(self, images: Images, colors: int) -> NDArray[np.float64]:
        """``[N, starts, C, 3]``: Pillow's palettes, or room for centers that are not known yet."""
        if self.init == "median-cut":
            return to_space(quantized(images, colors, Image.Quantize.MEDIANCUT).palettes[:, None], self.space)
        return np.empty((len(images), self.n_init if self.init in DRAWN else 1, colors, 3))

    def _uniforms(self, images: Images, colors: int) -> NDArray[np.float64]:
        """``[N, starts, C, candidates]`` in [0, 1), each image's own."""
        if self.init not in DRAWN:
            return np.empty((len(images), 1, colors, 0))
        candidates = 2 + int(np.log(colors)) if self.init == "k-means++" else 1
        uniforms = np.empty((len(images), self.n_init, colors, candidates))
        for image, own in zip(images, uniforms, strict=True):
            own_generator(self.seed, image).random(out=own)
        return uniforms


def own_generator(seed: int, image: NDArray[np.uint8]) -> np.random.Generator:
    """Random numbers that depend on the seed and on the image's shape and pixels, on nothing else."""
    digest = hashlib.blake2b(f"{seed} {image.shape} ".encode(), digest_size=16)
    digest.update(np.ascontiguousarray(image).data)
    return np.random.default_rng(int.from_bytes(digest.digest(), "little"))
