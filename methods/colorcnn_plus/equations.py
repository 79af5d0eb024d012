"""What ColorCNN+ (Hou, Gould & Zheng, arXiv 2208.08438) adds to the equations of ColorCNN, batched over images.

Shapes as in ``methods.colorcnn.equations``: B images of H x W pixels, C colors, a probability map m ``float [B, C, H,
W]``. Losses are ``float [B]``, one an image, and smaller is better.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor

_REST = 1e-16
"""What the probability map gives to each color on top, so that the logarithm of none is infinite."""


def grouped_mean(logits: Tensor, colors: int) -> Tensor:
    """The mean of consecutive groups of C logits: color c's logit is the mean of those numbered c, c + C, c + 2C ...

    It is linear, so it may as well be taken of the weights that logits are computed with.

    Args:
        logits: ``float [B, K, ...]``, or weights ``float [K, ...]`` as a batch of one; K divisible by C.
        colors: C.

    Returns:
        ``float [B, C, ...]``.
    """
    return logits.unflatten(1, (-1, colors)).mean(dim=1)


def top_softmax(logits: Tensor, top: int | None) -> Tensor:
    """m(x): each pixel's softmax over its few largest logits alone.

    Args:
        logits: ``float [B, C, H, W]``.
        top: Over how many, at most all; None: over all.

    Returns:
        ``float [B, C, H, W]``, 1e-16 where a color is not among a pixel's largest.
    """
    if top is None or top >= logits.shape[1]:
        return logits.softmax(dim=1) + _REST
    largest, colors = logits.topk(top, dim=1)
    return torch.zeros_like(logits).scatter(1, colors, largest.softmax(dim=1)) + _REST


def color_absence(m: Tensor) -> Tensor:
    """How much colors are missing: each should be certain of some pixel.

    The code minimizes minus the mean of each color's largest probability; this is one more, so that 0 is the best.

    Args:
        m: m(x), ``float [B, C, H, W]``.

    Returns:
        ``float [B]``: 0 where every color has probability 1 at some pixel.
    """
    return 1 - m.flatten(2).max(dim=2).values.mean(dim=1)


def usage_entropy(m: Tensor) -> Tensor:
    """The entropy of an image's colors, by how many of its pixels have each.

    Args:
        m: m(x), ``float [B, C, H, W]``.

    Returns:
        ``float [B]``, in nats: ln C where all colors have as many pixels, 0 where one has all.
    """
    used = m.mean(dim=(2, 3))
    return -(used * (used + _REST).log()).sum(dim=1)


def sample_pixels(batch: int, pixels: int, share: float, device: torch.device) -> Tensor:
    """Draws pixels of each image without replacement, from torch's global random state.

    Args:
        batch: B.
        pixels: H W.
        share: Which share of them, rounded down, but at least one.
        device: Where they are drawn.

    Returns:
        Their numbers within their image, ``int64 [B, n]``.
    """
    return torch.rand(batch, pixels, device=device).argsort(dim=1)[:, : max(1, int(share * pixels))]


def pixel_similarity(m: Tensor, clusters: Tensor) -> Tensor:
    """PixelSim: how far pixels resemble each other otherwise under m than in a clustering.

    The affinity of pixels i and j is m_i . m_j under m, and 1 or 0 in the clustering; each pixel's affinities with all
    are scaled to length 1. The loss is the squared difference of both, summed over pairs, over the number of pixels. It
    does not matter which color stands for which cluster.

    Two unit vectors differ by 2 - 2 cos. With S_k = sum of m_i over cluster k, and G = sum of m_i m_i', pixel j of
    cluster k has the cosine m_j . S_k / sqrt(m_j' G m_j n_k), so no pair of pixels is ever looked at.

    Args:
        m: m(x) of some pixels, ``float [B, C, n]``.
        clusters: Their clusters, ``int64 [B, n]``, 0 to C - 1.

    Returns:
        ``float [B]``, 0 where pixels are of one color exactly where they are of one cluster, at most 2.
    """
    one_hot = torch.zeros_like(m).scatter_(1, clusters[:, None], 1.0)
    by_cluster = torch.bmm(one_hot, m.mT)  # S, [B, C, C]
    sizes = one_hot.sum(dim=2).gather(1, clusters)  # n_k of each pixel's cluster, [B, n]
    shared = (torch.bmm(by_cluster.mT, one_hot) * m).sum(dim=1)
    own = (torch.bmm(torch.bmm(m, m.mT), m) * m).sum(dim=1)
    return 2 - 2 * (shared / (own * sizes).sqrt()).mean(dim=1)


def similarity_factor(colors: int) -> float:
    """How much PixelSim counts: sigmoid(log2 C - 4), from 0.05 at 2 colors to 0.88 at 64.

    Args:
        colors: C.

    Returns:
        The factor.
    """
    return 1 / (1 + math.exp(4 - math.log2(colors)))
