"""Equations 3 to 8 of ColorCNN (Hou, Zheng & Gould, CVPR 2020, Section 4) and its color jitter, batched over images.

Shapes: B images of H x W pixels, C colors. A probability map m is ``float [B, C, H, W]`` with sum 1 over C, an index
map M is ``int64 [B, H, W]``. Nothing larger than m or the image with a fourth channel is ever built.
"""

from __future__ import annotations

import math
from typing import Literal

import torch
from torch import Tensor

Jitter = Literal["scalar", "image", "channel", "pixel"]

_SMALLEST_MASS = 1e-8
"""A color with less than this in all pixels together has no palette entry worth the name; it shrinks towards 0."""


def index_map(m: Tensor) -> Tensor:
    """M(x) of Eq. 3: each pixel's most probable color, the first of equals.

    Args:
        m: m(x), ``float [B, C, H, W]``.

    Returns:
        ``int64 [B, H, W]``.
    """
    return m.argmax(dim=1)


def palette(pixels: Tensor, indices: Tensor, colors: int) -> Tensor:
    """T(x) of Eq. 4: each color's mean over the pixels that have it; 0 for a color without pixels.

    Sums are integers, hence exact and the same in every batch.

    Args:
        pixels: ``uint8 [B, H, W, 3]``.
        indices: M(x), ``int64 [B, H, W]``.
        colors: C.

    Returns:
        ``float64 [B, C, 3]``, 0 to 255.
    """
    batch = len(pixels)
    first = colors * torch.arange(batch, device=pixels.device)
    slots = (indices.flatten(1) + first[:, None]).flatten()
    sums = pixels.new_zeros(batch * colors, 3, dtype=torch.int64).index_add_(0, slots, pixels.reshape(-1, 3).long())
    counts = torch.bincount(slots, minlength=batch * colors)
    return (sums.double() / counts.clamp_min(1)[:, None]).view(batch, colors, 3)


def look_up(palettes: Tensor, indices: Tensor) -> Tensor:
    """The quantized image of Eq. 5.

    Args:
        palettes: ``[B, C, 3]``.
        indices: M(x), ``int64 [B, H, W]``.

    Returns:
        ``[B, H, W, 3]`` in the palettes' dtype.
    """
    rows = torch.arange(len(indices), device=indices.device)
    return palettes[rows[:, None, None], indices]


def soft_palette(x: Tensor, m: Tensor) -> Tensor:
    """t(x) of Eq. 6: each color's mean over all pixels, weighted by m.

    An affine normalization of x carries over to t, as the weights of a mean add up to 1.

    Args:
        x: Images, ``float [B, 3, H, W]``.
        m: m(x), ``float [B, C, H, W]``.

    Returns:
        ``float [B, C, 3]`` in the images' unit.
    """
    ones = x.new_ones(()).expand_as(x[:, :1])
    sums = torch.bmm(_by_pixel(torch.cat((x, ones), dim=1)).mT, _by_pixel(m))  # [B, 4, C], the last of m alone
    return (sums[:, :3] / sums[:, 3:].clamp_min(_SMALLEST_MASS)).mT


def soft_image(t: Tensor, m: Tensor) -> Tensor:
    """x~ of Eq. 7: each pixel is the mean of all colors, weighted by m.

    Args:
        t: t(x), ``float [B, C, 3]``.
        m: m(x), ``float [B, C, H, W]``.

    Returns:
        ``float [B, 3, H, W]`` in channels-last memory.
    """
    return torch.bmm(_by_pixel(m), t).unflatten(1, m.shape[2:]).permute(0, 3, 1, 2)


def regularizer(m: Tensor) -> Tensor:
    """R of Eq. 8: each color should be certain of some pixel.

    Args:
        m: m(x), ``float [B, C, H, W]``.

    Returns:
        ``float [B]``: 0 where every color has probability 1 at some pixel, log2 C (C - 1) / C where m is uniform.
    """
    largest = m.flatten(2).max(dim=2).values
    return math.log2(m.shape[1]) * (1 - largest.mean(dim=1))


def pixel_regularizer(m: Tensor) -> Tensor:
    """R as the article's text has it: each pixel should be certain of some color.

    The same as Eq. 8 where m is uniform. Unlike Eq. 8 it does not depend on a color that no pixel prefers.

    Args:
        m: m(x), ``float [B, C, H, W]``.

    Returns:
        ``float [B]``: 0 where every pixel has a color of probability 1, log2 C (C - 1) / C where m is uniform.
    """
    return math.log2(m.shape[1]) * (1 - m.amax(dim=1).mean(dim=(1, 2)))


def draw_jitter(jitter: Jitter, x: Tensor) -> float | Tensor:
    """n ~ N(0, 1) of the color jitter (Section 4.3.3), from torch's global random state.

    Args:
        jitter: What shares one draw.
        x: The batch, ``float [B, 3, H, W]``.

    Returns:
        ``scalar``: one number for the whole batch, drawn on the CPU; ``image``: ``[B, 1, 1, 1]``, ``channel``:
        ``[B, 3, 1, 1]``, ``pixel``: ``[B, 3, H, W]``, each in x's dtype and memory format, drawn on its device.
    """
    if jitter == "scalar":
        return float(torch.randn(()))
    like = {"image": x[:, :1, :1, :1], "channel": x[:, :, :1, :1], "pixel": x}[jitter]
    return torch.randn_like(like)


def jittered_image(t: Tensor, m: Tensor, shift: float | Tensor) -> Tensor:
    """x~ of Eq. 7 plus a shift of its colors.

    A shift s that all pixels of an image share is added to its C colors instead, as the authors' code does. That is
    the same, as m adds up to 1 over the colors: sum_c m_c (t_c + s) = sum_c m_c t_c + s sum_c m_c = x~ + s. A shift
    that differs from pixel to pixel has to be added after Eq. 7.

    Args:
        t: t(x), ``float [B, C, 3]``.
        m: m(x), ``float [B, C, H, W]``.
        shift: A number or ``float [B, 1 or 3, 1 or H, 1 or W]``.

    Returns:
        ``float [B, 3, H, W]`` in channels-last memory.
    """
    if isinstance(shift, Tensor):
        if shift.shape[2:] != (1, 1):
            return soft_image(t, m) + shift
        shift = _by_pixel(shift)
    return soft_image(t + shift, m)


def _by_pixel(maps: Tensor) -> Tensor:
    """A view ``[B, H * W, K]`` of maps ``[B, K, H, W]``."""
    return maps.permute(0, 2, 3, 1).flatten(1, 2)
