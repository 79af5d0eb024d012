"""What is done to the quantized image before a frozen classifier sees it, in training only."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

import torch
from torch import Tensor
from torchvision import transforms

from harness.contracts import Augmentation
from methods.colorcnn.equations import jittered_image, soft_image, soft_palette

FEW_COLORS = 8
"""Up to so many the palette is distorted, above it the image."""
DEGREES = 15
Shared = Literal["batch", "image", "none"]
"""Which images share one draw of the augmentation: those of a batch, none, or there is no augmentation."""


@dataclass(frozen=True)
class Unit:
    """From normalized images to the range 0 to 1 and back. mean, std: ``float [1, 3, 1, 1]``."""

    mean: Tensor
    std: Tensor

    def scaled(self, x: Tensor) -> Tensor:
        return x * self.std + self.mean

    def normalized(self, image: Tensor) -> Tensor:
        return (image - self.mean) / self.std


def train_time_image(
    x: Tensor, m: Tensor, unit: Unit, palette_norm: float, color_jitter: float, tone_jitter: float
) -> Tensor:
    """x~ of ColorCNN's Eq. 6 and 7, its colors distorted at random; draws from torch's global random state.

    Up to 8 colors: the normalized palette over ``palette_norm``, plus ``color_jitter`` n / log2 C, with one n ~ N(0, 1)
    for the whole batch. Above: brightness, contrast and saturation of the image in 0..1 times factors from 1 -
    ``tone_jitter`` to 1 + ``tone_jitter``, in random order, clipped to 0..1, one draw of each for the whole batch.

    Args:
        x: Normalized images, ``float [B, 3, H, W]``.
        m: m(x), ``float [B, C, H, W]``.
        unit: The normalization.
        palette_norm: What the palette's contrast is divided by.
        color_jitter: Weight of the normal number.
        tone_jitter: How far the factors go from 1.

    Returns:
        Normalized images ``float [B, 3, H, W]``.
    """
    colors = m.shape[1]
    if colors <= FEW_COLORS:
        shift = color_jitter / math.log2(colors) * float(torch.randn(()))
        return jittered_image(soft_palette(x, m) / palette_norm, m, shift)
    distort = transforms.ColorJitter(brightness=tone_jitter, contrast=tone_jitter, saturation=tone_jitter)
    return unit.normalized(distort(unit.scaled(soft_image(soft_palette(x, m), m))))


def augmenter(shared: Shared, allowed: Augmentation, height: int, width: int) -> Callable[[Tensor], Tensor]:
    """What moves and hides parts of quantized images: a flip, a crop, a rotation, an erased rectangle.

    Flip and crop are what the dataset allows, the crop of an image padded with zeros. The rotation by up to 15 degrees
    takes nearest pixels, and the rectangle, in half of all cases, is of 2 to 33 % of the image; both leave zeros.

    Args:
        shared: Whether images of a batch share what is drawn.
        allowed: What may be done to the dataset's images.
        height: The images', in pixels.
        width: The images', in pixels.

    Returns:
        A function of normalized images ``float [B, 3, H, W]``; draws from torch's global random state.
    """
    if shared == "none":
        return lambda images: images
    steps = [transforms.RandomRotation(DEGREES), transforms.RandomErasing()]
    if allowed.crop_padding:
        steps.insert(0, transforms.RandomCrop((height, width), padding=allowed.crop_padding))
    if allowed.flip:
        steps.insert(0, transforms.RandomHorizontalFlip())
    augment: Callable[[Tensor], Tensor] = transforms.Compose(steps)
    if shared == "batch":
        return augment
    return lambda images: torch.stack([augment(image) for image in images])
