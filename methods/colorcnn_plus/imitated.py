"""The clustering that ColorCNN+ imitates at many colors: MedianCut's."""

from __future__ import annotations

import numpy as np
import torch
from PIL import Image
from torch import Tensor

from harness.contracts import Images
from methods.colorcnn_plus.distortion import Unit
from methods.pillow import quantized


def pixels_of(x: Tensor, unit: Unit) -> Images:
    """The 8-bit images that normalized ones were made of.

    Args:
        x: Normalized images, ``float [B, 3, H, W]``.
        unit: The normalization.

    Returns:
        ``uint8 [B, H, W, 3]``.
    """
    whole = (255 * unit.scaled(x)).round().clamp(0, 255).byte()
    return np.ascontiguousarray(whole.permute(0, 2, 3, 1).cpu().numpy())


def median_cut(images: Images, colors: int) -> Tensor:
    """Which pixels MedianCut gives one color.

    Args:
        images: ``uint8 [B, H, W, 3]``.
        colors: C.

    Returns:
        Cluster numbers ``int64 [B, H, W]`` from 0 to C - 1; entries of the palette that are the same color are one
        cluster.
    """
    found = quantized(images, colors, Image.Quantize.MEDIANCUT)
    codes = found.palettes.astype(np.int64) @ np.array([1 << 16, 1 << 8, 1])
    first = (codes[:, :, None] == codes[:, None, :]).argmax(axis=2)
    rows = np.arange(len(images))[:, None, None]
    return torch.from_numpy(first[rows, found.indices])
