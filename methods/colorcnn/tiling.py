"""ColorCNN on images too large for one pass: index maps from overlapping tiles, one palette for the whole image."""

from __future__ import annotations

import itertools
import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional as F

from harness.contracts import Images, Palettized
from harness.learning import normalize
from methods.colorcnn import equations
from methods.colorcnn.network import ColorCNN
from methods.colorcnn.unet import Enlarge, UNet

WHOLE_PIXELS = 2**20
"""Images of at most so many pixels go through the network in one piece."""
SIDE = 1024
"""Of a tile with its margins, at most."""
MARGIN = 112
"""How far a tile's input reaches beyond its part, where the image goes on: what lies further away has no measurable
effect on a pixel's color."""
GRID = 16
"""Tiles begin at multiples of it, so that the U-Net's four halvings fall as they do in the whole image."""
_HEAD_PIXELS = 2**18
"""The head takes so many pixels at once: its hidden layer is the largest map of all."""


@dataclass(frozen=True)
class Span:
    """One side of a tile: its part of the image, and the part with its margins that is the network's input."""

    start: int
    stop: int
    input_start: int
    input_stop: int
    length: int
    """Of the image."""

    @property
    def part(self) -> slice:
        return slice(self.start, self.stop)

    @property
    def input(self) -> slice:
        return slice(self.input_start, self.input_stop)

    @property
    def part_of_input(self) -> slice:
        return slice(self.start - self.input_start, self.stop - self.input_start)


def spans(length: int) -> list[Span]:
    """A side cut into parts of nearly equal length.

    Args:
        length: Of the image's side, in pixels.

    Returns:
        The parts from first to last; with its margins none is longer than ``SIDE``.
    """
    parts = 1 if length <= SIDE else math.ceil(length / (SIDE - 2 * MARGIN))
    cuts = [min(length, GRID * math.ceil(length * part / (GRID * parts))) for part in range(parts + 1)]
    return [
        Span(start, stop, max(0, start - MARGIN), min(length, stop + MARGIN), length)
        for start, stop in itertools.pairwise(cuts)
    ]


def tile_count(height: int, width: int) -> int:
    """In how many pieces an image goes through the network.

    Args:
        height: In pixels.
        width: In pixels.

    Returns:
        1 for an image that goes through it whole.
    """
    return 1 if height * width <= WHOLE_PIXELS else len(spans(height)) * len(spans(width))


@torch.no_grad()
def palettize_in_tiles(network: ColorCNN, images: Images) -> Palettized:
    """Eq. 3 tile by tile, Eq. 4 over the whole image, with palettes rounded to 8 bits. Always fp32.

    What one pass over the whole image gives, but for pixels between two colors that rounding decides. Beyond the index
    map no memory grows with the image.

    Args:
        network: In eval mode.
        images: ``uint8 [N, H, W, 3]``.

    Returns:
        Indices ``uint8 [N, H, W]`` and palettes ``uint8 [N, C, 3]``.
    """
    count, height, width, _ = images.shape
    indices = np.empty((count, height, width), np.uint8)
    palettes = np.empty((count, network.colors, 3), np.uint8)
    for n in range(count):
        sums, pixels = np.zeros((network.colors, 3)), np.zeros(network.colors)
        for rows, columns in itertools.product(spans(height), spans(width)):
            part = _index_map(network, images[n, rows.input, columns.input], rows, columns)
            indices[n, rows.part, columns.part] = part
            more = color_sums(images[n, rows.part, columns.part], part, network.colors)
            sums, pixels = sums + more[0], pixels + more[1]
        palettes[n] = np.rint(sums / np.maximum(pixels, 1)[:, None])  # Eq. 4
    return Palettized(indices, palettes)


def color_sums(
    pixels: Images, indices: NDArray[np.uint8], colors: int
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Numerator and denominator of Eq. 4; whole numbers, hence exact.

    Args:
        pixels: ``uint8 [h, w, 3]``.
        indices: ``uint8 [h, w]``.
        colors: C.

    Returns:
        Sums ``float64 [C, 3]`` and counts ``float64 [C]``.
    """
    flat = indices.ravel()
    sums = [np.bincount(flat, pixels[..., channel].ravel(), colors) for channel in range(3)]
    return np.stack(sums, axis=1), np.bincount(flat, minlength=colors).astype(np.float64)


def _index_map(network: ColorCNN, pixels: Images, rows: Span, columns: Span) -> NDArray[np.uint8]:
    """Eq. 3 for a tile's part, from the pixels of its input: ``uint8 [h, w]``."""
    batch = torch.from_numpy(np.array(pixels[None])).to(network.mean.device)
    x = normalize(batch, network.normalization)
    backbone = network.backbone
    features = backbone(x, enlargement(rows, columns)) if isinstance(backbone, UNet) else backbone(x)
    part = features[:, :, rows.part_of_input, columns.part_of_input]
    strips = part.split(max(1, _HEAD_PIXELS // part.shape[3]), dim=2)
    found = [equations.index_map(network.head(strip).float().softmax(dim=1)) for strip in strips]
    return torch.cat(found, dim=1)[0].byte().cpu().numpy()


def enlargement(rows: Span, columns: Span) -> Enlarge:
    """How a U-Net enlarges a tile's maps as they are enlarged where it is given the whole image.

    With aligned corners the weights of bilinear enlargement depend on how long the image is and where in it a map lies.

    Args:
        rows: The tile's vertical side.
        columns: The tile's horizontal side.

    Returns:
        What ``UNet.forward`` takes as ``enlarge``.
    """

    def enlarge(maps: Tensor, size: Sequence[int], level: int) -> Tensor:
        vertical, horizontal = (
            _coordinates(span, level, length, below)
            for span, length, below in zip((rows, columns), size, maps.shape[2:], strict=True)
        )
        grid = torch.stack(torch.meshgrid(horizontal, vertical, indexing="xy"), dim=-1)[None].to(maps.device)
        return F.grid_sample(maps, grid, mode="bilinear", padding_mode="border", align_corners=True)

    return enlarge


def _coordinates(span: Span, level: int, length: int, length_below: int) -> Tensor:
    """Where the ``length`` pixels of a tile's map at ``level`` lie in its map one level below, as -1 .. 1 from the
    middle of that map's first pixel to the middle of its last: ``float32 [length]``."""
    whole, whole_below = (-(-span.length // 2**lower) for lower in (level, level + 1))
    here = torch.arange(length, dtype=torch.float64) + span.input_start // 2**level
    below = here * (whole_below - 1) / max(whole - 1, 1) - span.input_start // 2 ** (level + 1)
    return (2 * below / max(length_below - 1, 1) - 1).float()
