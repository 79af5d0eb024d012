"""Equations 3 to 8 of ColorCNN (Hou, Zheng & Gould, CVPR 2020, Section 4), batched over images.

Shapes: B images of H x W pixels, C colors. A probability map m is ``float [B, C, H, W]`` with sum 1 over C, an index
map M is ``int64 [B, H, W]``. Nothing larger than m or the image is ever built.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor

_SMALLEST_MASS = 1e-8
"""A color with less than this in all pixels together has no palette entry worth the name; it shrinks towards 0."""


def index_map(m: Tensor) -> Tensor:
    """M(x) of Eq. 3: each pixel's most probable color, the first of equals. ``int64 [B, H, W]``."""
    return m.argmax(dim=1)


def palette(pixels: Tensor, indices: Tensor, colors: int) -> Tensor:
    """T(x) of Eq. 4: each color's mean over the pixels that have it; 0 for a color without pixels.

    pixels: ``uint8 [B, H, W, 3]``; indices: M(x). ``float64 [B, C, 3]`` in the pixels' unit. Sums are integers, hence
    exact and the same in every batch.
    """
    batch = len(pixels)
    first = colors * torch.arange(batch, device=pixels.device)
    slots = (indices.flatten(1) + first[:, None]).flatten()
    sums = pixels.new_zeros(batch * colors, 3, dtype=torch.int64).index_add_(0, slots, pixels.reshape(-1, 3).long())
    counts = torch.bincount(slots, minlength=batch * colors)
    return (sums.double() / counts.clamp_min(1)[:, None]).view(batch, colors, 3)


def look_up(palettes: Tensor, indices: Tensor) -> Tensor:
    """The quantized image of Eq. 5: ``[B, H, W, 3]`` from ``[B, C, 3]`` and M(x)."""
    rows = torch.arange(len(indices), device=indices.device)
    return palettes[rows[:, None, None], indices]


def soft_palette(x: Tensor, m: Tensor) -> Tensor:
    """t(x) of Eq. 6: each color's mean over all pixels, weighted by m. ``[B, C, 3]`` from x ``[B, 3, H, W]``.

    An affine normalization of x carries over to t, as the weights of a mean add up to 1.
    """
    weights = _by_pixel(m).transpose(1, 2)
    mass = m.sum(dim=(2, 3)).clamp_min(_SMALLEST_MASS)
    return torch.bmm(weights, _by_pixel(x)) / mass[:, :, None]


def soft_image(t: Tensor, m: Tensor) -> Tensor:
    """x~ of Eq. 7: each pixel the mean of all colors, weighted by m. ``[B, 3, H, W]``, channels-last."""
    return torch.bmm(_by_pixel(m), t).unflatten(1, m.shape[2:]).permute(0, 3, 1, 2)


def regularizer(m: Tensor) -> Tensor:
    """R of Eq. 8, ``[B]``: 0 where every color is certain of some pixel, log2 C (C - 1) / C where m is uniform."""
    colors = m.shape[1]
    return math.log2(colors) * (1 - m.amax(dim=(2, 3)).sum(dim=1) / colors)


def jitter(t: Tensor, palette_norm: float, xi: float, n: float) -> Tensor:
    """The normalized palette as training sees it (Section 4.3.3, 6.1): contrast over ``palette_norm``, shifted by xi n.

    n: one draw from N(0, 1) for the whole batch and all channels, as the authors' code has it. Shifting the palette
    shifts the image by as much, as m adds up to 1 over the colors.
    """
    return t / palette_norm + xi * n


def _by_pixel(maps: Tensor) -> Tensor:
    """``[B, K, H, W]`` seen as ``[B, H * W, K]``."""
    return maps.permute(0, 2, 3, 1).flatten(1, 2)
