"""NeuQuant, Dekker's Kohonen network."""

from __future__ import annotations

from typing import Annotated, Literal

import numpy as np
from pydantic import Field

from harness.contracts import Images, Palettized
from harness.registry import quantizer
from methods.batches import in_slices
from methods.few_colors import few_colors
from methods.palettes import mean_palettes, nearest_entries


@quantizer("neuquant", summary="NeuQuant: a one-dimensional Kohonen network whose neurons are colors (Dekker 1994)")
class NeuQuant:
    """A line of C neurons in RGB that learns an image's colors, pixel by pixel.

    Source: Dekker, "Kohonen neural networks for optimal colour quantization", Network: Computation in Neural Systems
    5, 1994. Neurons start on the grey diagonal, the c-th at 256 c / C. Of each pixel shown, the neuron learns whose
    distance (sum of absolute differences) less its bias is least: it moves by the share alpha towards the pixel, and
    its j-th neighbors on the line, j below the radius r, by alpha (1 - j^2 / r^2). A neuron's bias is
    gamma (1 / C - f); f, how often it was nearest, decays by the share beta with each pixel. Alpha starts at 1 and the
    radius at C / 8, and both fall from cycle to cycle, alpha by 1 / (30 + (sampling - 1) / 3), the radius by 1 / 30.
    Pixels are shown in steps of a prime near 500 that does not divide their number, so that there is no chance in it.

    Palette entries are the neurons, as in the article, rounded to 8 bits. An image of at most ``colors`` colors stays
    as it is.

    The article has 256 neurons. With few of them, C / 8 would leave no neighborhood, and neurons far from the image's
    colors would never learn: so the radius is 4 at least at the start, and gamma is in proportion to C. Other
    departures: distances, alpha and biases are not rounded to fixed-point numbers; a pixel gets the entry of the least
    squared distance, as with other methods here, where the article takes absolute differences; and the number of
    samples is bounded for images that are small or large.

    Args:
        sampling: The article's sampling factor: one pixel out of so many is shown, 1 to 30.
        least_samples: Pixels shown at least, where an image has fewer: then each is shown several times.
        most_samples: Pixels shown at most, of large images.
        cycles: Steps in which alpha and radius fall.
        radius: Of the neighborhood that learns, at the start; None: C / 8, at least 4.
        beta: How fast frequencies follow: the share that each new pixel has in them.
        gamma: How strongly neurons that are seldom nearest are preferred, in sums of absolute differences; None: 4 for
            each color, which is the article's 1024 at 256.
        entries: "neurons" or "means", of the pixels nearest to each neuron: one step of k-means more.
    """

    sampling: Annotated[float, Field(ge=1, le=30)] = 1.0
    least_samples: Annotated[int, Field(ge=1)] = 4096
    most_samples: Annotated[int, Field(ge=1)] = 1 << 20
    cycles: Annotated[int, Field(ge=1)] = 100
    radius: Annotated[float, Field(ge=1)] | None = None
    beta: Annotated[float, Field(gt=0, lt=1)] = 1 / 1024
    gamma: Annotated[float, Field(ge=0)] | None = None
    entries: Literal["neurons", "means"] = "neurons"

    def palettize(self, images: Images, colors: int) -> Palettized:
        from methods.neuquant_loops import train_networks

        n, height, width = images.shape[:3]
        few, palettes = few_colors(images, colors)
        pixels = np.ascontiguousarray(images).reshape(n, height * width, 3)
        samples = min(max(round(height * width / self.sampling), self.least_samples), self.most_samples)
        gamma = 4.0 * colors if self.gamma is None else self.gamma
        radius = max(colors / 8, 4.0) if self.radius is None else self.radius
        alpha_decay = 30 + (self.sampling - 1) / 3

        def work(part: slice) -> None:
            networks = np.empty((part.stop - part.start, colors, 3))
            train_networks(
                pixels[part], few[part], samples, self.cycles, radius, alpha_decay, self.beta, gamma, networks
            )
            learned = ~few[part]
            palettes[part][learned] = np.rint(networks[learned]).clip(0, 255)

        in_slices(work, n)
        indices = nearest_entries(images, palettes)
        if self.entries == "means" and n:
            means = mean_palettes(images, indices, colors)
            used = np.stack([np.bincount(each.ravel(), minlength=colors) > 0 for each in indices])
            palettes[used] = means[used]
            indices = nearest_entries(images, palettes)
        return Palettized(indices, palettes)
