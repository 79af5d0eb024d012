"""k-means of each image in a batch, and how probable each of its centers is for each pixel.

Shapes: B images of P = H x W pixels, C colors. A pixel is a point, ``float32``: its normalized values, or its place in
CIELAB. Everything is computed without gradients, as a clustering belongs to the image and is not learned; in fp32, with
sums in float64.
"""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor

from methods.spaces import KNEE, LINEAR_TO_XYZ, WHITE, Space

LUMA = (0.299, 0.587, 0.114)
"""Weights of red, green and blue in the luminance of ITU-R BT.601."""
_LEAST_SPREAD = 1e-3
"""Of squared distances: an image of at most C colors has no residual."""


class Points(NamedTuple):
    """Pixels ``[B, P, 3]``, and what their values weigh in how bright a pixel is, ``[3]``."""

    places: Tensor
    brightness: Tensor


class Clustering(NamedTuple):
    """Centers ``[B, C, 3]`` from dark to bright, and the mean squared distance to the nearest one, ``[B]``."""

    centers: Tensor
    spread: Tensor


@torch.no_grad()
def points_of(x: Tensor, mean: Tensor, std: Tensor, space: Space) -> Points:
    """Where the pixels of normalized images lie.

    Args:
        x: Normalized images, ``float [B, 3, H, W]``.
        mean: What normalization took from each channel, ``float32 [3]``.
        std: What it divided each channel by, ``float32 [3]``.
        space: ``rgb``, the normalized values themselves, or ``lab``, L*, a* and b* (CIE 15, D65).

    Returns:
        Points, ``float32``; bright are those of much luminance, or of much L*.
    """
    with torch.autocast(x.device.type, enabled=False):
        pixels = x.float().flatten(2).mT
        if space == "rgb":
            return Points(pixels, pixels.new_tensor(LUMA) * std)
        encoded = (pixels * std + mean).clamp(0, 1)
        light = torch.where(encoded > 0.04045, ((encoded + 0.055) / 1.055) ** 2.4, encoded / 12.92)
        ratios = light @ light.new_tensor((LINEAR_TO_XYZ.T / WHITE).tolist())
        f = torch.where(ratios > KNEE**3, ratios.clamp_min(KNEE**3) ** (1 / 3), ratios / (3 * KNEE**2) + 4 / 29)
        lab = f @ f.new_tensor([[0, 500, 0], [116, -500, 200], [0, 0, -200]]) - f.new_tensor([16, 0, 0])
        return Points(lab, lab.new_tensor([1, 0, 0]))


@torch.no_grad()
def cluster(points: Points, colors: int, steps: int) -> Clustering:
    """Lloyd's k-means, started by halving: nothing is drawn by chance.

    Centers are in the order of their brightness, so index c means alike things in all images, which a network can
    learn.

    Args:
        points: From ``points_of``.
        colors: C.
        steps: Moves of the centers. A center without pixels stays where it is.

    Returns:
        The centers and the spread, at least 1e-3.
    """
    pixels, brightness = points
    with torch.autocast(pixels.device.type, enabled=False):
        values = pixels.double()
        counted = torch.cat((values, torch.ones_like(values[..., :1])), dim=2)
        nearest = halved(pixels, colors)
        centers = _means(counted, nearest, values.mean(dim=1, keepdim=True).float().expand(-1, colors, -1))
        for _ in range(steps):
            nearest = squared_distances(pixels, centers).argmin(dim=2)
            centers = _means(counted, nearest, centers)
        order = (centers @ brightness).argsort(dim=1, stable=True)
        centers = centers.gather(1, order[..., None].expand(-1, -1, 3))
        spread = squared_distances(pixels, centers).amin(dim=2).mean(dim=1)
    return Clustering(centers, spread.clamp_min(_LEAST_SPREAD))


def halved(pixels: Tensor, colors: int) -> Tensor:
    """Parts of each image's pixels: those of the largest squared error are halved until there are C.

    A part is halved at its mean, along the channel in which it varies most. In each round up to as many parts are
    halved as there are.

    Args:
        pixels: ``float32 [B, P, 3]``.
        colors: C.

    Returns:
        Each pixel's part, ``int64 [B, P]``, 0 to C - 1; one whose pixels are all the same may have none beside it.
    """
    parts = torch.zeros_like(pixels[..., 0], dtype=torch.int64)
    values = pixels.double()
    seen = torch.cat((values, values.square(), torch.ones_like(values[..., :1])), dim=2)
    count = 1
    while count < colors:
        more = min(count, colors - count)
        sums = _sums(seen, parts, count)  # [B, count, 7]
        mean = sums[..., :3] / sums[..., 6:].clamp_min(1)
        error = (sums[..., 3:6] - sums[..., :3] * mean).clamp_min(0)  # by channel
        axis, chosen = error.argmax(dim=2), error.sum(dim=2).topk(more).indices
        new = torch.zeros_like(axis).scatter_(
            1, chosen, torch.arange(count, count + more, device=axis.device).expand(axis.shape[0], -1)
        )
        along = axis.gather(1, parts)[..., None]
        above = pixels.gather(2, along) > mean.gather(1, parts[..., None].expand(-1, -1, 3)).gather(2, along)
        ids = new.gather(1, parts)
        parts = torch.where(above[..., 0] & (ids > 0), ids, parts)
        count += more
    return parts


def _means(counted: Tensor, parts: Tensor, otherwise: Tensor) -> Tensor:
    """Means of each part's pixels ``[B, C, 3]``, of ``[B, P, 4]`` with ones; of a part without any as it was."""
    sums = _sums(counted, parts, otherwise.shape[1])
    return torch.where(sums[..., 3:] > 0, (sums[..., :3] / sums[..., 3:].clamp_min(1)).float(), otherwise)


def _sums(values: Tensor, parts: Tensor, count: int) -> Tensor:
    """Sums over each part's pixels, ``float64 [B, count, K]``, of ``float64 [B, P, K]``.

    In float32 the order of the summands, which differs between devices and runtimes, would decide on which side of a
    small part's mean a pixel lies, and a few such pixels change the centers of many.
    """
    members = values.new_zeros(parts.shape[0], count, parts.shape[1]).scatter_(1, parts[:, None], 1.0)
    return torch.bmm(members, values)


@torch.no_grad()
def log_posterior(points: Points, clustering: Clustering) -> Tensor:
    """a_c = -|x - center_c|^2 / (2 s^2) of each pixel: how probable each center is, up to a constant of the pixel.

    That is a mixture of equally heavy, equally wide Gaussians with the variance s^2 of the clustering's residual.

    Args:
        points: Pixels of the clustered images.
        clustering: Of these images, in the same space.

    Returns:
        ``float32 [B, P, C]``.
    """
    with torch.autocast(points.places.device.type, enabled=False):
        distances = squared_distances(points.places, clustering.centers)
        return -distances / (2 * clustering.spread[:, None, None])


def squared_distances(pixels: Tensor, centers: Tensor) -> Tensor:
    """``[B, P, 3]`` and ``[B, C, 3]`` to ``[B, P, C]``, never below 0."""
    products = torch.bmm(pixels, centers.mT)
    return (pixels.square().sum(2)[..., None] - 2 * products + centers.square().sum(2)[:, None]).clamp_min(0)
