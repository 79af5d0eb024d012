"""Samples of more than 8 bits: all of their bits, which Pillow drops in color, and their way to 8."""

from __future__ import annotations

import io
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image
from PIL.ImageFile import ImageFile

from harness.image_files.essence import DEEP, ON_WHITE, Decoded, Refused

_WHITE = 65535
_OTHER_BYTE = {"L": "B", "B": "L"}


def scaled(values: NDArray[Any], black: float, white: float) -> NDArray[np.uint8]:
    """Maps ``black`` to 0 and ``white`` to 255, rounded; values outside are cut off there.

    Args:
        values: Any shape and type; NaN is not allowed.
        black: The sample value of black.
        white: The sample value of white, another one.

    Returns:
        ``uint8`` of the same shape.
    """
    if black == 0 and white == _WHITE and values.dtype == np.uint16:
        return ((values.astype(np.uint32) * 255 + _WHITE // 2) // _WHITE).astype(np.uint8)
    share = (values.astype(np.float64) - black) / (white - black)
    return np.floor(np.clip(share, 0, 1) * 255 + 0.5).astype(np.uint8)


def gray_of_any_depth(values: NDArray[Any], declared: tuple[float, float] | None, bits: int) -> Decoded:
    """Scales gray samples to 8 bits.

    Args:
        values: ``[H, W]`` of any type.
        declared: The values of black and white; None: the file does not say.
        bits: Of a sample.

    Returns:
        An image in mode L, and a remark.

    Raises:
        Refused: Nothing says which values are black and white. Floating point from 0 to 1 needs no declaration.
    """
    kind = "floating point" if values.dtype.kind == "f" else f"{bits} bits"
    if not np.isfinite(values).all():
        raise Refused("some of its floating-point samples are not finite numbers; save it with 8 or 16 bits a channel")
    if declared is None:
        low, high = values.min(), values.max()
        if values.dtype.kind != "f" or low < 0 or high > 1:
            signed = "floating-point" if values.dtype.kind == "f" else f"signed {bits}-bit"
            raise Refused(
                f"its {signed} samples reach from {low:g} to {high:g} and it does not state "
                "(SMinSampleValue, SMaxSampleValue) which are black and white; save it with 8 or 16 bits a channel"
            )
        declared = (0, 1)
    return Image.fromarray(scaled(values, *declared)), (f"{kind} scaled to 8" + (" bits" if "float" in kind else ""),)


def of_16_bits(values: NDArray[np.uint16], premultiplied: bool = False) -> Decoded:
    """Lays samples on white with all of their bits, and scales them to 8.

    Args:
        values: ``[H, W, channels]``: gray or RGB, and alpha if the number of channels is even.
        premultiplied: Colors are multiplied by alpha already.

    Returns:
        An image in mode L or RGB, and remarks.
    """
    remarks: tuple[str, ...] = (DEEP,)
    if values.shape[2] % 2 == 0:
        color, alpha = values[..., :-1].astype(np.uint32), values[..., -1:].astype(np.uint32)
        remarks = (DEEP, ON_WHITE) if alpha.min() < _WHITE else remarks
        covered = color if premultiplied else (color * alpha + _WHITE // 2) // _WHITE
        values = np.minimum(covered + (_WHITE - alpha), _WHITE).astype(np.uint16)
    return Image.fromarray(scaled(values[..., 0] if values.shape[2] == 1 else values, 0, _WHITE)), remarks


def with_16_bits(content: bytes, opened: ImageFile) -> NDArray[np.uint16]:
    """All 16 bits of a color image's samples, of which Pillow keeps the upper 8.

    The file is decoded again as if its bytes were in the other order, which gives the lower 8.

    Args:
        content: The file.
        opened: The same file, opened and not yet loaded.

    Returns:
        ``[H, W, channels]``.
    """
    tiles = opened.tile
    upper = np.asarray(opened).astype(np.uint16)
    with Image.open(io.BytesIO(content)) as again:
        again.tile = [tile._replace(args=_swapped(tile.args)) for tile in tiles]
        return upper << 8 | np.asarray(again)


def _swapped(args: Any) -> Any:
    """A tile's decoder arguments with the other byte order in the name of the samples' layout."""
    if isinstance(args, tuple):
        return (_swapped(args[0]), *args[1:])
    layout, order = args[:-1], args[-1]
    native = "L" if np.little_endian else "B"
    return layout + _OTHER_BYTE[native if order == "N" else order]
