"""The content of a labeled set, whatever order and form its images come in: a canonical order and a digest."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from harness.contracts import Images

Part = tuple[Images, NDArray[np.int64]]
"""One split: images ``uint8 [N, H, W, 3]`` and labels ``int64 [N]``."""


def entry(pixels: NDArray[np.uint8], label: int) -> bytes:
    """What stands for an image ``uint8 [H, W, 3]``: its label, 4 bytes big-endian, and the sha256 of its pixels."""
    return int(label).to_bytes(4, "big") + hashlib.sha256(pixels.tobytes()).digest()


def in_canonical_order(part: Part) -> Part:
    """The same images in ascending order of label, then of the sha256 of their pixels."""
    images, labels = part
    entries = [entry(*each) for each in zip(images, labels, strict=True)]
    order = np.array(sorted(range(len(entries)), key=entries.__getitem__), np.int64)
    return images[order], labels[order]


def digest(*splits: Sequence[bytes]) -> str:
    """sha256 over each split's number of entries, 8 bytes big-endian, and its entries in ascending order."""
    content = hashlib.sha256()
    for entries in splits:
        content.update(len(entries).to_bytes(8, "big"))
        content.update(b"".join(sorted(entries)))
    return content.hexdigest()
