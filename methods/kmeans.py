"""k-means in RGB."""

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
from methods.palettes import nearest_entries
from methods.pillow import quantized


@quantizer("kmeans", summary="k-means in RGB: the palette of (locally) least squared error")
class KMeans:
    """Lloyd's k-means on each image's distinct colors, weighted by their pixels.

    Source: Lloyd, "Least squares quantization in PCM", 1982; Arthur and Vassilvitskii, "k-means++: the advantages of
    careful seeding", SODA 2007. A cluster that loses its last color takes over the one that costs most. Means are
    rounded to 8 bits at the end and every pixel is then given its nearest palette color. An image of at most
    ``colors`` colors stays as it is. Random numbers come from the seed and the image itself, so neither batch nor
    order matter.

    init: "k-means++" in its greedy form (each center the best of 2 + ln C drawn ones), or "median-cut" (Pillow's
    palette; one start, nothing is drawn). iterations: moves of the centers at most; it ends earlier when no color
    changes its cluster. n_init: starts by k-means++, the one of least error is kept.
    """

    init: Literal["k-means++", "median-cut"] = "k-means++"
    iterations: Annotated[int, Field(ge=1)] = 100
    n_init: Annotated[int, Field(ge=1)] = 1
    seed: Annotated[int, Field(ge=0)] = 0

    def palettize(self, images: Images, colors: int) -> Palettized:
        from methods.kmeans_loops import kmeans_palettes

        pixels = np.ascontiguousarray(images)
        flat = pixels.reshape(len(pixels), pixels.shape[1] * pixels.shape[2], 3)
        starts = np.empty((len(images), 0, colors, 3))
        uniforms = np.empty((len(images), 0, colors, 1))
        if self.init == "median-cut":
            starts = quantized(pixels, colors, Image.Quantize.MEDIANCUT).palettes[:, None].astype(np.float64)
        else:
            uniforms = np.empty((len(images), self.n_init, colors, 2 + int(np.log(colors))))
        palettes = np.empty((len(images), colors, 3), np.uint8)

        def work(part: slice) -> None:
            if uniforms.size:
                for n in range(part.start, part.stop):
                    own_generator(self.seed, pixels[n]).random(out=uniforms[n])
            kmeans_palettes(flat[part], starts[part], uniforms[part], self.iterations, palettes[part])

        in_slices(work, len(images))
        return Palettized(nearest_entries(pixels, palettes), palettes)


def own_generator(seed: int, image: NDArray[np.uint8]) -> np.random.Generator:
    """Random numbers that depend on the seed and on the image's shape and pixels, on nothing else."""
    digest = hashlib.blake2b(f"{seed} {image.shape} ".encode() + image.tobytes(), digest_size=16).digest()
    return np.random.default_rng(int.from_bytes(digest, "little"))
