"""ColorCNN's network with a clustering's posterior added to its logits, and the test-time pass over 8-bit images."""

from __future__ import annotations

import copy
import itertools
import math
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from harness.contracts import Images, Normalization, Palettized
from harness.learning import freeze, normalize, tensor_of
from methods.anchored.clustering import Clustering, Points, cluster, log_posterior, points_of
from methods.colorcnn import equations
from methods.colorcnn.network import ColorCNN
from methods.colorcnn.tiling import Span, color_sums, enlargement, spans
from methods.colorcnn.unet import UNet
from methods.spaces import Space

_CLUSTERED_PIXELS = 2**16
"""Of a larger image, at least so many evenly spaced ones are clustered."""


class Correction(nn.Module):
    """What is added to each color of a palette: a small network of that color and of all of them together.

    It sees the color, the share of the pixels that have it, and the mean and the standard deviation of the image as the
    palette shows it. Its last layer is zero at first.
    """

    def __init__(self, hidden: int = 64) -> None:
        super().__init__()
        self.layers = nn.Sequential(nn.Linear(10, hidden), nn.ReLU(), nn.Linear(hidden, 3))
        for parameter in self.layers[-1].parameters():
            nn.init.zeros_(parameter)

    def forward(self, t: Tensor, shares: Tensor) -> Tensor:
        """Normalized palettes ``[B, C, 3]`` and shares ``[B, C]`` of sum 1 to corrected palettes ``[B, C, 3]``."""
        weights = shares[..., None]
        mean = (weights * t).sum(dim=1, keepdim=True)
        contrast = ((weights * (t - mean).square()).sum(dim=1, keepdim=True) + 1e-6).sqrt()
        seen = torch.cat((t - mean, weights, mean.expand_as(t), contrast.expand_as(t)), dim=2)
        return t + contrast * self.layers(seen)


class AnchoredNetwork(ColorCNN):
    """``[B, 3, H, W]``, normalized -> m(x) = softmax(g(x) + kappa a(x)) ``[B, C, H, W]``.

    g is ColorCNN's network, its last layer zero at first, so that training begins with the clustering. a is
    ``clustering.log_posterior``. kappa is ``exp(log_kappa)``, learned or not. ``correction`` is None where a palette's
    colors are the means of their pixels.

    It may serve several color counts: each has C rows of the last layer, those of the smallest count first, and all
    else is shared. ``colors`` is the count that it gives, at first the smallest; ``at`` chooses another.
    """

    counts: Tensor

    def __init__(
        self,
        backbone: str,
        width: int,
        counts: Sequence[int],
        normalization: Normalization,
        *,
        kappa: float,
        learn_kappa: bool,
        steps: int,
        space: Space,
        corrected: bool,
    ) -> None:
        super().__init__(backbone, width, sum(counts), normalization)
        in_order = sorted(counts)
        self.colors = in_order[0]
        self._first_of = dict(zip(in_order, itertools.accumulate(in_order, initial=0), strict=False))
        self.register_buffer("counts", torch.tensor(in_order))
        last = self.head[-1]
        assert isinstance(last, nn.Conv2d)
        nn.init.zeros_(last.weight)
        self.steps, self.space = steps, space
        self.correction = Correction() if corrected else None
        self.log_kappa = nn.Parameter(torch.tensor(math.log(kappa)), requires_grad=learn_kappa)

    def at(self, colors: int) -> AnchoredNetwork:
        """A network of the same weights, not copies of them, that gives another of the color counts."""
        view = copy.copy(self)
        view.colors = colors
        return view

    def at_each(self) -> list[AnchoredNetwork]:
        """Networks of the same weights, one for each of the color counts."""
        return [self.at(colors) for colors in self._first_of]

    def forward(self, x: Tensor) -> Tensor:
        points = self.points(x)
        return self.mixed(self.backbone(x), points, self.clustering(points)).softmax(dim=1)

    def points(self, x: Tensor) -> Points:
        """The pixels of normalized images in the space of the clustering."""
        return points_of(x, self.mean, self.std, self.space)

    def clustering(self, points: Points) -> Clustering:
        """k-means of each image."""
        return cluster(points, self.colors, self.steps)

    def mixed(self, features: Tensor, points: Points, clustering: Clustering) -> Tensor:
        """g(x) + kappa a(x), ``float32 [B, C, H, W]``, of the backbone's features at the points' pixels."""
        posterior = log_posterior(points, clustering).mT.unflatten(2, features.shape[2:])
        rows = self.head.get_parameter("2.weight").narrow(0, self._first_of[self.colors], self.colors)
        logits = F.conv2d(self.head[:-1](features), rows)
        return logits.float() + self.log_kappa.exp() * posterior

    def corrected(self, palettes: Tensor, shares: Tensor) -> Tensor:
        """8-bit palettes ``[B, C, 3]`` with the ``correction``, if there is one; ``[B, C]`` shares of pixels."""
        if self.correction is None:
            return palettes
        t = (palettes / 255 - self.mean) / self.std
        corrected = 255 * (self.correction(t, shares) * self.std + self.mean)
        return corrected.round().clamp(0, 255).byte()


def restore(backbone: str, width: int, steps: int, space: Space, state: Mapping[str, Any]) -> AnchoredNetwork:
    """The frozen network of a ``state_dict``, in channels-last memory on the CPU.

    Raises:
        KeyError: The state has no color counts.
        RuntimeError: Names or shapes are those of another network.
    """
    network = AnchoredNetwork(
        backbone,
        width,
        torch.as_tensor(state["counts"]).tolist(),
        Normalization((0.0, 0.0, 0.0), (1.0, 1.0, 1.0)),
        kappa=1.0,
        learn_kappa=False,
        steps=steps,
        space=space,
        corrected=any(name.startswith("correction.") for name in state),
    )
    network.load_state_dict({name: torch.as_tensor(value) for name, value in state.items()})
    freeze(network)
    return network.to(memory_format=torch.channels_last)


@torch.no_grad()
def corrected(network: AnchoredNetwork, result: Palettized) -> Palettized:
    """The same index maps with palettes as the network corrects them, rounded to 8 bits.

    Args:
        network: In eval mode.
        result: Its index maps, and palettes of the means of their pixels.

    Returns:
        The result itself where the network corrects nothing.
    """
    if network.correction is None:
        return result
    counts = [np.bincount(index.ravel(), minlength=network.colors) for index in result.indices]
    shares = torch.from_numpy(np.stack(counts) / result.indices[0].size).float().to(network.mean.device)
    palettes = network.corrected(torch.from_numpy(result.palettes).to(network.mean.device), shares)
    return Palettized(result.indices, palettes.cpu().numpy())


@torch.no_grad()
def palettize_in_tiles(network: AnchoredNetwork, images: Images) -> Palettized:
    """Eq. 3 tile by tile and Eq. 4 over the whole image, as ``colorcnn.tiling``; clustered are evenly spaced pixels.

    Args:
        network: In eval mode.
        images: ``uint8 [N, H, W, 3]``.

    Returns:
        Indices ``uint8 [N, H, W]`` and palettes ``uint8 [N, C, 3]``.
    """
    count, height, width, _ = images.shape
    indices = np.empty((count, height, width), np.uint8)
    palettes = np.empty((count, network.colors, 3), np.uint8)
    stride = max(1, math.isqrt(height * width // _CLUSTERED_PIXELS))
    for n in range(count):
        sums, pixels = np.zeros((network.colors, 3)), np.zeros(network.colors)
        clustering = network.clustering(network.points(_normalized(network, images[n, ::stride, ::stride])))
        for rows, columns in itertools.product(spans(height), spans(width)):
            x = _normalized(network, images[n, rows.input, columns.input])
            indices[n, rows.part, columns.part] = _index_map(network, x, clustering, rows, columns)
            more = color_sums(images[n, rows.part, columns.part], indices[n, rows.part, columns.part], network.colors)
            sums, pixels = sums + more[0], pixels + more[1]
        palettes[n] = np.rint(sums / np.maximum(pixels, 1)[:, None])  # Eq. 4
    return Palettized(indices, palettes)


def _normalized(network: AnchoredNetwork, pixels: Images) -> Tensor:
    return normalize(tensor_of(np.array(pixels[None])).to(network.mean.device), network.normalization)


def _index_map(network: AnchoredNetwork, x: Tensor, clustering: Clustering, rows: Span, columns: Span) -> Images:
    """Eq. 3 for a tile's part, from the normalized pixels of its input: ``uint8 [h, w]``."""
    backbone = network.backbone
    features = backbone(x, enlargement(rows, columns)) if isinstance(backbone, UNet) else backbone(x)
    part = (..., rows.part_of_input, columns.part_of_input)
    strips = zip(features[part].split(256, dim=2), x[part].split(256, dim=2), strict=True)
    found = [equations.index_map(network.mixed(maps, network.points(strip), clustering)) for maps, strip in strips]
    return torch.cat(found, dim=1)[0].byte().cpu().numpy()
