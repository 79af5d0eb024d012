"""k-means of each image in a batch, and how probable each of its centers is for each pixel.

Shapes: B images of P = H x W pixels, C colors. Pixels are normalized, ``float32``. Everything is computed without
gradients and in fp32: a clustering belongs to the image, it is not learned.
"""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor
from torch.nn import functional as F

LUMA = (0.299, 0.587, 0.114)
"""Weights of red, green and blue in the luminance of ITU-R BT.601."""
_LEAST_SPREAD = 1e-3
"""Of squared normalized values: an image of at most C colors has no residual."""


class Clustering(NamedTuple):
    """Centers ``[B, C, 3]`` from dark to bright, and the mean squared distance to the nearest one, ``[B]``."""

    centers: Tensor
    spread: Tensor


@torch.no_grad()
def cluster(x: Tensor, std: Tensor, colors: int, steps: int) -> Clustering:
    """Lloyd's k-means, started at the pixels whose luminance has the ranks (c + 1/2) / C.

    Nothing is drawn by chance, and as starts and centers are in the order of luminance, index c means alike things in
    all images, which a network can learn.

    Args:
        x: Normalized images, ``float32 [B, 3, H, W]``.
        std: What normalization divided each channel by, ``float32 [3]``.
        colors: C.
        steps: Moves of the centers. A center without pixels stays where it is.

    Returns:
        The centers and the spread, at least 1e-3.
    """
    with torch.autocast(x.device.type, enabled=False):
        pixels = x.float().flatten(2).mT  # [B, P, 3]
        luminance = pixels.new_tensor(LUMA) * std
        ranked = (pixels @ luminance).argsort(dim=1, stable=True)
        ranks = ((torch.arange(colors, device=x.device) + 0.5) * pixels.shape[1] / colors).long()
        centers = pixels.gather(1, ranked[:, ranks, None].expand(-1, -1, 3))
        counted = torch.cat((pixels, torch.ones_like(pixels[..., :1])), dim=2)
        for _ in range(steps):
            nearest = squared_distances(pixels, centers).argmin(dim=2)
            sums = torch.bmm(F.one_hot(nearest, colors).float().mT, counted)  # [B, C, 4]
            centers = torch.where(sums[..., 3:] > 0, sums[..., :3] / sums[..., 3:].clamp_min(1), centers)
        order = (centers @ luminance).argsort(dim=1, stable=True)
        centers = centers.gather(1, order[..., None].expand(-1, -1, 3))
        spread = squared_distances(pixels, centers).amin(dim=2).mean(dim=1)
    return Clustering(centers, spread.clamp_min(_LEAST_SPREAD))


@torch.no_grad()
def log_posterior(x: Tensor, clustering: Clustering) -> Tensor:
    """a_c(u, v) = -|x(u, v) - center_c|^2 / (2 s^2): how probable each center is, up to a constant of the pixel.

    That is a mixture of equally heavy, equally wide Gaussians with the variance s^2 of the clustering's residual.

    Args:
        x: Normalized images, ``float32 [B, 3, H, W]``.
        clustering: Of these images.

    Returns:
        ``float32 [B, C, H, W]``.
    """
    with torch.autocast(x.device.type, enabled=False):
        distances = squared_distances(x.float().flatten(2).mT, clustering.centers)
        return (-distances / (2 * clustering.spread[:, None, None])).mT.unflatten(2, x.shape[2:])


def squared_distances(pixels: Tensor, centers: Tensor) -> Tensor:
    """``[B, P, 3]`` and ``[B, C, 3]`` to ``[B, P, C]``, never below 0."""
    products = torch.bmm(pixels, centers.mT)
    return (pixels.square().sum(2)[..., None] - 2 * products + centers.square().sum(2)[:, None]).clamp_min(0)
