"""Spaces in which distances between colors are taken: sRGB values as they are, and CIELAB."""

from __future__ import annotations

from typing import Literal

import numpy as np
from numpy.typing import NDArray

Space = Literal["rgb", "lab"]

LINEAR_TO_XYZ = np.array([[0.4124, 0.3576, 0.1805], [0.2126, 0.7152, 0.0722], [0.0193, 0.1192, 0.9505]])
"""IEC 61966-2-1, D65."""
WHITE = LINEAR_TO_XYZ.sum(axis=1)
"""Of equal red, green and blue, so that every grey has a* = b* = 0."""
KNEE = 6 / 29


def to_space(colors: NDArray[np.uint8], space: Space) -> NDArray[np.float64]:
    """``uint8 [..., 3]`` sRGB to ``float64 [..., 3]``: 0..255, or L* in 0..100 with a* and b*."""
    if space == "rgb":
        return colors.astype(np.float64)
    ratios = _times(LINEAR_TO_XYZ, _LINEAR[colors]) / WHITE
    # CIE 15: the cube root, and its tangent near black
    f = np.where(ratios > KNEE**3, np.cbrt(ratios), ratios / (3 * KNEE**2) + 4 / 29)
    lightness = 116 * f[..., 1] - 16
    return np.stack([lightness, 500 * (f[..., 0] - f[..., 1]), 200 * (f[..., 1] - f[..., 2])], axis=-1)


def from_space(points: NDArray[np.float64], space: Space) -> NDArray[np.uint8]:
    """The nearest 8-bit sRGB values of ``float64 [..., 3]``; what sRGB cannot show is clipped in each channel."""
    if space == "rgb":
        return np.rint(points).clip(0, 255).astype(np.uint8)
    lightness, a, b = np.moveaxis(points, -1, 0)
    f_y = (lightness + 16) / 116
    f = np.stack([f_y + a / 500, f_y, f_y - b / 200], axis=-1)
    ratios = np.where(f > KNEE, f**3, 3 * KNEE**2 * (f - 4 / 29))
    linear = _times(np.linalg.inv(LINEAR_TO_XYZ), ratios * WHITE).clip(0, 1)
    encoded = np.where(linear > 0.0031308, 1.055 * linear ** (1 / 2.4) - 0.055, 12.92 * linear)
    return np.rint(255 * encoded).astype(np.uint8)


def _times(matrix: NDArray[np.float64], vectors: NDArray[np.float64]) -> NDArray[np.float64]:
    """The matrix times each of ``[..., 3]``, element by element: BLAS rounds differently from batch to batch."""
    return sum(column * vectors[..., [c]] for c, column in enumerate(matrix.T))


def _linear(encoded: NDArray[np.float64]) -> NDArray[np.float64]:
    """Light from sRGB values in 0..1, IEC 61966-2-1."""
    return np.where(encoded > 0.04045, ((encoded + 0.055) / 1.055) ** 2.4, encoded / 12.92)


_LINEAR = _linear(np.arange(256) / 255)
