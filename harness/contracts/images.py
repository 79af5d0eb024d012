"""Images, the indexed images that quantizers return, and the two errors that plugins and engine raise.

Images travel as ``uint8 [N, H, W, 3]`` sRGB arrays, in batches.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

Images = NDArray[np.uint8]
"""``uint8 [N, H, W, 3]``, sRGB."""

LevelKind = Literal["colors", "quality", "none"]
Level = int | None
Precision = Literal["fp32", "bf16"]

MIN_COLORS, MAX_COLORS = 2, 256


class BadInput(ValueError):
    """The user's input cannot be used. The message is one sentence: what is wrong, where, what would be right."""

    def _render_traceback_(self) -> list[str]:
        """IPython shows this in the place of a traceback, which says nothing of what the user did."""
        return [f"{type(self).__name__}: {self}"]


class ContractError(RuntimeError):
    """A plugin returned something its contract does not allow. The message is one sentence."""


class DamagedCheckpoint(UserWarning):
    """What a training resumes from is damaged, so the training starts anew. A run passes it on to the user."""


@dataclass(frozen=True, eq=False)
class Palettized:
    """A batch of indexed images, what every quantizer returns.

    Attributes:
        indices: ``uint8 [N, H, W]``, each below C.
        palettes: ``uint8 [N, C, 3]``, sRGB, C at most 256. Entries may be unused or repeat a color.

    Examples:
        >>> import numpy as np
        >>> two = Palettized(np.array([[[0, 1]]], np.uint8), np.array([[[0, 0, 0], [255, 255, 255]]], np.uint8))
        >>> two.render().shape, two.colors().tolist()
        ((1, 1, 2, 3), [2])
    """

    indices: NDArray[np.uint8]
    palettes: NDArray[np.uint8]

    def render(self) -> Images:
        """Renders the images that a decoder shows (paper Eq. 5).

        Returns:
            ``uint8 [N, H, W, 3]``.
        """
        rows = np.arange(len(self.indices))[:, None, None]
        return self.palettes[rows, self.indices]

    def compact(self) -> Palettized:
        """Drops entries that no pixel uses, and repeated colors; the pixels stay the same.

        Image n then uses exactly the entries 0 .. ``indices[n].max()``, in ascending RGB order; the palette is as
        wide as the batch's most colorful image needs, padded with black.

        Returns:
            Another batch, indices ``uint8 [N, H, W]`` and palettes ``uint8 [N, C, 3]``.
        """
        n, entries = self.palettes.shape[:2]
        flat = self.indices.reshape(n, -1).astype(np.int64)
        image = np.arange(n)[:, None]
        used = np.zeros((n, entries), bool)
        used[image, flat] = True
        code = (self.palettes.astype(np.int64) << np.array([16, 8, 0])).sum(-1)
        code[~used] = 1 << 24
        order = np.argsort(code, axis=1, kind="stable")
        ascending = np.take_along_axis(code, order, axis=1)
        fresh = ascending < 1 << 24
        fresh[:, 1:] &= ascending[:, 1:] != ascending[:, :-1]
        rank = np.maximum(np.cumsum(fresh, axis=1) - 1, 0)
        renumber = np.empty_like(rank)
        np.put_along_axis(renumber, order, rank, axis=1)
        palettes = np.zeros((n, int(fresh.sum(1).max(initial=1)), 3), np.uint8)
        rows, columns = np.nonzero(fresh)
        palettes[rows, rank[rows, columns]] = self.palettes[rows, order[rows, columns]]
        return Palettized(renumber[image, flat].astype(np.uint8).reshape(self.indices.shape), palettes)

    def colors(self) -> NDArray[np.int64]:
        """Counts the distinct colors that each image shows.

        Returns:
            ``int64 [N]``.
        """
        compacted = self.compact().indices
        return compacted.reshape(len(compacted), -1).max(axis=1).astype(np.int64) + 1


def check_palettized(result: object, images: Images, colors: int) -> Palettized:
    """Holds what a quantizer returned against its contract.

    Args:
        result: What ``palettize`` returned.
        images: What it was handed, ``uint8 [N, H, W, 3]``.
        colors: How many colors it was asked for.

    Returns:
        The result, compacted.

    Raises:
        ContractError: It is no ``Palettized``, has another shape or dtype, or an image has more colors.
    """
    if not isinstance(result, Palettized):
        raise ContractError(f"palettize returned {type(result).__name__}, it must return a Palettized")
    for name, array, shape in (
        ("indices", result.indices, images.shape[:3]),
        ("palettes", result.palettes, (len(images), "1..256", 3)),
    ):
        if not isinstance(array, np.ndarray):
            raise ContractError(f"{name} are {type(array).__name__}, they must be a numpy array")
        if array.dtype.kind == "f" and np.isnan(array).any():
            raise ContractError(f"{name} contain NaN; they must be uint8 [{', '.join(map(str, shape))}]")
        fits = (
            array.shape == shape
            if name == "indices"
            else (
                array.ndim == 3
                and array.shape[0] == shape[0]
                and array.shape[2] == 3
                and 1 <= array.shape[1] <= MAX_COLORS
            )
        )
        if array.dtype != np.uint8 or not fits:
            wanted = ", ".join(map(str, shape))
            raise ContractError(f"{name} are {array.dtype} {list(array.shape)}, they must be uint8 [{wanted}]")
    if result.indices.size and int(result.indices.max()) >= result.palettes.shape[1]:
        raise ContractError(
            f"an index is {int(result.indices.max())}, the palettes have {result.palettes.shape[1]} entries"
        )
    compacted = result.compact()
    if compacted.palettes.shape[1] > colors:
        worst = int(np.argmax(compacted.indices.reshape(len(images), -1).max(axis=1)))
        raise ContractError(f"image {worst} has {compacted.palettes.shape[1]} colors, at most {colors} were asked for")
    return compacted
