"""What CQFormer (Su et al., ICCV 2023) computes with probability maps and palettes, and the terms of its loss.

Shapes as in ``methods.colorcnn.equations``: B images x, ``float [B, 3, H, W]``, here as RGB from 0 to 1; a probability
map ``float [B, C, H, W]`` with sum 1 over C; a palette ``float [B, C, 3]``. The image in training is Eq. 7 of ColorCNN
and R_Diversity is its Eq. 8, so both are taken from there.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor

from methods.colorcnn.equations import soft_palette

RADIUS, HEIGHT = math.sqrt(2) * math.sin(math.pi / 6), math.sqrt(2) * math.cos(math.pi / 6)
"""Of the cone of hue, saturation and value, in which colors are compared; its sides have length sqrt 2."""

_SMALLEST = 1e-8


def sharpened(probabilities: Tensor, temperature: float) -> Tensor:
    """m_tau(x): the probability map that training uses, a softmax of what is already a softmax.

    Args:
        probabilities: ``float [B, C, H, W]``, the annotation branch's softmax.
        temperature: tau; 0.01 makes nearly every pixel's choice certain.

    Returns:
        ``float [B, C, H, W]``.
    """
    return (probabilities / temperature).softmax(dim=1)


def hue_chroma_value(rgb: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """Hue, chroma (saturation times value) and value of colors.

    Args:
        rgb: ``float [B, 3, ...]``, 0 to 1.

    Returns:
        Hue from 0 to below 1, where 0 is red, 1/3 green and 2/3 blue, 0 for grays; chroma and value from 0 to 1; each
        ``float [B, ...]``.
    """
    red, green, blue = rgb.unbind(dim=1)
    value = rgb.amax(dim=1)
    chroma = value - rgb.amin(dim=1)
    span = chroma + _SMALLEST
    of_others = torch.where(green == value, 2 + (blue - red) / span, 4 + (red - green) / span)
    return torch.where(red == value, (green - blue) / span % 6, of_others) / 6, chroma, value


def color_regularizer(x: Tensor, m: Tensor) -> Tensor:
    """R_Colour: how far the colors of each cluster's pixels lie from their mean color.

    The squared distance in the cone of hue, saturation and value, averaged over pixels with the weights m, then over
    colors. As the authors' code has it, a pixel's hue, saturation and value are each multiplied by its m before the
    comparison, which changes little where m is near 0 or 1.

    Args:
        x: Images, ``float [B, 3, H, W]``, 0 to 1.
        m: m_tau(x), ``float [B, C, H, W]``.

    Returns:
        ``float [B]``, 0 where every cluster has one color only.
    """
    hue, chroma, value = (part[:, None] for part in hue_chroma_value(x))
    center_hue, center_chroma, center_value = (
        part[:, :, None, None] for part in hue_chroma_value(soft_palette(x, m).mT)
    )
    angle, center_angle = 2 * math.pi * hue * m, 2 * math.pi * center_hue
    radius = chroma * m.square()  # both saturation and value bring an m
    across = radius * angle.cos() - center_chroma * center_angle.cos()
    along = radius * angle.sin() - center_chroma * center_angle.sin()
    squared = RADIUS**2 * (across.square() + along.square()) + HEIGHT**2 * (value * m - center_value).square()
    mass = m.sum(dim=(2, 3)) + _SMALLEST
    return ((squared * m).sum(dim=(2, 3)) / mass).mean(dim=1)


def perceptual_loss(x: Tensor, quantized: Tensor) -> Tensor:
    """L_Perceptual: the mean squared error of the quantized image.

    Args:
        x: Images, ``float [B, 3, H, W]``, 0 to 1.
        quantized: Their x~, likewise.

    Returns:
        ``float [B]``.
    """
    return (x - quantized).square().mean(dim=(1, 2, 3))
