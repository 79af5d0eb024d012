"""The loops over pixels of nearest-color maps and error diffusion, compiled.

Callees stand in the module of their callers, because numba's cache notices changes of one source file only. Arrays are
C-contiguous, inputs may be read-only. Every function treats each image of a batch by itself.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numba import boolean, float64, int64, uint8, void
from numpy.typing import NDArray

from methods.compiled import compiled, given, made


@compiled()
def _closest(r: Any, g: Any, b: Any, palette: NDArray[Any]) -> int:
    """The lowest index of those entries whose squared Euclidean distance to (r, g, b) is least."""
    best, least = 0, (r - palette[0, 0]) ** 2 + (g - palette[0, 1]) ** 2 + (b - palette[0, 2]) ** 2
    for entry in range(1, len(palette)):
        distance = (r - palette[entry, 0]) ** 2 + (g - palette[entry, 1]) ** 2 + (b - palette[entry, 2]) ** 2
        if distance < least:
            best, least = entry, distance
    return best


@compiled(void(given(uint8, 4), given(int64, 3), made(uint8, 3)))
def nearest_entries(images: NDArray[np.uint8], palettes: NDArray[np.int64], indices: NDArray[np.uint8]) -> None:
    """indices[n, y, x] = the entry of palettes[n] closest to images[n, y, x]; integers throughout."""
    for n in range(len(images)):
        for y in range(images.shape[1]):
            for x in range(images.shape[2]):
                r, g, b = np.int64(images[n, y, x, 0]), np.int64(images[n, y, x, 1]), np.int64(images[n, y, x, 2])
                indices[n, y, x] = _closest(r, g, b, palettes[n])


@compiled(void(given(uint8, 2), given(uint8, 2), made(uint8, 1)))
def add_steps(pixels: NDArray[np.uint8], steps: NDArray[np.uint8], indices: NDArray[np.uint8]) -> None:
    """indices[p] = the sum of what ``steps [3, 256]`` has for the red, green and blue of pixels[p]."""
    for p in range(len(pixels)):
        indices[p] = steps[0, pixels[p, 0]] + steps[1, pixels[p, 1]] + steps[2, pixels[p, 2]]


@compiled(void(given(float64, 4), given(float64, 3), made(uint8, 3)))
def nearest_points(points: NDArray[np.float64], palettes: NDArray[np.float64], indices: NDArray[np.uint8]) -> None:
    """indices[n, y, x] = the entry of palettes[n] closest to points[n, y, x]."""
    for n in range(len(points)):
        for y in range(points.shape[1]):
            for x in range(points.shape[2]):
                point = points[n, y, x]
                indices[n, y, x] = _closest(point[0], point[1], point[2], palettes[n])


@compiled(void(given(uint8, 3), given(uint8, 2), made(int64, 3)))
def add_by_index(pixels: NDArray[np.uint8], indices: NDArray[np.uint8], sums: NDArray[np.int64]) -> None:
    """Counts and adds up the pixels ``[N, P, 3]`` of each of the ``indices [N, P]``.

    sums: ``[N, C, 4]``, added to: the number of pixels, then their red, green and blue.
    """
    for n in range(len(pixels)):
        for p in range(pixels.shape[1]):
            index = indices[n, p]
            sums[n, index, 0] += 1
            for channel in range(3):
                sums[n, index, channel + 1] += pixels[n, p, channel]


@compiled()
def _widest_gap(palette: NDArray[Any]) -> float:
    """The largest distance from an entry to its nearest other one, squared; 0 for a single color."""
    widest = 0.0
    for entry in range(len(palette)):
        nearest = np.inf
        for other in range(len(palette)):
            distance = 0.0
            for channel in range(3):
                distance += (palette[entry, channel] - palette[other, channel]) ** 2
            if distance > 0:
                nearest = min(nearest, distance)
        if nearest < np.inf:
            widest = max(widest, nearest)
    return widest


@compiled()
def _share_in_range(pixel: Any, color: NDArray[Any], beyond: float) -> float:
    """The largest share, at most 1, of the step from a pixel to a color that stays within ``beyond`` of 0..255."""
    share = 1.0
    for channel in range(3):
        step = color[channel] - pixel[channel]
        if color[channel] > 255 + beyond:
            share = min(share, (255 + beyond - pixel[channel]) / step)
        elif color[channel] < -beyond:
            share = min(share, (-beyond - pixel[channel]) / step)
    return share


@compiled(void(given(uint8, 4), given(float64, 3), boolean, boolean, made(uint8, 3)))
def floyd_steinberg(
    images: NDArray[np.uint8], palettes: NDArray[np.float64], clip: bool, bound: bool, indices: NDArray[np.uint8]
) -> None:
    """Error diffusion, see ``methods.dithering``."""
    height, width = images.shape[1:3]
    wanted = np.empty((height, width, 3))
    for n in range(len(images)):
        gap = _widest_gap(palettes[n])
        for y in range(height):
            for x in range(width):
                for channel in range(3):
                    wanted[y, x, channel] = images[n, y, x, channel]
        for y in range(height):
            for x in range(width):
                color = wanted[y, x]
                if clip:
                    for channel in range(3):
                        color[channel] = min(max(color[channel], 0.0), 255.0)
                if bound:
                    share = _share_in_range(images[n, y, x], color, 25.5)
                    for channel in range(3):
                        color[channel] = images[n, y, x, channel] + share * (color[channel] - images[n, y, x, channel])
                entry = _closest(color[0], color[1], color[2], palettes[n])
                indices[n, y, x] = entry
                kept = 1.0
                if bound:
                    distance = 0.0
                    for channel in range(3):
                        distance += (color[channel] - palettes[n, entry, channel]) ** 2
                    if distance > gap:
                        kept = 0.75
                for channel in range(3):
                    error = kept * (color[channel] - palettes[n, entry, channel])
                    if x + 1 < width:
                        wanted[y, x + 1, channel] += error * 7 / 16
                    if y + 1 < height:
                        if x > 0:
                            wanted[y + 1, x - 1, channel] += error * 3 / 16
                        wanted[y + 1, x, channel] += error * 5 / 16
                        if x + 1 < width:
                            wanted[y + 1, x + 1, channel] += error * 1 / 16
