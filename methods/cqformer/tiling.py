"""CQFormer on images too large for one pass: index maps from overlapping tiles, attention gathered tile by tile."""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterator

import numpy as np
import torch
from torch import Tensor

from harness.contracts import Images, Palettized
from harness.learning import tensor_of
from methods.colorcnn.equations import index_map
from methods.colorcnn.tiling import Span, color_sums
from methods.cqformer.network import CQFormer, PaletteBranch, unit_images
from methods.cqformer.unext import SCALE

WHOLE_PIXELS = 2**20
"""Images of at most so many pixels go through the network in one piece."""
SIDE, MARGIN = 1536, 384
"""Of a tile of the annotation branch with its margins, at most, and how far its input reaches beyond its part: no
feature of the branch depends on pixels further away."""
PALETTE_SIDE, PALETTE_MARGIN = 1024, SCALE
"""The same of the palette branch up to its attention."""


def spans(length: int, side: int, margin: int) -> list[Span]:
    """A side cut into parts of nearly equal length that begin at multiples of 32.

    Args:
        length: Of the image's side, in pixels.
        side: Of a tile with its margins, at most.
        margin: A multiple of 32.

    Returns:
        The parts from first to last.
    """
    parts = 1 if length <= side else math.ceil(length / (side - 2 * margin))
    cuts = [min(length, SCALE * math.ceil(length * part / (SCALE * parts))) for part in range(parts + 1)]
    return [
        Span(start, stop, max(0, start - margin), min(length, stop + margin), length)
        for start, stop in itertools.pairwise(cuts)
    ]


def tiles(height: int, width: int, side: int, margin: int) -> Iterator[tuple[Span, Span]]:
    """All tiles of an image, row by row.

    Args:
        height: The image's, in pixels.
        width: The image's, in pixels.
        side: As in ``spans``.
        margin: As in ``spans``.

    Yields:
        A tile's vertical and its horizontal side.
    """
    yield from itertools.product(spans(height, side, margin), spans(width, side, margin))


def tile_count(height: int, width: int) -> int:
    """In how many pieces an image goes through the annotation branch.

    Args:
        height: In pixels.
        width: In pixels.

    Returns:
        1 for an image that goes through it whole.
    """
    return 1 if height * width <= WHOLE_PIXELS else sum(1 for _ in tiles(height, width, SIDE, MARGIN))


@torch.no_grad()
def palettize_in_tiles(network: CQFormer, images: Images, *, means: bool) -> Palettized:
    """What one pass over the whole image gives, but for rounding. Always fp32.

    Beyond the index map no memory grows with the image.

    Args:
        network: In eval mode.
        images: ``uint8 [N, H, W, 3]``.
        means: As in ``network.palettize``.

    Returns:
        Indices ``uint8 [N, H, W]`` and palettes ``uint8 [N, C, 3]``.
    """
    count, height, width, _ = images.shape
    indices = np.empty((count, height, width), np.uint8)
    palettes = np.empty((count, network.colors, 3), np.uint8)
    device = network.head.weight.device
    for n in range(count):
        sums, pixels = np.zeros((network.colors, 3)), np.zeros(network.colors)
        for rows, columns in tiles(height, width, SIDE, MARGIN):
            features = network.features(_input(images[n], rows, columns, device))
            logits = network.head(features[:, :, rows.part_of_input, columns.part_of_input])
            part = index_map(logits)[0].byte().cpu().numpy()
            indices[n, rows.part, columns.part] = part
            more = color_sums(images[n, rows.part, columns.part], part, network.colors)
            sums, pixels = sums + more[0], pixels + more[1]
        if means:
            palettes[n] = np.rint(sums / np.maximum(pixels, 1)[:, None])  # Eq. 4 of ColorCNN
        else:
            palettes[n] = (255 * palette_in_tiles(network.palette, images[n])).round().byte().cpu().numpy()
    return Palettized(indices, palettes)


@torch.no_grad()
def palette_in_tiles(branch: PaletteBranch, image: Images) -> Tensor:
    """The palette branch's colors of a whole image, whose tokens are never all there at once.

    Attention to all tokens is the mean of each tile's attention, weighted by the sums of exponentials by which the
    tiles' softmaxes were divided.

    Args:
        branch: In eval mode.
        image: ``uint8 [H, W, 3]``.

    Returns:
        ``float32 [C, 3]``, 0 to 1.
    """
    found, logs = [], []
    height, width, _ = image.shape
    for rows, columns in tiles(height, width, PALETTE_SIDE, PALETTE_MARGIN):
        patches = branch.patches(_input(image, rows, columns, branch.queries.device))
        tokens = patches[:, :, _quarter(rows), _quarter(columns)].flatten(2).mT
        attended, log = branch.attend(tokens)
        found.append(attended)
        logs.append(log)
    return branch.colors((torch.stack(found) * torch.stack(logs).softmax(dim=0)).sum(dim=0))[0]


def _input(image: Images, rows: Span, columns: Span, device: torch.device) -> Tensor:
    return unit_images(tensor_of(image[None, rows.input, columns.input]).to(device))


def _quarter(span: Span) -> slice:
    """The tokens of a tile's part, one for each four pixels begun."""
    part = span.part_of_input
    return slice(part.start // 4, -(-part.stop // 4))
