"""Pillow's own quantizers over a batch."""

from __future__ import annotations

import numpy as np
from PIL import Image

from harness.contracts import Images, Palettized
from methods.batches import in_slices


def quantized(images: Images, colors: int, method: Image.Quantize) -> Palettized:
    """Each image as ``PIL.Image.Image.quantize(colors, method)`` gives it; Pillow works outside the GIL.

    Palettes are ``uint8 [N, colors, 3]``. Where Pillow lists fewer entries its last one is repeated, so that a search
    for the nearest entry, which takes the lowest index of equals, never meets a color that Pillow did not list.
    """
    indices = np.empty(images.shape[:3], np.uint8)
    palettes = np.empty((len(images), colors, 3), np.uint8)

    def work(part: slice) -> None:
        for n in range(part.start, part.stop):
            indexed = Image.fromarray(images[n]).quantize(colors, method)
            listed = np.array(indexed.getpalette(), np.uint8).reshape(-1, 3)
            indices[n] = np.asarray(indexed)
            palettes[n, : len(listed)] = listed
            palettes[n, len(listed) :] = listed[-1]

    in_slices(work, len(images))
    return Palettized(indices, palettes)
